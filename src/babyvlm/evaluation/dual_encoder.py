"""A dual encoder as a respondent: it answers what can be answered by likeness alone.

    a word and pictures          the picture most like the word           Picture Vocabulary, Looking While Listening
    a picture and captions       the caption most like the picture        contrasts of grammar
    a picture and others         the one most like the first picture      Left/Right, Spatial Details
    pictures round after round   the one least like any seen before       Memory

Likenesses are cosines: in the common space between a word and pictures, and of the pictures' features, less their mean
over the round, between pictures. Of the question nothing is read but what stands between quotes. Where no word of it is
known, and where likenesses are equal, it guesses. A reply keeps the cosines as logits, times the encoder's own scale.

Other sub-tasks ask for numbers, places or movement, which no likeness tells: they are left out and named.

What encodes is a `PictureTextEncoder`: one of our contrastive checkpoints (``contrastive.py``), a model of
transformers (``clip_encoder.py``), or CVCL (``cvcl.py``).

E width of a picture's features, D width of the common space, U pictures, O options, S pictures seen before.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from PIL import Image
from torch.nn import functional as F

from babyvlm.evaluation.likeness import asked_word, best_option, likeness_takes, offered_captions
from babyvlm.evaluation.option_scores import plain_scores
from babyvlm.evaluation.respondents import Family, ImageReader
from babyvlm.records import OptionScores, Question, QuestionTurn, Reply, Response

_CHUNK, _ENCODE = 64, 256
"""Questions whose pictures are encoded together, and pictures of a forward pass."""


class PictureTextEncoder(Protocol):
    """What puts pictures and texts into one space."""

    name: str
    """As the report shows it."""
    family: Family
    revision: str
    """Hash of the weights, or commit of the hub."""
    scale: float
    """What a cosine is multiplied by, as trained."""
    bias: float
    """What is added to it between words and pictures; 0 where nothing is."""

    def features(self, pictures: Sequence[Image.Image]) -> torch.Tensor:
        """What tells pictures apart, UE."""
        ...

    def placed(self, features_UE: torch.Tensor) -> torch.Tensor:
        """Features as unit vectors of the common space, UD."""
        ...

    def text(self, text: str) -> torch.Tensor | None:
        """A text as a unit vector of the common space, D; None where nothing of it is known."""
        ...


class DualEncoderModel:
    """A dual encoder that answers by likeness.

    Args:
        encoder: What encodes.
        seed: Of its guesses.
    """

    sends_data_out = False

    def __init__(self, encoder: PictureTextEncoder, *, seed: int = 0) -> None:
        self.encoder, self._seed = encoder, seed
        self.name, self.family, self.revision = encoder.name, encoder.family, encoder.revision
        self._features: dict[str, torch.Tensor] = {}
        self._texts: dict[str, torch.Tensor | None] = {}

    @staticmethod
    def takes(row: str) -> bool:
        """Whether likeness can answer a row's items."""
        return likeness_takes(row)

    def answer(self, questions: Sequence[Question], images: ImageReader) -> Iterator[Response]:
        for start in range(0, len(questions), _CHUNK):
            chunk = questions[start : start + _CHUNK]
            self._features.clear()
            self.features([name for question in chunk for turn in question.turns for name in turn.images], images)
            for question in chunk:
                yield self._answer(question, images)

    def _answer(self, question: Question, images: ImageReader) -> Response:
        seen: list[torch.Tensor] = []
        replies = []
        for number, turn in enumerate(question.turns):
            began_s = time.monotonic()
            cosines = self.cosines(turn, images, seen)
            text = best_option(cosines, question, number, self._seed)
            latency_s = round(time.monotonic() - began_s, 5)
            replies.append(Reply(text=text, latency_s=latency_s, scores=self._scores(turn, cosines)))
            seen += self.features(turn.images, images)
        return Response(item=question.id, replies=tuple(replies))

    def _scores(self, turn: QuestionTurn, cosines: Sequence[float]) -> OptionScores:
        bias = self.encoder.bias if asked_word(turn) or offered_captions(turn) else 0.0
        return plain_scores("similarity", [self.encoder.scale * cosine + bias for cosine in cosines])

    @torch.inference_mode()
    def cosines(self, turn: QuestionTurn, images: ImageReader, seen: Sequence[torch.Tensor] = ()) -> list[float]:
        """How well each option answers; all equal where nothing can be said.

        Args:
            turn: The round.
            images: Gives its pictures.
            seen: Features of the pictures of earlier rounds.
        """
        options = len(turn.options)
        if not turn.images:
            return [0.0] * options
        features_UE = torch.stack(self.features(turn.images, images))
        if word := asked_word(turn):
            text_D = self._text(word)
            if text_D is None:
                return [0.0] * options
            cosines: list[float] = (self.encoder.placed(features_UE) @ text_D[None].T)[:, 0].tolist()
            return cosines
        if captions := offered_captions(turn):
            texts = [self._text(caption) for caption in captions]
            known = [text_D for text_D in texts if text_D is not None]
            if len(known) < options:  # what is not known is no more and no less like a picture than anything else
                return [0.0] * options
            found: list[float] = (torch.stack(known) @ self.encoder.placed(features_UE)[0]).tolist()
            return found
        if len(features_UE) == options + 1:
            return _cosines(features_UE[1:], features_UE[:1]).tolist()
        if seen and len(features_UE) == options:
            return (-_cosines(features_UE, torch.stack(list(seen)))).tolist()
        return [0.0] * options

    def _text(self, word: str) -> torch.Tensor | None:
        if word not in self._texts:
            self._texts[word] = self.encoder.text(word)
        return self._texts[word]

    @torch.inference_mode()
    def features(self, names: Sequence[str], images: ImageReader) -> list[torch.Tensor]:
        """The features of each picture, E."""
        new = [name for name in dict.fromkeys(names) if name not in self._features]
        for start in range(0, len(new), _ENCODE):
            batch = new[start : start + _ENCODE]
            encoded = self.encoder.features([images(name) for name in batch])
            self._features |= dict(zip(batch, encoded, strict=True))
        return [self._features[name] for name in names]


def _cosines(options_OE: torch.Tensor, others_SE: torch.Tensor) -> torch.Tensor:
    """Of each option with the likest of the others, O; what all have in common is set aside."""
    mean_E = torch.cat([options_OE, others_SE]).mean(0)
    similar_OS = F.normalize(options_OE - mean_E, dim=-1) @ F.normalize(others_SE - mean_E, dim=-1).T
    return similar_OS.amax(1)
