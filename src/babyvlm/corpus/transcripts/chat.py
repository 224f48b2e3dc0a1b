"""CHAT (``.cha``), the format of CHILDES and TalkBank, by its manual (https://talkbank.org/manuals/CHAT.html).

    @Participants:  CHI Target_Child, MOT Mother       the role is taken as the speaker
    *MOT:   look at the doggie [!] . 1500_2300         a main tier; the time bullet ends it
            continued here                             a line that begins with a tab goes on
    %mor:   ...                                        dependent tiers are passed by

What is said is kept, how it was said is not: annotation codes, pauses, omitted words, events and retraced passages are
taken out. Where the transcriber gave the standard form (``[: going to]``) it replaces what was pronounced. Read here
and not with pylangacq, which does not tell the line of what it reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from babyvlm.corpus.transcripts.cues import Cue, base_language, read_lines
from babyvlm.errors import TranscriptError

_BULLET = re.compile('\x15(?:%snd:"?[^\x15]*?"?)?_?(\\d+)_(\\d+)-?\x15|\u2022(\\d+)_(\\d+)\u2022')
_MAIN = re.compile(r"\*([^:\s]{1,12}):[\t ]*(.*)", re.DOTALL)
_PRECODE = re.compile(r"\[- (\w+)\]")

_INTONATION = (
    "[\u2191-\u2193\u21d7\u2197\u2198\u21d8\u224b\u2308-\u230b\u2206\u2207\u00b0\u2039\u203a\u201e\u2021\u02c8\u02cc^]"
)
"""Arrows, half brackets and stress marks of conversation analysis."""
_CLEANING: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile("\x15[^\x15]*\x15|\u2022[^\u2022]*\u2022"), " "),  # inner bullets
    (re.compile(r"<([^<>]*)>\s*\[:+ ([^\]]*)\]"), r"\2"),  # <gonna> [: going to]
    (re.compile(r"\S+\s*\[:+ ([^\]]*)\]"), r"\1"),  # gonna [: going to]
    (re.compile(r"(?:<[^<>]*>|\S+)\s*\[/+[?-]?\](?:\s*\[\*[^\]]*\])?"), " "),  # <the> [/] the: said again
    (re.compile(r"\[[^\]]*\]"), " "),  # [!] [?] [=! whines] [% comment] [+ bch]
    (re.compile(r"[<>]"), " "),  # what remains of scopes
    (re.compile(r"&[=~+*-][^\s]*|&[a-z][^\s]*"), " "),  # &=laughs &~gaga &+fr &-uh
    (re.compile(r"\(\.+\)|\(\d[\d.:]*\)"), " "),  # pauses
    (re.compile(r"(?<!\S)0\.?(?:\w\S*)?(?!\S)"), " "),  # 0. no speech, 0is left out by the speaker
    (re.compile(r"(?<!\S)(?:xxx|yyy|www)(?:@\S+)?(?!\S)", re.I), " "),  # not understood, not transcribed
    (re.compile(r"\+(?:\.\.\.|\.\.\?|//\.|//\?|/\.|/\?|\"/\.|\"\.|!\?|\.|<|\^|,|\+|\"|\?)|\+\S{1,3}(?=\s|$)"), " "),
    (re.compile(r"@[a-z]{1,3}(?::\w+)*(?:\$\w+)?"), ""),  # woof@o
    (re.compile(_INTONATION), ""),
    (re.compile(r"[()]"), ""),  # (be)cause: said short, written whole
    (re.compile(r"(?<=\w)[_+](?=\w)"), " "),  # choo_choo, ice+cream
    (re.compile(r"(?<=\w):+(?=\w|\s|$)"), ""),  # no:: a lengthened sound
)  # fmt: skip


def parse_chat(path: Path) -> list[Cue]:
    """Reads the main tiers of a CHAT file, in the order of the file.

    An utterance without a time bullet has no times: where only a part of a recording was linked, how many those are is
    for the caller to count.

    Raises:
        TranscriptError: The file has no ``@Begin``, or naming the line that is neither header nor tier.
    """
    lines = read_lines(path)
    if not any(line.startswith("@Begin") for line in lines[:10]):
        raise TranscriptError(
            f"expected @Begin among the first lines, found {lines[0][:40]!r}",
            path=path,
            place="line 1",
            remedy="Is this a CHAT transcript? CLAN's CHECK command tells what is missing",
        )
    roles: dict[str, str] = {}
    language = ""
    cues: list[Cue] = []
    for number, entry in _entries(lines, path):
        if entry.startswith("@Participants:"):
            roles = _roles(entry)
        elif entry.startswith("@Languages:"):
            language = base_language(entry.partition(":")[2].split(",")[0])
        elif entry.startswith("*"):
            cues.append(_cue(entry, number, path, roles, language))
    return cues


def _entries(lines: list[str], path: Path) -> Iterator[tuple[int, str]]:
    """Headers and tiers with the number of their first line, lines that go on joined to what they continue."""
    begun, entry = 0, ""
    for number, line in enumerate(lines, start=1):
        if line.startswith(("\t", " ")) and entry:
            entry += " " + line.strip()
            continue
        if entry:
            yield begun, entry
        begun, entry = number, line.rstrip()
        if entry and not entry.startswith(("@", "*", "%")):
            raise TranscriptError(
                f"{entry[:60]!r} is neither a header (@), a main tier (*) nor a dependent tier (%)",
                path=path,
                place=f"line {number}",
                remedy="A line that goes on begins with a tab",
            )
    if entry:
        yield begun, entry


def _roles(header: str) -> dict[str, str]:
    """Role by code, from ``@Participants: CHI Ross Target_Child, MOT Mother``."""
    entries = (entry.split() for entry in header.partition(":")[2].split(","))
    return {words[0]: words[-1] for words in entries if len(words) > 1}


def _cue(entry: str, number: int, path: Path, roles: dict[str, str], language: str) -> Cue:
    match = _MAIN.fullmatch(entry)
    if match is None:
        raise TranscriptError(
            f"expected a tier like *MOT: look . , found {entry[:60]!r}", path=path, place=f"line {number}"
        )
    code, said = match.groups()
    bullets = [[int(part) for part in bullet.groups() if part is not None] for bullet in _BULLET.finditer(said)]
    precode = _PRECODE.search(said)
    return Cue(
        place=f"line {number}",
        start_s=bullets[0][0] / 1000 if bullets else None,
        end_s=bullets[-1][1] / 1000 if bullets else None,
        speaker=roles.get(code, code),
        text=plain_words(said),
        language=base_language(precode[1]) if precode else language,
    )


def plain_words(tier: str) -> str:
    """What a main tier says, without CHAT's codes.

    >>> plain_words("<I want> [/] I wanna [: want to] see &=laughs (.) the choo_choo@f (be)cause xxx +...")
    'I want to see the choo choo because'
    """
    for pattern, replacement in _CLEANING:
        tier = pattern.sub(replacement, tier)
    tier = re.sub(r"\s+([,.;!?])", r"\1", " ".join(tier.split()))
    return tier if re.search(r"\w", tier) else ""
