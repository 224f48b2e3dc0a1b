"""A nearest-neighbour probe of the tower while it learns: does a picture it was not trained on lie near its own kind?

    where there are boxes   the picture that a Picture Vocabulary sample asks for carries the word asked: one of the
                            validation split takes the commonest word of its nearest neighbours of the training split
    where there are none    a frame of the validation split is right if the nearest of the others, those of its own clip
                            set aside, comes from its own recording

Neighbours are by the cosine of the class tokens less their mean, which an untrained tower's share nearly whole.
(DINO's weighted vote, with 20 neighbours.)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional as F
from transformers import ViTModel

from babyvlm.curation.sets import PretrainingSet
from babyvlm.model.configuration import ModelShape
from babyvlm.model.processing import normalise, square_pixels
from babyvlm.records import Conversation
from babyvlm.training.samples import evenly

_NEIGHBOURS, _TEMPERATURE = 20, 0.07
_QUERIES, _GALLERY = 256, 1024
_BATCH = 128
_WORD = re.compile(r"'([^']+)'")


@dataclass(frozen=True, kw_only=True)
class _Picture:
    image: str
    label: str
    clip: str = ""


class Probe:
    """Pictures with labels, decoded once.

    Args:
        data: The curated set.
        shape: Of the tower.
    """

    def __init__(self, data: PretrainingSet, shape: ModelShape) -> None:
        self._shape = shape
        queries, gallery = _words(data)
        self.by_word = bool(queries and gallery)
        if self.by_word:
            queries, gallery = evenly(queries, _QUERIES), evenly(gallery, _GALLERY)
        else:
            queries = gallery = evenly(_frames(data.conversations("image", "validation")), _QUERIES)
        self._queries, self._gallery = queries, gallery
        names = sorted({picture.label for picture in gallery})
        number = {name: place for place, name in enumerate(names)}
        self._labels_G = torch.tensor([number[picture.label] for picture in gallery], dtype=torch.long)
        self._labels_Q = torch.tensor([number.get(picture.label, -1) for picture in queries], dtype=torch.long)
        if self:
            self._pixels_Q, self._pixels_G = self._pixels(data, queries), self._pixels(data, gallery)

    def __bool__(self) -> bool:
        """Whether there is anything to tell apart."""
        return len(self._queries) > 1 and len(set(self._labels_G.tolist())) > 1

    def _pixels(self, data: PretrainingSet, pictures: Sequence[_Picture]) -> torch.Tensor:
        size, fit = self._shape.image_size, self._shape.image_fit
        arrays = [square_pixels(data.read_image(picture.image), size, fit) for picture in pictures]
        return torch.stack([torch.tensor(array) for array in arrays])

    @torch.no_grad()
    def accuracy(self, tower: ViTModel) -> float:
        """Share of the pictures whose neighbours vote for their label."""
        queries_QD, gallery_GD = _class_tokens(tower, self._pixels_Q), _class_tokens(tower, self._pixels_G)
        mean_D = gallery_GD.mean(0)
        queries_QD, gallery_GD = F.normalize(queries_QD - mean_D, dim=-1), F.normalize(gallery_GD - mean_D, dim=-1)
        with torch.autocast("cpu", enabled=False):  # the tower may compute in bfloat16, neighbours are told in float32
            similar_QG = queries_QD @ gallery_GD.T
        if not self.by_word:
            clips = [picture.clip for picture in self._gallery]
            same = torch.tensor([[own == other for other in clips] for own in clips])
            similar_QG = similar_QG.masked_fill(same, -1.0)
        neighbours = min(_NEIGHBOURS if self.by_word else 1, len(self._gallery))
        nearest_QN, places_QN = similar_QG.topk(neighbours)
        votes_QC = torch.zeros(len(queries_QD), int(self._labels_G.max()) + 1)
        votes_QC.scatter_add_(1, self._labels_G[places_QN], (nearest_QN / _TEMPERATURE).exp())
        return (votes_QC.argmax(1) == self._labels_Q).float().mean().item()


def _class_tokens(tower: ViTModel, pixels_NCHW: torch.Tensor) -> torch.Tensor:
    """In float32, on the CPU, ND."""
    device = next(tower.parameters()).device
    parts = [
        tower(normalise(part.to(device))).last_hidden_state[:, 0].float().cpu() for part in pixels_NCHW.split(_BATCH)
    ]
    return torch.cat(parts)


def _words(data: PretrainingSet) -> tuple[list[_Picture], list[_Picture]]:
    """Pictures that Picture Vocabulary asks for, of the validation and of the training split."""
    if not data.has_instruction:
        return [], []
    found: tuple[list[_Picture], list[_Picture]] = [], []
    for pictures, split in zip(found, ("validation", "train"), strict=True):
        seen = set()
        for row in data.conversations("instruction", split):  # type: ignore[arg-type]
            word = _WORD.search(row.turns[0].prompt)
            place = "ABCD".find(row.turns[0].answer.strip())
            if row.task != "picture_vocabulary" or word is None or not 0 <= place < len(row.images):
                continue
            if (image := row.images[place]) not in seen:
                seen.add(image)
                pictures.append(_Picture(image=image, label=word[1]))
    return found


def _frames(rows: Sequence[Conversation]) -> list[_Picture]:
    return [
        _Picture(image=row.images[0], label=row.recording, clip=f"{row.recording} {row.start_s}")
        for row in rows
        if row.images
    ]
