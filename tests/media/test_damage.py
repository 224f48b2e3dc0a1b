"""Damaged packets cost the picture up to the next key frame, and no more."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from babyvlm.corpus import index, open_corpus
from babyvlm.curation import CurationConfig, PretrainingSet, curate
from babyvlm.errors import InputError, MediaError
from babyvlm.media import Damage, find_damage, frames_at, probe, sound_blocks
from tests.media.films import damaged, film, levels

MOMENTS = [n / 10 + 0.05 for n in range(40)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds, a key frame at each second."""
    return film(tmp_path_factory.mktemp("films") / "v.mp4", pictures=levels(40), group=10, sound=(0.0, 4.0))


@pytest.mark.case("one datum")
@pytest.mark.parametrize(
    ("packets", "lost"),
    [
        ([15], range(15, 20)),
        ([10], range(10, 20)),
        ([0], range(0, 10)),
        ([39], range(39, 40)),
        ([12, 15], range(12, 20)),
        ([15, 16, 25], [*range(15, 20), *range(25, 30)]),
        ([15, 20], range(15, 30)),
    ],
)
def test_a_damaged_packet_costs_up_to_the_next_key_frame(
    whole: Path, tmp_path: Path, packets: list[int], lost: list[int]
) -> None:
    path = damaged(whole, packets, out=tmp_path / "v.mp4")
    damage = Damage()
    found = list(frames_at(path, MOMENTS, threads=1, damage=damage))
    kept = [number for number in range(40) if number not in lost]
    assert [time_s for time_s, _ in found] == [MOMENTS[number] for number in kept]
    assert [round((np.asarray(image, dtype=float).mean() - 20) / 4) for _, image in found] == kept
    assert damage.lost_moments == len(lost)
    assert damage.lost_s == pytest.approx(len(lost) / 10, abs=0.11)
    assert find_damage(path).stretches == damage.stretches
    assert probe(path).duration_s == pytest.approx(4.0, abs=0.1)
    with pytest.raises(MediaError, match=r"v\.mp4: the picture does not decode at"):
        list(frames_at(path, MOMENTS))
    outside = [MOMENTS[number] for number in kept]
    assert len(list(frames_at(path, outside))) == len(outside)  # nothing is lost that was not asked for


@pytest.mark.case("one datum")
def test_damaged_sound_is_silence(whole: Path, tmp_path: Path) -> None:
    import av

    with av.open(str(whole)) as container:
        spans = [(packet.pos, packet.size) for packet in container.demux(audio=0) if packet.size]
    data = bytearray(whole.read_bytes())
    for at, size in spans[20:30]:
        data[at : at + size] = b"\xff" * size
    (tmp_path / "v.mp4").write_bytes(data)
    samples = np.concatenate(list(sound_blocks(tmp_path / "v.mp4", block_s=1.0)))
    assert len(samples) / 16000 == pytest.approx(4.0, abs=0.2)
    assert np.abs(samples[: 16 * 1024]).max() > 0.3 and np.abs(samples[-16 * 1024 :]).max() > 0.3


def corpus_of(folder: Path, films: dict[str, Path], cues: int = 4) -> Path:
    folder.mkdir()
    spoken = "".join(f"00:0{n}.100 --> 00:0{n}.900\nword {n}\n\n" for n in range(cues))
    for name, path in films.items():
        (folder / f"{name}.mp4").write_bytes(path.read_bytes())
        (folder / f"{name}.vtt").write_text(f"WEBVTT\n\n{spoken}")
    return folder


SHORT = CurationConfig(min_clip_s=0.8, fps=5, min_window=1)


@pytest.mark.case("one datum")
@pytest.mark.parametrize("recordings", [1, 2, 5])
def test_a_damaged_recording_is_used_and_counted(whole: Path, tmp_path: Path, recordings: int) -> None:
    broken = damaged(whole, [15], out=tmp_path / "v.mp4")
    folder = corpus_of(tmp_path / "c", {f"r{n}": whole if n else broken for n in range(recordings)})
    with pytest.raises(MediaError, match=r"r0\.mp4: 0\.5 s do not decode, from 1\.5 s to 2\.0 s"):
        curate(folder, tmp_path / "out", SHORT, workers=1)  # an eighth of the recording is more than a twentieth
    curate(folder, tmp_path / "out", CurationConfig(**{**vars(SHORT), "on_problem": "skip"}), workers=1)
    found = PretrainingSet(tmp_path / "out").manifest
    assert found.counts["noted: damaged picture"] == 1 and found.skipped["picture lost to damage"] == 2
    assert found.counts["clips"] == 4 * recordings
    assert f"files: {2 * recordings} = {2 * recordings} used" in found.notes[0]
    notes = [
        problem for problem in index(open_corpus(folder), decode=True).problems if problem.reason == "damaged picture"
    ]
    assert len(notes) == 1 and notes[0].used and "r0.mp4" in notes[0].message


@pytest.mark.case("one datum")
@pytest.mark.parametrize("recordings", [2, 3])
@pytest.mark.parametrize("fault", ["header", "empty", "transcript"])
def test_a_small_corpus_is_not_stopped_by_one_file(whole: Path, tmp_path: Path, recordings: int, fault: str) -> None:
    folder = corpus_of(tmp_path / "c", {f"r{n}": whole for n in range(recordings)})
    if fault == "transcript":
        (folder / "r0.vtt").write_text("no transcript")
    else:
        (folder / "r0.mp4").write_bytes(whole.read_bytes()[:100] if fault == "header" else b"")
    skip = CurationConfig(**{**vars(SHORT), "on_problem": "skip"})
    curate(folder, tmp_path / "out", skip, workers=1)
    found = PretrainingSet(tmp_path / "out").manifest
    assert found.counts["clips"] == 4 * (recordings - 1)
    assert f"files: {2 * recordings} = {2 * recordings - 2} used" in found.notes[0] and "2 left out" in found.notes[0]
    with pytest.raises(InputError):
        curate(folder, tmp_path / "none", CurationConfig(**{**vars(skip), "max_skipped_fraction": 0.0}), workers=1)
    if recordings > 2:  # two of three are too many
        (folder / "r1.vtt").write_text("none here either")
        with pytest.raises(InputError, match="max_skipped_fraction"):
            curate(folder, tmp_path / "none", skip, workers=1)


@pytest.mark.case("promises")
@pytest.mark.parametrize(
    "read", [probe, find_damage, lambda path: list(frames_at(path, [0.5]))], ids=["probe", "find_damage", "frames_at"]
)
@pytest.mark.parametrize(
    ("tag", "other"), [(b"avc1", b"zzzz"), (b"avcC", b"xxxx"), (b"moov", b"xxxx"), (b"ftyp", b"\x00\x00\x00\x00")]
)
def test_what_does_not_open_is_our_error(whole: Path, tmp_path: Path, read, tag: bytes, other: bytes) -> None:
    path = tmp_path / "v.mp4"
    path.write_bytes(whole.read_bytes().replace(tag, other))
    try:
        read(path)
    except MediaError as error:
        assert "v.mp4" in str(error)
    else:
        assert tag == b"ftyp"  # which FFmpeg does without
