"""CHAT (``.cha``), the format of CHILDES and TalkBank, by its manual (https://talkbank.org/manuals/CHAT.html).

    @Participants:  CHI Target_Child, MOT Mother       the role is taken as the speaker
    *MOT:   look at the doggie [!] . 1500_2300         a main tier; the time bullet ends it
            continued here                             a line that begins with a tab continues it
    %mor:   ...                                        dependent tiers are passed by

``chat_codes.py`` turns what a main tier holds into what was said. Read here and not with pylangacq, which does not say
at which line it reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from babyvlm.corpus.transcripts.chat_codes import plain_words
from babyvlm.corpus.transcripts.cues import Cue, Parsed, base_language, read_lines
from babyvlm.errors import TranscriptError

_BULLET = re.compile(
    '\x15(?:%(?:snd|mov|pic):"?[^\x15]*?"?)?_?(\\d{1,12})_(\\d{1,12})-?\x15|\u2022(\\d{1,12})_(\\d{1,12})\u2022'
)
_MAIN = re.compile(r"\*([^:\s]{1,12}):[\t ]*(.*)", re.DOTALL)
_PRECODE = re.compile(r"\[- (\w+)\]")


def read_chat(path: Path) -> Parsed:
    """Reads the main tiers of a CHAT file, in the order of the file.

    An utterance without a time bullet has no times: where only a part of a recording was linked, how many those are is
    for the caller to count.

    Raises:
        TranscriptError: The file has no ``@Begin``.
    """
    parsed = Parsed(path=path)
    lines = read_lines(path)
    if not any(line.startswith("@Begin") for line in lines[:10]):
        raise TranscriptError(
            f"expected @Begin among the first lines, found {lines[0][:40]!r}",
            path=path,
            place="line 1",
            remedy="Is this a CHAT transcript? CLAN's CHECK command says what is missing",
        )
    roles: dict[str, str] = {}
    language = ""
    for number, entry in _entries(lines):
        if entry.startswith("@Participants:"):
            roles = _roles(entry)
        elif entry.startswith("@Languages:"):
            language = base_language(entry.partition(":")[2].split(",")[0])
        elif entry.startswith("*"):
            _read_tier(entry, f"line {number}", roles, language, parsed)
        elif not entry.startswith(("@", "%")):
            problem = f"{entry[:60]!r} is neither a header (@), a main tier (*) nor a dependent tier (%)"
            parsed.skip(problem, f"line {number}", "A line that continues another begins with a tab")
    return parsed


def _entries(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Headers and tiers with the number of their first line, lines that continue others joined to them."""
    begun, entry = 0, ""
    for number, line in enumerate(lines, start=1):
        if line.startswith(("\t", " ")) and entry:
            entry += " " + line.strip()
            continue
        if entry:
            yield begun, entry
        begun, entry = number, line.rstrip()
    if entry:
        yield begun, entry


def _roles(header: str) -> dict[str, str]:
    """Role by code, from ``@Participants: CHI Ross Target_Child, MOT Mother``."""
    entries = (entry.split() for entry in header.partition(":")[2].split(","))
    return {words[0]: words[-1] for words in entries if len(words) > 1}


def _read_tier(entry: str, place: str, roles: dict[str, str], language: str, parsed: Parsed) -> None:
    match = _MAIN.fullmatch(entry)
    if match is None:
        parsed.skip(f"expected a tier like *MOT: look . , found {entry[:60]!r}", place)
        return
    code, said = match.groups()
    bullets = [[int(part) for part in bullet.groups() if part is not None] for bullet in _BULLET.finditer(said)]
    precode = _PRECODE.search(said)
    parsed.cues.append(
        Cue(
            place=place,
            start_s=bullets[0][0] / 1000 if bullets else None,
            end_s=bullets[-1][1] / 1000 if bullets else None,
            speaker=roles.get(code, code),
            text=plain_words(said),
            language=base_language(precode[1]) if precode else language,
        )
    )
