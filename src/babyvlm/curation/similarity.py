"""CLIP for frames and X-CLIP for clips, through transformers, from the hub or a folder: the paper's filter.

    picture + text --CLIP--> cosine        kept above 0.2 (paper)
    clip + text ----X-CLIP-> cosine        kept above 0.1 (paper)

DEVIATION: X-CLIP sees the clip's sampled frames, spread or repeated to the number it was trained with, and not frames
decoded again at a higher rate; the paper does not say which it was shown.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import torch
from PIL import Image
from transformers import AutoConfig, AutoImageProcessor, AutoTokenizer, CLIPModel, XCLIPModel

from babyvlm.curation.alignment import ClipTextPair, RecordingShard
from babyvlm.curation.configuration import ClipModels
from babyvlm.curation.shards import ClipScores
from babyvlm.errors import CheckpointError, ConfigError
from babyvlm.executors import in_order

_CLIPS_AT_ONCE = {"cpu": 16, "cuda": 128}
"""By the kind of device (ours); any other is treated as a GPU."""
_PREPARING = {"cpu": 1, "cuda": 8}
"""Threads that decode and prepare pictures (ours): a CPU's cores are the model's, a GPU leaves them idle."""


@dataclass(frozen=True)
class ClipAligner:
    """CLIP and X-CLIP on one device. Pictures are decoded and prepared in threads while the models run.

    Args:
        models: The models, and how they are run.
        device: Where they run; empty for the first of ``models.devices``, or what this machine has.

    Raises:
        CheckpointError: When it first scores: a model does not load. ``require_models`` looks earlier.
    """

    models: ClipModels
    device: str = ""

    @property
    def name(self) -> str:
        computed = "" if self.models.precision == "float32" else f", in {self.models.precision}"
        return f"clip: {self.models.clip or 'none'}, x-clip: {self.models.x_clip or 'none'}{computed}"

    def fit(self, recordings: Sequence[RecordingShard]) -> None:
        return None

    def for_each_device(self) -> list[ClipAligner]:
        """An aligner for each device; all give the same scores."""
        return [replace(self, device=device) for device in devices_of(self.models)]

    @torch.no_grad()
    def score(self, recording: str, clips: Iterable[ClipTextPair]) -> Iterator[ClipScores]:
        device = torch.device(self.device or devices_of(self.models)[0])
        clip = _load(self.models.clip, CLIPModel, device) if self.models.clip else None
        x_clip = _load(self.models.x_clip, XCLIPModel, device) if self.models.x_clip else None
        dtype = getattr(torch, self.models.precision)
        clips_at_once = self.models.clips_at_once or _CLIPS_AT_ONCE.get(device.type, _CLIPS_AT_ONCE["cuda"])
        threads = self.models.preparing or _PREPARING.get(device.type, _PREPARING["cuda"])
        remaining = iter(clips)
        batches = iter(lambda: list(itertools.islice(remaining, clips_at_once)), [])
        prepare = functools.partial(_prepare, clip, x_clip)
        with (
            ThreadPoolExecutor(threads) as pool,
            contextlib.closing(in_order(prepare, batches, pool, ahead=threads + 1)) as prepared,
        ):
            for batch in prepared:
                with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                    frames = _frame_scores(clip, batch) if clip else [None] * len(batch.texts)
                    whole = _clip_scores(x_clip, batch) if x_clip else [None] * len(batch.texts)
                for frame_scores, clip_score in zip(frames, whole, strict=True):
                    yield ClipScores(clip=clip_score, frames=frame_scores)


def devices_of(models: ClipModels) -> tuple[str, ...]:
    """The devices to score on: those asked for, or every GPU, or else the CPU."""
    if models.devices:
        return models.devices
    return tuple(f"cuda:{number}" for number in range(torch.cuda.device_count())) or ("cpu",)


@dataclass(frozen=True, kw_only=True)
class _Loaded:
    """A model with what prepares its inputs."""

    model: Any
    tokenizer: Any
    image_processor: Any
    device: torch.device

    def tokens(self, texts: Sequence[str]) -> dict[str, torch.Tensor]:
        longest = self.model.config.text_config.max_position_embeddings
        encoded = self.tokenizer(list(texts), padding=True, truncation=True, max_length=longest, return_tensors="pt")
        return {name: encoded[name].to(self.device) for name in ("input_ids", "attention_mask")}

    def pixels(self, pictures: Sequence[Image.Image]) -> torch.Tensor | None:
        """Pictures as the model takes them, on the CPU; None where there are none."""
        if not pictures:
            return None
        pixels_NCHW: torch.Tensor = self.image_processor(images=list(pictures), return_tensors="pt")["pixel_values"]
        return pixels_NCHW.pin_memory() if self.device.type == "cuda" else pixels_NCHW

    def moved(self, pixels_NCHW: torch.Tensor) -> torch.Tensor:
        return pixels_NCHW.to(self.device, non_blocking=True)


@dataclass(frozen=True, kw_only=True)
class _Prepared:
    """Some clips with their pictures as the models take them."""

    texts: tuple[str, ...]
    """Tokenised in the models' thread: a tokenizer serves one thread at a time."""
    frames: tuple[int, ...]
    """Of each clip, how many."""
    frames_NCHW: torch.Tensor | None
    """For CLIP."""
    clips_NCHW: torch.Tensor | None
    """For X-CLIP: as many frames of each clip that has any as it takes."""


def _prepare(clip: _Loaded | None, x_clip: _Loaded | None, clips: Sequence[ClipTextPair]) -> _Prepared:
    """Decodes the pictures of some clips and prepares them. Runs in a thread."""
    decoded = [tuple(each.pictures) for each in clips]
    length = x_clip.model.config.vision_config.num_frames if x_clip else 0
    return _Prepared(
        texts=tuple(each.text for each in clips),
        frames=tuple(map(len, decoded)),
        frames_NCHW=clip.pixels([picture for pictures in decoded for picture in pictures]) if clip else None,
        clips_NCHW=x_clip.pixels([picture for each in decoded if each for picture in _evenly(each, length)])
        if x_clip
        else None,
    )


def require_models(models: ClipModels) -> None:
    """Checks before decoding that the models exist and are of the right kind, without loading weights.

    Raises:
        ConfigError: A device is not there.
        CheckpointError: One is missing, out of reach, or of another kind.
    """
    for device in models.devices:
        try:
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            there = ", ".join(devices_of(replace(models, devices=())))
            raise ConfigError(f"--models.devices {device}: there is no such device; there is {there}") from error
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
def _load(name: str, kind: type[Any], device: torch.device) -> _Loaded:
    try:
        model = kind.from_pretrained(name).eval()
        tokenizer = AutoTokenizer.from_pretrained(name)
        image_processor = AutoImageProcessor.from_pretrained(name)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        raise _no_model(name, kind, error) from error
    return _Loaded(model=model.to(device), tokenizer=tokenizer, image_processor=image_processor, device=device)


def _frame_scores(loaded: _Loaded, clips: _Prepared) -> list[tuple[float, ...] | None]:
    """Cosines of every frame with its clip's text."""
    if clips.frames_NCHW is None:
        return [()] * len(clips.texts)
    owner_N = torch.arange(len(clips.texts)).repeat_interleave(torch.tensor(clips.frames)).to(loaded.device)
    output = loaded.model(pixel_values=loaded.moved(clips.frames_NCHW), **loaded.tokens(clips.texts))
    images_ND, texts_BD = _unit(output.image_embeds), _unit(output.text_embeds)
    cosines = iter((images_ND * texts_BD[owner_N]).sum(-1).tolist())
    return [tuple(round(next(cosines), 5) for _ in range(count)) for count in clips.frames]


def _clip_scores(loaded: _Loaded, clips: _Prepared) -> list[float | None]:
    """Cosines of every clip with its text, the text as X-CLIP adapts it to the clip; None for a clip without frames."""
    seen = [index for index, count in enumerate(clips.frames) if count]
    scores: list[float | None] = [None] * len(clips.texts)
    if clips.clips_NCHW is None:
        return scores
    pixels_BTCHW = loaded.moved(clips.clips_NCHW).unflatten(0, (len(seen), -1))
    output = loaded.model(pixel_values=pixels_BTCHW, **loaded.tokens([clips.texts[index] for index in seen]))
    videos_BD, texts_BBD = _unit(output.video_embeds), _unit(output.text_embeds)
    own_BD = texts_BBD[torch.arange(len(seen)), torch.arange(len(seen))]
    for index, cosine in zip(seen, (videos_BD * own_BD).sum(-1).tolist(), strict=True):
        scores[index] = round(cosine, 5)
    return scores


def _evenly(pictures: Sequence[Any], length: int) -> list[Any]:
    """So many pictures, evenly spread over those there are, each several times where they are fewer."""
    return [pictures[(2 * index + 1) * len(pictures) // (2 * length)] for index in range(length)]


def _unit(vectors: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(vectors.float(), dim=-1)
