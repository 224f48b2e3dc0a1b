from __future__ import annotations

import datetime
import json
import re
import shutil
from pathlib import Path

import pytest

from babyvlm.corpus import SplitFractions, describe, index, open_corpus
from babyvlm.corpus.recordings import hashed_split
from babyvlm.errors import AnnotationError, ConfigError, InputError, TranscriptError


@pytest.fixture(scope="module")
def video(make_video, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("video") / "v.mp4", seconds=4)


def place(video: Path, *paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(video, path)


def boxes(**changes: object) -> str:
    annotation = {
        "image_id": 1,
        "category_id": 1,
        "bbox": [10, 10, 20, 20],
        "track_id": 5,
        "visibility": 0.5,
        **changes,
    }
    images = [{"id": n, "width": 160, "height": 120, "time_s": 2.0 - n} for n in (0, 1)]
    return json.dumps({"images": images, "annotations": [annotation], "categories": [{"id": 1, "name": "Toy_Car"}]})


def test_saycam_names_say_child_age_and_date(tmp_path: Path, video: Path) -> None:
    place(video, tmp_path / "S" / "S_20140320_1703_04.mp4", tmp_path / "A" / "A_20130531_0818_01.MP4")
    (tmp_path / "S" / "S_20140320_1703_04.en.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\n<v Mum>hello\n")
    (tmp_path / "S" / "S_20140320_1703_04.boxes.json").write_text(boxes())
    corpus = open_corpus(tmp_path)
    assert corpus.layout == "saycam" and corpus.problems == ()
    first, second = corpus.recordings
    assert (first.id, first.child, first.age_months, first.date, first.media) == (
        "A_20130531_0818_01", "A", 8.59, datetime.date(2013, 5, 31), "A/A_20130531_0818_01.MP4",
    )  # fmt: skip
    assert second.age_months == 17.1 and second.duration_s == pytest.approx(4)
    assert first.licence.startswith("restricted")
    assert corpus.recording(second.id) == second and corpus.media_path(second).is_file()
    assert [said.text for said in corpus.utterances(second)] == ["hello"] and corpus.utterances(first) == ()
    assert corpus.has_boxes(second) and not corpus.has_boxes(first)
    earlier, later = corpus.boxed_frames(second)
    assert (earlier.time_s, later.time_s) == (1.0, 2.0) and later.boxes == ()
    (box,) = earlier.boxes
    assert (box.label, box.track, box.visibility, box.width) == ("toy car", 5, 0.5, 20)
    with pytest.raises(AnnotationError, match="has no boxes"):
        corpus.boxed_frames(first)


def test_babyview_and_plain_names(tmp_path: Path, video: Path) -> None:
    place(video, tmp_path / "b" / "S00220001_2024-03-19_1_rec5Xau.mp4", tmp_path / "p" / "holiday.v2.mov")
    (babyview,) = open_corpus(tmp_path / "b").recordings
    assert (babyview.child, babyview.date, babyview.age_months) == ("S00220001", datetime.date(2024, 3, 19), None)
    assert "BabyView" in babyview.licence
    (plain,) = open_corpus(tmp_path / "p").recordings
    assert (plain.id, plain.child, plain.licence) == ("holiday.v2", "unknown", "unknown")
    with pytest.raises(ConfigError, match="'sycam'"):
        open_corpus(tmp_path, "sycam")


def test_recordings_csv_overrides_names(tmp_path: Path, video: Path) -> None:
    place(video, tmp_path / "S_20140320_1703_04.mp4", tmp_path / "S_20140327_1710_01.mp4")
    table = tmp_path / "recordings.csv"
    table.write_text(
        "recording,split,licence,age_months,comment\nS_20140320_1703_04,test,CC0-1.0,17.5,wet\nS_20140327_1710_01,,,,\n"
    )
    first, second = open_corpus(tmp_path).recordings
    assert (first.split, first.licence, first.age_months, first.child) == ("test", "CC0-1.0", 17.5, "S")
    assert second.licence.startswith("restricted") and second.split == "train"  # test alone would leave none
    for text, says in (
        ("recording,split\nS_20140320_1703_04,tset\n", "line 2: split 'tset'"),
        ("recording,age\nx,\n", None),
        ("recording,license\nx,CC0\n", "did you mean 'licence'"),
        ("name,split\nx,test\n", "'recording' is missing"),
        ("recording\nx\nx\n", "line 3: .*listed twice"),
    ):
        table.write_text(text)
        if says is None:
            assert [problem.reason for problem in open_corpus(tmp_path).problems] == ["missing video"]
        else:
            with pytest.raises(InputError, match=says):
                open_corpus(tmp_path)


def test_splits_are_by_recording_and_stay_as_a_corpus_grows() -> None:
    names = [f"S_20140320_1703_{n:02}" for n in range(2000)]
    splits = [hashed_split(name, SplitFractions()) for name in names]
    assert 0.03 < splits.count("test") / 2000 < 0.07 and 0.03 < splits.count("validation") / 2000 < 0.07
    wider = [hashed_split(name, SplitFractions(test=0.1)) for name in names]
    assert all(after == "test" for before, after in zip(splits, wider, strict=True) if before == "test")
    with pytest.raises(ConfigError):
        SplitFractions(test=0.6, validation=0.4)


def test_a_tiny_corpus_has_something_to_train_on(tmp_path: Path, video: Path) -> None:
    place(video, tmp_path / "a.mp4", tmp_path / "b.mp4")
    (tmp_path / "b.vtt").write_text("WEBVTT\n")
    nothing_left = SplitFractions(test=0.999999, validation=0)
    assert [recording.split for recording in open_corpus(tmp_path, fractions=nothing_left).recordings] == [
        "test",
        "train",
    ]


def test_what_cannot_be_used_is_named(tmp_path: Path, video: Path) -> None:
    place(
        video,
        tmp_path / "good.mp4",
        tmp_path / "x" / "twice.mp4",
        tmp_path / "y" / "twice.mkv",
        tmp_path / "._good.mp4",
    )
    (tmp_path / "bad.mp4").write_bytes(video.read_bytes()[:300])
    (tmp_path / "lost.vtt").write_text("WEBVTT\n")
    (tmp_path / "x" / "good.vtt").write_text("WEBVTT\n")
    corpus = open_corpus(tmp_path)
    assert [recording.id for recording in corpus.recordings] == ["good", "twice"]
    assert {(problem.reason, problem.file.name) for problem in corpus.problems} == {
        ("unreadable video", "bad.mp4"),
        ("missing video", "lost.mp4"),
        ("name used twice", "twice.mkv"),
        ("sidecar away from its video", "good.vtt"),
    }
    assert all(str(problem.file) in problem.message for problem in corpus.problems)


def test_a_folder_without_videos_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        open_corpus(tmp_path / "absent")
    with pytest.raises(InputError, match="no video"):
        open_corpus(tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (boxes(bbox=[150, 10, 20, 20]), r"annotations\[0\]: the box of 'toy car', .*right 170 .*160x120"),
        (boxes(category_id=2), r"annotations\[0\]: there is no category 2"),
        (boxes(visibility=1.5), "visibility 1.5"),
        (boxes().replace("time_s", "when"), r"images\[0\]: the image has no time_s"),
        (boxes().replace('"time_s": 2.0', '"time_s": 9.0'), r"images\[0\]: time_s 9.0 .*4.0"),
        (boxes()[:-9], "not COCO"),
    ],
)
def test_faulty_boxes_are_named(tmp_path: Path, video: Path, text: str, says: str) -> None:
    place(video, tmp_path / "a.mp4")
    (tmp_path / "a.boxes.json").write_text(text)
    corpus = open_corpus(tmp_path)
    problems = index(corpus).problems
    assert problems and re.search(rf"a\.boxes\.json.*{says}", problems[0].message)
    if problems[0].reason == "unusable boxes":  # nothing of the file can be read
        with pytest.raises(AnnotationError, match=says):
            corpus.boxed_frames(corpus.recordings[0])
    else:
        kept = sum(len(frame.boxes) for frame in corpus.boxed_frames(corpus.recordings[0]))
        assert kept == ("time_s 9.0" in says)  # an image that cannot be used costs no box of another


def test_the_index_sums_hours_speech_and_problems(tmp_path: Path, video: Path) -> None:
    names = ["A_20130531_0818_01", "A_20130531_0820_02", "S_20140320_1703_04"]
    place(video, *(tmp_path / f"{name}.mp4" for name in names))
    overlapping = "00:00.500 --> 00:02.000\none\n\n00:01.000 --> 00:02.500\ntwo\n\n"
    (tmp_path / f"{names[0]}.vtt").write_text(f"WEBVTT\n\n{overlapping}")
    (tmp_path / f"{names[2]}.vtt").write_text("WEBVTT\n\n00:03.000 --> 00:09.000\npast\n")
    corpus = open_corpus(tmp_path)
    found = index(corpus)
    rows = [(row.child, row.month, row.recordings, row.transcribed, row.utterances) for row in found.rows]
    assert rows == [("A", 8, 2, 1, 2), ("S", 17, 1, 1, 0)]
    assert found.rows[0].hours == pytest.approx(8 / 3600) and found.rows[0].speech_hours == pytest.approx(2 / 3600)
    with pytest.raises(TranscriptError, match=r"S_20140320_1703_04\.vtt, line 3"):
        corpus.utterances(corpus.recordings[2])
    text = describe(corpus)
    assert "3 recordings, layout saycam" in text and "impossible utterance" in text and "line 3" in text
