"""JSON transcripts: which program wrote a document, and what it says.

Whisper, faster-whisper    {"segments": [{"start", "end", "text"}], "language"}
WhisperX                   the same with "speaker" in segments and words, or a bare list of segments
OpenAI's API               {"text", "words": [{"word", "start", "end"}]} where words alone were asked for
whisper.cpp                {"result": {"language"}, "transcription": [{"offsets": {"from", "to"}, "text"}]}
Hugging Face pipelines     {"text", "chunks": [{"timestamp": [start, end or null], "text"}]}
Azure batch                {"recognizedPhrases": [{"offset", "duration", "speaker", "nBest": [{"display"}]}]}
Azure real-time            {"Offset", "Duration", "DisplayText" | "NBest"}, one object, a list, or one per line
Azure fast                 {"phrases": [{"offsetMilliseconds", "durationMilliseconds", "text", "locale"}]}
Amazon Transcribe          {"results": {"items": [...], "audio_segments": [...]}}
Google Speech-to-Text      {"results": [{"alternatives": [{"transcript", "words"}], "resultEndTime"}]}

A document is known by its keys, wherever they stand. ``document_parts.py`` holds what is read of each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from babyvlm.corpus.transcripts.cues import Cue, Parsed, base_language, read_json
from babyvlm.corpus.transcripts.document_parts import (
    AmazonSegment,
    BatchPhrase,
    CppSegment,
    FastPhrase,
    GoogleResult,
    HubChunk,
    Phrase,
    Segment,
    SpokenPhrase,
)
from babyvlm.corpus.transcripts.words import utterances_of_words
from babyvlm.errors import TranscriptError

KEYS = ("segments", "chunks", "transcription", "recognizedPhrases", "phrases", "words", "results", "Offset")
"""The keys by which documents are known."""


@dataclass(frozen=True, kw_only=True)
class _Found:
    """The phrases of a document."""

    kind: type[Phrase]
    place: str
    """Where they stand in it."""
    phrases: list[Any]
    language: str = ""


def is_document(value: object) -> bool:
    """Whether a JSON value is a document of one of the recognisers."""
    return _find(value) is not None


def read_document(path: Path) -> Parsed:
    """Reads the phrases of a JSON transcript, in the order of the file.

    Raises:
        TranscriptError: No known recogniser wrote the file.
    """
    parsed = Parsed(path=path)
    found = _find(read_json(path, parsed))
    if found is None:
        raise TranscriptError(
            "no transcript of Whisper, WhisperX or Azure, nor of another known recogniser",
            path=path,
            remedy='Expected "segments", "chunks", "transcription", "recognizedPhrases", "phrases", "words", '
            '"results", or objects with "Offset" and "Duration"',
        )
    phrases = list(_phrases(found, parsed))
    words = [word for _, _, phrase in phrases if (word := phrase.as_word()) is not None]
    if words and len(words) == len(phrases):
        places = [place for place, _, _ in phrases]
        parsed.cues = utterances_of_words(words, places, base_language(found.language))
        return parsed
    for place, index, phrase in phrases:
        cue = phrase.cue(place, base_language(found.language))
        if cue is None:
            parsed.not_speech["phrase without a result"] += 1
        else:
            parsed.cues.append(_from_previous(cue, phrase, phrases[index - 1][2] if index else None))
    return parsed


def _from_previous(cue: Cue, phrase: Phrase, previous: Phrase | None) -> Cue:
    """A result of Google without word times begins where the one before ends."""
    if cue.start_s is not None or not isinstance(phrase, GoogleResult):
        return cue
    start_s = previous.end_s if isinstance(previous, GoogleResult) else 0.0
    return Cue(**{**vars(cue), "start_s": start_s})


def _phrases(found: _Found, parsed: Parsed) -> Iterator[tuple[str, int, Phrase]]:
    index = 0
    for number, phrase in enumerate(found.phrases):
        place = f"{found.place}[{number}]"
        try:
            yield place, index, found.kind.model_validate(phrase)
        except ValidationError as error:
            fault = error.errors()[0]
            where = ".".join(map(str, fault["loc"]))
            parsed.skip(f"{where or 'phrase'}: {fault['msg']}", place)
        else:
            index += 1


def _find(value: object) -> _Found | None:
    if isinstance(value, dict):
        return _find_in_object(value)
    if isinstance(value, list):
        objects = [each for each in value if isinstance(each, dict)]
        if any({"Offset", "Duration"} <= each.keys() for each in objects):
            return _Found(kind=SpokenPhrase, place="", phrases=value)
        if any({"start", "end", "text"} <= each.keys() for each in objects):
            return _Found(kind=Segment, place="", phrases=value)
        if any({"timestamp", "text"} <= each.keys() for each in objects):
            return _Found(kind=HubChunk, place="", phrases=value)
    return None


def _find_in_object(value: dict[str, Any]) -> _Found | None:
    language = value.get("language")
    language = language if isinstance(language, str) else ""
    kinds: dict[str, type[Phrase]] = {
        "recognizedPhrases": BatchPhrase, "segments": Segment, "phrases": FastPhrase, "chunks": HubChunk,
    }  # fmt: skip
    for key, kind in kinds.items():
        if isinstance(phrases := value.get(key), list):
            return _Found(kind=kind, place=key, phrases=phrases, language=language)
    if isinstance(phrases := value.get("transcription"), list):
        result = value.get("result")
        language = str(result.get("language", "")) if isinstance(result, dict) else language
        return _Found(kind=CppSegment, place="transcription", phrases=phrases, language=language)
    results = value.get("results")
    if isinstance(results, dict):
        return _find_amazon(results)
    if isinstance(results, list) and any(isinstance(each, dict) and "alternatives" in each for each in results):
        return _Found(kind=GoogleResult, place="results", phrases=results)
    for key in ("words", "word_segments"):
        if isinstance(phrases := value.get(key), list) and any(
            isinstance(each, dict) and {"word", "start"} <= each.keys() for each in phrases
        ):
            return _Found(kind=Segment, place=key, phrases=phrases, language=language)
    files = value.get("AudioFileResults")
    if isinstance(files, list) and len(files) == 1 and isinstance(files[0], dict):
        parts = files[0].get("SegmentResults")
        if isinstance(parts, list):
            return _Found(kind=SpokenPhrase, place="AudioFileResults[0].SegmentResults", phrases=parts)
    return _Found(kind=SpokenPhrase, place="", phrases=[value]) if {"Offset", "Duration"} <= value.keys() else None


def _find_amazon(results: dict[str, Any]) -> _Found | None:
    language = str(results.get("language_code") or "")
    for key in ("audio_segments", "items"):
        if isinstance(phrases := results.get(key), list) and phrases:
            return _Found(kind=AmazonSegment, place=f"results.{key}", phrases=phrases, language=language)
    return None
