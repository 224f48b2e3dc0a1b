"""Every setting of curation. Settings without a source are our choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from babyvlm.curation.speakers import Who
from babyvlm.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class CurationConfig:
    """Settings of the curation of a pretraining set."""

    speakers: tuple[Who, ...] = ("caregiver", "unlabelled", "unrecognised")
    """Kinds of speakers to learn from. The child's ``own`` speech, ``other child`` and ``device`` are left out: the
    model learns from speech directed at the child."""
    child_speakers: tuple[str, ...] = ()
    """More speaker labels, in any case, that mean the child wearing the camera, beside those known."""
    languages: tuple[str, ...] = ()
    """Languages to learn from, such as ``en``, where transcripts declare one; empty for all."""
    lower_case: bool = False
    """Whether texts are lower-cased; the tokenizer lower-cases in any case."""
    min_words: int = 1
    """Fewest words of an utterance that gets a clip; the language corpus keeps shorter ones too."""
    max_words: int = 60
    """Most words of an utterance that gets a clip; longer ones are mostly transcription errors."""
    min_clip_s: float = 2.0
    """Shortest clip, seconds; shorter ones are extended around their middle, so that one word has two frames."""
    max_clip_s: float = 15.0
    """Longest clip, seconds; longer ones are cut off."""
    fps: float = 1.0
    """Frames per second of a clip; a clip has at least one (paper)."""
    frame_size: int = 224
    """Pixels of a stored frame's shorter side; smaller frames are never enlarged (paper: the tower's input)."""
    min_sharpness: float = 0.0
    """Least sharpness of a frame, as variance of its Laplacian in squared grey levels; 0 keeps all."""
    duplicate_bits: int = -1
    """A frame is left out if its perceptual hash differs by at most so many of 64 bits from an earlier frame of its
    clip; -1 keeps all frames, as the paper does."""
    min_clip_alignment: float = 0.1
    """Threshold on the score of a clip, if there is an aligner (paper: X-CLIP similarity)."""
    min_frame_alignment: float = 0.2
    """Threshold on the score of a frame, if there is an aligner (paper: CLIP similarity)."""
    clip_frames: int = 4
    """Most frames of one video record, spread evenly over the frames of its clip."""
    min_window: int = 4
    """Fewest consecutive clips of an interleaved sequence (paper)."""
    max_window: int = 8
    """Most consecutive clips of an interleaved sequence (paper)."""
    window_stride: int = 3
    """Clips from the start of one sequence to that of the next (ours: the paper's 181k clips gave 63k sequences)."""
    seed: int = 0
    """Seed of the lengths of interleaved sequences."""
    on_problem: Literal["fail", "skip"] = "fail"
    """What to do about a video, transcript or utterance that cannot be used: stop, or leave out and count. Damaged
    stretches of a picture are left out and counted either way, up to max_skipped_fraction of the recording."""
    max_skipped_fraction: float = 0.05
    """Fraction of the recordings' seconds, or of utterances, above which leaving out fails after all. A single
    recording or utterance never does, unless this is 0."""

    def __post_init__(self) -> None:
        positive = ("min_words", "min_clip_s", "fps", "frame_size", "clip_frames", "min_window", "window_stride")
        for name in positive:
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be more than 0, not {getattr(self, name)}")
        for least, most in (("min_words", "max_words"), ("min_clip_s", "max_clip_s"), ("min_window", "max_window")):
            if getattr(self, least) > getattr(self, most):
                raise ConfigError(f"{least} ({getattr(self, least)}) is more than {most} ({getattr(self, most)})")
        if not 0 <= self.max_skipped_fraction <= 1:
            raise ConfigError(f"max_skipped_fraction must lie between 0 and 1, not {self.max_skipped_fraction}")
        if self.on_problem not in ("fail", "skip"):
            raise ConfigError(f"on_problem must be fail or skip, not {self.on_problem!r}")


ScoringPrecision = Literal["float32", "float16", "bfloat16"]


@dataclass(frozen=True, kw_only=True)
class ClipModels:
    """Models for ``--aligner clip``: names on the hub, or folders; '' turns a score off."""

    clip: str = "openai/clip-vit-base-patch32"
    """CLIP, which scores frames (paper; which CLIP is ours)."""
    x_clip: str = "microsoft/xclip-base-patch32"
    """X-CLIP, which scores clips (paper; which X-CLIP is ours)."""
    clips_at_once: int = 0
    """Clips of a recording that are scored together; 0 for 16 on a CPU and 128 on a GPU (ours). Scores do not depend on
    it by more than rounding, 1e-5."""
    precision: ScoringPrecision = "float32"
    """What the models compute in. In bfloat16 a similarity is off by 0.02 at most, in float16 by 0.003 (ours: as far as
    the tests hold it)."""
    devices: tuple[str, ...] = ()
    """Devices such as ``cuda:0``, each with a process of its own that scores whole recordings; by default every GPU
    there is, or else the CPU. The scores do not depend on how many there are."""
    preparing: int = 0
    """Threads that decode and prepare pictures while the model runs; 0 for one beside a CPU and eight beside a GPU."""

    def __post_init__(self) -> None:
        for name in ("clips_at_once", "preparing"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must not be negative, not {getattr(self, name)}")
        if self.precision not in get_args(ScoringPrecision):
            raise ConfigError(f"precision is one of {', '.join(get_args(ScoringPrecision))}, not {self.precision!r}")


@dataclass(frozen=True, kw_only=True)
class OwnEncoderConfig:
    """The small dual encoder and its training. All settings are our choice."""

    folds: int = 3
    """Number of folds over recordings; each fold is scored by a model trained on the others."""
    steps: int = 1500
    """Optimizer steps of each fold's model."""
    batch: int = 192
    """Pairs per step; each pair is a negative for the others."""
    learning_rate: float = 1.5e-3
    """Peak learning rate of AdamW."""
    width: int = 128
    """Dimension of the embeddings."""
    least_count: int = 3
    """Fewest occurrences of a word that gets an embedding of its own."""
    most_clips: int = 60_000
    """Most clips to train on, drawn at random: about 0.7 GB of pictures."""
    seed: int = 0
    """Seed of folds, weights and batches."""

    def __post_init__(self) -> None:
        if self.folds < 2:
            raise ConfigError(
                f"folds must be at least 2, not {self.folds}: a model must not score clips it was trained on"
            )
        if self.steps < 1 or self.batch < 2:
            raise ConfigError("steps must be at least 1 and batch at least 2")


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """A dual encoder that was trained before. All settings are our choice."""

    model: str = ""
    """Folder of a contrastive stage trained on other recordings, or another dual encoder (CVCL, CLIP, SigLIP) as
    ``evaluate`` takes it behind clip:."""
    parts: int = 3
    """A frame is seen whole, in 2 by 2 parts, and so on up to so many rows and columns; the part that tells most of the
    text counts. 1 for whole frames alone, in a fourteenth of the time."""
    seed: int = 0
    """Seed of the texts of the corpus with which others are compared."""

    def __post_init__(self) -> None:
        if self.parts < 1:
            raise ConfigError(f"parts must be at least 1, not {self.parts}")
