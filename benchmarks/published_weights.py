"""Converted at the published size, weights give the published logits (claim: within 1e-4 in float32).

    python benchmarks/published_weights.py        11 GB of memory, 8 GB of disk

A whole model of 1.3 billion parameters is written in the published key layout: DINOv2-style tower with layer scale,
bfloat16, two files, a tokenizer of 6000. Its weights are drawn, since the real ones are a download; the layout, the
sizes and the arithmetic are the published ones. ``babyvlm convert`` converts it, and a prompt with two pictures is read
by the result and by the plain torch functions of tests/weights/published_weights.py.
"""

from __future__ import annotations

import datetime
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, AutoTokenizer

from babyvlm.folders import package_versions
from babyvlm.model import ConversationEncoder
from babyvlm.weights.convert import convert
from harness import peak_mib

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.weights.published_weights import (
    FULL,
    TOWER,
    multimodal_logits,
    published_tokenizer,
    scaled_tower,
    timm_tower,
    torchvision_tower,
    whole_model,
    write_whole_model,
)

QUESTION = "<image> How many cups <image>of milk do you see?"
ALLOWED = 1e-4


def full_tokenizer():
    """Filled up to the published number of entries."""
    tokenizer = published_tokenizer(FULL.vocabulary)
    missing = FULL.vocabulary - tokenizer.get_vocab_size()
    tokenizer.add_tokens([f"never{number}said" for number in range(missing)])
    return tokenizer


def published_logits(folder: Path, names: dict[str, str], tokenizer, pixels_NCHW: torch.Tensor) -> torch.Tensor:
    """The published computation on what is on disk, in float32; ``names`` are timm's and torchvision's of a tower."""
    stored = {}
    for file in sorted(folder.glob("*.safetensors")):
        stored |= {key: tensor.float() for key, tensor in load_file(file).items()}
    tower = {torchvision: stored[TOWER + timm] for timm, torchvision in names.items()}
    for number in range(FULL.tower_layers):
        block = f"encoder.layers.encoder_layer_{number}."
        for scale, layer in (("ls1", "self_attention.out_proj"), ("ls2", "mlp.3")):
            gamma_D = stored[f"{TOWER}blocks.{number}.{scale}.gamma"]
            tower[f"{block}{layer}.weight"] *= gamma_D[:, None]
            tower[f"{block}{layer}.bias"] *= gamma_D
    return multimodal_logits(stored, tower, tokenizer, f" USER: {QUESTION} ASSISTANT:", pixels_NCHW, FULL)


@torch.inference_mode()
def compare(folder: Path) -> dict:
    """Writes, converts and reads."""
    tokenizer = full_tokenizer()
    tower = torchvision_tower(FULL)
    names = dict(zip(timm_tower(tower), tower, strict=True))
    model = whole_model(scaled_tower(tower, FULL), FULL)
    model = {key: tensor.bfloat16() for key, tensor in model.items()}
    write_whole_model(folder / "published", model, tokenizer, FULL, parts=2)
    parameters = sum(tensor.numel() for tensor in model.values())
    del model, tower
    began_s = time.monotonic()
    convert(str(folder / "published"), folder / "ours")
    convert_s = time.monotonic() - began_s
    pixels_NCHW = torch.randn((2, 3, FULL.side, FULL.side), generator=torch.Generator().manual_seed(1))
    expected_LV = published_logits(folder / "published", names, tokenizer, pixels_NCHW)
    ours = AutoModelForImageTextToText.from_pretrained(folder / "ours").eval()
    encoder = ConversationEncoder(
        AutoTokenizer.from_pretrained(folder / "ours"), image_token_id=FULL.vocabulary,
        image_tokens=ours.config.image_seq_length,
    )  # fmt: skip
    ids_BL = torch.tensor([encoder.user(QUESTION, first=True)])
    found_LV = ours(input_ids=ids_BL, pixel_values=pixels_NCHW).logits[0, :, : FULL.vocabulary]
    apart_LV = (found_LV - expected_LV).abs()
    return {
        "parameters": parameters,
        "tokens": len(found_LV),
        "convert_s": round(convert_s, 1),
        "largest_difference": float(apart_LV.max()),
        "mean_difference": float(apart_LV.mean()),
        "largest_logit": float(expected_LV.abs().max()),
        "peak_mib": peak_mib(),
    }


def main() -> None:
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        found = compare(Path(folder))
    today = datetime.date.today().isoformat()
    result = {"date": today, "allowed_difference": ALLOWED, **found, "packages": package_versions()}
    place = Path(__file__).parent / "results" / f"{Path(__file__).stem}-{today}.json"
    place.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))
    if found["largest_difference"] > ALLOWED:
        raise SystemExit(f"the logits differ by {found['largest_difference']}, more than {ALLOWED}")


if __name__ == "__main__":
    main()
