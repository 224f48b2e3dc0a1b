"""A dual encoder as a respondent: it answers what can be answered by likeness alone.

    a word and pictures          the picture most like the word           Picture Vocabulary, Looking While Listening
    a picture and others         the one most like the first picture      Left/Right, Spatial Details
    pictures round after round   the one least like any seen before       Memory

Likenesses are cosines in the common space between a word and pictures, and of the tower's class tokens, less their mean
over the round, between pictures. Of the question nothing is read but the word between quotes. Where no word of it is
known, and where likenesses are equal, it guesses.

Other sub-tasks ask for numbers, places or movement, which no likeness tells: they are left out and named.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch.nn import functional as F

from babyvlm.errors import CheckpointError
from babyvlm.evaluation.provenance import weights_revision
from babyvlm.evaluation.respondents import Family, ImageReader
from babyvlm.folders import MANIFEST, read_manifest
from babyvlm.model.dual_encoder import as_pixels, load_dual_encoder
from babyvlm.model.processing import square_pixels
from babyvlm.records import Question, QuestionTurn, Reply, Response

TAKEN = ("looking_while_listening", "picture_vocabulary", "left_right", "spatial_details", "memory")
"""Sub-tasks that likeness can answer; their hard variants too."""
_QUOTED = re.compile(r"'([^']+)'")
_CHUNK, _ENCODE = 64, 256
"""Questions whose pictures are encoded together, and pictures of a forward pass."""


class DualEncoderModel:
    """One of our contrastive checkpoints.

    Args:
        checkpoint: Folder of the ``contrastive`` stage.
        device: Where it runs; a GPU where there is one, when empty.
        seed: Of its guesses.

    Raises:
        CheckpointError: The folder is no contrastive checkpoint, or not whole.
    """

    family: Family = "baby model"
    sends_data_out = False

    def __init__(self, checkpoint: Path, *, device: str = "", seed: int = 0) -> None:
        if not (checkpoint / "config.json").is_file() or not (checkpoint / MANIFEST).is_file():
            raise CheckpointError(
                "no checkpoint here",
                path=checkpoint,
                remedy="Give clip: the folder of a contrastive stage, OUT/contrastive of babyvlm train",
            )
        made = read_manifest(checkpoint, "checkpoint").configuration
        encoder, self._reader = load_dual_encoder(checkpoint)
        self.name = f"dual encoder {made.get('recipe', checkpoint.resolve().name)}"
        self.revision = weights_revision(checkpoint)
        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        placed: Any = encoder
        self.encoder, self._seed = placed.to(self._device).eval(), seed
        self._size, self._fit = encoder.config.vision_config["image_size"], encoder.config.image_fit
        self._features: dict[str, torch.Tensor] = {}

    @staticmethod
    def takes(row: str) -> bool:
        """Whether likeness can answer a row's items."""
        return row.removesuffix(".hard") in TAKEN

    def answer(self, questions: Sequence[Question], images: ImageReader) -> Iterator[Response]:
        for start in range(0, len(questions), _CHUNK):
            chunk = questions[start : start + _CHUNK]
            self._features.clear()
            self.tokens([name for question in chunk for turn in question.turns for name in turn.images], images)
            for question in chunk:
                yield self._answer(question, images)

    def _answer(self, question: Question, images: ImageReader) -> Response:
        seen: list[torch.Tensor] = []
        replies = []
        for number, turn in enumerate(question.turns):
            began_s = time.monotonic()
            scores = self.scores(turn, images, seen)
            draw = random.Random(f"{self._seed}/{question.id}/{number}")
            best = [place for place, score in enumerate(scores) if score == max(scores)]
            text = turn.options[draw.choice(best)]
            replies.append(Reply(text=text, latency_s=round(time.monotonic() - began_s, 5)))
            seen += self.tokens(turn.images, images)
        return Response(item=question.id, replies=tuple(replies))

    @torch.inference_mode()
    def scores(self, turn: QuestionTurn, images: ImageReader, seen: Sequence[torch.Tensor] = ()) -> list[float]:
        """How well each option answers; all equal where nothing can be said.

        Args:
            turn: The round.
            images: Gives its pictures.
            seen: Class tokens of the pictures of earlier rounds.
        """
        options = len(turn.options)
        tokens_UE = torch.stack(self.tokens(turn.images, images))
        quoted = _QUOTED.search(turn.prompt)
        if quoted and len(tokens_UE) == options:
            ids = self._reader.ids(quoted[1])
            if not ids:
                return [0.0] * options
            text_1D = self.encoder.read(self._reader.batch([ids]).to(self._device))
            cosines: list[float] = (self.encoder.placed(tokens_UE) @ text_1D.T)[:, 0].tolist()
            return cosines
        if len(tokens_UE) == options + 1:
            return _cosines(tokens_UE[1:], tokens_UE[:1]).tolist()
        if seen and len(tokens_UE) == options:
            return (-_cosines(tokens_UE, torch.stack(list(seen)))).tolist()
        return [0.0] * options

    @torch.inference_mode()
    def tokens(self, names: Sequence[str], images: ImageReader) -> list[torch.Tensor]:
        """The tower's class token of each picture, E."""
        new = [name for name in dict.fromkeys(names) if name not in self._features]
        for start in range(0, len(new), _ENCODE):
            batch = new[start : start + _ENCODE]
            pixels_UCHW = torch.stack([self._pixels(images(name)) for name in batch])
            encoded = self.encoder.features(as_pixels(pixels_UCHW, self._device))
            self._features |= dict(zip(batch, encoded, strict=True))
        return [self._features[name] for name in names]

    def _pixels(self, picture: Image.Image) -> torch.Tensor:
        return torch.tensor(square_pixels(picture, self._size, self._fit))


def _cosines(options_OE: torch.Tensor, others_SE: torch.Tensor) -> torch.Tensor:
    """Of each option with the likest of the others, O; what all have in common is set aside."""
    mean_E = torch.cat([options_OE, others_SE]).mean(0)
    similar_OS = F.normalize(options_OE - mean_E, dim=-1) @ F.normalize(others_SE - mean_E, dim=-1).T
    return similar_OS.amax(1)
