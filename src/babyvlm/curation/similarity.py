"""CLIP for frames and X-CLIP for clips, through transformers, from the hub or a folder: the paper's filter.

    picture + text --CLIP--> cosine        kept above 0.2 (paper)
    clip + text ----X-CLIP-> cosine        kept above 0.1 (paper)

DEVIATION: X-CLIP sees the clip's sampled frames, spread or repeated to the number it was trained with, and not frames
decoded again at a higher rate; the paper does not say which it was shown.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from transformers import AutoConfig, AutoImageProcessor, AutoTokenizer, CLIPModel, XCLIPModel

from babyvlm.curation.alignment import ClipTextPair, RecordingShard
from babyvlm.curation.configuration import ClipModels
from babyvlm.curation.shards import ClipScores
from babyvlm.errors import CheckpointError

_CLIPS_AT_ONCE = 16


@dataclass(frozen=True)
class ClipAligner:
    """CLIP and X-CLIP.

    Raises:
        CheckpointError: When it first scores: a model does not load. ``require_models`` looks earlier.
    """

    models: ClipModels

    @property
    def name(self) -> str:
        return f"clip: {self.models.clip or 'none'}, x-clip: {self.models.x_clip or 'none'}"

    def fit(self, recordings: Sequence[RecordingShard]) -> None:
        return None

    @torch.no_grad()
    def score(self, recording: str, clips: Iterable[ClipTextPair]) -> Iterator[ClipScores]:
        remaining = iter(clips)
        while batch := list(islice(remaining, _CLIPS_AT_ONCE)):
            frames = (
                _frame_scores(_load(self.models.clip, CLIPModel), batch) if self.models.clip else [None] * len(batch)
            )
            whole = (
                _clip_scores(_load(self.models.x_clip, XCLIPModel), batch)
                if self.models.x_clip
                else [None] * len(batch)
            )
            for frame_scores, clip_score in zip(frames, whole, strict=True):
                yield ClipScores(clip=clip_score, frames=frame_scores)


@dataclass(frozen=True, kw_only=True)
class _Loaded:
    """A model with what prepares its inputs."""

    model: Any
    tokenizer: Any
    image_processor: Any
    device: torch.device

    def tokens(self, clips: Sequence[ClipTextPair]) -> dict[str, torch.Tensor]:
        longest = self.model.config.text_config.max_position_embeddings
        encoded = self.tokenizer(
            [clip.text for clip in clips], padding=True, truncation=True, max_length=longest, return_tensors="pt"
        )
        return {name: encoded[name].to(self.device) for name in ("input_ids", "attention_mask")}

    def pixels(self, pictures: Sequence[Any]) -> torch.Tensor:
        pixels_NCHW: torch.Tensor = self.image_processor(images=list(pictures), return_tensors="pt")["pixel_values"]
        return pixels_NCHW.to(self.device)


def require_models(models: ClipModels) -> None:
    """Checks before decoding that the models exist and are of the right kind, without loading weights.

    Raises:
        CheckpointError: One is missing, out of reach, or of another kind.
    """
    for name, kind, model_type in ((models.clip, CLIPModel, "clip"), (models.x_clip, XCLIPModel, "xclip")):
        if not name:
            continue
        try:
            found = AutoConfig.from_pretrained(name).model_type
            AutoTokenizer.from_pretrained(name)
        except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
            raise _no_model(name, kind, error) from error
        if found != model_type:
            raise _no_model(name, kind, f"it is of the kind {found}")


def _no_model(name: str, kind: type[Any], problem: object) -> CheckpointError:
    return CheckpointError(
        f"does not load as {kind.__name__} with its tokenizer and image processor ({problem})",
        path=name,
        remedy="Give a folder or a name on the hub with --models.clip, --models.x-clip; '' leaves one out",
    )


@functools.lru_cache(maxsize=2)
def _load(name: str, kind: type[Any]) -> _Loaded:
    try:
        model = kind.from_pretrained(name).eval()
        tokenizer = AutoTokenizer.from_pretrained(name)
        image_processor = AutoImageProcessor.from_pretrained(name)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        raise _no_model(name, kind, error) from error
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return _Loaded(model=model.to(device), tokenizer=tokenizer, image_processor=image_processor, device=device)


def _frame_scores(loaded: _Loaded, clips: Sequence[ClipTextPair]) -> list[tuple[float, ...] | None]:
    """Cosines of every frame with its clip's text."""
    pictures = [picture for clip in clips for picture in clip.pictures]
    if not pictures:
        return [()] * len(clips)
    owner_N = torch.tensor([index for index, clip in enumerate(clips) for _ in clip.pictures], device=loaded.device)
    output = loaded.model(pixel_values=loaded.pixels(pictures), **loaded.tokens(clips))
    images_ND, texts_BD = _unit(output.image_embeds), _unit(output.text_embeds)
    cosines = iter((images_ND * texts_BD[owner_N]).sum(-1).tolist())
    return [tuple(round(next(cosines), 5) for _ in clip.pictures) for clip in clips]


def _clip_scores(loaded: _Loaded, clips: Sequence[ClipTextPair]) -> list[float | None]:
    """Cosines of every clip with its text, the text as X-CLIP adapts it to the clip; None for a clip without frames."""
    seen = [index for index, clip in enumerate(clips) if clip.pictures]
    scores: list[float | None] = [None] * len(clips)
    if not seen:
        return scores
    length = loaded.model.config.vision_config.num_frames
    chosen = [clips[index] for index in seen]
    pixels_NCHW = loaded.pixels([picture for clip in chosen for picture in _evenly(clip.pictures, length)])
    output = loaded.model(pixel_values=pixels_NCHW.unflatten(0, (len(chosen), length)), **loaded.tokens(chosen))
    videos_BD, texts_BBD = _unit(output.video_embeds), _unit(output.text_embeds)
    own_BD = texts_BBD[torch.arange(len(chosen)), torch.arange(len(chosen))]
    for index, cosine in zip(seen, (videos_BD * own_BD).sum(-1).tolist(), strict=True):
        scores[index] = round(cosine, 5)
    return scores


def _evenly(pictures: Sequence[Any], length: int) -> list[Any]:
    """So many pictures, evenly spread over those there are, each several times where they are fewer."""
    return [pictures[(2 * index + 1) * len(pictures) // (2 * length)] for index in range(length)]


def _unit(vectors: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(vectors.float(), dim=-1)
