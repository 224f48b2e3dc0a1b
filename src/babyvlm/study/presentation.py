"""How one trial looks on a screen: an item's turn in, what the browser may know out.

    pictures   touch one of them                           Looking While Listening, Picture Vocabulary, Who Has More,
                                                           Memory; with a sample above: Left/Right, Spatial Details
    quadrants  touch a part of one picture                 Localization, a four-in-one Picture Vocabulary
    numbers    one picture and a row of numbers            Subitizing, Object Counting
    ways       a clip, a curtain, then eight or two ways   Visual Delayed Response
    words      a clip, a curtain, then words to touch      anything else

The browser learns places, never file names, labels or the right answer. What it sends back is the place of an option.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from PIL import Image, ImageDraw

from babyvlm.images import encode_jpeg
from babyvlm.records import Item, QuestionTurn, Record
from babyvlm.shown_pictures import open_image, read_picture
from babyvlm.study.configuration import StudyConfig
from babyvlm.study.wording import said_before_film, spoken
from babyvlm.toolbox.directions import DIRECTIONS
from babyvlm.toolbox.scoring import memory_base
from babyvlm.toolbox.tasks import QUADRANTS, task_named

ScreenLayout = Literal["pictures", "quadrants", "numbers", "ways", "words"]
ATTENTION_PROMPT = "Touch the red circle."
ATTENTION_OPTIONS = ("A", "B", "C", "D")
_ATTENTION_PX = 224


class Presentation(Record):
    """One trial, as the browser gets it."""

    layout: ScreenLayout
    watch: str
    """Said while a film runs; empty where there is none."""
    say: str
    """Said when it can be answered."""
    samples: int
    """Leading pictures that are looked at and not touched."""
    clip: int
    """Leading pictures that are shown one after the other, as a film."""
    pictures: int
    """All pictures of the trial, samples and film included."""
    options: tuple[str, ...]
    """What to touch, in order: names for a screen reader; the answer is a place in this list."""
    frame_ms: int
    curtain_ms: int
    """How long the curtain stays closed before the answer, after a film, or before the pictures."""
    gap_ms: int
    """How long the screen stays empty before the trial."""
    reading_ms: int
    """How long answers stay closed where nobody says the question."""


def present(item: Item, turn_index: int, config: StudyConfig) -> Presentation:
    """How a turn of an item, counted from 0, is shown."""
    turn = item.turns[turn_index]
    layout, samples, clip = _layout(turn, item.task)
    names = {
        "pictures": tuple(f"picture {place}" for place in range(1, len(turn.options) + 1)),
        "quadrants": QUADRANTS,
    }.get(layout, turn.options)
    return Presentation(
        layout=layout,
        watch=said_before_film(turn.prompt) if clip else "",
        say=spoken(turn.prompt),
        samples=samples,
        clip=clip,
        pictures=len(turn.images),
        options=names,
        frame_ms=config.frame_ms,
        curtain_ms=_curtain_ms(item, turn_index, clip, config),
        gap_ms=config.gap_ms,
        reading_ms=config.reading_ms * len(spoken(turn.prompt).split()),
    )


def present_attention(config: StudyConfig) -> Presentation:
    """How an attention check is shown."""
    return Presentation(
        layout="pictures",
        watch="",
        say=ATTENTION_PROMPT,
        samples=0,
        clip=0,
        pictures=len(ATTENTION_OPTIONS),
        options=tuple(f"picture {place}" for place in range(1, len(ATTENTION_OPTIONS) + 1)),
        frame_ms=config.frame_ms,
        curtain_ms=0,
        gap_ms=config.gap_ms,
        reading_ms=config.reading_ms * len(ATTENTION_PROMPT.split()),
    )


def _layout(turn: QuestionTurn, task: str) -> tuple[ScreenLayout, int, int]:
    """The layout, how many pictures are samples, and how many a film."""
    shown, options = len(turn.images), len(turn.options)
    answers = task_named(task).answers
    if answers == "number":
        return "numbers", shown, 0
    if answers == "direction" and set(turn.options) <= set(DIRECTIONS):
        return "ways", 0, shown
    if answers == "letter" and shown == options:
        return "pictures", 0, 0
    if answers == "letter" and shown == options + 1:
        return "pictures", 1, 0
    if answers == "letter" and shown == 1 and options == len(QUADRANTS):
        return "quadrants", 0, 0
    return "words", 0, shown


def _curtain_ms(item: Item, turn: int, clip: int, config: StudyConfig) -> int:
    if clip:
        return config.delay_ms
    if turn == 0:
        return 0
    return config.test_delay_ms if turn == memory_base(item) else config.round_delay_ms


@lru_cache(maxsize=2)
def attention_picture(target: bool) -> bytes:
    """The picture of an attention check, as JPEG: a red circle, or a grey square."""
    image = Image.new("RGB", (_ATTENTION_PX, _ATTENTION_PX), "white")
    box = (_ATTENTION_PX * 0.2, _ATTENTION_PX * 0.2, _ATTENTION_PX * 0.8, _ATTENTION_PX * 0.8)
    draw = ImageDraw.Draw(image)
    if target:
        draw.ellipse(box, fill="#d21f1f")
    else:
        draw.rectangle(box, fill="#9aa0a4")
    return encode_jpeg(image)


def bare_jpeg(data: bytes) -> bytes:
    """The picture without anything beside its pixels; a picture of another format becomes a JPEG like all others.

    File formats and metadata may differ between right options and foils, and so give answers away.
    """
    return data if read_picture(data, _is_bare) else encode_jpeg(open_image(data))


def _is_bare(image: Image.Image) -> bool:
    return image.format == "JPEG" and image.mode in ("RGB", "L") and not (set(image.info) & _TELLING)


_TELLING = {"exif", "comment", "icc_profile", "photoshop", "xmp", "mp"}
