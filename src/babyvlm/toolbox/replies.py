"""Reading a reply: free text in, an answer out, or None where none can be read.

    letters      "B", "(b)", "Answer: C", "the second image"; but not the A of "It is a cat"
    numbers      digits or words, "12", "twelve", "There are two cups"
    directions   "top-left", "Upper left.", "the bottom right corner"

A reply that names several different answers names none. The readers are total: any text gives an answer or None.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal

from babyvlm.toolbox.directions import DIRECTIONS
from babyvlm.toolbox.tasks import LETTERS, QUADRANTS, TaskSpec

Scoring = Literal["default", "reference"]

_ORDINALS = ("first", "second", "third", "fourth")
_PICTURE = r"(?:image|picture|photo|one|option|choice)"
_MARK = r"[\s\"'“”‘’`*_()\[\]{}.:,;!?<>]*"
_WHOLE_LETTER = re.compile(rf"{_MARK}([A-Da-d]){_MARK}")
_BRACKETED = re.compile(r"[(\[]\s*([A-Da-d])\s*[)\]]")
_NAMED = re.compile(
    r"\b(?:answer|option|choice|letter|image|picture)\b(?:\s+(?:is|would be|should be))?\s*[:=]?\s*[\"'“*(\[]*"
    r"([A-Da-d])(?=[\"'”*)\].,:;!?\s]*(?:$|[.,:;!?)\]\n]))",
    re.IGNORECASE,
)
# A capital A before most words is an article: "A cat".
_CAPITAL = re.compile(
    r"(?<![\w'’])(?:([B-D])(?![\w'’])|(A)(?=[)\].,:;!?\"'*]|\s*$|\s+(?:is|or|and|because|since|shows|has)\b))"
)
_ORDINAL = re.compile(rf"\b({'|'.join(_ORDINALS)})\b(?:\s+{_PICTURE}\b|{_MARK}$)", re.IGNORECASE)
_NUMBERED = re.compile(rf"\b{_PICTURE}\s*(?:number\s*|#\s*)?([1-4])\b(?![.,]\d)", re.IGNORECASE)
_WHOLE_NUMBER = re.compile(rf"{_MARK}([1-4]){_MARK}")

_TEENS = ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_UNITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", *_TEENS)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_WORDS = {word: value for value, word in enumerate(_UNITS)} | {word: 10 * value for value, word in enumerate(_TENS, 2)}
_WORDS |= {"none": 0, "dozen": 12}
_DIGITS = re.compile(r"(?<![\w.,\-−])\d{1,6}(?![\w]|[.,]\d|-\d)", re.ASCII)
# "one" after these is a pronoun, not a number.
_NUMBER_WORDS = re.compile(
    r"(?<!this )(?<!that )(?<!each )(?<!every )(?<!which )(?<![\w-])"
    rf"(?:({'|'.join(_TENS)})[\s-]+({'|'.join(_UNITS[1:10])})"
    rf"|({'|'.join(sorted(_WORDS, key=len, reverse=True))}))(?![\w-])",
    re.IGNORECASE,
)

_VERTICAL = {"top": "top", "upper": "top", "up": "top", "bottom": "bottom", "lower": "bottom", "down": "bottom"}
_DIRECTION = re.compile(
    r"\b(?:(top|upper|up|bottom|lower|down)(?:most)?(?:[\s-]*(left|right)\b)?"
    r"|(left|right)(?:most)?(?:[\s-]+(top|upper|bottom|lower)\b)?)",
    re.IGNORECASE,
)
# "left" as a verb: "it left through the top".
_LEFT_VERB = re.compile(
    r"\b(?:has|have|had|it|they|just)\s+left\b|\bleft\s+(?:the|from|through|via|at|by|its|this|out)\b", re.IGNORECASE
)

_REFUSAL = re.compile(
    r"\b(?:i['’]?m|i am)\s+(?:sorry|unable|not able)\b|\bi\s+(?:can['’]?t|cannot|can not|won['’]?t|will not)\s+"
    r"(?:help|assist|answer|identify|comply|do|provide|process|view|see|determine)|\bas an ai\b",
    re.IGNORECASE,
)


def read_answer(text: str, spec: TaskSpec, options: Sequence[str], *, scoring: Scoring = "default") -> str | None:
    """The answer in a reply, as the options spell it.

    Args:
        text: The reply.
        spec: The task, which says what kind of answer to look for.
        options: The admissible answers of this round.
        scoring: ``reference`` reads as the published reference does, faults included.

    Returns:
        An option; for numbers and directions any readable answer, on offer or not; None where none can be read.
    """
    if scoring == "reference":
        return _REFERENCE_READERS[spec.answers](text)
    if spec.answers == "letter":
        return read_letter(text, options, quadrants=spec.name == "localization")
    return read_number(text) if spec.answers == "number" else read_direction(text)


def read_letter(text: str, options: Sequence[str], *, quadrants: bool = False) -> str | None:
    """The option letter in a reply.

    Args:
        text: The reply.
        options: Letters on offer.
        quadrants: Whether the four letters stand for quadrants, which may then be named instead.

    >>> read_letter("It is a cat", "AB"), read_letter("(b)", "AB"), read_letter("the second image", "AB")
    (None, 'B', 'B')
    """
    if whole := _WHOLE_LETTER.fullmatch(text) or _WHOLE_NUMBER.fullmatch(text):
        return _on_offer({_as_letter(whole[1])}, options)
    # From the plainest form to the loosest; a plainer one that is there decides.
    for pattern in (_BRACKETED, _NAMED, _CAPITAL, _ORDINAL, _NUMBERED):
        named = {_as_letter(group) for match in pattern.finditer(text) for group in match.groups() if group}
        if named:
            return _on_offer(named, options)
    if quadrants and (direction := read_direction(text)) in QUADRANTS:
        return _on_offer({LETTERS[QUADRANTS.index(direction)]}, options)
    return None


def _as_letter(named: str) -> str:
    if named.isdigit():
        return LETTERS[int(named) - 1]
    return LETTERS[_ORDINALS.index(named.lower())] if named.lower() in _ORDINALS else named.upper()


def _on_offer(named: set[str], options: Sequence[str]) -> str | None:
    return named.pop() if len(named) == 1 and named <= set(options) else None


def read_number(text: str) -> str | None:
    """The number in a reply, in digits.

    >>> read_number("There are two cups."), read_number("twenty-one"), read_number("2 or 3")
    ('2', '21', None)
    """
    values = {int(match[0]) for match in _DIGITS.finditer(text)}
    for match in _NUMBER_WORDS.finditer(text):
        tens, unit, word = match.groups()
        values.add(_WORDS[tens.lower()] + _WORDS[unit.lower()] if tens else _WORDS[word.lower()])
    return str(values.pop()) if len(values) == 1 else None


def read_direction(text: str) -> str | None:
    """The direction in a reply, as `DIRECTIONS` spells it.

    >>> read_direction("Top-left!"), read_direction("upper left"), read_direction("it left through the top")
    ('top left', 'top left', 'top')
    """
    named = set()
    for match in _DIRECTION.finditer(_LEFT_VERB.sub(" ", text)):
        down, side, alone, down_after = (group.lower() if group else "" for group in match.groups())
        named.add(f"{_VERTICAL.get(down or down_after, '')} {side or alone}".strip())
    return named.pop() if len(named) == 1 else None


def is_refusal(text: str) -> bool:
    """Whether a reply declines to answer."""
    return _REFUSAL.search(text) is not None


def _reference_letter(text: str) -> str | None:
    found = re.search(r"\b([A-D])\b", text, re.IGNORECASE)
    return found[1].upper() if found else None


def _reference_number(text: str) -> str | None:
    if found := re.search(r"\d+", text):
        return str(int(found[0]))
    # Spelled numbers stop at ten there, though answers reach twelve.
    words = re.search(rf"\b({'|'.join(_UNITS[:11])})\b", text, re.IGNORECASE)
    return str(_WORDS[words[1].lower()]) if words else None


def _reference_direction(text: str) -> str | None:
    direction = text.strip().lower()
    return direction if direction in DIRECTIONS else None


_REFERENCE_READERS: dict[str, Callable[[str], str | None]] = {
    "letter": _reference_letter,
    "number": _reference_number,
    "direction": _reference_direction,
}
