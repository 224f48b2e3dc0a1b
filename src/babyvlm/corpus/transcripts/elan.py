"""ELAN annotations (``.eaf``): XML with a table of times and tiers of annotations.

Speech stands on the tiers that align with the recording themselves: those without a parent. Their participant is the
speaker, or, where none is given, the tier's name. Tiers that depend on others hold codings of the speech (addressee,
vocal maturity), and a few by their usual names hold none at all. Read here and not with pympi, which does not tell the
line of what it reads.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from babyvlm.corpus.transcripts.cues import Cue, base_language
from babyvlm.errors import TranscriptError

NOT_SPEECH = frozenset(
    {"code", "code_num", "code-num", "context", "on_off", "on-off", "notes", "note", "comment", "noise"}
)
"""Names of tiers that describe the recording or the annotator's work (the ACLEW scheme, and common usage)."""


@dataclass
class _Annotation:
    line: int
    slots: tuple[str, str]
    speaker: str
    language: str
    text: str = ""


@dataclass
class _Document:
    """What the XML parser has come upon so far."""

    times_ms: dict[str, int | None] = field(default_factory=dict)
    annotations: list[_Annotation] = field(default_factory=list)
    tiers: int = 0
    speaker: str | None = None
    """Of the tier that is open; None where it holds no speech."""
    language: str = ""
    in_value: bool = False


def parse_elan(path: Path) -> list[Cue]:
    """Reads the annotations of the tiers that hold speech, in the order of the file.

    Raises:
        TranscriptError: The file is missing, or naming the line that is no XML or refers to no time.
    """
    document = _Document()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = lambda tag, given: _begin(document, tag, given, parser.CurrentLineNumber)
    parser.EndElementHandler = lambda tag: _end(document, tag)
    parser.CharacterDataHandler = lambda text: _text(document, text)
    try:
        parser.Parse(path.read_bytes(), True)
    except FileNotFoundError:
        raise TranscriptError("the transcript is missing", path=path) from None
    except (OSError, ValueError, LookupError) as error:
        raise TranscriptError(f"the transcript does not read ({error})", path=path) from error
    except expat.ExpatError as error:
        raise TranscriptError(
            f"not XML: {expat.ErrorString(error.code)}", path=path, place=f"line {error.lineno}"
        ) from error
    if not document.times_ms and not document.tiers:
        raise TranscriptError("this XML holds no ELAN tiers", path=path, remedy="Save it from ELAN as .eaf")
    return [_cue(document, each, path) for each in document.annotations]


def _begin(document: _Document, tag: str, given: dict[str, str], line: int) -> None:
    if tag == "TIME_SLOT":
        value = given.get("TIME_VALUE", "")
        document.times_ms[given.get("TIME_SLOT_ID", "")] = int(value) if value.lstrip("-").isdecimal() else None
    elif tag == "TIER":
        document.tiers += 1
        name = given.get("TIER_ID", "")
        spoken = "PARENT_REF" not in given and name.lower() not in NOT_SPEECH
        document.speaker = (given.get("PARTICIPANT") or name).strip() if spoken else None
        document.language = base_language(given.get("LANG_REF", ""))
    elif tag == "ALIGNABLE_ANNOTATION" and document.speaker is not None:
        slots = (given.get("TIME_SLOT_REF1", ""), given.get("TIME_SLOT_REF2", ""))
        document.annotations.append(
            _Annotation(line=line, slots=slots, speaker=document.speaker, language=document.language)
        )
    elif tag == "ANNOTATION_VALUE":
        document.in_value = document.speaker is not None and bool(document.annotations)


def _end(document: _Document, tag: str) -> None:
    if tag == "TIER":
        document.speaker = None
    elif tag == "ANNOTATION_VALUE":
        document.in_value = False


def _text(document: _Document, text: str) -> None:
    if document.in_value:
        document.annotations[-1].text += text


def _cue(document: _Document, annotation: _Annotation, path: Path) -> Cue:
    place = f"line {annotation.line}"
    for slot in annotation.slots:
        if slot not in document.times_ms:
            raise TranscriptError(f"there is no time slot {slot!r}", path=path, place=place)
    start_ms, end_ms = (document.times_ms[slot] for slot in annotation.slots)
    aligned = start_ms is not None and end_ms is not None
    return Cue(
        place=place,
        start_s=start_ms / 1000 if aligned and start_ms is not None else None,
        end_s=end_ms / 1000 if aligned and end_ms is not None else None,
        speaker=annotation.speaker,
        text=" ".join(annotation.text.split()),
        language="" if annotation.language in ("und", "mul") else annotation.language,
    )
