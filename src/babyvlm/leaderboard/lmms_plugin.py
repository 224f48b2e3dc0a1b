"""Makes ``--model babyvlm`` known to lmms-eval, through the entry point group ``lmms_eval.models``."""

from __future__ import annotations

from typing import Any


def manifest() -> Any:
    """What lmms-eval registers; called by it, so that nothing of it is needed before."""
    from lmms_eval.models.registry_v2 import ModelManifest

    return ModelManifest(model_id="babyvlm", simple_class_path="babyvlm.leaderboard.lmms_model.BabyVLM")
