"""A set by a list of clips: which stay, with which frames and texts, and what is refused."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

import babyvlm
from babyvlm.cli import main
from babyvlm.curation import CurationConfig, PretrainingSet, curate
from babyvlm.curation.candidates import Candidate
from babyvlm.curation.reselect import SelectionChanges
from babyvlm.errors import ConfigError, InputError


@pytest.fixture(scope="module")
def curated(small_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("curated") / "set"
    curate(small_corpus, out, CurationConfig(min_window=2, fps=2), workers=1)
    return out


def listed(path: Path, *rows: tuple[str, ...], heading: tuple[str, ...] = ("clip", "frames", "text")) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([heading, *rows])
    return path


def clips_of(data: PretrainingSet, *splits: str) -> dict[str, Candidate]:
    split_of = {one.id: one.split for one in data.recordings}
    return {one.clip.stem(one.recording): one for one in data.candidates() if split_of[one.recording] in splits}


def test_listed_clips_stay_with_the_frames_and_texts_of_the_list(curated: Path, tmp_path: Path) -> None:
    whole = PretrainingSet(curated)
    training = clips_of(whole, "train")
    first, second, *others = training
    path = listed(tmp_path / "list.csv", (second, "", "  a   dog "), (first, "3 1", ""))
    part = babyvlm.select(curated, tmp_path / "part", clips=path)

    found = clips_of(part, "train")
    assert list(found) == [first, second] and others
    assert [frame.number for frame in found[first].frames] == [1, 3]
    assert found[second].frames == training[second].frames
    assert (found[first].text, found[second].text) == (training[first].text, "a dog")
    pairs = {one.id: one.turns[0].answer for one in part.conversations("image", "train")}
    expected = {f"{first}_frame_{number}": training[first].text for number in (1, 3)}
    expected |= {f"{second}_frame_{frame.number}": "a dog" for frame in training[second].frames}
    assert pairs == expected
    assert all(part.jpeg(image) for image in part.picture_ids("image", "train"))


def test_the_test_split_and_the_language_corpus_stay_and_the_rest_is_counted(curated: Path, tmp_path: Path) -> None:
    whole = PretrainingSet(curated)
    training = clips_of(whole, "train")
    first = next(iter(training))
    path = listed(tmp_path / "list.csv", (first, "1", "a dog"))
    part = babyvlm.select(curated, tmp_path / "part", clips=path)
    assert clips_of(part, "test") == clips_of(whole, "test") and clips_of(whole, "test")
    assert part.utterances() == whole.utterances() and part.recordings == whole.recordings
    others = len(clips_of(whole, "train", "validation")) - 1
    assert part.manifest.skipped["unlisted clip"] == others
    assert part.manifest.skipped["unlisted frame"] == len(training[first].frames) - 1
    assert part.manifest.configuration["clips"] == {"file": "list.csv", "clips": 1, "other_texts": 1}
    assert len(part.manifest.inputs["list.csv"]) == 64
    assert any("language corpus" in note for note in part.manifest.notes)
    again = babyvlm.select(tmp_path / "part", tmp_path / "again", SelectionChanges(clip_frames=1))
    assert again.manifest.skipped["unlisted clip"] == others and clips_of(again, "train") == clips_of(part, "train")


def test_a_list_of_everything_is_the_set_and_goes_together_with_thresholds(curated: Path, tmp_path: Path) -> None:
    whole = PretrainingSet(curated)
    rows = [(clip,) for clip in clips_of(whole, "train", "validation")]
    path = listed(tmp_path / "all.csv", *rows, heading=("clip",))
    same = babyvlm.select(curated, tmp_path / "same", clips=path)
    for name in ("image", "video", "interleaved"):
        assert same.conversations(name) == whole.conversations(name)
    assert same.manifest.counts == whole.manifest.counts
    assert same.manifest.notes == [*whole.manifest.notes, "selected again from set"]
    main(["corpus", "select", str(curated), "--out", str(tmp_path / "one"), "--clips", str(path), "--clip-frames", "1"])
    one = PretrainingSet(tmp_path / "one")
    assert {len(each.images) for each in one.conversations("video")} == {1}
    assert one.conversations("image") == whole.conversations("image")


@pytest.mark.parametrize(
    ("rows", "heading", "problem"),
    [
        ([("x", "1")], ("video", "frames"), r"line 1.*video"),
        ([("x", "1")], ("clip", "frame"), r"line 1.*clip, frame"),
        ([("",), (" ", "1")], ("clip", "frames", "text"), r"line 3.*names no clip"),
        ([("x",), ("x",)], ("clip",), r"line 3.*lists 'x' again"),
        ([("x", "0")], ("clip", "frames"), r"line 2.*'0' are no frames"),
        ([("x", "1,2")], ("clip", "frames"), r"line 2.*'1,2' are no frames"),
        ([("x", "²")], ("clip", "frames"), r"line 2.*no frames"),
        ([("x", "")], ("clip", "frames"), r"line 2.*1 of 1 listed clips .* first is 'x'"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused_by_line(
    curated: Path, tmp_path: Path, rows: list[tuple[str, ...]], heading: tuple[str, ...], problem: str
) -> None:
    path = listed(tmp_path / "list.csv", *rows, heading=heading)
    with pytest.raises(InputError, match=problem):
        babyvlm.select(curated, tmp_path / "part", clips=path)
    assert not (tmp_path / "part").exists()


def test_frames_that_are_not_there_test_clips_and_an_empty_list_are_refused(curated: Path, tmp_path: Path) -> None:
    whole = PretrainingSet(curated)
    first, of_test = next(iter(clips_of(whole, "train"))), next(iter(clips_of(whole, "test")))
    path = listed(tmp_path / "list.csv", (first, "1 99", ""))
    with pytest.raises(InputError, match=r"line 2.*has no frame 99"):
        babyvlm.select(curated, tmp_path / "part", clips=path)
    path = listed(tmp_path / "list.csv", (of_test, "", ""))
    with pytest.raises(InputError, match="not among the training and validation clips"):
        babyvlm.select(curated, tmp_path / "part", clips=path)
    with pytest.raises(InputError, match="lists no clip"):
        babyvlm.select(curated, tmp_path / "part", clips=listed(tmp_path / "list.csv"))
    with pytest.raises(InputError, match="does not read"):
        babyvlm.select(curated, tmp_path / "part", clips=tmp_path / "missing.csv")
    with pytest.raises(ConfigError, match=r"nothing changes: give one of .*--clips"):
        babyvlm.select(curated, tmp_path / "part")
