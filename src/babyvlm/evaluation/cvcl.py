"""CVCL (Vong et al. 2024, Science 383: 504-511) as the encoder of a dual-encoder respondent.

    picture ── ResNeXt-50 32x4d ── linear ── unit vector ──────────────┐
                                                                       ├── product, by the learned temperature
    words ── vectors of <sos>, words and <eos>, averaged ── unit vector ┘

A folder has the weights in the published layout (``vision_encoder.model.*``, ``text_encoder.embedding.weight``,
``model.logit_neg_log_temperature``) and its ``vocab.json``. The published checkpoints themselves hold Python objects
besides weights, which only code that is run can read; they are refused, with what to save in their place. Other
layouts of the published code (features of places, LSTM and BERT text encoders) are refused by name.

The picture encoder has torchvision's keys and, on random weights, its output. The whole was not held against the
published code and weights: layout and preprocessing were read.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

from babyvlm.errors import CheckpointError
from babyvlm.evaluation.provenance import weights_revision
from babyvlm.evaluation.respondents import Family
from babyvlm.model.processing import normalise
from babyvlm.words import words_of

_VISION, _WORDS, _SCALE = "vision_encoder.model.", "text_encoder.embedding.weight", "model.logit_neg_log_temperature"
_SIZE = 224
_BLOCKS = (3, 4, 6, 3)
_GROUPS, _GROUP_WIDTH = 32, 4
_UNREAD = ("model.image_embed.", "model.text_embed.", "language_model.", "vision_encoder.", "text_encoder.", "teacher.")
"""Beginnings of keys that repeat other weights, or belong to parts that compare nothing."""


class _Bottleneck(nn.Module):
    def __init__(self, entering: int, width: int, stride: int) -> None:
        super().__init__()
        inner = width * _GROUP_WIDTH // 64 * _GROUPS
        self.conv1, self.bn1 = nn.Conv2d(entering, inner, 1, bias=False), nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride=stride, padding=1, groups=_GROUPS, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3, self.bn3 = nn.Conv2d(inner, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width)
        self.downsample: nn.Module | None = None
        if stride > 1 or entering != 4 * width:
            reshape = nn.Conv2d(entering, 4 * width, 1, stride=stride, bias=False)
            self.downsample = nn.Sequential(reshape, nn.BatchNorm2d(4 * width))

    def forward(self, maps_BCHW: torch.Tensor) -> torch.Tensor:
        kept_BCHW = maps_BCHW if self.downsample is None else self.downsample(maps_BCHW)
        inner_BCHW = F.relu(self.bn1(self.conv1(maps_BCHW)))
        inner_BCHW = F.relu(self.bn2(self.conv2(inner_BCHW)))
        return F.relu(self.bn3(self.conv3(inner_BCHW)) + kept_BCHW)


class ResNeXt50(nn.Module):
    """ResNeXt-50 32x4d (Xie et al. 2017), with parameters named as torchvision names them.

    Args:
        width: Of its last, linear layer.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False), nn.BatchNorm2d(64)
        entering = 64
        for number, blocks in enumerate(_BLOCKS):
            inside = 64 * 2**number
            made = []
            for block in range(blocks):
                made.append(_Bottleneck(entering, inside, 2 if number and not block else 1))
                entering = 4 * inside
            self.add_module(f"layer{number + 1}", nn.Sequential(*made))
        self.fc = nn.Linear(entering, width)

    def forward(self, pixels_BCHW: torch.Tensor) -> torch.Tensor:
        """Embeddings, BD, of pixels as ``normalise`` leaves them."""
        maps_BCHW = F.max_pool2d(F.relu(self.bn1(self.conv1(pixels_BCHW))), 3, stride=2, padding=1)
        for number in range(len(_BLOCKS)):
            maps_BCHW = self.get_submodule(f"layer{number + 1}")(maps_BCHW)
        embedded_BD: torch.Tensor = self.fc(maps_BCHW.mean((2, 3)))
        return embedded_BD


def is_cvcl(folder: Path) -> bool:
    """Whether a folder has what CVCL's published layout has: a vocabulary and one file of weights."""
    return (folder / "vocab.json").is_file() and not (folder / "config.json").exists() and bool(_weights_in(folder))


def _weights_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.suffix in (".ckpt", ".pt", ".safetensors"))


class CvclEncoder:
    """CVCL's picture and word encoders; a picture's features are its embedding.

    Args:
        folder: With one file of weights (``.safetensors``, ``.ckpt`` or ``.pt``) and ``vocab.json``.
        device: Where it runs; a GPU where there is one, when empty.

    Raises:
        CheckpointError: The weights do not read without running code, or are not of the published layout.
    """

    family: Family = "baby model"
    bias = 0.0

    def __init__(self, folder: Path, *, device: str = "") -> None:
        self.name = f"CVCL {folder.resolve().name}"
        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        path = self._path_of(folder)
        weights = _read(path)
        _refuse_other_layouts(weights, path)
        self._numbers = _vocabulary(folder / "vocab.json", len(weights[_WORDS]))
        self._words_VD = weights[_WORDS].float().to(self._device)
        self.scale = float(weights[_SCALE].float().exp())
        vision = ResNeXt50(self._words_VD.shape[1])
        named = {key.removeprefix(_VISION): value for key, value in weights.items() if key.startswith(_VISION)}
        try:
            vision.load_state_dict(named)
        except RuntimeError as error:
            raise CheckpointError(f"not CVCL's ResNeXt-50: {str(error)[:300]}", path=path) from error
        self.vision = vision.to(self._device).eval()
        self.revision = weights_revision(folder)

    @staticmethod
    def _path_of(folder: Path) -> Path:
        found = _weights_in(folder)
        if len(found) != 1:
            raise CheckpointError(
                f"{len(found)} files of weights, where one belongs ({', '.join(path.name for path in found)})",
                path=folder,
            )
        return found[0]

    def features(self, pictures: Sequence[Image.Image]) -> torch.Tensor:
        """As published: stretched to a square, bicubic, ImageNet's mean and deviation."""
        shown = [picture.convert("RGB").resize((_SIZE, _SIZE), Image.Resampling.BICUBIC) for picture in pictures]
        pixels_UCHW = torch.stack([torch.tensor(np.asarray(one)).permute(2, 0, 1) for one in shown])
        embedded_UD: torch.Tensor = self.vision(normalise(pixels_UCHW.to(self._device)))
        return embedded_UD

    def placed(self, features_UE: torch.Tensor) -> torch.Tensor:
        return F.normalize(features_UE, dim=-1)

    def text(self, text: str) -> torch.Tensor | None:
        """As published, between ``<sos>`` and ``<eos>``; None where no word is known, in place of ``<unk>``."""
        words = words_of(text)
        if not any(word in self._numbers for word in words):
            return None
        spelled = ["<sos>", *words, "<eos>"]
        ids = [self._numbers.get(word, self._numbers["<unk>"]) for word in spelled]
        return F.normalize(self._words_VD[ids].mean(0), dim=-1)


def _vocabulary(path: Path, size: int) -> dict[str, int]:
    try:
        numbers = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"does not read as JSON ({error})", path=path) from error
    special = ("<pad>", "<unk>", "<sos>", "<eos>")
    if not isinstance(numbers, dict) or sorted(numbers.values()) != list(range(size)):
        raise CheckpointError(f"not a number for each of {size} words, as the weights have them", path=path)
    if missing := [word for word in special if word not in numbers]:
        raise CheckpointError(f"has no {', '.join(missing)}", path=path)
    return numbers


def _read(path: Path) -> dict[str, torch.Tensor]:
    """The weights of a file, read without running anything that is in it."""
    try:
        held: Any = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            "holds Python objects besides weights, and reading those would run code that is in the file",
            path=path,
            remedy="Where you trust the file, save its weights alone, with the published code installed: "
            'torch.save({"state_dict": torch.load(FILE, weights_only=False)["state_dict"]}, "weights.ckpt")',
        ) from error
    except Exception as error:  # of torch and safetensors, which have errors of their own
        raise CheckpointError(f"does not read as weights ({error})", path=path) from error
    weights = held.get("state_dict", held) if isinstance(held, Mapping) else {}
    if not weights or not all(isinstance(value, torch.Tensor) for value in weights.values()):
        raise CheckpointError("holds no weights by name", path=path)
    return dict(weights)


def _refuse_other_layouts(weights: Mapping[str, torch.Tensor], path: Path) -> None:
    missing = [key for key in (_WORDS, _SCALE, f"{_VISION}fc.weight") if key not in weights]
    if missing:
        raise CheckpointError(
            f"not CVCL's layout: without {', '.join(missing)}",
            path=path,
            remedy="Read is CVCL with one embedding for a picture and averaged word vectors",
        )
    if others := sorted(key for key in weights if key.startswith("text_encoder.") and key != _WORDS):
        raise CheckpointError(f"a text encoder of another kind ({others[0]}); only averaged words are read", path=path)
    if unknown := sorted(key for key in weights if key != _SCALE and not key.startswith(_UNREAD)):
        raise CheckpointError(f"{len(unknown)} weights of no part that is known, such as {unknown[0]}", path=path)
