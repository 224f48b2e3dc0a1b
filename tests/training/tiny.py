"""A recipe of four steps a stage, and runs that begin in the middle."""

import shutil
from dataclasses import replace

from safetensors.torch import load_file

from babyvlm.model import ModelShape
from babyvlm.recipes import nursery
from babyvlm.training import STAGES, Trainer
from babyvlm.training.configuration import MixturePhase
from babyvlm.training.contrastive_configuration import ContrastiveStage

TINY = ModelShape(
    image_size=32, patch_size=16, vision_width=32, vision_layers=1, vision_heads=2, text_width=32, text_layers=1,
    text_heads=2, text_kv_heads=2, text_intermediate=64, vocabulary=300, context=256,
)  # fmt: skip


def tiny_recipe(**changes):
    recipe = replace(nursery(), tower_from="vision", precision="bf16")
    short = {
        stage: replace(
            getattr(recipe, stage), optimisation=replace(getattr(recipe, stage).optimisation, steps=4, batch_size=4)
        )
        for stage in STAGES
    }
    short["vision"] = replace(
        short["vision"], probes=4, prototypes=32, head_width=16, bottleneck=8, local_views=2, local_size=16
    )
    short["language"] = replace(short["language"], packed_tokens=32)
    few = ContrastiveStage().optimisation
    few = replace(few, learning_rate=2e-3, weight_decay=0.05, warmup_fraction=0.1, epochs=None, steps=4, batch_size=4)
    short["contrastive"] = ContrastiveStage(optimisation=few, least_count=1, width=16)
    slower = replace(short["instruction"].optimisation, learning_rate=9e-4, matrix_learning_rate=6e-3)
    short["instruction"] = replace(
        short["instruction"],
        optimisation=slower,
        mixture=(MixturePhase(),),
        trains=("vision", "connector", "language"),
        vision_until=1.0,
        begin_again=False,
        cache_vision_features=False,
        own_words=0,
    )
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
