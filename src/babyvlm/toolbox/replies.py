"""Reading a reply: free text in, an answer out, or None where none can be read.

    letters      "B", "(b)", "Answer: C", "the second image"; but not the A of "It is a cat"
    numbers      digits or words, "12", "twelve", "There are two cups"
    directions   "top-left", "Upper left.", "the bottom right corner"
    text         one of the options word for word, whatever its case and its marks, and no other

What a model thinks aloud inside tags is set aside. Of what is left, a marked answer (a box, an answer tag or field)
decides; then what follows "answer", "so" or "therefore"; then the rest, from which answers that are denied ("not A"),
compared with ("than B") or given as reasons are taken out. A reply that still names several answers names none. The
readers are total: any text gives an answer or None.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Literal

from babyvlm.toolbox.amounts import counts_in, plain_digits
from babyvlm.toolbox.reference import reference_answer
from babyvlm.toolbox.tasks import LETTERS, QUADRANTS, TaskSpec
from babyvlm.toolbox.thoughts import without_thoughts
from babyvlm.words import words_of

Scoring = Literal["default", "reference", "leaderboard"]
"""Ours; the published evaluation script's; the published wrapper's, which differs in what an error is worth."""

CUT_OFF = "cut off"
"""A reply's problem begins so where it ended at the limit of its length."""

_CONTROL = re.compile(r"<\|[^<>|]*\|>|</?s>|\[/?INST\]")
# White letters in black circles and squares, which Unicode gives no plain form.
_ENCLOSED = {first + place: chr(ord("A") + place) for first in (0x1F150, 0x1F170) for place in range(4)}
# Cyrillic and Greek letters that look like options, where they end a line: elsewhere they may be words.
_LETTERS_LIKE = {"А": "A", "В": "B", "С": "C", "Α": "A", "Β": "B"}
_LOOK_ALIKE = re.compile(rf"(?<!\w)[{''.join(_LETTERS_LIKE)}](?=\W*$)", re.MULTILINE)
_CJK = re.compile(r"([\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+)")
_STYLED = re.compile(r"\\(?:text(?:bf|rm|it|sf|tt)?|math(?:rm|bf|it|sf)|mbox)\s*\{([^{}]*)\}")
_STRUCK = re.compile(r"~~[^~\n]+~~")
_BOXED = re.compile(r"\\boxed\s*\{([^{}]*)\}|<\|begin_of_box\|>(.*?)<\|end_of_box\|>", re.DOTALL)
_TAGGED = re.compile(
    r"<(answer|final_answer|conclusion|solution)>(.*?)</\1>|<(?:answer|final_answer|conclusion|solution)>([^<]*)\Z",
    re.IGNORECASE | re.DOTALL,
)
_KEY = (
    r"(?:(?:final|selected|correct|chosen|my|best|predicted|total)[_ ])?(?:answer|choice|option|letter|count|total|"
    r"direction|quadrant|number|quantity|prediction|response)|(?:number|num|count)[_ ](?:of[_ ])?\w+"
)
_FIELD = re.compile(
    rf"[\"'](?:{_KEY})[\"']\s*:\s*(?:\{{\s*[\"']\w+[\"']\s*:\s*)?"
    r"(?:\"([^\"]*)\"|'([^']*)'|(-?\d+(?:\.\d+)?)(?=\s*[,}\]\n]))",
    re.IGNORECASE,
)
# What comes after the last of these is the conclusion.
_CONCLUSION = re.compile(
    r"\b(?:answer|choice|respuesta|réponse|antwort|risposta|resposta|ответ)\b(?:\s+(?:is|was|must\s+be|should\s+be|would\s+be))?\s*[:=\-]?|(?:答案|正解|答え)\s*[是は为為:]?|\b(?:choose|pick|select|go(?:ing)?\s+with|wait,?\s+no|on\s+second\s+thought|scratch\s+that)\b[,:.]?|\b(?:therefore|thus|hence|so|actually)\b,?",
    re.IGNORECASE,
)
# What a cut-off reply states as its answer, to the end of the sentence.
_STATED = re.compile(
    r"\b(?:answer|choice|option)\b[*_]*\s*(?:is|was|must\s+be|should\s+be|would\s+be|:)\s*([^.\n!;:]+)[.\n!;]",
    re.IGNORECASE,
)
_REASON = re.compile(r"\b(?:since|because)\b[^.,;\n]*", re.IGNORECASE)

_ORDINALS = ("first", "second", "third", "fourth")
_SHORT_ORDINALS = ("1st", "2nd", "3rd", "4th")
_PICTURE = r"(?:image|picture|photo|one|option|choice)"
_MARK = r"[\s\"'“”‘’`*_()\[\]{}.:,;!?<>。、]*"
_WHOLE_LETTER = re.compile(rf"{_MARK}([A-Da-d])(?:{_MARK}\1)*{_MARK}")
_BRACKETED = re.compile(r"[(\[]\s*([A-Da-d])\s*[)\]]")
_NAMED = re.compile(
    r"\b(?:answer|option|choice|letter|image|picture)\b(?:\s+(?:is|would be|should be))?\s*[:=]?\s*[\"'“*(\[]*"
    r"([A-Da-d])(?=[\"'”*)\].,:;!?\s]*(?:$|[.,:;!?)\]\n]))",
    re.IGNORECASE,
)
# A capital A before most words is an article: "A cat".
_CAPITAL = re.compile(
    r"(?<![\w'’])(?:([B-D])(?![\w'’])|(A)(?=\s*[)\].,:;!?\"'*/。]|\s*$"
    r"|\s+(?:is|ist|est|es|or|and|has|shows|contains|depicts|matches|looks|seems|appears|would|must|should)\b))"
)
_ORDINAL = re.compile(rf"\b({'|'.join((*_ORDINALS, *_SHORT_ORDINALS))})\b(?:\s+{_PICTURE}\b|{_MARK}$)", re.IGNORECASE)
_FOREIGN_ORDINAL = re.compile(
    r"\b(?:(ersten?|première|premier|primera?|prima)|(zweiten?|deuxième|seconde?|segunda?|seconda)|"
    r"(dritten?|troisième|tercera?|terza)|(vierten?|quatrième|cuarta|quarta))\s+"
    r"(?:bild|foto|option|image|photo|imagen|opción|opzione|immagine)\b",
    re.IGNORECASE,
)
_HAN_ORDINAL = re.compile(r"第\s*([一二三四1-4])\s*[张張个個幅枚番]")
_PLACE = re.compile(rf"\b(last|middle|left|right)\s+{_PICTURE}\b|\b(former|latter)\b", re.IGNORECASE)
_OPTION = (
    rf"(?:(?:in|the|{_PICTURE})\s+)*[(\[]?(?:[A-D]\b|(?:{'|'.join((*_ORDINALS, *_SHORT_ORDINALS))})\b)[)\]]?"
    rf"(?:\s+{_PICTURE})?"
)
# Options that are named only to be set aside.
_ASIDE = re.compile(
    rf"\b(?:first|initially|originally)\s+thought\s+(?:it\s+(?:was|is)\s+|of\s+)?{_OPTION}|"
    rf"\bneither\s+{_OPTION}\s+nor\s+{_OPTION}"
    rf"|(?:\bnot|n['’]t(?:\s+be)?)\s+{_OPTION}(?:(?:\s*,\s*{_OPTION})*,?\s+n?or\s+{_OPTION})?"
    rf"|\b(?:than|over|instead\s+of|same\s+as|identical\s+to)\s+{_OPTION}"
    rf"|{_OPTION}\s+(?:is|are)\s+(?:wrong|incorrect|not)\b[^.,;\n]*",
    re.IGNORECASE,
)
_NUMBERED = re.compile(rf"\b{_PICTURE}\s*(?:number\s*|#\s*)?([1-4])\b(?![.,]\d)", re.IGNORECASE)
_WHOLE_NUMBER = re.compile(rf"{_MARK}([1-4]){_MARK}")

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

_HAN_SIDES = {"上": "top", "下": "bottom", "左": "left", "右": "right"}
_HAN_CORNER = re.compile(r"([左右][上下]|[上下][左右])")
_HAN_WHOLE = re.compile(r"\W*([左右上下])[边邊側侧方面部端]?\W*")

_SIDE = r"(?:(?:top|upper|bottom|lower)[\s-]*)?(?:top|bottom|left|right|upper|lower)"
# Directions that say where something is, or is not, rather than where it leaves.
_NO_DIRECTION = re.compile(
    rf"\bfrom\s+(?:the\s+)?{_SIDE}\s+to\s+(?:the\s+)?{_SIDE}\b|\bnot\s+(?:(?:in|at|on|from|through|the)\s+)*{_SIDE}\b"
    r"|\b(?:left|right)\s+of\s+(?:the|a|an)\s+(?!image|frame|picture|screen|photo|view)\w+"
    r"|\b(?:that['’]s|that\s+is|you['’]re|all)\s+right\b",
    re.IGNORECASE,
)

_REFUSAL = re.compile(
    r"\b(?:i['’]?m|i am)\s+(?:sorry|unable|not able)\b|\bi\s+(?:can['’]?t|cannot|can not|won['’]?t|will not)\s+"
    r"(?:help|assist|answer|identify|comply|do|provide|process|view|see|determine)|\bas an ai\b"
    r"|\bi\s+(?:must|have to)\s+(?:decline|refuse)\b|\bi\s+(?:do not|don['’]t)\s+have\s+the\s+ability\b"
    r"|\b(?:content|usage|safety)\s+polic(?:y|ies)\b|\bnot\s+comfortable\s+(?:answering|with)\b"
    r"|\bnot\s+possible\s+for\s+me\b",
    re.IGNORECASE,
)


def read_answer(
    text: str, spec: TaskSpec, options: Sequence[str], *, scoring: Scoring = "default", cut: bool = False
) -> str | None:
    """The answer in a reply, as the options spell it.

    Args:
        text: The reply.
        spec: The task, which says what kind of answer to look for.
        options: The admissible answers of this round.
        scoring: ``reference`` and ``leaderboard`` read as the published code does, faults included.
        cut: Whether the reply ended at the limit of its length. Then only an answer that stands there complete counts.

    Returns:
        An option; for numbers and directions any readable answer, on offer or not; None where none can be read.
    """
    if scoring != "default":
        return reference_answer(text, spec.answers, options)
    # DEVIATION: some published items ask for a letter where their task asks for a direction.
    kind = "letter" if options and set(options) <= set(LETTERS) else spec.answers
    if kind == "letter":
        return read_letter(text, options, quadrants=spec.name == "localization", cut=cut)
    if kind == "text":
        return read_text(text, options)
    return read_number(text, cut=cut) if kind == "number" else read_direction(text, cut=cut)


def read_text(text: str, options: Sequence[str]) -> str | None:
    """The one option that a reply says word for word; case, marks and what stands around it do not matter.

    >>> read_text("'He chose it.' is right", ["he chose it .", "he chosen it ."])
    'he chose it .'
    """
    said = f" {' '.join(words_of(without_thoughts(text)))} "
    named = [option for option in options if (plain := " ".join(words_of(option))) and f" {plain} " in said]
    return named[0] if len(named) == 1 else None


def read_letter(text: str, options: Sequence[str], *, quadrants: bool = False, cut: bool = False) -> str | None:
    """The option letter in a reply.

    Args:
        text: The reply.
        options: Letters on offer.
        quadrants: Whether the four letters stand for quadrants, which may then be named instead.
        cut: Whether the reply ended at the limit of its length.

    >>> read_letter("It is a cat", "AB"), read_letter("(b)", "AB"), read_letter("the second image", "AB")
    (None, 'B', 'B')
    """

    def read(part: str) -> set[str]:
        return _letter_in(part, options, quadrants)

    return _completed(text, read, _WHOLE_LETTER) if cut else _concluded(text, read)


def _letter_in(text: str, options: Sequence[str], quadrants: bool) -> set[str]:
    """Letters that a piece of a reply names, on offer or not."""
    if whole := _WHOLE_LETTER.fullmatch(text) or _WHOLE_NUMBER.fullmatch(text):
        return _on_offer({_as_letter(whole[1])}, options)
    last_line = text.strip().rpartition("\n")[2]
    if last_line != text.strip() and (whole := _WHOLE_LETTER.fullmatch(last_line)):
        return _on_offer({_as_letter(whole[1])}, options)
    text = _ASIDE.sub(" ", _REASON.sub(" ", text))
    # From the plainest form to the loosest; a plainer one that is there decides.
    for pattern in (_BRACKETED, _NAMED, _CAPITAL, _ORDINAL, _HAN_ORDINAL, _NUMBERED):
        named = {_as_letter(group) for match in pattern.finditer(text) for group in match.groups() if group}
        if named:
            return _on_offer(named, options)
    if foreign := {LETTERS[match.lastindex - 1] for match in _FOREIGN_ORDINAL.finditer(text) if match.lastindex}:
        return _on_offer(foreign, options)
    if quadrants:
        named = {LETTERS[QUADRANTS.index(found)] for found in _directions_in(text) if found in QUADRANTS}
        return _on_offer(named, options) if len(_directions_in(text)) == 1 else set()
    places = {(first or second).lower() for first, second in _PLACE.findall(text)}
    return {letter for place in places if (letter := _at_place(place, options))}


def _at_place(place: str, options: Sequence[str]) -> str | None:
    """The option that a word for its place means, which for most words needs a certain number of options."""
    if place == "last":
        return options[-1]
    if place == "middle":
        return options[1] if len(options) == 3 else None
    return options[place in ("right", "latter")] if len(options) == 2 else None


def _concluded(text: str, read: Callable[[str], set[str]]) -> str | None:
    """The one answer of a reply: a marked one, else that of its conclusion, else that of all of it."""
    said = without_thoughts(text)
    if answer := _marked(said, read):
        return answer
    text = _plain(said)
    if answer := _only(read(text)):
        return answer
    *_, conclusion = (None, *_CONCLUSION.finditer(text))
    return None if conclusion is None else _only(read(text[conclusion.end() :]))


def _marked(text: str, read: Callable[[str], set[str]]) -> str | None:
    """The answer that a reply puts into a box, a tag or a field of JSON."""
    text = _STYLED.sub(r"\1", text)
    for pattern in (_BOXED, _TAGGED, _FIELD):
        parts = [
            next((group for group in match.groups()[::-1] if group is not None), "") for match in pattern.finditer(text)
        ]
        if parts and (answer := _only(read(_plain(parts[-1]).strip()))):
            return answer
    return None


def _completed(text: str, read: Callable[[str], set[str]], whole: re.Pattern[str] | None) -> str | None:
    """The answer of a reply that was cut off, where it stands there complete: marked, stated, or a line of its own."""
    said = without_thoughts(text)
    if answer := _marked(said, read):
        return answer
    text = _plain(said)
    for stated in _STATED.finditer(text):
        if answer := _only(read(stated[1])):
            return answer
    first, ended, _ = text.strip().partition("\n")
    alone = len(first.split()) <= 2 and (ended or (whole is not None and whole.fullmatch(first)))
    return _only(read(first)) if alone else None


def _only(named: set[str]) -> str | None:
    """The answer, where just one is named and on offer."""
    return (next(iter(named)) or None) if len(named) == 1 else None


def _plain(text: str) -> str:
    """A reply without control marks and what is struck out, in plain characters."""
    text = _STYLED.sub(r"\1", _STRUCK.sub(" ", _CONTROL.sub(" ", text)))
    # An exponent is no number of its own.
    raised = {c for c in text if unicodedata.decomposition(c).startswith(("<super>", "<sub>"))}
    plain = "".join(c if c in raised else unicodedata.normalize("NFKC", c.translate(_ENCLOSED)) for c in text)
    plain = _LOOK_ALIKE.sub(lambda match: _LETTERS_LIKE[match[0]], plain_digits(plain))
    return _CJK.sub(r" \1 ", plain)


def _as_letter(named: str) -> str:
    if named.isdigit():
        return LETTERS[int(named) - 1]
    if named in "一二三四":
        return LETTERS["一二三四".index(named)]
    for words in (_ORDINALS, _SHORT_ORDINALS):
        if named.lower() in words:
            return LETTERS[words.index(named.lower())]
    return named.upper()


_NONE_ON_OFFER = ""
"""Stands for an answer that is none of the options."""


def _on_offer(named: set[str], options: Sequence[str]) -> set[str]:
    return {letter if letter in options else _NONE_ON_OFFER for letter in named}


def read_number(text: str, *, cut: bool = False) -> str | None:
    """The number in a reply, in digits.

    >>> read_number("There are two cups."), read_number("twenty-one"), read_number("2 or 3")
    ('2', '21', None)
    """
    return _completed(text, _numbers_in, None) if cut else _concluded(text, _numbers_in)


def _numbers_in(text: str) -> set[str]:
    """Numbers that a piece of a reply gives as a count; the total alone where the others are its parts."""
    values = counts_in(text)
    if not values:
        return set()
    top = max(values)
    counted_up = 3 <= top <= len(values) and values[:top] == list(range(1, top + 1)) and set(values[top:]) == {top}
    added_up = len(values) >= 3 and values.count(top) == 1 and sum(values) == 2 * top
    return {str(top)} if counted_up or added_up else {str(value) for value in values}


def read_direction(text: str, *, cut: bool = False) -> str | None:
    """The direction in a reply, as `DIRECTIONS` spells it.

    >>> read_direction("Top-left!"), read_direction("upper left"), read_direction("it left through the top")
    ('top left', 'top left', 'top')
    """
    return _completed(text, _directions_in, None) if cut else _concluded(text, _directions_in)


def _directions_in(text: str) -> set[str]:
    """Directions that a piece of a reply names."""
    text = text.replace("_", " ")
    named = set()
    for match in _DIRECTION.finditer(_LEFT_VERB.sub(" ", _NO_DIRECTION.sub(" ", text))):
        down, side, alone, down_after = (group.lower() if group else "" for group in match.groups())
        named.add(f"{_VERTICAL.get(down or down_after, '')} {side or alone}".strip())
    for found in (_HAN_WHOLE.fullmatch(text), *_HAN_CORNER.finditer(text)):
        if found:
            named.add(
                " ".join(sorted((_HAN_SIDES[side] for side in found[1]), key=("top", "bottom", "left", "right").index))
            )
    return named


def is_refusal(text: str) -> bool:
    """Whether a reply declines to answer."""
    return _REFUSAL.search(text) is not None
