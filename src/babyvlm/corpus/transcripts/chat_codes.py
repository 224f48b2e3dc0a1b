"""What a main tier of CHAT says, without how it was said.

A tier is read from left to right into words and groups (``<...>``), and each code in brackets acts upon the word or
group before it, whatever other codes stand between: they form a chain, as in CLAN.

    dog [* p:w] [/] dog .                   [/] takes out "dog", and [* p:w] is a note on it
    tika@u [: kitty] [* p:n] [//] kitty     [: kitty] replaces, [//] takes the replaced word out
    <I want> [//] I need                    a code acts upon a whole group

Annotation codes, pauses, omitted words, events, fillers and retraced passages are taken out. Where the transcriber gave
the standard form (``[: going to]``) it replaces what was pronounced.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(
    "\x15[^\x15]*\x15?|\u2022[^\u2022]*\u2022"  # time bullets
    r"|(?P<code>\[[^\[\]]*\])|(?P<broken>\[[^\s\[\]<>]*|\])"
    r"|(?P<mark>(?<!\S)\+(?:<|[^\s\w\[\]<>]*))"  # linkers and special terminators: +< +" +... +/.
    r"|(?P<open><)|(?P<close>>)"
    r"|(?P<word>[^\s<>\[\]\x15\u2022]+)"
)
_RETRACED = re.compile(r"\[/+[?-]?\]")
_REPLACED = re.compile(r"\[:{1,2}\s+(.*)\]", re.DOTALL)
_INTONATION = re.compile(
    "[\u2191-\u2193\u21d7\u2197\u2198\u21d8\u224b\u2248\u223e\u2308-\u230b\u2206\u2207\u00b0\u2039\u203a\u201e\u2021"
    "\u02c8\u02cc\u2047\u264b\u2051\u222e^\x00-\x08\x0e-\x1f]"
)
"""Arrows, half brackets, stress marks and other signs of conversation analysis, and CLAN's invisible underlining."""
_SILENT = re.compile(
    r"&.*"  # &=laughs &~gaga &+fr &-uh &*MOT:mhm, and &{l=plays that opens a long event
    r"|\(\.+\)|\(\d[\d.:]*\)"  # pauses
    r"|0\.?(?:[^\W\d]\S*)?"  # 0. no speech, 0is left out by the speaker
    r"|(?:xxx?|yyy?|www?)(?:@\S+)?",  # not understood, not transcribed
    re.IGNORECASE,
)
_FORM = re.compile(r"@[a-z]{1,4}(?:[:$&+][\w:&+$-]*)*$")
"""Special forms: woof@o, tika@u, hola@s:spa, b@l."""
_PUNCTUATION = re.compile(r"[^\w]+")


@dataclass
class _Group:
    """Words and groups between angle brackets, or of a whole tier."""

    parts: list[str | _Group] = field(default_factory=list)

    def words(self) -> list[str]:
        found: list[str] = []
        for part in self.parts:
            found += part.words() if isinstance(part, _Group) else [part]
        return [word for word in found if word]


def plain_words(tier: str) -> str:
    """What a main tier says, without CHAT's codes.

    >>> plain_words("<I want> [/] I wanna [: want to] see &=laughs (.) the choo_choo@f (be)cause xxx +...")
    'I want to see the choo choo because'
    """
    stack = [_Group()]
    for token in _TOKEN.finditer(tier):
        current = stack[-1].parts
        if token["open"]:
            group = _Group()
            current.append(group)
            stack.append(group)
        elif token["close"]:
            if len(stack) > 1:
                stack.pop()
        elif token["code"]:
            _apply(token["code"], current)
        elif token["word"]:
            current.append(_plain_word(token["word"]))
    text = " ".join(stack[0].words())
    text = re.sub(r"\s+([,.;!?])", r"\1", text)
    return text if re.search(r"\w", text) else ""


def _apply(code: str, parts: list[str | _Group]) -> None:
    """Lets a code act upon the word or group before it."""
    at = next((index for index in range(len(parts) - 1, -1, -1) if not _is_punctuation(parts[index])), None)
    if at is None:
        return
    if _RETRACED.fullmatch(code):
        parts[at] = ""
    elif (replaced := _REPLACED.fullmatch(code)) is not None:
        said = _Group([_plain_word(word) for word in replaced[1].split()])
        parts[at] = said


def _is_punctuation(part: str | _Group) -> bool:
    return isinstance(part, str) and bool(part) and _PUNCTUATION.fullmatch(part) is not None


def _plain_word(word: str) -> str:
    word = _INTONATION.sub("", word)
    if _SILENT.fullmatch(word):
        return ""
    word = _FORM.sub("", word)
    word = re.sub(r"\(([^()]*)\)", r"\1", word)  # (be)cause: said short, written whole
    word = re.sub(r"(?<=\w)[_+](?=\w)", " ", word)  # choo_choo, ice+cream
    word = re.sub(r"(?<=\w):+(?=\w|$)", "", word)  # no:: a lengthened sound
    return word.replace("(", "").replace(")", "")
