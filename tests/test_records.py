from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from babyvlm.errors import DataFolderError
from babyvlm.records import (
    Conversation,
    Item,
    ItemTurn,
    Origin,
    Recording,
    Turn,
    Utterance,
    content_id,
    read_jsonl,
    read_record,
    write_jsonl,
)


def conversation(prompt: str, *images: str) -> Conversation:
    return Conversation(id="c", format="image", images=images, turns=(Turn(prompt=prompt, answer="yes"),))


def test_placeholders_match_images_or_are_absent() -> None:
    conversation("<image><image> same?", "a", "b")
    conversation("same?", "a", "b")
    with pytest.raises(ValidationError, match="2 images for 1"):
        conversation("<image> same?", "a", "b")


def test_impossible_records_are_refused() -> None:
    with pytest.raises(ValidationError, match="not after its start"):
        Utterance(recording="r", start_s=2, end_s=2, text="no time")
    with pytest.raises(ValidationError, match="extra"):
        Utterance(recording="r", start_s=1, end_s=2, text="hm", spaeker="typing error")
    with pytest.raises(ValidationError, match="not among the options"):
        ItemTurn(prompt="?", images=(), options=("A", "B"), gold="C")


def test_a_question_gives_nothing_away() -> None:
    turn = ItemTurn(
        prompt="<image>?",
        images=("x.jpg",),
        options=("A", "B"),
        gold="B",
        labels=("dog",),
        origins=(Origin(source="rec"),),
    )
    item = Item(id="i", task="t", split="test", turns=(turn,), chance=0.5, category="dog")
    shown = item.question().model_dump()
    assert set(shown) == {"id", "task", "variant", "turns", "history"} and shown["history"] == ()
    assert set(shown["turns"][0]) == {"prompt", "images", "options"}


def test_jsonl_comes_back_and_faults_name_the_line(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    records = [Utterance(recording="r", start_s=n, end_s=n + 1, text="líne\u2028break") for n in range(3)]
    assert write_jsonl(path, records) == 3
    assert list(read_jsonl(path, Utterance)) == records
    with path.open("a") as file:
        file.write('{"recording": "r"}\n')
    with pytest.raises(DataFolderError, match=r"records\.jsonl, line 4"):
        list(read_jsonl(path, Utterance))
    with pytest.raises(DataFolderError, match="missing"):
        list(read_jsonl(tmp_path / "absent.jsonl", Utterance))


def test_content_ids_depend_on_values_alone() -> None:
    assert content_id("count", {"a": 1, "b": [2]}) == content_id("count", {"b": [2], "a": 1})
    assert content_id("count", ["a", "b"]) != content_id("count", ["ab"])


@pytest.mark.case("one datum")
@pytest.mark.parametrize(
    "line", [b"\x84\xff", b"{", b"", b"[]", b"null", b'{"id": 1e999}', b'{"id": "\xed\xa0\x80"}', b"\x00" * 9]
)
def test_a_line_that_is_no_record_is_named(tmp_path, line):
    path = tmp_path / "recordings.jsonl"
    good = Recording(id="a", child="S", media="a.mp4", duration_s=1).model_dump_json().encode()
    path.write_bytes(good + b"\n" + line + b"\n" + good + b"\n")
    with pytest.raises(DataFolderError, match=r"recordings\.jsonl, line 2: not a valid Recording"):
        list(read_jsonl(path, Recording))


@pytest.mark.case("one datum")
@pytest.mark.parametrize("content", [b"\x84", b"{", b"", b"[1]", b'{"id": "a"}'])
def test_a_file_that_is_no_record_is_named(tmp_path, content):
    path = tmp_path / "one.json"
    path.write_bytes(content)
    with pytest.raises(DataFolderError, match=r"one\.json: not a valid Recording"):
        read_record(path, Recording)
    path.unlink()
    with pytest.raises(DataFolderError, match=r"one\.json: the file does not read .*Was the folder written"):
        read_record(path, Recording)
