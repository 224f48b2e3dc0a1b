"""Recordings and transcripts of other programs: formats, damage, and how and when something is shown."""

from __future__ import annotations

import collections
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from babyvlm.corpus import Transcript, index, open_corpus, read_transcript
from babyvlm.corpus.transcripts.chat_codes import plain_words
from babyvlm.curation import CurationConfig, PretrainingSet, curate
from babyvlm.media import SOUND_RATE, Damage, find_damage, frames_at, probe, sound_blocks


def _read(path: Path, duration_s: float = 1e6) -> Transcript:
    return read_transcript(path, recording=path.stem, duration_s=duration_s)


def _each_line_once(path: Path) -> str:
    said = _read(path, 60.0).utterances
    words = [word for utterance in said for word in utterance.text.split()]
    assert said[0].text == "look the red ball is here" and said[0].start_s == 0.5, said[0]
    assert said[1].text == "do you want to roll it" and said[1].start_s == 2.81, said[1]
    texts = [utterance.text for utterance in said]
    assert len(set(texts)) == len(texts), texts
    return f"{len(said)} lines, {len(words)} words, each once"


def youtube_vtt(case: Path, work: Path) -> str:
    return _each_line_once(case / "own_words.vtt")


def rolling_srt(case: Path, work: Path) -> str:
    return _each_line_once(case / "clip.srt")


def json_past_64k(case: Path, work: Path) -> str:
    seen = []
    for name, count, length_s in (("azure_21min.json", 420, 1260.0), ("whisper_100min.json", 2000, 6000.0)):
        shutil.copy(case / name, work / name)
        found = _read(work / name, length_s)
        assert len(found.utterances) == count, len(found.utterances)
        seen.append(f"{name}: {count} utterances")
    return "; ".join(seen)


def childproject(case: Path, work: Path) -> str:
    short = _read(case / "short.csv", 12.0).utterances
    assert [(said.start_s, said.end_s) for said in short] == [(0.5, 2.5), (3.0, 5.0), (6.0, 7.4)], short
    real = _read(case / "childproject_truth_cha.csv").utterances
    assert (real[1].start_s, real[1].end_s) == (12.414, 17.804), real[1]
    return f"milliseconds; {len(real)} utterances of the real table"


def talkbank(case: Path, work: Path) -> str:
    assert plain_words("dog [* p:w] [/] dog .") == "dog."
    lines = [line[6:] for line in (case / "retrace.cha").read_text().splitlines() if line.startswith("*")]
    said = [plain_words(line) for line in lines]
    assert said == [
        "I want that.",
        "the the cat ran.",
        "I want give me that.",
        "an.",
        "the the magazine is here.",
        "kitty is nice.",
        "later in the day.",
        "female.",
        "dog.",
        "dog.",
        "the dog.",
        "and now.",
        "and now.",
    ], said
    return f"{len(said)} tiers, none with a code"


def elan(case: Path, work: Path) -> str:
    found = _read(case / "childproject_eaf.eaf")
    speakers = collections.Counter(said.speaker for said in found.utterances)
    assert set(speakers) <= {"Child", "Mother", "FA2", "MA1", "MC1"}, speakers
    assert not any("periodic" in said.text or said.text in ("FA1", "CHI") for said in found.utterances)
    moved = _read(case / "time_origin.eaf").utterances
    assert [said.start_s for said in moved] == [4.5, 7.0], moved
    return (
        f"{sum(speakers.values())} annotations of speech, {sum(found.not_speech.values())} others counted; TIME_ORIGIN"
    )


def saycam(case: Path, work: Path) -> str:
    found = _read(case / "S_20140320_1703_04.csv", 8.0).utterances
    assert [(said.start_s, said.end_s) for said in found] == [(1.0, 3.0), (3.0, 5.0), (5.0, 8.0)], found
    return "three utterances, each until the next"


def corrupt_packet(case: Path, work: Path) -> str:
    folder = work / "c"
    folder.mkdir()
    shutil.copy(case / "decord_corrupted.mp4", folder / "v.mp4")
    (folder / "v.vtt").write_text("WEBVTT\n\n00:00.500 --> 00:02.500\nlook\n\n00:03.500 --> 00:04.500\nthere\n")
    corpus = open_corpus(folder)
    assert any(problem.reason == "damaged picture" for problem in index(corpus, decode=True).problems)
    curate(corpus, work / "out", CurationConfig(on_problem="skip", min_window=1), workers=1)
    manifest = PretrainingSet(work / "out").manifest
    assert manifest.counts["clips"] == 1 and manifest.skipped["picture lost to damage"] > 0, manifest.skipped
    return f"{find_damage(folder / 'v.mp4')}; the rest is used"


def anamorphic(case: Path, work: Path) -> str:
    path = case / "sar43.mp4"
    (_, picture) = next(frames_at(path, [0.5]))
    assert picture.size == (probe(path).width, probe(path).height) == (320, 240), picture.size
    return "320x240 from 240x240 pixels of 4:3"


def sound_before_picture(case: Path, work: Path) -> str:
    path = case / "flashbeep.mp4"
    lit = (at_s for at_s, image in frames_at(path, [n / 10 for n in range(100)]) if np.asarray(image).mean() > 100)
    flash_s = next(lit)
    beep_s = np.argmax(np.abs(np.concatenate(list(sound_blocks(path, block_s=2.0)))) > 0.1) / SOUND_RATE
    assert abs(flash_s - beep_s) < 0.11, (flash_s, beep_s)
    assert not list(frames_at(path, [0.5], damage=Damage()))  # there is no picture yet
    return f"flash at {flash_s:.1f} s, beep at {beep_s:.1f} s"


CASES: dict[str, Callable[[Path, Path], str]] = {
    "01-youtube-vtt": youtube_vtt,
    "02-youtube-rolling-srt": rolling_srt,
    "03-json-past-64k": json_past_64k,
    "04-childproject-ms": childproject,
    "05-talkbank-chat": talkbank,
    "06-elan-ref-tier": elan,
    "09-saycam-csv": saycam,
    "10-corrupt-packet": corrupt_packet,
    "12-anamorphic": anamorphic,
    "13-sound-before-picture": sound_before_picture,
}
