"""Curation of real videos that nobody made for this project, with transcripts written here."""

from __future__ import annotations

import shutil
from pathlib import Path

import av
import numpy as np
import pytest

from babyvlm.curation import PretrainingSet, curate

SPOKEN = {
    "02_cups.mp4": ["look, three cups", "where is the ball?", "this one", "no, that one", "again!"],
    "03_blocks.mp4": ["a red block", "put it on top", "careful", "it fell [laughs]", "one more"],
    "egocentric_012_014.mp4": ["what are you doing?"],
    "pancake.mkv": ["we make a pancake", "turn it over", "mmh", "hot!", "eat it up"],
}
STEP_S = 1.9


@pytest.fixture(scope="module")
def curated(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> PretrainingSet:
    folder = tmp_path_factory.mktemp("real")
    for name, texts in SPOKEN.items():
        shutil.copy(shared_data / "clips" / name, folder / name)
        cues = [
            f"00:{STEP_S * n:06.3f} --> 00:{STEP_S * n + 1.1:06.3f}\n<v Mother>{text}</v>\n"
            for n, text in enumerate(texts)
        ]
        (folder / name).with_suffix(".vtt").write_text("WEBVTT\n\n" + "\n".join(cues))
    rows = [f"{name.rpartition('.')[0]},{'test' if name == 'pancake.mkv' else 'train'}" for name in SPOKEN]
    (folder / "recordings.csv").write_text("\n".join(["recording,split", *rows]))
    curate(folder, folder / "out", workers=2)
    return PretrainingSet(folder / "out")


def test_every_utterance_has_a_clip_of_two_frames(curated: PretrainingSet) -> None:
    assert curated.manifest.counts["clips"] == 16 and curated.manifest.counts["frames"] == 32
    assert curated.manifest.skipped == {"recording too short for an interleaved sequence": 1}
    assert {each.id for each in curated.recordings} == {"02_cups", "03_blocks", "egocentric_012_014", "pancake"}
    spoken = {utterance.text for utterance in curated.utterances()}
    assert "it fell" in spoken and len(spoken) == 16
    (egocentric,) = [each for each in curated.conversations("video", "train") if each.recording.startswith("ego")]
    assert egocentric.images == tuple(f"egocentric_012_014_0_2000_frame_{n}" for n in (1, 2))
    sequences = curated.conversations("interleaved")
    assert {each.recording for each in sequences} == {"02_cups", "03_blocks", "pancake"}
    assert all(4 <= len(each.turns) == len(each.images) <= 5 for each in sequences)
    assert {each.recording for each in curated.conversations("image", "test")} == {"pancake"}


def test_frames_keep_their_proportions_and_show_their_moment(curated: PretrainingSet, shared_data: Path) -> None:
    sizes = {image: curated.read_image(image).size for image in curated.images.ids}
    expected = {"02_cups": (398, 224), "03_blocks": (398, 224), "egocentric_012_014": (299, 224), "pancake": (398, 224)}
    for image, size in sizes.items():
        assert size == next(shape for stem, shape in expected.items() if image.startswith(stem)), image
    pair = curated.conversations("image", "train")[3]  # second frame of the second clip: 1.45 s to 3.45 s
    assert pair.id == "02_cups_1450_3450_frame_2"
    with av.open(str(shared_data / "clips" / "02_cups.mp4")) as container:
        shown = [frame for frame in container.decode(video=0) if frame.time <= 2.95][-1].to_image().resize((398, 224))
    stored = np.asarray(curated.read_image(pair.id), dtype=float)
    assert np.abs(stored - np.asarray(shown, dtype=float)).mean() < 4


def test_portrait_videos_stay_portrait(shared_data: Path, tmp_path: Path) -> None:
    turned = tmp_path / "turned.mp4"
    with av.open(str(shared_data / "clips" / "egocentric_012_014.mp4")) as source, av.open(str(turned), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        stream.set_display_rotation(90)
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    turned.with_suffix(".vtt").write_text("WEBVTT\n\n00:00.500 --> 00:01.500\nheld upright\n")
    curate(tmp_path, tmp_path / "out", workers=1)
    found = PretrainingSet(tmp_path / "out")
    assert {found.read_image(image).size for image in found.images.ids} == {(224, 299)}
