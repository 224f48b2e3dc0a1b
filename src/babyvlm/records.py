"""The few types that carry everything, as they are on disk and between rooms.

    Recording, Utterance, BoxedFrame     what a corpus holds
    Conversation                         one record of all pretraining formats and of instruction tuning
    Item, Question                       one question of the toolbox, with and without its answer
    Response, Reply, OptionScores        what a respondent replied to one item

Every record is immutable, refuses unknown fields, and validates on construction.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from babyvlm.errors import DataFolderError
from babyvlm.regular_files import read_regular

SCHEMA_VERSION = 1
IMAGE_TOKEN = "<image>"

Split = Literal["train", "validation", "test"]
ItemSplit = Literal["train", "validation", "test", "unknown"]
"""Of an item; ``unknown`` where it was imported and nothing states its split."""
Format = Literal["image", "video", "interleaved", "instruction"]
Difficulty = Literal["unknown", "easy", "medium", "hard"]


class Record(BaseModel):
    """Base of all records: immutable, and strict about its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SparseRecord(Record):
    """A record that leaves out what it does not have, so that what is without it keeps its bytes."""

    sparse: ClassVar[tuple[str, ...]] = ()
    """Fields that are not written where they are None or empty."""

    @model_serializer(mode="wrap")
    def _without_empty(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content: dict[str, Any] = handler(self)
        empty = {name for name in self.sparse if content[name] is None or content[name] in ((), [], {})}
        return {name: value for name, value in content.items() if name not in empty}


RecordT = TypeVar("RecordT", bound=Record)
ModelT = TypeVar("ModelT", bound=BaseModel)


class Recording(Record):
    """One continuous head-camera recording."""

    id: str
    child: str
    age_months: float | None = None
    date: datetime.date | None = None
    media: str
    """Path of the media file, relative to the corpus folder."""
    duration_s: float = Field(gt=0)
    licence: str = "unknown"
    """Free text; ``licences.py`` says what may leave this machine."""
    split: Split = "train"


class Utterance(Record):
    """One stretch of speech by one speaker."""

    recording: str
    start_s: float = Field(ge=0)
    end_s: float
    speaker: str = ""
    """As the transcript labels it; empty when it does not."""
    text: str
    language: str = ""
    """As the transcript declares it (``en``, ``es``); empty when it does not."""

    @model_validator(mode="after")
    def _ends_after_start(self) -> Self:
        if self.end_s <= self.start_s:
            raise ValueError(f"the utterance ends at {self.end_s} s, not after its start at {self.start_s} s")
        return self


class Box(Record):
    """One object in one image, in pixels from the top left corner."""

    label: str
    x: float
    y: float
    width: float = Field(gt=0)
    height: float = Field(gt=0)
    track: int | None = None
    """The same number for the same physical object throughout a recording."""
    visibility: float = Field(default=1.0, ge=0, le=1)
    """Share of the object that nothing hides; 1 where the annotation does not say."""

    @property
    def area(self) -> float:
        return self.width * self.height

    @property
    def centre(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.height / 2


class BoxedFrame(Record):
    """The boxes of one photograph, or of one moment of a recording."""

    source: str
    """Recording id, or the image file's path relative to its folder."""
    time_s: float | None = None
    """Moment in the recording; None for a photograph."""
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    boxes: tuple[Box, ...] = ()


class Turn(Record):
    """One exchange: what the human side says, with image placeholders, and the reply to learn."""

    prompt: str
    answer: str


def source_of(format: str, task: str, variant: str) -> str:
    """As :attr:`Conversation.source`, of its fields."""
    if not task:
        return format
    return task if variant in ("published", "balanced") else f"{task}.{variant}"


class Conversation(Record):
    """One training sample: images, or the sampled frames of a clip, and the turns about them.

    The ``<image>`` placeholders of the prompts, read in order, stand for ``images`` in order; images without any
    placeholder come first.
    """

    id: str
    format: Format
    images: tuple[str, ...]
    """Ids in the image store of the same data folder."""
    turns: tuple[Turn, ...] = Field(min_length=1)
    split: Split = "train"
    recording: str = ""
    start_s: float | None = None
    end_s: float | None = None
    task: str = ""
    """The toolbox task of an instruction sample; empty otherwise."""
    variant: Literal["published", "balanced", "hard", "easy"] = "published"
    """Of which construction an instruction sample is; ``easy`` for one that leads up to its task."""

    @property
    def source(self) -> str:
        """What mixtures of training weigh it by: its format, or its task with any variant (``left_right.easy``)."""
        return source_of(self.format, self.task, self.variant)

    @model_validator(mode="after")
    def _placeholders_match_images(self) -> Self:
        placeholders = sum(turn.prompt.count(IMAGE_TOKEN) for turn in self.turns)
        if placeholders not in (0, len(self.images)):
            raise ValueError(f"{len(self.images)} images for {placeholders} {IMAGE_TOKEN} placeholders")
        return self


class Origin(Record):
    """Where one image of an item comes from."""

    source: str
    """Recording id or photograph; ``synthetic`` where none is shown, or several."""
    time_s: float | None = None
    track: int | None = None
    window: tuple[int, int, int, int] | None = None
    """The part of the frame that is shown: left, top, right, bottom in its pixels; None where the item does not say."""
    frame: tuple[int, int] | None = None
    """Width and height of the frame, pixels; None where the item does not say."""
    box: tuple[float, float, float, float] | None = None
    """The object asked about: left, top, width, height in pixels of the frame."""


class QuestionTurn(Record):
    """What a respondent is shown in one round."""

    prompt: str
    images: tuple[str, ...]
    """File names in the toolbox's ``images`` folder, in the order of the ``<image>`` placeholders."""
    options: tuple[str, ...]
    """Every admissible answer, as it should be written."""


class Question(Record):
    """An item without its answers: all that a respondent ever sees."""

    id: str
    task: str
    variant: str = "published"
    turns: tuple[QuestionTurn, ...] = Field(min_length=1)
    history: tuple[str, ...] = ()
    """Replies to show as the respondent's own in the rounds before the one asked, one for each turn but the last; empty
    for what it did reply."""

    @model_validator(mode="after")
    def _history_precedes_the_last_turn(self) -> Self:
        if self.history and len(self.history) != len(self.turns) - 1:
            raise ValueError(f"{len(self.history)} earlier replies for {len(self.turns)} turns")
        return self


class ItemTurn(QuestionTurn):
    """A round with its answer."""

    gold: str
    labels: tuple[str, ...] = ()
    """What each image of the round shows, for error analysis; never shown to a respondent."""
    origins: tuple[Origin, ...] = ()

    @model_validator(mode="after")
    def _gold_is_an_option(self) -> Self:
        if self.gold not in self.options:
            raise ValueError(f"the answer {self.gold!r} is not among the options {self.options}")
        if self.prompt.count(IMAGE_TOKEN) not in (0, len(self.images)):
            raise ValueError(f"{len(self.images)} images for {self.prompt.count(IMAGE_TOKEN)} placeholders")
        return self


class Item(Record):
    """One item of the toolbox. A memory item has fifteen turns, every other item one."""

    id: str
    """Derived from the content, so that equal items have equal ids."""
    task: str
    variant: str = "published"
    split: ItemSplit
    turns: tuple[ItemTurn, ...] = Field(min_length=1)
    chance: float = Field(ge=0, le=1)
    """Expected value of the task's primary metric under uniform guessing."""
    age_span_months: tuple[float, float | None] = (0, None)
    """Ages that the measure spans; where the item turns on a word, not before the word is commonly said."""
    difficulty: Difficulty = "unknown"
    """As the builder rates it, by rules of its own for each task; no measured difficulty."""
    category: str = ""
    """The word, object or number the item turns on, for break-downs."""
    licence: str = "unknown"

    def question(self, *, gold_history: bool = False) -> Question:
        """The item as a respondent sees it: no answer, no label, no origin.

        Args:
            gold_history: Whether to hand over the right answers of all rounds but the last, to be shown as earlier
                replies (teacher forcing).
        """
        shown = QuestionTurn.model_fields
        turns = tuple(QuestionTurn(**{name: getattr(turn, name) for name in shown}) for turn in self.turns)
        history = tuple(turn.gold for turn in self.turns[:-1]) if gold_history else ()
        return Question(id=self.id, task=self.task, variant=self.variant, turns=turns, history=history)


def content_id(*parts: object) -> str:
    """A short id that depends on the parts' values alone.

    >>> content_id("count", ["a.jpg"]) == content_id("count", ["a.jpg"])
    True
    """
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


Outcome = Literal["right", "wrong", "unparsed", "refused", "failed"]
ScoreKind = Literal["log-likelihood", "similarity", "score"]
"""What a score for an option is: the log-probability of its words, a likeness on the scale that the model was trained
with, or any figure that is higher for a better option."""


class OptionScores(SparseRecord):
    """A figure for each option of a round, in the order of its options; the higher, the better.

    Log-likelihoods have three readings. A *prompt-corrected* one takes away how likely the option's words are by
    themselves: without pictures, question and earlier rounds, behind whatever opens a reply in the model's form of a
    conversation (``acc_mutual_info`` of lm-evaluation-harness). A language model has no such form; there an empty text
    comes before.
    """

    sparse: ClassVar[tuple[str, ...]] = ("means", "corrected")

    kind: ScoreKind
    sums: tuple[float, ...] = Field(min_length=1)
    """Log-likelihoods: sums over an option's tokens, nats. Similarities: logits, that is cosines times the model's own
    scale, with its bias where words are compared with pictures."""
    means: tuple[float, ...] = ()
    """Log-likelihoods: per token, nats. Empty for other kinds, and where only first tokens are known."""
    corrected: tuple[float, ...] = ()
    """Log-likelihoods: prompt-corrected sums, nats. Empty for other kinds, and where the model reads nothing without
    pictures."""

    @model_validator(mode="after")
    def _one_finite_figure_for_each_option(self) -> Self:
        for name in ("sums", "means", "corrected"):
            values: tuple[float, ...] = getattr(self, name)
            if values and len(values) != len(self.sums):
                raise ValueError(f"{len(values)} {name} for {len(self.sums)} options")
            if not all(map(math.isfinite, values)):
                raise ValueError(f"a figure of {name} is not finite: {values}")
        return self


class Reply(SparseRecord):
    """What came back in one round."""

    sparse: ClassVar[tuple[str, ...]] = ("scores",)

    text: str | None
    """None when nothing came back; then ``problem`` says why."""
    problem: str = ""
    """Empty, or the error that kept the respondent from replying."""
    refused: bool = False
    latency_s: float = 0.0
    tokens: int = 0
    cost_usd: float = 0.0
    scores: OptionScores | None = None
    """Of every option of the round, where the respondent gives them."""


class Response(Record):
    """One respondent's replies to one item, one for each turn. Whether they are right is for scoring to say."""

    item: str
    replies: tuple[Reply, ...] = Field(min_length=1)
    participant: str = ""
    """Who replied, where several people's replies stand in one run; empty for a respondent that is one."""


def write_jsonl(path: Path, records: Iterable[Record]) -> int:
    """Writes one record a line and returns how many."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for record in records:
            file.write(record.model_dump_json() + "\n")
            count += 1
    return count


def read_jsonl(path: Path, kind: type[RecordT]) -> Iterator[RecordT]:
    """Reads one record a line.

    Raises:
        DataFolderError: Naming the line, when the file is missing or a line does not validate.
    """
    if not path.is_file():
        raise DataFolderError("the file is missing", path=path, remedy="Was the folder written to the end?")
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                yield _validated(line, kind, path, f"line {number}")
    except OSError as error:
        raise DataFolderError(f"the file does not read ({error})", path=path) from error


def read_record(path: Path, kind: type[ModelT]) -> ModelT:
    """Reads a JSON file that holds one record.

    Raises:
        DataFolderError: The file is missing, does not read or does not validate.
    """
    try:
        content = read_regular(path)
    except OSError as error:
        raise DataFolderError(
            f"the file does not read ({error.strerror or error})",
            path=path,
            remedy="Was the folder written to the end?",
        ) from error
    return _validated(content, kind, path, None)


def _validated(content: bytes, kind: type[ModelT], path: Path, place: str | None) -> ModelT:
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        problem = f"{fault['msg']}{f' ({where})' if where else ''}"
        raise DataFolderError(f"not a valid {kind.__name__}: {problem}", path=path, place=place) from error
