"""A recipe of four steps a stage, and runs that begin in the middle."""

import shutil
from dataclasses import replace

from safetensors.torch import load_file

from babyvlm.model import ModelShape
from babyvlm.recipes import nursery
from babyvlm.training import STAGES, Trainer
from babyvlm.training.configuration import MixturePhase

TINY = ModelShape(
    image_size=32, patch_size=16, vision_width=32, vision_layers=1, vision_heads=2, text_width=32, text_layers=1,
    text_heads=2, text_kv_heads=2, text_intermediate=64, vocabulary=300, context=256,
)  # fmt: skip


def tiny_recipe(**changes):
    recipe = nursery()
    short = {
        stage: replace(
            getattr(recipe, stage), optimisation=replace(getattr(recipe, stage).optimisation, steps=4, batch_size=4)
        )
        for stage in STAGES
    }
    short["vision"] = replace(short["vision"], prototypes=32, head_width=16, bottleneck=8, local_views=2, local_size=16)
    short["language"] = replace(short["language"], packed_tokens=32)
    short["contrastive"] = replace(short["contrastive"], least_count=1, width=16)
    short["instruction"] = replace(short["instruction"], mixture=(MixturePhase(),))
    return replace(recipe, name="tiny", model=TINY, log_every_steps=1, **short, **changes)


def fork(trained, run, recipe, data, *, without):
    """A run of another recipe with the finished stages of ``trained``, but one."""
    Trainer(recipe, data, run)
    shutil.copytree(
        trained, run, ignore=shutil.ignore_patterns("recipe.json", without, "tensorboard"), dirs_exist_ok=True
    )
    return run


def weights(folder):
    return load_file(folder / "model.safetensors")
