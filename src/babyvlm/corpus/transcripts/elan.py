"""ELAN annotations (``.eaf``): XML with a table of times, tiers of annotations, and the types of the tiers.

Which tiers hold speech (``elan_tiers.py``) follows from their types, since names differ from lab to lab. The
participant is the speaker, or, where none is given, the tier's name. Times are moved by ``TIME_ORIGIN``, the place in
the recording at which the annotation's clock begins, and counted in the header's ``TIME_UNITS``. Read here and not with
pympi, which does not say at which line it reads.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from xml.parsers import expat

from babyvlm.corpus.transcripts.cues import MARK_BAD_BYTES, NOT_UTF8, Cue, Parsed, base_language, read_bytes
from babyvlm.corpus.transcripts.elan_tiers import Annotation, Document, Tier, TierType, speech_tiers
from babyvlm.errors import TranscriptError

_UNIT_S = {"milliseconds": 0.001, "PAL-frames": 1 / 25, "NTSC-frames": 1001 / 30000}
"""Seconds of a unit of ``TIME_UNITS``, as the format defines them."""


def read_elan(path: Path) -> Parsed:
    """Reads the annotations of the tiers that hold speech, in the order of the file.

    Raises:
        TranscriptError: The file is missing, or no ELAN document.
    """
    parsed = Parsed(path=path)
    document = _read_document(path, parsed)
    if not document.times and not document.tiers:
        if parsed.unreadable:
            raise parsed.unreadable[0]
        raise TranscriptError("this XML holds no ELAN tiers", path=path, remedy="Save it from ELAN as .eaf")
    unit_s = _UNIT_S.get(document.units)
    if unit_s is None:
        raise TranscriptError(
            f"TIME_UNITS is {document.units!r}",
            path=path,
            remedy=f"Known are {', '.join(_UNIT_S)}: save it again in ELAN",
        )
    origin_s = _origin_s(document, path, parsed)
    cues: list[Cue] = []
    for tier in speech_tiers(document, parsed):
        read = (_cue(document, tier, each, unit_s, origin_s, parsed) for each in tier.annotations)
        cues += (cue for cue in read if cue is not None)
    parsed.cues = sorted(cues, key=lambda cue: int(cue.place.split()[-1]))
    return parsed


def _read_document(path: Path, parsed: Parsed) -> Document:
    data = read_bytes(path)
    document = Document()
    for attempt in (data, data.decode("utf-8", MARK_BAD_BYTES).encode()):
        document = Document()
        try:
            _parser(document).Parse(attempt, True)
        except (ValueError, LookupError) as error:
            raise TranscriptError(f"the transcript does not read ({error})", path=path) from error
        except expat.ExpatError as error:
            fault = error
            if attempt is data and error.code == 4 and NOT_UTF8.encode() not in data:
                continue  # a byte that is not UTF-8 costs its annotation
        else:
            return document
        break
    problem = f"not XML: {expat.ErrorString(fault.code)}"
    parsed.skip(problem, f"line {fault.lineno}", "What follows is left out; save it from ELAN again")
    return document


def _parser(document: Document) -> expat.XMLParserType:
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = lambda tag, given: _begin(document, tag, given, parser.CurrentLineNumber)
    parser.EndElementHandler = lambda tag: _end(document, tag)
    parser.CharacterDataHandler = lambda text: _text(document, text)
    return parser


def _begin(document: Document, tag: str, given: dict[str, str], line: int) -> None:
    if tag == "HEADER":
        document.units = given.get("TIME_UNITS", "milliseconds") or "milliseconds"
    elif tag == "MEDIA_DESCRIPTOR":
        origin = given.get("TIME_ORIGIN", "")
        url = given.get("MEDIA_URL", "") or given.get("RELATIVE_MEDIA_URL", "")
        document.origins.append((PurePosixPath(url).stem, int(origin) if _is_whole(origin) else 0))
    elif tag == "TIME_SLOT":
        value = given.get("TIME_VALUE", "")
        document.times[given.get("TIME_SLOT_ID", "")] = int(value) if _is_whole(value) else None
    elif tag == "TIER":
        document.tiers.append(
            Tier(
                name=given.get("TIER_ID", ""),
                participant=(given.get("PARTICIPANT") or "").strip(),
                parent=given.get("PARENT_REF", ""),
                kind=given.get("LINGUISTIC_TYPE_REF", ""),
                language=base_language(given.get("LANG_REF", "")),
            )
        )
    elif tag == "LINGUISTIC_TYPE":
        document.types[given.get("LINGUISTIC_TYPE_ID", "")] = TierType(
            constraint=given.get("CONSTRAINTS", ""), has_vocabulary=bool(given.get("CONTROLLED_VOCABULARY_REF"))
        )
    elif tag in ("ALIGNABLE_ANNOTATION", "REF_ANNOTATION") and document.tiers:
        slots = (given.get("TIME_SLOT_REF1", ""), given.get("TIME_SLOT_REF2", ""))
        document.tiers[-1].annotations.append(
            Annotation(
                id=given.get("ANNOTATION_ID", ""),
                line=line,
                slots=slots if tag == "ALIGNABLE_ANNOTATION" else None,
                parent=given.get("ANNOTATION_REF", ""),
                is_code="CVE_REF" in given,
            )
        )
    elif tag == "ANNOTATION_VALUE":
        document.in_value = bool(document.tiers and document.tiers[-1].annotations)


def _is_whole(value: str) -> bool:
    return value.lstrip("-").isdecimal() and len(value) < 16


def _end(document: Document, tag: str) -> None:
    if tag == "ANNOTATION_VALUE":
        document.in_value = False


def _text(document: Document, text: str) -> None:
    if document.in_value:
        document.tiers[-1].annotations[-1].text += text


def _origin_s(document: Document, path: Path, parsed: Parsed) -> float:
    """Where in the recording the annotation's clock begins: as its own media descriptor says, or the first."""
    if not document.origins:
        return 0.0
    own = [origin for stem, origin in document.origins if stem == path.stem]
    origins = {origin for _, origin in document.origins}
    if not own and len(origins) > 1:
        names = ", ".join(f"{stem} {origin} ms" for stem, origin in document.origins)
        parsed.note(
            f"its media begin at different times ({names}), and none is named {path.stem!r}; the first one's is used",
            remedy="Name the recording as in ELAN, or link it there",
        )
    return (own or [document.origins[0][1]])[0] / 1000


def _cue(
    document: Document, tier: Tier, annotation: Annotation, unit_s: float, origin_s: float, parsed: Parsed
) -> Cue | None:
    place = f"line {annotation.line}"
    slots = document.slots_of(annotation)
    if slots is None:
        parsed.skip(f"the annotation refers to {annotation.parent!r}, which is not there", place)
        return None
    unknown = [slot for slot in slots if slot not in document.times]
    if unknown:
        parsed.skip(f"there is no time slot {unknown[0]!r}", place)
        return None
    start, end = (document.times[slot] for slot in slots)
    aligned = start is not None and end is not None
    return Cue(
        place=place,
        start_s=round(start * unit_s + origin_s, 6) if aligned and start is not None else None,
        end_s=round(end * unit_s + origin_s, 6) if aligned and end is not None else None,
        speaker=tier.speaker,
        text=" ".join(annotation.text.split()),
        language="" if tier.language in ("und", "mul") else tier.language,
    )
