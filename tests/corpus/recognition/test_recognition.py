"""Speech recognition on real and on spoken-by-machine speech."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from babyvlm.corpus import open_corpus, parse_webvtt
from babyvlm.corpus.recognition import RecognitionConfig, transcribe_corpus, word_errors
from babyvlm.corpus.recognition.engines import RecognisedUtterance
from babyvlm.corpus.recognition.transcribe import as_webvtt
from babyvlm.errors import CheckpointError, ConfigError, MediaError
from babyvlm.media import SOUND_RATE, sound_blocks

SPHINX = RecognitionConfig(engine="pocketsphinx")
TRUTH = "and so my fellow americans ask not what your country can do for you ask what you can do for your country"


def needs_recognisers() -> None:
    for package in ("faster_whisper", "pocketsphinx"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install 'babyvlm[asr]'")


def film(path: Path, speech: Path | None, *, lead_s: float = 0.0) -> Path:
    """A still picture with speech after some silence, or without any sound track."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.concatenate([*sound_blocks(speech, block_s=60)]) if speech else np.zeros(0, dtype=np.float32)
    samples = np.concatenate([np.zeros(round(lead_s * SOUND_RATE), dtype=np.float32), samples])
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=5, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream("aac", rate=SOUND_RATE, layout="mono") if speech else None
        for number in range(max(5, len(samples) * 5 // SOUND_RATE)):
            picture = np.full((48, 64, 3), number % 255, dtype=np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode())
        if audio is not None:
            for start in range(0, len(samples), 1024):
                frame = av.AudioFrame.from_ndarray(samples[None, start : start + 1024], format="fltp", layout="mono")
                frame.sample_rate, frame.pts = SOUND_RATE, start
                container.mux(audio.encode(frame))
            container.mux(audio.encode())
    return path


def test_real_speech_gets_timed_utterances_once(shared_data: Path, tmp_path: Path) -> None:
    needs_recognisers()
    speech = shared_data / "speech" / "jfk.flac"
    film(tmp_path / "spoken.mp4", speech, lead_s=3.0)
    film(tmp_path / "silent.mp4", None)
    film(tmp_path / "had.mp4", speech)
    (tmp_path / "had.srt").write_text("1\n00:00:00,100 --> 00:00:00,900\nby hand\n")
    done = transcribe_corpus(open_corpus(tmp_path), SPHINX)
    assert done.counts == {"had a transcript": 1, "no sound": 1, "transcribed": 1} and not done.problems
    cues = parse_webvtt(tmp_path / "spoken.vtt")
    assert len(cues) == done.utterances >= 3
    assert 2.8 < cues[0].start_s < 3.8 and cues[-1].end_s < 14.5
    assert all(cue.language == "en" for cue in cues)
    assert word_errors(TRUTH, " ".join(cue.text for cue in cues)).rate < 0.8  # it is a model of 2012
    assert "nobody has corrected it" in (tmp_path / "spoken.vtt").read_text()
    before = (tmp_path / "spoken.vtt").stat().st_mtime_ns
    assert transcribe_corpus(open_corpus(tmp_path), SPHINX).counts["had a transcript"] == 2
    assert (tmp_path / "spoken.vtt").stat().st_mtime_ns == before
    assert not list(tmp_path.glob(".*")) and not (tmp_path / "silent.vtt").exists()


def test_a_model_that_is_not_there_is_told(tmp_path: Path, make_video) -> None:
    needs_recognisers()
    make_video(tmp_path / "a.mp4", seconds=1)
    (tmp_path / "no-model").mkdir()
    with pytest.raises(CheckpointError, match=r"no-model: faster-whisper does not load it .*--engine pocketsphinx"):
        transcribe_corpus(open_corpus(tmp_path), RecognitionConfig(model=str(tmp_path / "no-model")))


def test_sound_comes_in_blocks_from_the_start_of_the_picture(shared_data: Path) -> None:
    speech = shared_data / "speech" / "jfk.flac"
    blocks = list(sound_blocks(speech, block_s=4))
    assert [len(block) for block in blocks[:-1]] == [4 * SOUND_RATE] * (len(blocks) - 1)
    assert sum(map(len, blocks)) == 11 * SOUND_RATE and 0.1 < np.abs(np.concatenate(blocks)).max() <= 1
    with pytest.raises(MediaError, match="none numbered 3"):
        next(sound_blocks(speech, block_s=1, track=3))


@pytest.mark.parametrize(
    ("truth", "found", "errors"),
    [("a b c", "a b c", 0), ("a b c", "", 3), ("", "a", 1), ("a b c d", "a x c d e", 2), ("It’s on!", "it's on", 0)],
)
def test_word_errors(truth: str, found: str, errors: int) -> None:
    assert word_errors(truth, found).errors == errors


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    said = [
        RecognisedUtterance(start_s=1.0, end_s=2.5, text="x < y & <z>"),
        RecognisedUtterance(start_s=3600, end_s=3601.25, text="again"),
    ]
    (tmp_path / "a.vtt").write_text(as_webvtt(said, SPHINX))
    cues = parse_webvtt(tmp_path / "a.vtt")
    assert [(cue.start_s, cue.end_s, cue.text) for cue in cues] == [(s.start_s, s.end_s, s.text) for s in said]


def test_settings_that_contradict_are_refused() -> None:
    with pytest.raises(ConfigError, match="faster-whisper"):
        RecognitionConfig(engine="pocketsphinx", language="es")
