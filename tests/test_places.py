"""Where a file should be there is something else: a folder, a pipe, a link to itself or to nowhere, or far too much."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from babyvlm.cli import main
from babyvlm.corpus import open_corpus, read_photo_annotations, read_transcript
from babyvlm.corpus.recordings import read_recordings_csv
from babyvlm.errors import BabyVLMError, ConfigError, DataFolderError, InputError
from babyvlm.evaluation.apis.prices import price_of
from babyvlm.evaluation.apis.verdicts import Received, body_of
from babyvlm.folders import fresh_folder, read_manifest
from babyvlm.records import Utterance, read_jsonl
from babyvlm.reports.results import read_scores
from babyvlm.shown_pictures import open_image
from babyvlm.toolbox.published.layouts import read_records
from babyvlm.toolbox.review.decisions import read_decisions
from babyvlm.toolbox.vocabulary.words import read_wordbank
from tests.study import study_world

PLACES: dict[str, Callable[[Path], None]] = {
    "nothing": lambda path: None,
    "a folder": lambda path: path.mkdir(),
    "a pipe": lambda path: os.mkfifo(path),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to nowhere": lambda path: path.symlink_to("nowhere"),
}
READERS: dict[str, Callable[[Path], object]] = {
    "a.vtt": lambda path: read_transcript(path, recording="a", duration_s=9.0),
    "a.eaf": lambda path: read_transcript(path, recording="a", duration_s=9.0),
    "a.csv": lambda path: read_transcript(path, recording="a", duration_s=9.0),
    "boxes.json": lambda path: read_photo_annotations(path, path.parent),
    "a.jpg": open_image,
    "data.json": read_records,
    "decisions.jsonl": read_decisions,
    "manifest.json": lambda path: read_manifest(path.parent, "toolbox"),
    "records.jsonl": lambda path: list(read_jsonl(path, Utterance)),
    "scores.json": lambda path: read_scores(path.parent),
    "classes.txt": lambda path: read_photo_annotations(path.parent, path.parent),
    "prices.json": lambda path: price_of("a model", path),
    "words.csv": read_wordbank,
}


@pytest.mark.case("one datum")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", READERS)
def test_every_reader_names_what_is_no_file(tmp_path: Path, name: str, place: str) -> None:
    PLACES[place](tmp_path / name)
    with pytest.raises((InputError, ConfigError), match=str(tmp_path)):
        READERS[name](tmp_path / name)


@pytest.mark.case("one datum")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", ["p.txt", "classes.txt", "_darknet.labels", "data.yaml"])
def test_a_label_file_that_is_none_costs_itself(tmp_path: Path, name: str, place: str) -> None:
    for stem in ("p", "q"):
        Image.new("RGB", (40, 40)).save(tmp_path / f"{stem}.png")
        (tmp_path / f"{stem}.txt").write_text("cup 2 3 20 30\n")
    (tmp_path / name).unlink(missing_ok=True)
    PLACES[place](tmp_path / name)
    left_out: list[str] = []
    frames = read_photo_annotations(tmp_path, tmp_path, lambda _, error: left_out.append(str(error)))
    assert {frame.source for frame in frames} >= {"q.png"}
    assert name != "p.txt" or place == "nothing" or any("p.txt" in said or "p.png" in said for said in left_out)


HALF = '{"text": "a cup \\ud83d", "start": 0, "end": 1}'


@pytest.mark.case("formats")
def test_half_a_character_costs_itself(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(f'{{"segments": [{HALF}]}}')
    spoken = read_transcript(tmp_path / "a.json", recording="a", duration_s=9.0)
    assert not spoken.utterances and [fault.place for fault in spoken.unreadable] == ["segments[0]"]
    (tmp_path / "boxes.json").write_text(
        '{"images": [{"id": 1, "file_name": "p.png", "width": 40, "height": 40}], "annotations": [{"id": 1, '
        '"image_id": 1, "category_id": 1, "bbox": [2, 3, 20, 20]}], "categories": [{"id": 1, "name": "cup \\udc00"}]}'
    )
    Image.new("RGB", (40, 40)).save(tmp_path / "p.png")
    (frame,) = read_photo_annotations(tmp_path / "boxes.json", tmp_path)
    assert frame.boxes[0].label == "cup \ufffd"
    turns = '[{"from": "human", "value": "\\udfff"}, {"from": "gpt", "value": "A"}]'
    (tmp_path / "data.json").write_text(f'[{{"id": "1", "image": [], "conversations": {turns}}}]')
    (record,) = read_records(tmp_path / "data.json") or ()
    assert record["conversations"][0]["value"] == "\ufffd"
    reply = Received(status=200, headers={}, text='{"choices": [{"message": {"content": "A \\ud83d"}}]}')
    assert "\ufffd" in str(body_of(reply)) and str(body_of(reply)).encode()


@pytest.mark.case("one datum")
@pytest.mark.parametrize("name", ["boxes.json", "data.json", "scores.json"])
@pytest.mark.parametrize("content", [b"\xff\xfe{", b"[" * 100_000, b"\x00" * 50, b'{"a": '], ids=repr)
def test_every_reader_of_json_names_what_is_none(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=name):
        READERS[name](tmp_path / name)


@pytest.mark.case("one datum")
@pytest.mark.parametrize("name", ["b.mp4", "a.srt", "a.boxes.json", "recordings.csv"])
def test_a_pipe_in_a_corpus_is_left_out_and_named(tmp_path: Path, make_video, name: str) -> None:
    make_video(tmp_path / "a.mp4", seconds=1)
    os.mkfifo(tmp_path / name)
    if name == "recordings.csv":
        with pytest.raises(InputError, match=r"recordings\.csv"):
            open_corpus(tmp_path)
        return
    opened = open_corpus(tmp_path)
    assert [recording.id for recording in opened.recordings] == ["a"]
    assert any(name in problem.message and "pipe" in problem.message for problem in opened.problems)


@pytest.mark.case("one datum")
def test_a_pipe_among_photographs_costs_itself(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "boxes").mkdir()
    for stem in ("p", "q"):
        Image.new("RGB", (40, 40)).save(tmp_path / "images" / f"{stem}.png")
        (tmp_path / "boxes" / f"{stem}.txt").write_text("cup 2 3 20 30\n")
    (tmp_path / "images" / "p.png").unlink()
    os.mkfifo(tmp_path / "images" / "p.png")
    left_out: list[str] = []
    (frame,) = read_photo_annotations(
        tmp_path / "boxes", tmp_path / "images", lambda _, error: left_out.append(str(error))
    )
    assert frame.source == "q.png" and len(left_out) == 1 and "p.png" in left_out[0] and "pipe" in left_out[0]


@pytest.mark.case("one datum")
@pytest.mark.parametrize("place", ["a pipe", "a link to itself", "a link to nowhere"])
@pytest.mark.parametrize(
    "words",
    [
        ["score", "{}"], ["report", "{}", "--out", "x.html"], ["corpus", "index", "{}"],
        ["toolbox", "export", "{}", "--out", "x"],
        ["corpus", "render", "--out", "{}/x", "--hours", "0.001"], ["evaluate", "baseline:random", "{}", "--out", "x"],
    ],
    ids=lambda words: " ".join(words[:2]),
)  # fmt: skip
def test_every_command_names_what_is_no_folder(tmp_path: Path, monkeypatch, capsys, words, place: str) -> None:
    monkeypatch.chdir(tmp_path)
    PLACES[place](tmp_path / "place")
    with pytest.raises(SystemExit) as stopped:
        main([word.format(tmp_path / "place") for word in words])
    said = capsys.readouterr().err
    assert stopped.value.code == 2 and "babyvlm: error: " in said and str(tmp_path / "place") in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["place"]


@pytest.mark.case("shared trouble")
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS])
def test_trouble_with_a_disk_is_a_sentence_in_every_command(tmp_path: Path, monkeypatch, capsys, code: int) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code), str(tmp_path / "out"))

    monkeypatch.setattr("babyvlm.corpus.nursery.render_nursery", fails)
    with pytest.raises(SystemExit) as stopped:
        main(["corpus", "render", "--out", str(tmp_path / "out")])
    said = capsys.readouterr().err
    assert stopped.value.code == 2 and str(tmp_path / "out") in said and os.strerror(code) in said


@pytest.mark.case("showing")
@pytest.mark.parametrize("kind", [InputError, ConfigError, BabyVLMError])
def test_a_message_does_not_quote_a_whole_file(kind: type[BabyVLMError]) -> None:
    said = str(kind("x" * 100_000 + ". Look at line 1"))
    assert len(said) < 5_000 and said.endswith("Look at line 1") and "characters" in said
    assert str(kind("short")) == "short"


@pytest.mark.case("shared trouble")
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("copied", [True, False])
def test_an_output_without_room_is_named_and_absent(tmp_path: Path, code: int, copied: bool) -> None:
    error = OSError(code, os.strerror(code), "elsewhere")
    told = pytest.raises(DataFolderError, match=r"out: no room left to write.*Make room")
    with told, fresh_folder(tmp_path / "out") as partial:
        (partial / "half").write_text("half")
        raise shutil.Error([("a", "b", str(error))]) if copied else error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.case("shared trouble")
def test_a_picture_that_cannot_be_written_is_not_blamed_for_it(tmp_path: Path, monkeypatch, capsys) -> None:
    toolbox = study_world.build(tmp_path / "toolbox", items=1)
    write = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if "partial" in str(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(SystemExit):
        main(["toolbox", "export", str(toolbox.folder), "--out", str(tmp_path / "out")])
    said = capsys.readouterr().err
    assert f"{tmp_path / 'out'}: no room left" in said


@pytest.mark.case("formats")
@pytest.mark.parametrize("age", ["inf", "-inf", "nan", "-1", "1e999", "twelve"])
def test_an_age_that_cannot_be_is_refused_with_its_line(tmp_path: Path, age: str) -> None:
    (tmp_path / "recordings.csv").write_text(f"recording,age_months\na,12\nb,{age}\n")
    with pytest.raises(InputError, match=r"recordings\.csv, line 3: age_months"):
        read_recordings_csv(tmp_path / "recordings.csv")
