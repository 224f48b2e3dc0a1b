"""A small corpus that several tests of curation share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

NAMES = ("S_20140320_1703_04", "S_20140327_1710_01", "A_20130531_0818_01")


@pytest.fixture(scope="session")
def small_corpus(make_video, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three recordings of 12 s, with an utterance of the mother every 1.5 s; nothing may write to it."""
    folder = tmp_path_factory.mktemp("small-corpus")
    make_video(folder / f"{NAMES[0]}.mp4", seconds=12)
    cues = "".join(f"00:{1.5 * n:06.3f} --> 00:{1.5 * n + 1:06.3f}\n<v Mother>word {n}\n\n" for n in range(7))
    for name in NAMES:
        if name != NAMES[0]:
            shutil.copy(folder / f"{NAMES[0]}.mp4", folder / f"{name}.mp4")
        (folder / f"{name}.vtt").write_text(f"WEBVTT\n\n{cues}")
    (folder / "recordings.csv").write_text(f"recording,split\n{NAMES[0]},train\n{NAMES[1]},test\n{NAMES[2]},train\n")
    return folder
