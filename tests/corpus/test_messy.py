"""What labs' folders hold beside well-named files: odd names, several transcripts, odd videos."""

from __future__ import annotations

import csv
import datetime
import json
import shutil
from pathlib import Path

import av
import numpy as np
import pytest

from babyvlm.cli import main
from babyvlm.corpus import describe, index, open_corpus
from babyvlm.errors import InputError

VTT = "WEBVTT\n\n00:00.500 --> 00:01.500\n<v Mother>look here\n"
UID = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"


@pytest.fixture(scope="module")
def video(make_video, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("video") / "v.mp4", seconds=4)


def test_dates_in_plain_names(tmp_path: Path, video: Path) -> None:
    names = {
        "kitchen_2024-03-19": datetime.date(2024, 3, 19),
        "GX20240319T102200+0200": datetime.date(2024, 3, 19),
        "20240319102200": datetime.date(2024, 3, 19),
        "2024-03-19 to 2024-03-20": None,
        "clip_20241399": None,
        "GX010042": None,
    }
    for name in names:
        shutil.copy(video, tmp_path / f"{name}.mp4")
    (tmp_path / "recordings.csv").write_text("recording,child,birth_date\nkitchen_2024-03-19,Mia,2023-01-19\n")
    corpus = open_corpus(tmp_path)
    assert {each.id: each.date for each in corpus.recordings} == names
    kitchen = corpus.recording("kitchen_2024-03-19")
    assert (kitchen.child, kitchen.age_months) == ("Mia", pytest.approx(14.0, abs=0.1))
    (note,) = corpus.problems
    assert note.used and "GX20240319T102200+0200.mp4" in note.message and "+0200" in note.message


def test_names_of_no_layout(tmp_path: Path, video: Path) -> None:
    for name in ("S_20140320_1703_04", "S_20140327_1710_01", "holiday"):
        shutil.copy(video, tmp_path / f"{name}.mp4")
    (note,) = open_corpus(tmp_path).problems
    assert note.used and note.reason == "name of no layout" and "holiday.mp4" in note.message
    assert "recordings.csv" in note.message
    with pytest.raises(InputError, match="no video here is named as in the layout babyview; one is 'S_2014"):
        open_corpus(tmp_path, "babyview")


def test_ego4d(tmp_path: Path, video: Path) -> None:
    (tmp_path / "full_scale").mkdir()
    shutil.copy(video, tmp_path / "full_scale" / f"{UID}.mp4")
    (tmp_path / "ego4d.json").write_text(json.dumps({"videos": [{"video_uid": UID, "fb_participant_id": 7}]}))
    narrations = [{"timestamp_sec": 1.0, "narration_text": "#C C picks a cup"}]
    (tmp_path / "narration.json").write_text(json.dumps({UID: {"narration_pass_1": {"narrations": narrations}}}))
    corpus = open_corpus(tmp_path)
    (recording,) = corpus.recordings
    assert (corpus.layout, recording.child) == ("ego4d", "participant 7") and "Ego4D" in recording.licence
    assert [said.text for said in corpus.utterances(recording)] == ["C picks a cup"]
    main(["curate", str(tmp_path), "--out", str(tmp_path / "out"), "--min-window", "1"])


def test_two_transcripts(tmp_path: Path, video: Path) -> None:
    shutil.copy(video, tmp_path / "a.mp4")
    (tmp_path / "a.vtt").write_text(VTT)
    (tmp_path / "a.srt").write_text("1\n00:00:00,500 --> 00:00:01,500\nLook here\n")
    corpus = open_corpus(tmp_path)
    assert corpus.transcript(corpus.recordings[0]).notes == ()  # a recogniser that writes every format
    (tmp_path / "a.cha").write_text("@Begin\n*MOT:\tlook there . \x15500_1500\x15\n@End\n")
    corpus = open_corpus(tmp_path)
    transcript = corpus.transcript(corpus.recordings[0])
    assert transcript.utterances[0].text == "look there."  # what people write by hand comes first
    (note,) = transcript.notes
    assert "a.cha" in str(note) and "a.vtt, a.srt" in str(note) and "Take away" in str(note)
    assert "1 odd transcript" in describe(corpus)


@pytest.mark.case("one datum")
@pytest.mark.parametrize("broken", ["a.vtt", "a.cha"])
def test_a_transcript_that_does_not_parse_gives_way_to_the_next(tmp_path: Path, video: Path, broken: str) -> None:
    shutil.copy(video, tmp_path / "a.mp4")
    (tmp_path / "a.srt").write_text("1\n00:00:00,500 --> 00:00:01,500\nLook here\n")
    (tmp_path / broken).write_text("{ torn")
    corpus = open_corpus(tmp_path)
    transcript = corpus.transcript(corpus.recordings[0])
    assert [utterance.text for utterance in transcript.utterances] == ["Look here"]
    assert transcript.path == tmp_path / "a.srt"
    assert any(broken in str(note) and "a.srt is used in its place" in str(note) for note in transcript.notes)
    assert "files: 3 = 2 used (1 transcript, 1 video) + 1 left out (1 unreadable transcript)" in describe(corpus)


def uneven(path: Path, seconds: list[float], tracks: int = 0) -> Path:
    """A video with frames at these moments, and so many sound tracks."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "ultrafast", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 96, "yuv420p"
        sounds = [container.add_stream("aac", rate=16000, layout="mono") for _ in range(tracks)]
        for at_s in seconds:
            frame = av.VideoFrame.from_ndarray(np.zeros((96, 64, 3), np.uint8), format="rgb24")
            frame.pts = round(at_s * 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        for sound in sounds:
            for start in range(0, 16000, 1024):
                chunk = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
                chunk.sample_rate, chunk.pts = 16000, start
                container.mux(sound.encode(chunk))
            container.mux(sound.encode())
    return path


def test_videos_are_looked_at_beyond_their_headers(tmp_path: Path, make_video) -> None:
    uneven(tmp_path / "gap.mp4", [0, 0.1, 0.2, 4.0, 4.1], tracks=2)
    uneven(tmp_path / "steady.mp4", [n / 10 for n in range(30)])
    make_video(tmp_path / "turned.mp4", seconds=2, rotation=90)
    whole = make_video(tmp_path / "whole.mkv", seconds=6)
    (tmp_path / "cut.mkv").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    corpus = open_corpus(tmp_path)
    found = index(corpus)
    facts = {each.recording: each for each in found.media}
    assert facts["gap"].portrait and facts["gap"].audio_tracks == 2 and facts["gap"].variable_rate
    assert not facts["steady"].variable_rate and facts["turned"].rotation in (90, 270)
    told = {(problem.reason, problem.file.stem, problem.used) for problem in found.problems}
    assert told == {
        ("gap in the picture", "gap", True),
        ("several sound tracks", "gap", True),
        ("picture ends early", "cut", False),
    }
    text = describe(corpus, found)
    assert "3 without sound" not in text and "4 without sound" in text and "1 turned by a rotation flag" in text
    main(["corpus", "index", str(tmp_path), "--problems", str(tmp_path / "problems.csv")])
    with (tmp_path / "problems.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 3
