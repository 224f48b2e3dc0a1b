from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from babyvlm.errors import MediaError
from babyvlm.media import frames_at, probe


def mean_grey(image) -> float:
    return float(np.asarray(image.convert("L")).mean())


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".mov"])
def test_each_moment_gets_the_frame_on_screen_then(make_video, tmp_path: Path, suffix: str) -> None:
    video = make_video(tmp_path / f"v{suffix}", seconds=5)
    assert probe(video).duration_s == pytest.approx(5, abs=0.15)
    moments = [0.0, 0.94, 1.0, 1.0, 2.55, 4.9]
    found = list(frames_at(video, moments))
    assert [time_s for time_s, _ in found] == moments
    assert [round((mean_grey(image) - 30) / 20) for _, image in found] == [0, 0, 1, 1, 2, 4]
    assert mean_grey(found[-1][1]) == pytest.approx(110, abs=6)


def test_moments_past_the_last_frame_are_not_yielded(make_video, tmp_path: Path) -> None:
    video = make_video(tmp_path / "v.mp4", seconds=2)
    assert [time_s for time_s, _ in frames_at(video, [1.95, 2.2, 7.0])] == [1.95]


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_rotated_videos_come_out_upright(make_video, tmp_path: Path, rotation: int) -> None:
    plain = make_video(tmp_path / "plain.mp4", seconds=1)
    turned = make_video(tmp_path / "turned.mp4", seconds=1, rotation=rotation)
    (_, before), (_, after) = next(frames_at(plain, [0.5])), next(frames_at(turned, [0.5]))
    info = probe(turned)
    assert (info.width, info.height) == after.size == (before.size if rotation == 180 else before.size[::-1])
    expected = np.asarray(before.rotate(rotation, expand=True), dtype=int)  # PIL too turns counter-clockwise
    assert np.abs(np.asarray(after, dtype=int) - expected).max() < 4


def test_faults_name_the_file(make_video, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("this is no video")
    for path in (text, tmp_path / "absent.mp4"):
        with pytest.raises(MediaError, match=path.name):
            probe(path)
        with pytest.raises(MediaError, match=path.name):
            list(frames_at(path, [0.0]))
    with pytest.raises(ValueError, match="ascend"):
        list(frames_at(make_video(tmp_path / "v.mp4", seconds=1), [1.0, 0.5]))


def test_real_clips_say_how_large_and_long_they_are(shared_data: Path) -> None:
    found = {path.name: probe(path) for path in (shared_data / "clips").glob("*.m*")}
    assert (found["02_cups.mp4"].width, found["02_cups.mp4"].height) == (1280, 720)
    assert found["pancake.mkv"].duration_s == pytest.approx(10.4, abs=0.1) and found["pancake.mkv"].has_audio
    assert found["egocentric_012_014.mp4"].duration_s == pytest.approx(2.0)
