"""Pictures that no moment asks for are left out, and the frames that come are those of decoding everything."""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from babyvlm.media import Damage, frames, frames_at
from tests.media.films import damaged

RATE, COUNT = 20, 100
X264 = {"crf": "20", "preset": "medium", "threads": "1", "g": "25", "sc_threshold": "0"}
X265 = {"crf": "20", "preset": "medium"}
X265_PARAMS = "log-level=none:pools=none:frame-threads=1:keyint=25:min-keyint=25:scenecut=0"


def moving(number: int, width: int = 96, height: int = 64) -> np.ndarray:
    """A picture of which every pixel differs from frame to frame, and which drifts."""
    draw = np.random.default_rng(7)
    ground_HWC = draw.integers(0, 200, (height // 4, width // 4 + COUNT, 3)).repeat(4, 0).repeat(4, 1)
    noise_HWC = np.random.default_rng(number).integers(0, 30, (height, width, 3))
    return (ground_HWC[:, 3 * number % (4 * COUNT) :][:, :width] + noise_HWC).astype(np.uint8)


def encoded(
    path: Path,
    codec: str,
    options: dict[str, str],
    *,
    times: Sequence[int] | None = None,
    first_pts: int = 0,
    rotation: int = 0,
    muxer: dict[str, str] | None = None,
) -> Path:
    """A film of `COUNT` pictures.

    Args:
        path: Where it goes; its suffix chooses the container.
        codec: Encoder.
        options: Its options; a group holds 25 pictures.
        times: When each picture is shown, in hundredths of a second; None for an even rate.
        first_pts: Time stamp of the first, in units of the frame rate; below 0 an edit list leaves pictures out.
        rotation: Degrees by which a player turns it.
        muxer: Options of the container.
    """
    with av.open(str(path), "w", options=muxer or {}) as container:
        stream = container.add_stream(codec, rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj420p" if codec == "mjpeg" else "yuv420p"
        unit = Fraction(1, 100) if times else Fraction(1, RATE)
        stream.codec_context.time_base = unit
        if rotation:
            stream.set_display_rotation(rotation)
        packets = []
        for number in range(COUNT):
            frame = av.VideoFrame.from_ndarray(moving(number), format="rgb24")
            frame.pts, frame.time_base = times[number] if times else number, unit
            packets += stream.encode(frame)
        for packet in [*packets, *stream.encode()]:
            if first_pts:
                packet.pts, packet.dts = packet.pts + first_pts, packet.dts + first_pts
            container.mux(packet)
    return path


def uneven() -> list[int]:
    draw = random.Random(3)
    times = [0]
    while len(times) < COUNT:
        times.append(times[-1] + draw.choice([2, 3, 5, 5, 5, 9, 40]))
    return times


def h264(folder: Path, name: str = "v.mp4", **options: str) -> Path:
    return encoded(folder / name, "libx264", X264 | options)


FILMS = {
    "h264, as encoded by default": lambda at: h264(at),
    "h264, pyramid": lambda at: h264(at, **{"x264-params": "bframes=7:b-adapt=0:b-pyramid=normal"}),
    "h264, strict pyramid": lambda at: h264(at, **{"x264-params": "bframes=4:b-adapt=0:b-pyramid=strict"}),
    "h264, no pyramid": lambda at: h264(at, **{"x264-params": "bframes=3:b-adapt=0:b-pyramid=none"}),
    "h264, without B": lambda at: h264(at, bf="0"),
    "h264, open groups": lambda at: h264(at, **{"x264-params": "bframes=3:b-adapt=0:open-gop=1"}),
    "h264, slices": lambda at: h264(at, **{"x264-params": "bframes=3:b-adapt=0:slices=4"}),
    "h264, transport stream": lambda at: h264(at, "v.ts"),
    "h264, transport stream, open groups": lambda at: h264(at, "v.ts", **{"x264-params": "b-adapt=0:open-gop=1"}),
    "h264, matroska": lambda at: h264(at, "v.mkv"),
    "h264, avi": lambda at: h264(at, "v.avi", bf="0"),
    "h264, interlaced": lambda at: h264(at, **{"x264-params": "tff=1:bframes=3:b-adapt=0"}),
    "h264, uneven": lambda at: encoded(at / "v.mp4", "libx264", X264, times=uneven()),
    "h264, uneven, matroska": lambda at: encoded(at / "v.mkv", "libx264", X264, times=uneven()),
    "h264, edit list": lambda at: encoded(at / "v.mp4", "libx264", X264, first_pts=-13),
    "h264, late": lambda at: encoded(at / "v.mp4", "libx264", X264, first_pts=9),
    "h264, turned": lambda at: encoded(at / "v.mp4", "libx264", X264, rotation=90),
    "hevc": lambda at: encoded(at / "v.mp4", "libx265", X265 | {"x265-params": X265_PARAMS}),
    "hevc, closed groups": lambda at: encoded(
        at / "v.mp4", "libx265", X265 | {"x265-params": f"{X265_PARAMS}:open-gop=0:bframes=4:b-adapt=0"}
    ),
    "hevc, matroska": lambda at: encoded(at / "v.mkv", "libx265", X265 | {"x265-params": X265_PARAMS}),
    "hevc, transport stream": lambda at: encoded(at / "v.ts", "libx265", X265 | {"x265-params": X265_PARAMS}),
    "hevc, sub-layers": lambda at: encoded(
        at / "v.mp4", "libx265", X265 | {"x265-params": f"{X265_PARAMS}:temporal-layers=2"}
    ),
    "mpeg4": lambda at: encoded(at / "v.mp4", "mpeg4", {"g": "25", "bf": "2", "qscale": "3"}),
    "mpeg4, avi": lambda at: encoded(at / "v.avi", "mpeg4", {"g": "25", "qscale": "3"}),
    "mpeg2": lambda at: encoded(at / "v.mpg", "mpeg2video", {"g": "15", "bf": "2"}),
    "mjpeg": lambda at: encoded(at / "v.mov", "mjpeg", {"qscale": "3"}),
    "vp9": lambda at: encoded(at / "v.mkv", "libvpx-vp9", {"g": "25", "cpu-used": "8", "deadline": "realtime"}),
}
SOME_LEFT_OUT = {
    *(name for name in FILMS if name.startswith("h264") and not {"avi", "interlaced"} & {*name.split(", ")}),
    *(name for name in FILMS if name.startswith("hevc") and "sub-layers" not in name),
}


def moments(film_s: float) -> dict[str, list[float]]:
    draw = random.Random(5)
    return {
        "a second apart": [n + 0.5 for n in range(round(film_s) + 1)],
        "five a second": [n / 5 for n in range(round(5 * film_s) + 5)],
        "on the frames": [n / RATE for n in range(0, round(RATE * film_s), 3)],
        "just before the frames": [n / RATE - 5e-7 for n in range(1, round(RATE * film_s), 7)],
        "first and last": [0.0, 0.0, 0.01, film_s - 0.051, film_s - 0.05, film_s - 0.01, film_s, film_s + 0.2],
        "ends of the groups": [each for n in range(1, 5) for each in (1.25 * n - 0.06, 1.25 * n - 0.01, 1.25 * n)],
        **{
            f"drawn {n}": sorted(draw.uniform(0, film_s) for _ in range(count)) for n, count in enumerate((1, 3, 9, 30))
        },
    }


class Whole:
    """A film of which everything is decoded."""

    def __init__(self, path: Path) -> None:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            self.pictures = list(container.decode(stream))
            without_times = set(container.format.name.split(",")) & {"avi"}
            begins_s = float(self.pictures[0].pts * stream.time_base) if without_times else container.start_time / 1e6
            self.starts_s = [float(frame.pts * stream.time_base) - begins_s for frame in self.pictures]
            self.ends_s = self.starts_s[-1] + float(self.pictures[-1].duration * stream.time_base)
            self.film_s = container.duration / 1e6

    def at(self, times_s: list[float]) -> list[tuple[float, np.ndarray]]:
        """The frame that begins last before each moment; the first stands for the moments before it."""
        found = []
        for time_s in times_s:
            before = [n for n, start_s in enumerate(self.starts_s) if start_s - 1e-6 <= time_s]
            shown = self.pictures[before[-1] if before else 0]
            if (before or self.starts_s[0] <= 0.5) and (time_s <= self.ends_s or before[-1] < len(self.pictures) - 1):
                pixels_HWC = np.asarray(shown.to_image())
                found.append((time_s, np.rot90(pixels_HWC) if shown.rotation == 90 else pixels_HWC))
        return found


@pytest.fixture
def left_out(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with every frame left out."""
    counted: list[int] = []

    class Counted(frames._LeftOut):
        def __init__(self) -> None:
            counted.append(1)

    monkeypatch.setattr(frames, "_LeftOut", Counted)
    return counted


def same(found: list, expected: list) -> bool:
    return [time_s for time_s, _ in found] == [time_s for time_s, _ in expected] and all(
        np.array_equal(one, other) for (_, one), (_, other) in zip(found, expected, strict=True)
    )


@pytest.mark.parametrize("name", FILMS)
def test_frames_are_those_of_decoding_everything(name: str, tmp_path: Path, left_out: list[int]) -> None:
    path = FILMS[name](tmp_path)
    whole = Whole(path)
    for pattern, times_s in moments(whole.film_s).items():
        expected = whole.at(times_s)
        assert len(expected) >= len(times_s) / 3
        found = [(time_s, np.asarray(image)) for time_s, image in frames_at(path, times_s, threads=1)]
        assert same(found, expected), pattern
    assert (len(left_out) > 20) == (name in SOME_LEFT_OUT)


def test_a_frame_wrongly_left_out_is_decoded_after_all(
    tmp_path: Path, left_out: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = h264(tmp_path)
    monkeypatch.setattr(frames._Decoder, "_needed", lambda *_: set())
    for times_s in moments(5.0).values():
        found = [(time_s, np.asarray(image)) for time_s, image in frames_at(path, times_s, threads=1)]
        assert same(found, Whole(path).at(times_s))
    assert left_out


def sparingly_and_fully(path: Path, times_s: list[float]) -> list[tuple[list, Damage]]:
    both = []
    for sparing in (True, False):
        damage = Damage()
        taken = frames._frames_at(path, times_s, None, 1, damage, sparing=sparing)
        both.append(([(time_s, np.asarray(image)) for time_s, image in taken], damage))
    return both


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("h264, pyramid", "gone"),
        ("h264, pyramid", "bits"),
        ("h264, open groups", "bits"),
        ("h264, transport stream", "bits"),
        ("hevc", "gone"),
    ],
)
def test_damage_costs_no_more_than_decoding_everything(
    kind: str, how: str, tmp_path: Path, left_out: list[int]
) -> None:
    """Packets are damaged in turn. Every right picture that comes of decoding everything comes, and moments behind a
    damaged packet that was not needed come besides, as they are in the film before it was damaged.

    A picture shown before a damaged one and predicted from it is wrong either way, and not held to be the same.
    """
    path = FILMS[kind](tmp_path)
    times_s = [n / 2 + 0.21 for n in range(10)]
    before = dict(Whole(path).at(times_s))
    with av.open(str(path)) as container:
        spans = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    same_cost = 0
    for number in range(0, COUNT, 7):
        broken = path.with_stem("broken")
        if how == "gone":
            damaged(path, [number], out=broken)
        else:
            data, draw = bytearray(path.read_bytes()), random.Random(number)
            at, size = spans[number]
            for _ in range(6):
                data[draw.randrange(at + size // 4, at + size)] ^= 1 << draw.randrange(8)
            broken.write_bytes(data)
        (found, damage), (expected, full) = sparingly_and_fully(broken, times_s)
        kept, right = dict(found), [each for each in expected if np.array_equal(each[1], before[each[0]])]
        assert {time_s for time_s, _ in expected} <= kept.keys()
        assert same([(time_s, kept[time_s]) for time_s, _ in right], right)
        besides = kept.keys() - {time_s for time_s, _ in expected}
        assert all(np.array_equal(kept[time_s], before[time_s]) for time_s in besides)
        assert damage.lost_moments == full.lost_moments - len(besides) and damage.lost_s <= full.lost_s + 1e-9
        same_cost += not besides
    assert same_cost > 3 and left_out


def test_after_damage_nothing_is_left_out(tmp_path: Path, left_out: list[int]) -> None:
    path = h264(tmp_path)
    with av.open(str(path)) as container:
        keys = [n for n, packet in enumerate(container.demux(video=0)) if packet.is_keyframe]
    broken = damaged(path, [keys[0] + 1], out=tmp_path / "b.mp4")
    damage = Damage()
    found = list(frames_at(broken, [0.0, 1.0, 1.3, 2.6, 4.9], threads=1, damage=damage))
    assert len(found) == 4 and damage.stretches and not left_out


def bits_of(data: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in data)


def golomb(number: int) -> str:
    digits = f"{number + 1:b}"
    return "0" * (len(digits) - 1) + digits


def test_a_film_that_does_not_say_how_far_its_frames_are_out_of_order(tmp_path: Path, left_out: list[int]) -> None:
    """The parameter set loses its bitstream restriction: the decoder has to learn from the frames how long to wait."""
    path = h264(tmp_path, **{"x264-params": "bframes=7:b-adapt=0:b-pyramid=normal"})
    data = path.read_bytes()
    at = data.index(b"avcC") + 4
    length = int.from_bytes(data[at + 6 : at + 8], "big")
    bits = bits_of(data[at + 8 : at + 8 + length]).rstrip("0")[:-1]
    endings = {
        "11" + golomb(0) + golomb(0) + golomb(wide) + golomb(high) + golomb(delay) + golomb(held)
        for wide in range(17) for high in range(17) for delay in range(4) for held in range(17)
    }  # fmt: skip
    ending = max((each for each in endings if bits.endswith(each)), key=len)
    shorter = bits[: -len(ending)] + "0" + "1"
    shorter += "0" * (-len(shorter) % 8)
    unit = int(shorter, 2).to_bytes(len(shorter) // 8, "big").ljust(length, b"\0")
    path.write_bytes(data[: at + 8] + unit + data[at + 8 + length :])
    for pattern, times_s in moments(5.0).items():
        (found, _), (expected, _) = sparingly_and_fully(path, times_s)
        assert same(found, expected), pattern
    assert len(left_out) > 20
