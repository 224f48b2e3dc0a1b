"""The kept key/value cache pays off (claim: memory items, 15 rounds and 29 pictures each, are answered at least 5
times faster than by encoding the whole conversation again in every round, with the same replies).

    python benchmarks/memory_cache.py                                     two models of drawn weights, drawn items
    python benchmarks/memory_cache.py CHECKPOINT TOOLBOX [--items 12]     one's own

Three ways, one after the other, over the same items with the same weights:

    again      as the published wrapper does: one item at a time; each round reads all rounds so far afresh, pictures
               through the tower too, then writes its reply greedily with a cache of its own
    one        ours, one item at a time: what the kept cache gains by itself
    together   ours, as ``babyvlm evaluate`` does it: items of a batch go through the rounds together

Pictures are made ready once an item in the first way, which favours it. Drawn weights reply with a word and its end,
as trained ones do. One thread by default: on a machine that others use too, threads waiting for each other made the
times of all three ways meaningless. Seconds are the processor's, for the same reason. Beside them stand the
matrix products of the layers, attention's own not counted: how many times fewer the second way computes is about what a
kept cache can gain where products take all the time.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoTokenizer, DynamicCache

from babyvlm.evaluation import kv_cache
from babyvlm.evaluation.local import LocalModel
from babyvlm.model import BabyLlavaForConditionalGeneration, ConversationEncoder
from babyvlm.model.processing import normalise, square_pixels
from babyvlm.model.tokenizer import EOS, PAD
from babyvlm.records import Question
from babyvlm.toolbox import Toolbox, open_toolbox
from drawn import draw_pictures, memory_item, write_checkpoint, write_toolbox

SHAPES = {
    "nursery shape": {"image_size": 64, "width": 128, "layers": 4, "context": 1536},
    "larger": {"image_size": 128, "width": 256, "layers": 6, "context": 4096},
}


class ReadsAgain:
    """The published way, written for itself: nothing of ours that it is compared with."""

    def __init__(self, checkpoint: Path, max_new_tokens: int) -> None:
        self._model = BabyLlavaForConditionalGeneration.from_pretrained(checkpoint, dtype=torch.float32).eval()
        self._tokenizer = AutoTokenizer.from_pretrained(checkpoint)
        self._max_new_tokens, self._cache = max_new_tokens, kv_cache.argument(BabyLlavaForConditionalGeneration)
        config = self._model.config
        self._side, self._fit = config.vision_config.image_size, config.image_fit
        self._encoder = ConversationEncoder(
            self._tokenizer, image_token_id=config.image_token_index, image_tokens=config.image_seq_length
        )

    @torch.inference_mode()
    def answer(self, question: Question, toolbox: Toolbox) -> list[str]:
        said: list[int] = []
        pictures: list[torch.Tensor] = []
        texts = []
        for number, turn in enumerate(question.turns):
            said += self._encoder.user(turn.prompt, first=number == 0)
            pictures += [
                torch.tensor(square_pixels(toolbox.image(name), self._side, self._fit)) for name in turn.images
            ]
            reply = self._greedy(said, normalise(torch.stack(pictures)))
            texts.append(self._tokenizer.decode([token for token in reply if token not in (PAD, EOS)]).strip())
            said += reply if texts[-1] else []  # as published, nothing closes an empty reply
        return texts

    def _greedy(self, said: Sequence[int], pixels: torch.Tensor) -> list[int]:
        cache = DynamicCache(config=self._model.config.text_config)
        ids, seen = torch.tensor([said]), {"pixel_values": pixels}
        reply: list[int] = []
        while len(reply) < self._max_new_tokens - 1 and EOS not in reply:
            out = self._model(input_ids=ids, use_cache=True, logits_to_keep=1, **{self._cache: cache}, **seen)
            reply.append(int(out.logits[0, -1].argmax()))
            ids, seen = torch.tensor([reply[-1:]]), {}
        return reply if EOS in reply else [*reply, EOS]


def products(answer: Callable[[], object]) -> int:
    """Floating-point operations of the matrix products in a call; torch counts none for attention on a processor."""
    with FlopCounterMode(display=False) as counter:
        answer()
    return counter.get_total_flops()


def compare(checkpoint: Path, toolbox: Toolbox, items: int, max_new_tokens: int, batch_size: int) -> dict:
    questions = [item.question() for item in toolbox.items if item.task == "memory"][:items]
    again = ReadsAgain(checkpoint, max_new_tokens)
    ours = {
        "one": LocalModel(checkpoint, batch_size=1, max_new_tokens=max_new_tokens, device="cpu"),
        "together": LocalModel(checkpoint, batch_size=batch_size, max_new_tokens=max_new_tokens, device="cpu"),
    }
    again.answer(questions[0], toolbox)
    for model in ours.values():
        list(model.answer(questions[:1], toolbox.image))  # the first call of anything is slower

    began_s = time.process_time()
    replies = {question.id: again.answer(question, toolbox) for question in questions}
    seconds = {"again": time.process_time() - began_s}
    same = {}
    for way, model in ours.items():
        began_s = time.process_time()
        given = {
            given.item: [reply.text for reply in given.replies] for given in model.answer(questions, toolbox.image)
        }
        seconds[way] = time.process_time() - began_s
        same[way] = sum(
            ours_said == theirs
            for item, texts in replies.items()
            for ours_said, theirs in zip(given[item], texts, strict=True)
        )
    first = questions[:1]
    again_flop = products(lambda: again.answer(first[0], toolbox))
    one_flop = products(lambda: list(ours["one"].answer(first, toolbox.image)))
    rounds = sum(map(len, replies.values()))
    return {
        "items": len(questions),
        "rounds": rounds,
        "pictures_an_item": sum(len(turn.images) for turn in questions[0].turns),
        "max_new_tokens": max_new_tokens,
        "batch_size": batch_size,
        "different_replies": len({text for texts in replies.values() for text in texts}),
        "seconds_an_item": {way: round(took / len(questions), 4) for way, took in seconds.items()},
        "times_faster": {way: round(seconds["again"] / seconds[way], 1) for way in ours},
        "gflop_an_item": {"again": round(again_flop / 1e9, 3), "one": round(one_flop / 1e9, 3)},
        "times_fewer_products": round(again_flop / one_flop, 1),
        "same_replies": {way: f"{count} of {rounds}" for way, count in same.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, nargs="?")
    parser.add_argument("toolbox", type=Path, nargs="?")
    parser.add_argument("--items", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=32, help="of the third way; 32 is that of babyvlm evaluate")
    parser.add_argument("--max-new-tokens", type=int, default=8, help="longest reply; 8 is that of babyvlm evaluate")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if (options.checkpoint is None) != (options.toolbox is None):
        parser.error("give a checkpoint and a toolbox, or neither")
    compared = {}
    if options.checkpoint:
        toolbox = open_toolbox(options.toolbox)
        compared["trained"] = compare(
            options.checkpoint, toolbox, options.items, options.max_new_tokens, options.batch_size
        )
    else:
        for name, shape in SHAPES.items():
            with tempfile.TemporaryDirectory() as folder:
                write_checkpoint(Path(folder) / "model", **shape)
                pictures = draw_pictures(Path(folder) / "toolbox", 15 * options.items, shape["image_size"])
                items = [memory_item(pictures[15 * n : 15 * n + 15]) for n in range(options.items)]
                write_toolbox(Path(folder) / "toolbox", items)
                toolbox = open_toolbox(Path(folder) / "toolbox")
                compared[name] = shape | compare(
                    Path(folder) / "model", toolbox, options.items, options.max_new_tokens, options.batch_size
                )
            print(name, compared[name], flush=True)
    result = {
        "date": str(datetime.date.today()),
        "cores": os.cpu_count(),
        "threads": options.threads,
        "load_average": round(os.getloadavg()[0], 1),
        "bound": "together at least 5 times faster than again (10 are wanted), every reply the same",
        "models": compared,
    }
    kind = "trained-" if options.checkpoint else ""
    out = Path(__file__).parent / "results" / f"memory_cache-{kind}{datetime.date.today()}.json"
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
