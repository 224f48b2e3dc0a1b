"""Fixtures that several rooms' tests share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

# Models here are tiny, and more threads for them only wait for one another. Read when numpy and torch are imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import av
import numpy as np
import pytest


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What commands keep in the user's cache goes elsewhere; downloaded models stay where they are."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HOME", os.environ.get("HF_HOME", str(home / "huggingface")))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real inputs that lie beside the checkout and are no part of it."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the real inputs are not at {SHARED_DATA}")
    return SHARED_DATA


VideoMaker = Callable[..., Path]


@pytest.fixture(scope="session")
def make_video() -> VideoMaker:
    """Writes a silent H.264 video whose grey level tells the second, 30 + 20 * second, with some texture."""

    def make(path: Path, *, seconds: float = 4, size: tuple[int, int] = (160, 120), rotation: int = 0) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        texture_HW = np.random.default_rng(0).integers(-8, 9, (size[1] // 8, size[0] // 8)).repeat(8, 0).repeat(8, 1)
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=10, options={"crf": "10", "preset": "ultrafast"})
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
            if rotation:
                stream.set_display_rotation(rotation)
            for index in range(round(seconds * 10)):
                grey_HW = (texture_HW + 30 + 20 * (index // 10 % 10)).astype(np.uint8)
                frame = av.VideoFrame.from_ndarray(np.stack([grey_HW] * 3, axis=-1), format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    return make


SMALL_CORPUS = ("S_20140320_1703_04", "S_20140327_1710_01", "A_20130531_0818_01")


@pytest.fixture(scope="session")
def small_corpus(make_video, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three recordings of 12 s, with an utterance of the mother every 1.5 s; nothing may write to it."""
    folder = tmp_path_factory.mktemp("small-corpus")
    make_video(folder / f"{SMALL_CORPUS[0]}.mp4", seconds=12)
    cues = "".join(f"00:{1.5 * n:06.3f} --> 00:{1.5 * n + 1:06.3f}\n<v Mother>word {n}\n\n" for n in range(7))
    for name in SMALL_CORPUS:
        if name != SMALL_CORPUS[0]:
            shutil.copy(folder / f"{SMALL_CORPUS[0]}.mp4", folder / f"{name}.mp4")
        (folder / f"{name}.vtt").write_text(f"WEBVTT\n\n{cues}")
    (folder / "recordings.csv").write_text(
        f"recording,split\n{SMALL_CORPUS[0]},train\n{SMALL_CORPUS[1]},test\n{SMALL_CORPUS[2]},train\n"
    )
    return folder
