"""One clock for frames and sound: the start of the file."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from babyvlm.media import SOUND_RATE, frames_at, probe, read_timeline, sound_blocks
from tests.media.films import film, levels


def first_sound_s(path: Path) -> float:
    samples = np.concatenate(list(sound_blocks(path, block_s=1.0)))
    return float(np.argmax(np.abs(samples) > 0.1) / SOUND_RATE)


def level(image) -> int:
    return round((np.asarray(image, dtype=float).mean() - 20) / 4)


@pytest.mark.case("showing")
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".ts"])
@pytest.mark.parametrize(
    ("picture_s", "sound_s"),
    [(0.0, 0.0), (1.5, 0.0), (0.0, 1.5), (0.8, 0.0), (0.0, 0.7), (10.0, 10.0), (11.0, 10.0), (10.0, 11.2)],
)
def test_streams_that_begin_at_different_times(tmp_path: Path, suffix: str, picture_s: float, sound_s: float) -> None:
    path = film(tmp_path / f"v{suffix}", pictures=levels(30), starts_s=picture_s, sound=(sound_s, sound_s + 2.0))
    start_s = 0.0 if suffix in (".mp4", ".mov") else min(picture_s, sound_s)  # MP4 counts from zero, by an edit list
    if suffix == ".ts":
        start_s = min(
            picture_s, sound_s - 1024 / 16000
        )  # there the first packet of sound, which primes the codec, counts
    if suffix in (".mp4", ".mov") and min(picture_s, sound_s) > 0:
        with av.open(str(path)) as container:
            start_s = (container.start_time or 0) / av.time_base
    shown_s, heard_s = picture_s - start_s, sound_s - start_s
    moments = [shown_s + 0.05 + n / 10 for n in range(0, 30, 7)]
    assert [level(image) for _, image in frames_at(path, moments)] == list(range(0, 30, 7))
    assert first_sound_s(path) == pytest.approx(heard_s, abs=0.15)  # a codec puts up to 128 ms before its first sound
    assert read_timeline(path, gap_s=1.0).start_s == pytest.approx(shown_s, abs=0.05)
    if shown_s > 0.5:
        assert list(frames_at(path, [0.1])) == []  # there is no picture yet
    else:
        assert [level(image) for _, image in frames_at(path, [0.0])] == [0]


@pytest.mark.case("showing")
def test_the_length_is_that_of_the_whole_file(tmp_path: Path) -> None:
    for suffix in (".mkv", ".mp4", ".ts"):
        path = film(tmp_path / f"v{suffix}", pictures=levels(10), starts_s=2.0, sound=(0.0, 1.0))
        assert probe(path).duration_s == pytest.approx(3.0, abs=0.15)
    path = film(tmp_path / "v.mkv", pictures=levels(10), starts_s=50.0)  # its header says 51 s, counted from 0
    assert probe(path).duration_s == pytest.approx(1.0, abs=0.1)
