"""How long the contrastive stage takes over kept features of many pairs, and whether words can be learned from them.

    python benchmarks/contrastive_speed.py [--pairs 1700000] [--epochs 20]

Claim: 1.7 million pairs (those of SAYCam), 20 epochs, in at most 10 minutes on two cores, with a frozen tower whose
class tokens are kept and with whole frames. The pairs are drawn, not filmed: each has one word of 256 that names its
picture's kind among fillers that name nothing, and half of the pairs name another kind at random. Held-out pictures of
each kind are then named by the nearest word, as a check that the pass over the data learned something (chance 0.4%).

Writes a dated result beside this script.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from babyvlm.model.configuration import vision_config
from babyvlm.model.dual_encoder import DualEncoder, DualEncoderConfig
from babyvlm.recipes import nursery
from babyvlm.training import contrastive_loop
from babyvlm.training.checkpoints import Resume
from babyvlm.training.contrastive_configuration import ContrastiveStage
from babyvlm.training.optimisation import Optimisation
from babyvlm.training.pairs import Pairs
from babyvlm.training.run import RunContext, accelerator_for

MAX_MINUTES = 10.0
KINDS, FILLERS, WORDS_A_TEXT = 256, 2000, 5
PICTURES_A_KIND, NOISE, MISNAMED = 1000, 1.0, 0.5


def drawn_pairs(pairs: int, rng: np.random.Generator) -> Pairs:
    """Texts of a word for a kind and fillers; picture numbers are sorted by kind."""
    picture_N = rng.integers(0, KINDS * PICTURES_A_KIND, pairs)
    kind_N = np.where(rng.random(pairs) < MISNAMED, rng.integers(0, KINDS, pairs), picture_N // PICTURES_A_KIND)
    words_NL = 1 + KINDS + rng.integers(0, FILLERS, (pairs, WORDS_A_TEXT))
    words_NL[:, 0] = 1 + kind_N
    return Pairs(
        frames_F=picture_N.astype(np.int32),
        first_N=np.arange(pairs + 1),
        texts_T=words_NL.astype(np.int32).ravel(),
        start_N=np.arange(pairs + 1) * WORDS_A_TEXT,
        group_N=np.arange(pairs, dtype=np.int32),
    )


class KeptFeatures:
    """Stands for a table of pictures of which only the number is needed: their class tokens are drawn."""

    pixels_NCHW = torch.zeros(1, dtype=torch.uint8)

    def __len__(self) -> int:
        return KINDS * PICTURES_A_KIND


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=1_700_000)
    parser.add_argument("--epochs", type=float, default=20.0)
    parser.add_argument("--batch-size", type=int, default=256)
    arguments = parser.parse_args()
    settings = ContrastiveStage(
        optimisation=Optimisation(
            learning_rate=2e-3,
            batch_size=arguments.batch_size,
            epochs=arguments.epochs,
            warmup_fraction=0.05,
            weight_decay=0.01,
        ),
        trains=(),
        width=128,
    )
    recipe = replace(nursery(), precision="no", validations=0, tower_from="vision", contrastive=settings)
    rng = np.random.default_rng(0)
    pairs = drawn_pairs(arguments.pairs, rng)
    torch.manual_seed(0)
    width = recipe.model.vision_width
    centres_KE = torch.randn(KINDS, width)
    features_NE = centres_KE.repeat_interleave(PICTURES_A_KIND, 0) + NOISE * torch.randn(len(KeptFeatures()), width)
    held_out_NE = centres_KE.repeat_interleave(10, 0) + NOISE * torch.randn(KINDS * 10, width)
    words = [f"word{number}" for number in range(KINDS + FILLERS)]
    config = DualEncoderConfig(vision_config=vision_config(recipe.model).to_dict(), words=words, width=settings.width)
    encoder = DualEncoder(config)
    contrastive_loop._features_of = lambda *_: features_NE  # what encoding the pictures once would leave
    with tempfile.TemporaryDirectory() as folder:
        accelerator = accelerator_for(recipe, cpu=True)
        run = RunContext(recipe=recipe, accelerator=accelerator, out=Path(folder), data="drawn", tensorboard=False)
        resume = Resume(run.out, "contrastive", "drawn", accelerator)
        began_s = time.monotonic()
        contrastive_loop.train_dual_encoder(encoder, pairs, KeptFeatures(), run, settings, resume)
        minutes = (time.monotonic() - began_s) / 60
    with torch.no_grad():
        words_KD = encoder.read(torch.arange(1, KINDS + 1)[:, None])
        named = (encoder.placed(held_out_NE) @ words_KD.T).argmax(1)
    right = (named == torch.arange(KINDS).repeat_interleave(10)).float().mean().item()
    text = json.dumps(
        {
            "pairs": arguments.pairs,
            "epochs": arguments.epochs,
            "batch_size": arguments.batch_size,
            "cores": os.cpu_count(),
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
            "minutes": round(minutes, 2),
            "bound_minutes": MAX_MINUTES,
            "held_out_pictures_named": round(right, 4),
            "chance": round(1 / KINDS, 4),
        },
        indent=2,
    )
    path = Path(__file__).parent / "results" / f"contrastive_speed-{datetime.date.today()}.json"
    path.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
