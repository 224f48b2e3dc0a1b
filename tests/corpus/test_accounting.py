"""Every file of a folder is used, or left out by a named reason; nothing beside a video is passed by in silence."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from babyvlm.cli import main
from babyvlm.corpus import index, open_corpus
from babyvlm.errors import ConfigError, InputError

VTT = "WEBVTT\n\n00:00.500 --> 00:01.500\nlook\n"
SRT = "1\n00:00:00,500 --> 00:00:01,500\nlook\n"
WHISPER = json.dumps({"text": "word " * 30_000, "segments": [{"start": 0.5, "end": 1.5, "text": "look"}]})


@pytest.fixture(scope="module")
def video(make_video, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("video") / "v.mp4", seconds=2)


USED = [
    ("visit.vtt", VTT),
    ("visit.VTT", VTT),
    ("visit.en.vtt", VTT),
    ("visit.en-US.vtt", VTT),
    ("visit.en-orig.vtt", VTT),
    ("visit.es.srt", SRT),
    ("visit.mp4.srt", SRT),
    ("visit.wav.json", WHISPER),
    ("visit.json", WHISPER),
    ("visit.JSON", WHISPER),
    ("visit.csv", "START,END,TEXT\n0.5,1.5,look\n"),
    ("visit.csv", "sep=;\nStart;End;Text\n0,5;1,5;look\n"),
    ("visit.tsv", "start\tend\ttext\n500\t1500\tlook\n"),
    ("visit.csv", "Video Name,Time,Speaker,Utterance\nvisit.mov,0:00,M,look\n"),
]  # fmt: skip


@pytest.mark.case("accounting")
@pytest.mark.parametrize(("name", "text"), USED)
def test_transcripts_are_known_by_what_they_hold(tmp_path: Path, video: Path, name: str, text: str) -> None:
    shutil.copy(video, tmp_path / "visit.mp4")
    (tmp_path / name).write_text(text)
    corpus = open_corpus(tmp_path)
    assert corpus.transcript_path(corpus.recordings[0]) == tmp_path / name
    assert [said.text for said in corpus.utterances(corpus.recordings[0])] == ["look"]
    assert str(corpus.files) == "files: 2 = 2 used (1 transcript, 1 video) + 0 left out (none)"


BESIDE = [
    ("visit.txt", "look", "plain text, which has no times"),
    ("visit.TextGrid", 'File type = "ooTextFile"', "Praat's TextGrid"),
    ("visit.its", "<ITS/>", "LENA"),
    ("visit.rttm", "SPEAKER visit 1 0 1", "speaker turns"),
    ("visit.sbv", "0:00:01.000,0:00:02.000\nlook", "YouTube's older captions"),
    ("visit.ass", "[Script Info]", "ffmpeg -i"),
    ("visit.ttml", "<tt/>", "TTML"),
    ("visit.xlsx", "PK", "a workbook"),
    ("visit.docx", "PK", "a text document"),
    ("visit.wav", "RIFF", "a sound file"),
    ("visit.thm", "JPEG", "no transcript"),
    ("visit.json", '{"fps": 30, "device": "GoPro"}', 'an object with "fps", "device"'),
    ("visit.json", "[1, 2]", "a list"),
    ("visit.json", "{", "not JSON"),
    ("visit.csv", "frame,label\n1,dog\n", "it lacks text, start, end or duration.*frame, label"),
    ("visit.csv", "start,end,label\n1,2,dog\n", "it lacks text"),
    ("visit.csv", "start_frame,end_frame,text\n1,2,dog\n", "numbers of frames"),
    ("visit.csv", "", "it lacks text"),
    ("visit_transcript.csv", "start,end,text\n1,2,dog\n", "named otherwise: the name must be visit.csv"),
    ("visit-corrected.vtt", VTT, "named otherwise"),
    ("visit final.srt", SRT, "named otherwise"),
    ("visit.gps", "x", "of no transcript format that is known"),
]  # fmt: skip


@pytest.mark.case("accounting")
@pytest.mark.parametrize(("name", "text", "says"), BESIDE)
def test_what_lies_beside_a_video_and_is_not_read_is_named(
    tmp_path: Path, video: Path, name: str, text: str, says: str
) -> None:
    shutil.copy(video, tmp_path / "visit.mp4")
    (tmp_path / name).write_text(text)
    corpus = open_corpus(tmp_path)
    (note,) = corpus.problems
    assert note.used and note.file == tmp_path / name  # it stops nothing
    assert re.search(says, note.message) and "docs/formats.md" in note.message
    assert str(corpus.files) == "files: 2 = 1 used (1 video) + 1 left out (1 sidecar in no known format)"


@pytest.mark.case("accounting")
def test_the_parts_add_up_to_the_folder(tmp_path: Path, video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "c"
    files = {
        "good.mp4": "video",
        "good.vtt": VTT,
        "good.srt": SRT,
        "bare.mp4": "video",
        "broken.mp4": "no video",
        "broken.vtt": VTT,
        "a/twice.mp4": "video",
        "a/twice.vtt": "no transcript",
        "b/twice.mp4": "video",
        "lost.vtt": VTT,
        "b/good.json": WHISPER,
        "recordings.csv": "recording,child\ngood,Mia\n",
        "b/recordings.csv": "recording\n",
        "readme.md": "x",
        ".DS_Store": "x",
        ".git/config": "x",
        "._good.mp4": "x",
        "photo.jpg": "x",
        "song.mp3": "x",
        "narration.json": "{}",
        "table.csv": "a,b\n",
        "program.py": "x",
        "good.txt": "x",
        "boxed.mp4": "video",
        "boxed.boxes.json": "not COCO",
        "alone.boxes.json": "{}",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if text == "video":
            shutil.copy(video, folder / name)
        else:
            (folder / name).write_text(text)
    account = index(open_corpus(folder)).files
    assert set(account.used) | set(account.left_out) == {folder / name for name in files}
    assert not set(account.used) & set(account.left_out)
    used = {path.relative_to(folder).as_posix(): kind for path, kind in account.used.items()}
    assert used == {
        "good.mp4": "video",
        "good.vtt": "transcript",
        "bare.mp4": "video",
        "a/twice.mp4": "video",
        "boxed.mp4": "video",
        "recordings.csv": "table",
    }
    left_out = {path.relative_to(folder).as_posix(): reason for path, reason in account.left_out.items()}
    assert left_out == {
        "good.srt": "another transcript of its recording",
        "broken.mp4": "unreadable video",
        "broken.vtt": "sidecar of an unreadable video",
        "a/twice.vtt": "unreadable transcript",
        "b/twice.mp4": "name used twice",
        "lost.vtt": "sidecar of a missing video",
        "b/good.json": "sidecar away from its video",
        "b/recordings.csv": "table of another layout or folder",
        "readme.md": "text document",
        ".DS_Store": "hidden file",
        ".git/config": "hidden file",
        "._good.mp4": "hidden file",
        "photo.jpg": "picture",
        "song.mp3": "sound file",
        "narration.json": "table of another layout or folder",
        "table.csv": "neither video, transcript nor boxes",
        "program.py": "neither video, transcript nor boxes",
        "good.txt": "sidecar in no known format",
        "boxed.boxes.json": "unusable boxes",
        "alone.boxes.json": "sidecar of a missing video",
    }
    main(["corpus", "index", str(folder), "--quick"])
    assert f"files: {len(files)} = 6 used" in capsys.readouterr().out.splitlines()[-1]
    (folder / "boxed.boxes.json").unlink()
    main(
        [
            "curate",
            str(folder),
            "--out",
            str(tmp_path / "out"),
            "--on-problem",
            "skip",
            "--min-window",
            "1",
            "--max-skipped-fraction",
            "1",
        ]
    )
    last = capsys.readouterr().out.splitlines()[-1]
    assert re.fullmatch(rf"files: {len(files) - 1} = 3 used \(.*\) \+ {len(files) - 4} left out \(.*\)", last)
    assert "3 recording without a transcript" not in last and "2 recording without a transcript" in last


@pytest.mark.case("accounting")
def test_names_of_another_encoding_are_named(tmp_path: Path, video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(video, tmp_path / "visit.mp4")
    for name in (b"Zo\xeb.mp4", b"Zo\xeb.vtt"):
        shutil.copy(video, os.fsencode(tmp_path) + b"/" + name)
    main(["corpus", "index", str(tmp_path), "--problems", str(tmp_path.parent / "p.csv")])
    shown = capsys.readouterr().out
    assert "files: 3 = 1 used (1 video) + 2 left out (2 name of another encoding)" in shown and r"Zo\xeb.mp4" in shown


@pytest.mark.case("promises")
def test_the_index_says_where_it_did_not_look(
    small_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["corpus", "index", str(small_corpus), "--problems", str(tmp_path / "p.csv")])
    shown = capsys.readouterr().out
    assert "damage: frames were not decoded" in shown and "0 problems and notes written" in shown
    main(["corpus", "index", str(small_corpus), "--quick"])
    assert "not read to their ends" in capsys.readouterr().out
    main(["corpus", "index", str(small_corpus), "--decode"])
    assert "damage: every frame was decoded" in capsys.readouterr().out
    for flags in (["--quick", "--decode"], ["--problems", str(tmp_path / "no" / "where" / "p.csv")]):
        with pytest.raises(SystemExit):
            main(["corpus", "index", str(small_corpus), *flags])


@pytest.mark.case("one datum")
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("recording,child\nvisit,Zo\xeb\n".encode("latin-1"), None),
        ("recording;child\nvisit;Mia\n".encode("utf-16"), None),
        (b"\xff\xfe\x00", "the column 'recording' is missing"),
        (b'recording,child\n"visit,Mia\n', "line 2: does not parse"),
    ],
)
def test_tables_of_recordings_in_other_dialects(tmp_path: Path, video: Path, text: bytes, says: str | None) -> None:
    shutil.copy(video, tmp_path / "visit.mp4")
    (tmp_path / "recordings.csv").write_bytes(text)
    if says is None:
        assert open_corpus(tmp_path).recordings
    else:
        with pytest.raises((InputError, ConfigError), match=says):
            open_corpus(tmp_path)


BOX = {"image_id": 1, "category_id": 1, "bbox": [10, 10, 20, 20]}


@pytest.mark.case("one datum")
@pytest.mark.parametrize(
    ("bad", "kept"),
    [
        ({**BOX, "category_id": 2, "bbox": [10, 10, 20, 0]}, ["cup"]),
        ({**BOX, "category_id": 2, "bbox": [150, 10, 20, 20]}, ["cup"]),
        ({**BOX, "category_id": 2, "bbox": [float("nan"), 10, 20, 20]}, ["cup"]),
        ({**BOX, "bbox": [10, 10, 20, 0]}, []),  # how many cups there are is not known any more
        ({"image_id": 1, "category_id": 2}, ["cup"]),
        ({**BOX, "bbox": [10, 10]}, ["cup"]),
        ({**BOX, "image_id": 9}, ["cup"]),
        ({**BOX, "category_id": 9}, []),  # neither is what else there is
        ("no annotation", ["cup"]),
        ({**BOX, "category_id": 2, "visibility": 7}, ["cup"]),
    ],
)
def test_a_bad_box_costs_its_kind_in_its_image(tmp_path: Path, video: Path, bad: object, kept: list[str]) -> None:
    shutil.copy(video, tmp_path / "visit.mp4")
    images = [{"id": n, "width": 160, "height": 120, "time_s": n / 2} for n in (1, 2)]
    boxes = [BOX, bad, {**BOX, "image_id": 2}]
    categories = [{"id": 1, "name": "cup"}, {"id": 2, "name": "ball"}]
    (tmp_path / "visit.boxes.json").write_text(
        json.dumps({"images": images, "annotations": boxes, "categories": categories})
    )
    corpus = open_corpus(tmp_path)
    found = corpus.boxes(corpus.recordings[0])
    of = {frame.time_s: [box.label for box in frame.boxes] for frame in found.frames}
    assert of[1.0] == ["cup"] and of.get(0.5, []) == kept
    assert len(found.problems) == 1 and "annotations[1]" in str(found.problems[0])
