"""Which aligner scores pictures against speech, and whether the settings given go with it.

Apart from `alignment`, whose types the aligners need, so that imports lead one way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from babyvlm.curation.alignment import CLIP_THRESHOLD, FRAME_THRESHOLD, Aligner, NoAligner
from babyvlm.curation.configuration import ClipModels, CurationConfig, EncoderConfig, OwnEncoderConfig
from babyvlm.errors import ConfigError

if TYPE_CHECKING:  # which loads torch
    from babyvlm.curation.encoder_aligner import PairEncoder

AlignerKind = Literal["none", "clip", "self", "encoder"]
"""``none``; ``clip``, CLIP and X-CLIP (paper); ``self``, an encoder trained on the corpus itself (ours); ``encoder``, a
dual encoder that was trained before (ours)."""


def check_aligner(
    kind: AlignerKind,
    config: CurationConfig,
    models: ClipModels,
    own: OwnEncoderConfig,
    encoder: EncoderConfig,
    *,
    on_cluster: bool = False,
) -> None:
    """Refuses settings that would have no effect with this aligner, and models that are not there.

    Raises:
        ConfigError: Naming the setting and what it needs.
        CheckpointError: CLIP or X-CLIP is missing, out of reach, or of another kind.
    """
    usual = CurationConfig()
    scores = {
        FRAME_THRESHOLD: kind in ("self", "encoder") or (kind == "clip" and bool(models.clip)),
        CLIP_THRESHOLD: kind in ("self", "encoder") or (kind == "clip" and bool(models.x_clip)),
    }
    for name, scored in scores.items():
        if not scored and getattr(config, name) != getattr(usual, name):
            raise ConfigError(
                f"{name} ({getattr(config, name):g}) cannot apply: nothing scores what it filters. "
                "Choose --aligner clip, self or encoder, or leave it out"
            )
    if kind != "clip" and models != ClipModels():
        raise ConfigError("--models.* are those of --aligner clip, which was not chosen")
    if kind != "self" and own != OwnEncoderConfig():
        raise ConfigError("--own.* are settings of --aligner self, which was not chosen")
    if kind != "encoder" and encoder != EncoderConfig():
        raise ConfigError("--encoder.* are settings of --aligner encoder, which was not chosen")
    if kind == "encoder" and not encoder.model:
        raise ConfigError(
            "--aligner encoder needs --encoder.model: the folder of a contrastive stage, or another dual encoder as "
            "evaluate takes it behind clip:"
        )
    if kind == "clip" and not any(scores.values()):
        raise ConfigError("--aligner clip scores nothing: both --models.clip and --models.x-clip are left out")
    if on_cluster and len(models.devices) > 1:
        problem = "--models.devices names one device at most with --dask"
        raise ConfigError(f"{problem}: each worker of the cluster has its own")
    if kind == "clip":
        from babyvlm.curation.similarity import require_models

        require_models(models)


def make_aligner(
    kind: AlignerKind,
    models: ClipModels,
    own: OwnEncoderConfig,
    encoder: EncoderConfig,
    opened: Callable[[], PairEncoder] | None = None,
) -> Aligner:
    """The aligner of this kind. Only what needs torch loads it.

    Args:
        kind: Which.
        models: Of ``clip``.
        own: Of ``self``.
        encoder: Of ``encoder``.
        opened: Opens its model; picklable.
    """
    if kind == "encoder":
        from babyvlm.curation.encoder_aligner import EncoderAligner

        assert opened is not None
        return EncoderAligner(opened, encoder)
    if kind == "clip":
        from babyvlm.curation.similarity import ClipAligner

        return ClipAligner(models)
    if kind == "self":
        from babyvlm.curation.own_encoder import OwnAligner

        return OwnAligner(own)
    return NoAligner()
