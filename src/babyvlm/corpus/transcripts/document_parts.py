"""What is read of a recogniser's phrase, by the definitions of each program; whatever else it holds is passed by."""

from __future__ import annotations

import math
import re
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from babyvlm.corpus.transcripts.cues import Cue, base_language
from babyvlm.corpus.transcripts.words import TimedWord

_TICKS_PER_S = 10_000_000
_ISO_DURATION = re.compile(r"P(?:(\d+)D)?T(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?")
_GOOGLE_TIME = re.compile(r"(\d{1,9}(?:\.\d+)?)s")


class Phrase(BaseModel):
    """A phrase of any program."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    def cue(self, place: str, language: str) -> Cue | None:
        """The phrase as a cue; None where the program says that it holds no result."""
        raise NotImplementedError

    def as_word(self) -> TimedWord | None:
        """The phrase as a word of an utterance; None where it is more than one."""
        return None


class _Word(Phrase):
    word: str = ""
    start: float | None = None
    end: float | None = None
    speaker: str | int | None = None


class Segment(Phrase):
    """A segment of Whisper or WhisperX, or one of their words."""

    start: float | None = None
    end: float | None = None
    text: str | None = None
    word: str | None = None
    speaker: str | int | None = None
    words: list[_Word] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.text is None and self.word is None:
            raise ValueError("there is no text")
        return self

    def cue(self, place: str, language: str) -> Cue | None:
        if self.text is None:
            return None
        words = self.words or []
        speakers = [str(word.speaker) for word in words if word.speaker not in (None, "")]
        speaker = _label(self.speaker) or (max(speakers, key=speakers.count) if speakers else "")
        starts, ends = [_finite(word.start) for word in words], [_finite(word.end) for word in words]
        start_s, end_s = _finite(self.start), _finite(self.end)
        return Cue(
            place=place,
            start_s=start_s
            if start_s is not None
            else min((each for each in starts if each is not None), default=None),
            end_s=end_s if end_s is not None else max((each for each in ends if each is not None), default=None),
            speaker=speaker,
            text=" ".join(self.text.split()),
            language=language,
        )

    def as_word(self) -> TimedWord | None:
        if self.word is None or self.text is not None:
            return None
        start_s, end_s = _finite(self.start), _finite(self.end)
        return TimedWord(text=self.word, start_s=start_s, end_s=end_s, speaker=_label(self.speaker))


class HubChunk(Phrase):
    """A chunk of ``pipeline("automatic-speech-recognition", return_timestamps=True)``; the last may have no end."""

    timestamp: tuple[float | None, float | None]
    text: str

    def cue(self, place: str, language: str) -> Cue | None:
        start_s, end_s = map(_finite, self.timestamp)
        return Cue(
            place=place, start_s=start_s, end_s=end_s, speaker="", text=" ".join(self.text.split()), language=language
        )

    def as_word(self) -> TimedWord | None:
        """With ``return_timestamps="word"`` each chunk is a word."""
        if len(self.text.split()) != 1:
            return None
        start_s, end_s = map(_finite, self.timestamp)
        return TimedWord(text=self.text, start_s=start_s, end_s=end_s)


class _Offsets(BaseModel):
    start_ms: float = Field(validation_alias="from")
    end_ms: float = Field(validation_alias="to")


class CppSegment(Phrase):
    """A segment of whisper.cpp: offsets are milliseconds."""

    offsets: _Offsets
    text: str

    def cue(self, place: str, language: str) -> Cue | None:
        start_s, end_s = self.offsets.start_ms / 1000, self.offsets.end_ms / 1000
        text = " ".join(self.text.replace("[SPEAKER_TURN]", " ").split())
        return Cue(place=place, start_s=start_s, end_s=end_s, speaker="", text=text, language=language)


class _Alternative(Phrase):
    display: str = Field(default="", validation_alias="Display")
    lexical: str = Field(default="", validation_alias="Lexical")


class _BatchAlternative(Phrase):
    display: str = ""
    lexical: str = ""


class BatchPhrase(Phrase):
    """A phrase of Azure's batch transcription."""

    recognitionStatus: str = "Success"
    offset: str = ""
    duration: str = ""
    offsetInTicks: float | None = None
    durationInTicks: float | None = None
    speaker: int | str | None = None
    locale: str | None = None
    nBest: list[_BatchAlternative] = []

    def cue(self, place: str, language: str) -> Cue | None:
        if self.recognitionStatus != "Success":
            return None
        start_s = _ticks_s(self.offsetInTicks, self.offset)
        lasts_s = _ticks_s(self.durationInTicks, self.duration)
        best = self.nBest[0] if self.nBest else _BatchAlternative()
        return _lasting(place, start_s, lasts_s, self.speaker, best.display or best.lexical, self.locale or language)


class SpokenPhrase(Phrase):
    """A phrase of Azure's real-time recognition, as its client libraries give it."""

    RecognitionStatus: str = "Success"
    Offset: float
    Duration: float
    DisplayText: str = ""
    SpeakerId: str | None = None
    NBest: list[_Alternative] = []

    def cue(self, place: str, language: str) -> Cue | None:
        if self.RecognitionStatus != "Success":
            return None
        best = self.NBest[0] if self.NBest else _Alternative()
        text = self.DisplayText or best.display or best.lexical
        start_s, lasts_s = self.Offset / _TICKS_PER_S, self.Duration / _TICKS_PER_S
        return _lasting(place, start_s, lasts_s, self.SpeakerId, text, language)


class FastPhrase(Phrase):
    """A phrase of Azure's fast transcription."""

    offsetMilliseconds: float
    durationMilliseconds: float
    text: str
    locale: str | None = None
    speaker: int | str | None = None

    def cue(self, place: str, language: str) -> Cue | None:
        start_s, lasts_s = self.offsetMilliseconds / 1000, self.durationMilliseconds / 1000
        return _lasting(place, start_s, lasts_s, self.speaker, self.text, self.locale or language)


class _AmazonAlternative(BaseModel):
    content: str = ""


class AmazonSegment(Phrase):
    """An item of Amazon Transcribe: a segment of sound, or one word or punctuation mark."""

    start_time: float | None = None
    end_time: float | None = None
    transcript: str | None = None
    speaker_label: str = ""
    alternatives: list[_AmazonAlternative] = []

    def cue(self, place: str, language: str) -> Cue | None:
        text = (
            self.transcript if self.transcript is not None else "".join(each.content for each in self.alternatives[:1])
        )
        return Cue(
            place=place,
            start_s=self.start_time,
            end_s=self.end_time,
            speaker=self.speaker_label,
            text=" ".join(text.split()),
            language=language,
        )

    def as_word(self) -> TimedWord | None:
        if self.transcript is not None or not self.alternatives:
            return None
        content = self.alternatives[0].content
        return TimedWord(text=content, start_s=self.start_time, end_s=self.end_time, speaker=self.speaker_label)


class _GoogleWord(Phrase):
    startTime: str = ""
    endTime: str = ""
    startOffset: str = ""
    endOffset: str = ""
    speakerTag: int | None = None


class _GoogleAlternative(Phrase):
    transcript: str = ""
    words: list[_GoogleWord] = []


class GoogleResult(Phrase):
    """A result of Google's Speech-to-Text, versions 1 and 2."""

    alternatives: list[_GoogleAlternative] = []
    resultEndTime: str = ""
    resultEndOffset: str = ""
    languageCode: str = ""

    @property
    def end_s(self) -> float | None:
        return _google_s(self.resultEndTime or self.resultEndOffset)

    def cue(self, place: str, language: str) -> Cue | None:
        best = self.alternatives[0] if self.alternatives else _GoogleAlternative()
        words = best.words
        start_s = _google_s(words[0].startTime or words[0].startOffset) if words else None
        end_s = _google_s(words[-1].endTime or words[-1].endOffset) if words else None
        tags = {word.speakerTag for word in words if word.speakerTag}
        return Cue(
            place=place,
            start_s=start_s,
            end_s=end_s if end_s is not None else self.end_s,
            speaker=f"Speaker {tags.pop()}" if len(tags) == 1 else "",
            text=" ".join(best.transcript.split()),
            language=base_language(self.languageCode) or language,
        )


def _lasting(
    place: str, start_s: float | None, lasts_s: float | None, speaker: int | str | None, text: str, locale: str
) -> Cue:
    return Cue(
        place=place,
        start_s=start_s,
        end_s=None if start_s is None or lasts_s is None else round(start_s + lasts_s, 7),
        speaker=_label(speaker),
        text=" ".join(text.split()),
        language=base_language(locale),
    )


def _label(speaker: Any) -> str:
    if speaker is None:
        return ""
    return f"Speaker {speaker}" if isinstance(speaker, int) else str(speaker)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _ticks_s(ticks: float | None, duration: str) -> float | None:
    """Seconds of a count of 100 ns, or, where that is not given, of an ISO 8601 duration such as ``PT2.18S``."""
    if ticks is not None:
        return ticks / _TICKS_PER_S
    if not duration or (match := _ISO_DURATION.fullmatch(duration)) is None:
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return days * 86400 + hours * 3600 + minutes * 60 + seconds


def _google_s(time: str) -> float | None:
    match = _GOOGLE_TIME.fullmatch(time)
    return float(match[1]) if match else None
