"""``babyvlm corpus transcribe``: recordings without a transcript in, a WebVTT file beside each of them out.

    sound --voices.find_speech--> stretches --engines--> utterances --> <stem>.vtt, whole or absent

A recording that has a transcript of any format is skipped; so running the same command again resumes it.
"""

from __future__ import annotations

import functools
import html
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from babyvlm.corpus.corpus import Corpus
from babyvlm.corpus.problems import Problem
from babyvlm.corpus.recognition.configuration import RecognitionConfig
from babyvlm.corpus.recognition.engines import RecognisedUtterance, load_engine
from babyvlm.corpus.recognition.voices import BLOCK_S, find_speech
from babyvlm.corpus.webvtt_times import cue_times
from babyvlm.errors import MediaError
from babyvlm.executors import in_order, process_pool
from babyvlm.media import Damage, probe, sound_blocks
from babyvlm.progress import progress


@dataclass(frozen=True, kw_only=True)
class Transcribed:
    """What became of a corpus's recordings."""

    counts: Counter[str]
    """Recordings by what was done: ``transcribed``, ``had a transcript``, and reasons why there is none."""
    utterances: int
    problems: tuple[Problem, ...]


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    utterances: int = 0
    has_sound: bool = True
    damage: Problem | None = None
    """What of the sound does not decode, and was taken for silence."""
    problem: Problem | None = None


def transcribe_corpus(corpus: Corpus, config: RecognitionConfig, workers: int = 1) -> Transcribed:
    """Transcribes every recording that has no transcript.

    Args:
        corpus: The corpus; its folder is written to.
        config: The settings.
        workers: Processes; each loads the model.

    Raises:
        MissingExtraError: The engine is not installed.
        CheckpointError: Its model does not load.
    """
    missing = [each for each in corpus.recordings if corpus.transcript_path(each) is None]
    counts = Counter({"had a transcript": len(corpus.recordings) - len(missing)})
    if not missing:
        return Transcribed(counts=counts, utterances=0, problems=())
    if min(workers, len(missing)) == 1:
        load_engine(config)  # what is missing is told before any sound is decoded
    media = [corpus.media_path(each) for each in missing]
    problems: list[Problem] = []
    utterances = 0
    with process_pool(workers, len(media)) as run:
        outcomes = in_order(functools.partial(_transcribe, config), media, run, ahead=2 * workers)
        for found in progress(outcomes, description="transcribe", total=len(media), unit="recording"):
            utterances += found.utterances
            if found.damage is not None:
                problems.append(found.damage)
            if found.problem is not None:
                problems.append(found.problem)
                counts[found.problem.reason] += 1
            else:
                counts["transcribed" if found.has_sound else "no sound"] += 1
    return Transcribed(counts=counts, utterances=utterances, problems=tuple(problems))


def _transcribe(config: RecognitionConfig, media: Path) -> _Outcome:
    """Writes the transcript of one recording. Runs in a worker."""
    try:
        tracks = probe(media).audio_tracks
        if tracks == 0:
            return _Outcome(has_sound=False)
        engine = load_engine(config)
        damage = Damage()
        said = [
            RecognisedUtterance(
                start_s=stretch.start_s + each.start_s, end_s=stretch.start_s + each.end_s, text=each.text
            )
            for stretch in find_speech(sound_blocks(media, block_s=BLOCK_S, track=config.track, damage=damage))
            for each in engine.recognise(stretch.samples)
        ]
    except MediaError as error:
        return _Outcome(problem=Problem(reason="unusable sound", error=error))
    path = media.with_suffix(".vtt")
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(as_webvtt(said, config), encoding="utf-8")
    partial.replace(path)
    return _Outcome(utterances=len(said), damage=_note_damage(media, damage))


def _note_damage(media: Path, damage: Damage) -> Problem | None:
    if not damage.stretches:
        return None
    error = MediaError(f"of the sound, {damage}: taken for silence", path=media, remedy="Copy the file again")
    return Problem(reason="damaged sound", error=error, used=True)


def as_webvtt(said: Sequence[RecognisedUtterance], config: RecognitionConfig) -> str:
    """A WebVTT file that says what wrote it."""
    header = ["WEBVTT"]
    if language := config.language or ("en" if config.engine == "pocketsphinx" else ""):
        header.append(f"Language: {language}")
    model = f", model {config.model}" if config.engine == "faster-whisper" else ""
    note = f"NOTE recognised by {config.engine}{model}; nobody has corrected it"
    cues = [f"{cue_times(each.start_s, each.end_s)}\n{html.escape(each.text, quote=False)}" for each in said]
    return "\n\n".join(["\n".join(header), note, *cues]) + "\n"
