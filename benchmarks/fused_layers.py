"""What the language model's layers cost on a processor, each as one autograd function and as transformers has them.

    python benchmarks/fused_layers.py [--rounds 15]

The nursery's language model goes forward and backward over rows of three kinds, in bfloat16 weights where the processor
has instructions for them and else in float32, on one thread, in turns with and without ``training/fused_layers.py``:
word items (64 of 92 tokens, an answer's two learned), captions (32 of 29 to 60 tokens in blocks of 36 to 60, all behind
the picture learned) and games of memory (8 of 704 tokens, 30 learned). The figure is the least of the rounds, which the
rest of the machine disturbs least, with that of the medians beside it. Gradients in float32 are compared besides: the
largest difference by the largest gradient of the same parameter.

Claims: at least 1.4 times as fast on word items and no slower on any row; gradients within 1e-5.

Writes a dated result beside this script.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import statistics
import time
from pathlib import Path
from typing import Any

import torch

from babyvlm.model.configuration import model_config
from babyvlm.model.modeling import IGNORED, BabyLlavaForConditionalGeneration
from babyvlm.model.packed_attention import packed
from babyvlm.recipes import nursery
from babyvlm.training.fused_layers import fused_layers
from babyvlm.training.precision import cpu_has_bf16

MIN_WORDS, MIN_ANY, MAX_APART = 1.4, 1.0, 1e-5
PICTURE_TOKENS = 17
# Samples, the length of their block, by how much each is shorter than the one before, and how many of the last tokens
# are learned, None for all behind the picture.
ROWS = {
    "word items": [(64, 92, 0, 2)],
    "captions": [(8, length, 1, None) for length in (36, 44, 52, 60)],
    "games of memory": [(8, 704, 0, 30)],
}


def new_model(dtype: torch.dtype) -> BabyLlavaForConditionalGeneration:
    """The nursery's, with first weights."""
    torch.manual_seed(0)
    attention = {"text_config": packed("eager"), "vision_config": "eager"}
    model = BabyLlavaForConditionalGeneration._from_config(model_config(nursery().model), attn_implementation=attention)
    return model.to(dtype).train()


def row_of(groups: list[tuple[int, int, int, int | None]]) -> dict[str, Any]:
    """A row of samples of random words, without pictures."""
    generator = torch.Generator().manual_seed(1)
    tokens = sum(samples * length for samples, length, _, _ in groups)
    ids_1T = torch.randint(10, nursery().model.vocabulary, (1, tokens), generator=generator)
    labels_1T = torch.full_like(ids_1T, IGNORED)
    begin = 0
    for samples, length, shorter, learned in groups:
        for number in range(samples):
            own = length - shorter * number
            last = own - PICTURE_TOKENS if learned is None else learned
            labels_1T[0, begin + own - last : begin + own] = ids_1T[0, begin + own - last : begin + own]
            begin += length
    return {
        "input_ids": ids_1T,
        "labels": labels_1T,
        "learned_places": (labels_1T[0, 1:] != IGNORED).nonzero()[:, 0],
        "blocks": tuple((samples, length) for samples, length, _, _ in groups),
        "use_cache": False,
    }


def passed(model: BabyLlavaForConditionalGeneration, row: dict[str, Any], fused: bool) -> float:
    """Seconds of a forward and a backward pass."""
    model.zero_grad(set_to_none=True)
    began_s = time.perf_counter()
    with fused_layers(model.model.language_model, fused):
        model(**row).loss.backward()
    return time.perf_counter() - began_s


def apart(row: dict[str, Any]) -> float:
    """The largest difference of a gradient in float32, by the largest gradient of its parameter."""
    model = new_model(torch.float32)
    gradients = []
    for fused in (True, False):
        passed(model, row, fused)
        gradients.append({name: one.grad.clone() for name, one in model.named_parameters() if one.grad is not None})
    ours, usual = gradients
    assert ours.keys() == usual.keys()
    return max(float((ours[name] - usual[name]).abs().max() / usual[name].abs().max()) for name in usual)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(1)
    dtype, rows = torch.bfloat16 if cpu_has_bf16() else torch.float32, {}
    model = new_model(dtype)
    for name, groups in ROWS.items():
        row, seconds = row_of(groups), {True: [], False: []}
        for _ in range(1 + options.rounds):
            for fused in (True, False):
                seconds[fused].append(passed(model, row, fused))
        ours, usual = (seconds[fused][1:] for fused in (True, False))  # the first one makes all ready
        rows[name] = {
            "fused_ms": round(1000 * min(ours), 1),
            "usual_ms": round(1000 * min(usual), 1),
            "times_as_fast": round(min(usual) / min(ours), 2),
            "times_as_fast_by_medians": round(statistics.median(usual) / statistics.median(ours), 2),
            "gradients_apart": apart(row),
        }
        print(name, rows[name], flush=True)
    result = {
        "date": str(datetime.date.today()),
        "processor": platform.processor() or platform.machine(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "dtype": str(dtype).removeprefix("torch."),
        "torch": torch.__version__,
        "rounds": options.rounds,
        "rows": rows,
        "bounds": {"word items": MIN_WORDS, "any": MIN_ANY, "gradients_apart": MAX_APART},
        "reached": rows["word items"]["times_as_fast"] >= MIN_WORDS
        and all(one["times_as_fast"] >= MIN_ANY and one["gradients_apart"] <= MAX_APART for one in rows.values()),
    }
    path = Path(__file__).resolve().parent / "results" / f"fused_layers-{result['date']}.json"
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print("reached" if result["reached"] else "missed")


if __name__ == "__main__":
    main()
