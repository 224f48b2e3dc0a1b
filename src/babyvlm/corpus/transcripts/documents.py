"""JSON transcripts: which recogniser wrote a document, and what it says.

Whisper, faster-whisper    {"segments": [{"start", "end", "text"}], "language"}
WhisperX                   the same with "speaker" in segments and words, or a bare list of segments
Azure batch                {"recognizedPhrases": [{"offset", "duration", "speaker", "nBest": [{"display"}]}]}
Azure real-time            {"Offset", "Duration", "DisplayText" | "NBest"}, one object, a list, or one a line
Azure fast                 {"phrases": [{"offsetMilliseconds", "durationMilliseconds", "text", "locale"}]}
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from babyvlm.corpus.transcripts.cues import Cue, base_language, read_json
from babyvlm.errors import TranscriptError

_TICKS_PER_S = 10_000_000
_ISO_DURATION = re.compile(r"P(?:(\d+)D)?T(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?")


class _Part(BaseModel):
    """Base of what is read of a document; whatever else it holds is passed by."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)


class _Word(_Part):
    speaker: str | None = None


class _Segment(_Part):
    """Of Whisper and WhisperX."""

    start: float | None = None
    end: float | None = None
    text: str
    speaker: str | None = None
    words: list[_Word] | None = None

    def cue(self, place: str, language: str) -> Cue:
        speakers = [word.speaker for word in self.words or () if word.speaker]
        speaker = self.speaker or (max(speakers, key=speakers.count) if speakers else "")
        text = " ".join(self.text.split())
        return Cue(place=place, start_s=self.start, end_s=self.end, speaker=speaker, text=text, language=language)


class _Alternative(_Part):
    display: str = Field(default="", validation_alias="Display")
    lexical: str = Field(default="", validation_alias="Lexical")


class _BatchAlternative(_Part):
    display: str = ""
    lexical: str = ""


class _BatchPhrase(_Part):
    """Of Azure's batch transcription."""

    recognitionStatus: str = "Success"  # noqa: N815
    offset: str = ""
    duration: str = ""
    offsetInTicks: float | None = None  # noqa: N815
    durationInTicks: float | None = None  # noqa: N815
    speaker: int | str | None = None
    locale: str = ""
    nBest: list[_BatchAlternative] = []  # noqa: N815

    def cue(self, place: str, language: str) -> Cue:
        start_s = _ticks_s(self.offsetInTicks, self.offset)
        lasts_s = _ticks_s(self.durationInTicks, self.duration)
        best = self.nBest[0] if self.nBest else _BatchAlternative()
        return _azure_cue(place, start_s, lasts_s, self.speaker, best.display or best.lexical, self.locale or language)


class _SpokenPhrase(_Part):
    """Of Azure's real-time recognition, as its client libraries give it."""

    RecognitionStatus: str = "Success"
    Offset: float
    Duration: float
    DisplayText: str = ""
    SpeakerId: str | None = None
    NBest: list[_Alternative] = []

    def cue(self, place: str, language: str) -> Cue:
        best = self.NBest[0] if self.NBest else _Alternative()
        text = self.DisplayText or best.display or best.lexical
        start_s, lasts_s = self.Offset / _TICKS_PER_S, self.Duration / _TICKS_PER_S
        return _azure_cue(place, start_s, lasts_s, self.SpeakerId, text, language)


class _FastPhrase(_Part):
    """Of Azure's fast transcription."""

    offsetMilliseconds: float  # noqa: N815
    durationMilliseconds: float  # noqa: N815
    text: str
    locale: str = ""
    speaker: int | str | None = None

    def cue(self, place: str, language: str) -> Cue:
        start_s, lasts_s = self.offsetMilliseconds / 1000, self.durationMilliseconds / 1000
        return _azure_cue(place, start_s, lasts_s, self.speaker, self.text, self.locale or language)


_Phrase = _Segment | _BatchPhrase | _SpokenPhrase | _FastPhrase


def is_transcript(value: object) -> bool:
    """Whether a JSON value is a document of one of the recognisers."""
    return _find_phrases(value) is not None


def parse_document(path: Path) -> list[Cue]:
    """Reads the phrases of a JSON transcript, in the order of the file.

    Raises:
        TranscriptError: Naming the phrase that cannot be read, or saying that no known recogniser wrote the file.
    """
    value = read_json(path)
    found = _find_phrases(value)
    if found is None:
        raise TranscriptError(
            "no transcript of Whisper, WhisperX or Azure",
            path=path,
            remedy='Expected "segments", "recognizedPhrases", "phrases", or objects with "Offset" and "Duration"',
        )
    kind, prefix, phrases = found
    language = value.get("language") if isinstance(value, dict) else None
    return list(_cues(kind, prefix, phrases, base_language(language) if isinstance(language, str) else "", path))


def _find_phrases(value: object) -> tuple[type[_Phrase], str, list[Any]] | None:
    """The kind of a document's phrases, where they stand in it, and the phrases."""
    if isinstance(value, dict):
        kinds: dict[str, type[_Phrase]] = {
            "recognizedPhrases": _BatchPhrase, "segments": _Segment, "phrases": _FastPhrase,
        }  # fmt: skip
        for key, kind in kinds.items():
            if isinstance(phrases := value.get(key), list):
                return kind, key, phrases
        return (_SpokenPhrase, "", [value]) if {"Offset", "Duration"} <= value.keys() else None
    if isinstance(value, list) and value and isinstance(value[0], dict):
        if {"Offset", "Duration"} <= value[0].keys():
            return _SpokenPhrase, "", value
        if {"start", "end", "text"} <= value[0].keys():
            return _Segment, "", value
    return None


def _cues(kind: type[_Phrase], prefix: str, phrases: list[Any], language: str, path: Path) -> Iterator[Cue]:
    for number, phrase in enumerate(phrases):
        place = f"{prefix}[{number}]"
        try:
            yield kind.model_validate(phrase).cue(place, language)
        except ValidationError as error:
            fault = error.errors()[0]
            where = ".".join(map(str, fault["loc"]))
            raise TranscriptError(f"{where or 'phrase'}: {fault['msg']}", path=path, place=place) from error


def _azure_cue(
    place: str, start_s: float | None, lasts_s: float | None, speaker: int | str | None, text: str, locale: str
) -> Cue:
    timed = start_s is not None and lasts_s is not None
    return Cue(
        place=place,
        start_s=start_s,
        end_s=round(start_s + lasts_s, 7) if timed and start_s is not None and lasts_s is not None else None,
        speaker="" if speaker is None else f"Speaker {speaker}" if isinstance(speaker, int) else speaker,
        text=" ".join(text.split()),
        language=base_language(locale),
    )


def _ticks_s(ticks: float | None, duration: str) -> float | None:
    """Seconds of a count of 100 ns, or, where that is not given, of an ISO 8601 duration such as ``PT2.18S``."""
    if ticks is not None:
        return ticks / _TICKS_PER_S
    if not duration or (match := _ISO_DURATION.fullmatch(duration)) is None:
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return days * 86400 + hours * 3600 + minutes * 60 + seconds
