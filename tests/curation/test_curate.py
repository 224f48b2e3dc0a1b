from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from babyvlm.curation import CurationConfig, PretrainingSet, curate, write_conversations
from babyvlm.curation.shards import ClipScores
from babyvlm.errors import DataFolderError, InputError, MediaError, OutputExistsError, TranscriptError
from babyvlm.images import ImageStoreWriter
from babyvlm.records import Conversation, Turn
from tests.curation.folders_alike import same_bytes

NAMES = ("S_20140320_1703_04", "S_20140327_1710_01", "A_20130531_0818_01")


@pytest.fixture(scope="module")
def template(small_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small corpus, and an utterance of the child's own in each recording."""
    folder = tmp_path_factory.mktemp("corpus") / "with-child"
    shutil.copytree(small_corpus, folder)
    for transcript in folder.glob("*.vtt"):
        transcript.write_text(transcript.read_text() + "00:11.000 --> 00:12.400\n<v Child>ba ba\n")
    return folder


@pytest.fixture
def corpus(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "corpus"))


def test_a_corpus_becomes_a_pretraining_set(corpus: Path, tmp_path: Path) -> None:
    curate(corpus, tmp_path / "out", workers=1)
    found = PretrainingSet(tmp_path / "out")
    assert [(each.id, each.split) for each in found.recordings] == sorted(
        zip(NAMES, ("train", "test", "train"), strict=True)
    )
    assert found.manifest.counts == {
        "candidate clips": 21,
        "clips": 21,
        "frames": 39,
        "frames much like an earlier one of their clip": 15,
        "image/test": 14,
        "image/train": 28,
        "interleaved/test": 2,
        "interleaved/train": 4,
        "recordings/test": 1,
        "recordings/train": 2,
        "utterances/test": 7,
        "utterances/train": 14,
        "utterances clipped at the end of their recording": 3,
        "video/test": 7,
        "video/train": 14,
    }
    assert found.manifest.skipped == {"utterance of the child": 3}
    assert set(found.manifest.inputs) == {"recordings.csv"} | {f"{n}.{kind}" for n in NAMES for kind in ("mp4", "vtt")}
    assert found.manifest.configuration["curation"]["min_clip_s"] == 2.0
    for form in ("image", "video", "interleaved"):
        train, test = found.conversations(form, "train"), found.conversations(form, "test")
        assert train + test == sorted(train + test, key=lambda each: each.split == "test")
        assert len(found.conversations(form)) == len(train) + len(test)
        assert {each.recording for each in train} == {NAMES[0], NAMES[2]} and {each.recording for each in test} == {
            NAMES[1]
        }
        used = {image for each in train + test for image in each.images}
        assert used <= set(found.images.ids) and (form != "image" or used == set(found.images.ids))
    shared = [each for each in found.conversations("image") if each.images[0] != each.id]
    assert len(shared) == 3 and {each.images[0].rpartition("_frame")[0] for each in shared} < {
        each.id for each in found.conversations("video")
    }
    pair = found.conversations("image", "test")[2]
    assert pair.id == f"{NAMES[1]}_1000_3000_frame_1" and pair.images[0] == f"{NAMES[1]}_0_2000_frame_2"
    assert pair.turns == (Turn(prompt="<image>", answer="word 1"),) and (pair.start_s, pair.end_s) == (1.0, 3.0)
    assert found.read_image(pair.images[0]).size == (160, 120) and found.jpeg(pair.images[0])[:2] == b"\xff\xd8"
    utterance = found.utterances("test")[1]
    assert (utterance.recording, utterance.start_s, utterance.speaker, utterance.text) == (
        NAMES[1],
        1.5,
        "Mother",
        "word 1",
    )
    assert len(found.utterances()) == 21


def test_bytes_do_not_depend_on_who_does_the_work(corpus: Path, tmp_path: Path) -> None:
    curate(corpus, tmp_path / "alone", workers=1)
    curate(corpus, tmp_path / "processes", workers=2)
    with ThreadPoolExecutor(3) as threads:
        curate(corpus, tmp_path / "threads", workers=1, executor=threads)
    assert same_bytes(tmp_path / "alone", tmp_path / "processes") and same_bytes(
        tmp_path / "alone", tmp_path / "threads"
    )
    curate(corpus, tmp_path / "other", CurationConfig(window_stride=1), workers=1)
    assert not same_bytes(tmp_path / "alone", tmp_path / "other")


class BrightnessAligner:
    name = "brightness"

    def fit(self, recordings):
        self.fitted = [each.recording for each in recordings]

    def score(self, recording, clips):
        for clip in clips:
            levels = tuple(picture.convert("L").resize((1, 1)).getpixel((0, 0)) / 1000 for picture in clip.pictures)
            yield ClipScores(clip=0.0 if clip.text == "word 3" else 0.5, frames=levels)


def test_an_aligner_filters_and_chooses(corpus: Path, tmp_path: Path) -> None:
    curate(corpus, tmp_path / "out", CurationConfig(min_frame_alignment=0.06), workers=1, aligner=BrightnessAligner())
    found = PretrainingSet(tmp_path / "out")
    assert found.manifest.configuration["aligner"] == "brightness"
    skipped = {"clip below the alignment threshold": 3, "frame below the alignment threshold": 12}
    skipped["clip without a frame"] = 3
    assert skipped == {key: found.manifest.skipped.get(key) for key in skipped}
    assert "word 3" not in {each.turns[0].answer for each in found.conversations("video")}
    window = found.conversations("interleaved", "test")[0]
    assert all(image.endswith("_frame_2") for image in window.images[:4])  # each second is brighter than the one before


@pytest.mark.parametrize("workers", [1, 2])
def test_faults_stop_it_and_leave_nothing(corpus: Path, tmp_path: Path, workers: int) -> None:
    out = tmp_path / "results" / "out"
    transcript, video = corpus / f"{NAMES[2]}.vtt", corpus / f"{NAMES[1]}.mp4"
    whole = transcript.read_text(), video.read_bytes()
    transcript.write_text(whole[0] + "\n00:12.000 --> 00:19.000\npast the end\n")
    with pytest.raises(TranscriptError, match=rf"{transcript.name}, line 27: .*12\.000 s to 19\.000 s .* 12\.000 s"):
        curate(corpus, out, workers=workers)
    transcript.write_text("no transcript")
    with pytest.raises(TranscriptError, match=rf"{transcript.name}, line 1"):
        curate(corpus, out, workers=workers)
    transcript.write_text(whole[0])
    video.write_bytes(whole[1][:200])
    with pytest.raises(MediaError, match=video.name):
        curate(corpus, out, workers=workers)
    video.unlink()
    with pytest.raises(MediaError, match=NAMES[1]):
        curate(corpus, out, workers=workers)
    assert list(out.parent.iterdir()) == []


def test_a_fault_found_while_decoding_stops_it_too(corpus: Path, tmp_path: Path) -> None:
    video = corpus / f"{NAMES[2]}.mp4"
    data = bytearray(video.read_bytes())
    start, end = data.index(b"mdat"), data.index(b"moov")
    start = (start + end) // 2
    data[start : end - 8] = bytes(end - 8 - start)  # header and first frame stay, so that only decoding tells
    video.write_bytes(data)
    out = tmp_path / "results" / "out"
    with pytest.raises(MediaError, match=video.name):
        curate(corpus, out, workers=2)
    (shards,) = out.parent.iterdir()
    finished = {path.name: path.stat().st_mtime_ns for path in shards.iterdir()}
    assert shards.name == ".out.shards" and finished  # what was decoded before is not decoded again
    curate(corpus, out, CurationConfig(on_problem="skip"), workers=2)
    assert list(out.parent.iterdir()) == [out]
    manifest = PretrainingSet(out).manifest
    assert manifest.counts["noted: damaged picture"] == 1  # what comes before the fault is used
    assert 3 <= manifest.counts["seconds of damaged or missing picture"] <= 12
    assert manifest.skipped["picture lost to damage"] > 0


def test_skipping_is_counted_and_bounded(corpus: Path, tmp_path: Path) -> None:
    (corpus / f"{NAMES[2]}.vtt").write_text("no transcript")
    transcript, whole = corpus / f"{NAMES[0]}.vtt", (corpus / f"{NAMES[0]}.vtt").read_text()
    past = "\n00:12.000 --> 00:19.000\npast the end\n"
    transcript.write_text(whole + past)
    with pytest.raises(InputError, match=r"1 of 17 utterances cannot be used"):
        curate(corpus, tmp_path / "none", CurationConfig(on_problem="skip", max_skipped_fraction=0), workers=1)
    transcript.write_text(whole + past + past.replace("past", "also past"))
    with pytest.raises(InputError, match=r"2 of 18 utterances cannot be used.*line 27"):
        curate(corpus, tmp_path / "out", CurationConfig(on_problem="skip"), workers=1)
    transcript.write_text("neither")
    with pytest.raises(InputError, match=r"24 of 36 s, in 2 recordings, cannot be used.*line 1"):
        curate(corpus, tmp_path / "out", CurationConfig(on_problem="skip", max_skipped_fraction=0.6), workers=1)
    transcript.write_text(whole + past)
    curate(corpus, tmp_path / "out", CurationConfig(on_problem="skip"), workers=1)  # one of either stops nothing
    found = PretrainingSet(tmp_path / "out")
    assert found.manifest.skipped == {
        "impossible utterance": 1,
        "unreadable transcript": 1,
        "utterance of the child": 2,
    }
    assert len(found.recordings) == 2


def test_there_must_be_something_to_learn_from(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(InputError, match=r"nothing to learn from: .*24"):
        curate(corpus, out, CurationConfig(child_speakers=("mother",)), workers=1)
    for path in corpus.glob("*.vtt"):
        path.unlink()
    with pytest.raises(TranscriptError, match="none of the 3 recordings has a transcript"):
        curate(corpus, out, workers=1)
    with pytest.raises(InputError, match="no such folder"):
        curate(tmp_path / "absent", out, workers=1)
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match=r"mine\.txt"):
        curate(corpus, out, workers=1)


def test_an_instruction_set_is_read_beside_the_rest(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    curate(corpus, out, workers=1)
    found = PretrainingSet(out)
    assert not found.has_instruction
    with pytest.raises(DataFolderError, match="the corpus had none"):
        found.conversations("instruction")
    frame = found.images.ids[0]
    turn = Turn(prompt="<image> How many <image>?", answer="2")
    asked = Conversation(
        id="i", format="instruction", images=(frame, "composed"), turns=(turn,), task="count", split="train"
    )
    (out / "instruction").mkdir()
    assert write_conversations(out / "instruction" / "instruction.parquet", [asked]) == 1
    with ImageStoreWriter(out / "instruction" / "images") as writer:
        writer.add("composed", found.jpeg(frame))
    found = PretrainingSet(out)
    assert found.conversations("instruction", "train") == [asked] and found.conversations("instruction", "test") == []
    assert found.jpeg("composed") == found.jpeg(frame) and found.read_image("composed").size == (160, 120)
    with pytest.raises(DataFolderError, match="'nothing'"):
        found.jpeg("nothing")


def test_a_damaged_set_is_told(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    curate(corpus, out, workers=1)
    (out / "video.parquet").write_bytes((out / "video.parquet").read_bytes()[:-20])
    (out / "image.parquet").unlink()
    with pytest.raises(DataFolderError, match=r"video\.parquet: does not read"):
        PretrainingSet(out).conversations("video")
    with pytest.raises(DataFolderError, match=r"image\.parquet: the file is missing"):
        PretrainingSet(out).conversations("image")
    with pytest.raises(DataFolderError, match="not a whole babyvlm pretraining-set"):
        PretrainingSet(corpus)
