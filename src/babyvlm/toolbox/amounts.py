"""Counts in words and digits: in the languages that models fall into, in dozens, and apart from what counts nothing.

"two dozen", "half a dozen", "a couple", "drei", "tres", "trois", "三个", "٣"     counts
"at least 4", "3 to 5", "dozens", "[12, 34, 56, 78]", "not 3", "image 2"           none
"""

from __future__ import annotations

import re
import unicodedata

_TEENS = ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
UNITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", *_TEENS)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ENGLISH = {word: value for value, word in enumerate(UNITS)} | {w: 10 * v for v, w in enumerate(_TENS, 2)}
# Only words that are no others in English or each other: not elf, once, due, null, ein, un.
_FOREIGN = {
    1: "eins uno один",
    2: "zwei dos deux dois два две",
    3: "drei tres trois tre três три",
    4: "vier cuatro quatre quattro quatro четыре",
    5: "fünf fuenf cinco cinq cinque пять",
    6: "sechs seis шесть",
    7: "sieben siete sept sette sete семь",
    8: "acht ocho huit otto oito восемь",
    9: "neun nueve neuf nove девять",
    10: "zehn diez dix dieci dez десять",
    11: "onze undici",
    12: "zwölf zwoelf doce douze dodici",
}
WORDS = (
    _ENGLISH
    | {word: value for value, words in _FOREIGN.items() for word in words.split()}
    | {"none": 0, "single": 1, "couple": 2, "pair": 2}
)
_ANY_WORD = "|".join(sorted(WORDS, key=len, reverse=True))
_NUMBER = rf"(?:\d+(?:\.\d+)?|(?:a\s+)?dozen|{_ANY_WORD})"

_DIGITS = re.compile(r"(?<![\w.,\-−])\d{1,6}(?=[a-z]{3}|(?!\w|[.,]\d|-\d))", re.ASCII)
_NOTHING = re.compile(
    r"\b(?:there\s+(?:are|is)|i\s+(?:can\s+)?see)\s+no\b(?!\s+(?:more|fewer|less))"
    r"|\b(?:do\s+not|don['’]t|cannot|can['’]?t)\s+see\s+any\b(?!\s+(?:images?|pictures?|photos?|attach\w*|difference))|\bthere\s+(?:are\s+not|aren['’]t)\s+any\b|\A\W*no\s+(?!thanks|images|pictures|guess)[a-z]+s\W*\Z",
    re.IGNORECASE,
)
# Places in a picture, whole numbers among them.
_PLACES = re.compile(
    r"<(box|bbox|point|points|loc|quad|ref)\b[^<>]*>[\s\d,.;()\[\]-]*</\1>|<[a-z_]+\d*(?:\s[^<>]*)?/?>"
    r"|\[\s*-?\d+(?:\.\d+)?(?:\s*,\s*-?\d+(?:\.\d+)?){3,}\s*\]|\(\s*\d+(?:\.\d+)?\s*,\s*\d+(?:\.\d+)?\s*\)",
    re.IGNORECASE,
)
# Numbers that count nothing, that only bound a count, or that are denied or taken back.
_NO_COUNT = re.compile(
    r"\b(?:image|picture|photo|figure)\s*#?\d+\b|\bone\s+of\s+(?:them|the|these|those)\b"
    rf"|\b(?:not|minus)\s+(?:exactly\s+|just\s+)?{_NUMBER}\b|(?:\d+|\b[a-z]+)\s*,\s*no\s*,"
    rf"|\b(?:at\s+(?:least|most)|(?:no\s+)?(?:more|fewer|less|greater)\s+than|over|above|under|below|up\s+to|"
    rf"(?:a\s+)?(?:minimum|maximum)(?:\s+of)?|upwards\s+of)\s+{_NUMBER}\b|[<>≥≤]=?\s*{_NUMBER}\b"
    rf"|\b{_NUMBER}\s+of\s+which\b|\bdozen\s+and\s+a\s+half\b|(?<=,)\s*(?:maybe|perhaps|possibly)\s+{_NUMBER}\b"
    rf"|\b{_NUMBER}\s*(?:\+(?!\s*\d)|(?:or|and)\s+(?:more|fewer|less|above|so)\b)"
    rf"|\b(?:between\s+{_NUMBER}\s+and|{_NUMBER}\s+to)\s+{_NUMBER}\b",
    re.IGNORECASE,
)
_DOZENS = re.compile(
    rf"\b(?:(half)\s+(?:a\s+)?|a\s+(half)[\s-]+|({_ANY_WORD}|\d+)\s+|a\s+|one\s+)?dozen\b(?!s)", re.IGNORECASE
)
_WHOLE = re.compile(r"(?<![\w.,\-−])(\d{1,6})\.0+(?!\d)", re.ASCII)
# "one" after these is a pronoun, not a number.
_NUMBER_WORDS = re.compile(
    r"(?<!this )(?<!that )(?<!each )(?<!every )(?<!which )(?<![\w-])"
    rf"(?:({'|'.join(_TENS)})[\s-]+({'|'.join(UNITS[1:10])})|({_ANY_WORD}))(?![\w-])",
    re.IGNORECASE,
)
_HAN = {"零": 0, "〇": 0, "一": 1, "二": 2, "两": 2, "兩": 2} | {c: v for v, c in enumerate("三四五六七八九", 3)}
_HAN_COUNT = re.compile(
    r"(?<![第零〇一二两兩三四五六七八九十])([零〇一二两兩三四五六七八九]?十?[零〇一二两兩三四五六七八九]?)"
    r"(?=[个個只隻杯本把辆輛张張条條棵朵块塊件台头頭匹位枚颗顆根支つ人羽冊])"
)
_HAN_WHOLE = re.compile(r"\W*([零〇一二两兩三四五六七八九]?十?[零〇一二两兩三四五六七八九]?)\W*")


def plain_digits(text: str) -> str:
    """Digits of any script as ASCII ones."""
    return "".join(
        str(unicodedata.decimal(c)) if ord(c) > 127 and unicodedata.decimal(c, None) is not None else c for c in text
    )


def counts_in(text: str) -> list[int]:
    """Numbers that a text gives as counts, in their order."""
    text = _NO_COUNT.sub(" ", _WHOLE.sub(r"\1", _PLACES.sub(" ", text)))
    found: list[tuple[int, int]] = []

    def dozens(match: re.Match[str]) -> str:
        times = match[3].lower() if match[3] else "1"
        each = 6 if match[1] or match[2] else 12
        found.append((match.start(), each * (int(times[:9]) if times.isdigit() else WORDS[times])))
        return " " * len(match[0])

    text = _DOZENS.sub(dozens, text)
    found += [(match.start(), int(match[0])) for match in _DIGITS.finditer(text)]
    for match in _NUMBER_WORDS.finditer(text):
        tens, unit, word = match.groups()
        value = WORDS[tens.lower()] + WORDS[unit.lower()] if tens else WORDS[word.lower()]
        found.append((match.start(), value))
    whole = _HAN_WHOLE.fullmatch(text)
    for match in [whole] if whole and whole[1] else _HAN_COUNT.finditer(text):
        if match[1]:
            found.append((match.start(), _han(match[1])))
    values = [value for _, value in sorted(found)]
    return values or ([0] if _NOTHING.search(text) else [])


def _han(written: str) -> int:
    """A number below a hundred in Chinese characters.

    >>> _han("三"), _han("十"), _han("十一"), _han("二十")
    (3, 10, 11, 20)
    """
    tens, ten, unit = written.rpartition("十")
    return 10 * (_HAN[tens] if tens else 1) * bool(ten) + (_HAN[unit[0]] if unit else 0)
