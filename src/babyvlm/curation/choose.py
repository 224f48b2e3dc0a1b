"""Which aligner scores pictures against speech, and whether the settings given go with it.

Apart from `alignment`, whose types the aligners need, so that imports lead one way.
"""

from __future__ import annotations

from typing import Literal

from babyvlm.curation.alignment import CLIP_THRESHOLD, FRAME_THRESHOLD, Aligner, NoAligner
from babyvlm.curation.configuration import ClipModels, CurationConfig, OwnEncoderConfig
from babyvlm.errors import ConfigError

AlignerKind = Literal["none", "clip", "self"]
"""``none``; ``clip``, CLIP and X-CLIP (paper); ``self``, an encoder trained on the corpus itself (ours)."""


def check_aligner(
    kind: AlignerKind, config: CurationConfig, models: ClipModels, own: OwnEncoderConfig, *, on_cluster: bool = False
) -> None:
    """Refuses settings that would have no effect with this aligner, and models that are not there.

    Raises:
        ConfigError: Naming the setting and what it needs.
        CheckpointError: CLIP or X-CLIP is missing, out of reach, or of another kind.
    """
    usual = CurationConfig()
    scores = {
        FRAME_THRESHOLD: kind == "self" or (kind == "clip" and bool(models.clip)),
        CLIP_THRESHOLD: kind == "self" or (kind == "clip" and bool(models.x_clip)),
    }
    for name, scored in scores.items():
        if not scored and getattr(config, name) != getattr(usual, name):
            raise ConfigError(
                f"{name} ({getattr(config, name):g}) cannot apply: nothing scores what it filters. "
                "Choose --aligner clip or --aligner self, or leave it out"
            )
    if kind != "clip" and models != ClipModels():
        raise ConfigError("--models.* are those of --aligner clip, which was not chosen")
    if kind != "self" and own != OwnEncoderConfig():
        raise ConfigError("--own.* are settings of --aligner self, which was not chosen")
    if kind == "clip" and not any(scores.values()):
        raise ConfigError("--aligner clip scores nothing: both --models.clip and --models.x-clip are left out")
    if on_cluster and len(models.devices) > 1:
        problem = "--models.devices names one device at most with --dask"
        raise ConfigError(f"{problem}: each worker of the cluster has its own")
    if kind == "clip":
        from babyvlm.curation.similarity import require_models

        require_models(models)


def make_aligner(kind: AlignerKind, models: ClipModels, own: OwnEncoderConfig) -> Aligner:
    """The aligner of this kind. Only what needs torch loads it."""
    if kind == "clip":
        from babyvlm.curation.similarity import ClipAligner

        return ClipAligner(models)
    if kind == "self":
        from babyvlm.curation.own_encoder import OwnAligner

        return OwnAligner(own)
    return NoAligner()
