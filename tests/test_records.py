from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from babyvlm.errors import DataFolderError
from babyvlm.records import (
    Conversation,
    Item,
    ItemTurn,
    OptionScores,
    Origin,
    Recording,
    Reply,
    Response,
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


def test_a_reply_without_scores_keeps_its_bytes() -> None:
    line = '{"text":"A","problem":"","refused":false,"latency_s":0.5,"tokens":2,"cost_usd":0.0}'
    assert Reply(text="A", latency_s=0.5, tokens=2).model_dump_json() == line
    assert Reply.model_validate_json(line).scores is None


def test_a_reply_keeps_a_score_for_every_option() -> None:
    scores = OptionScores(kind="log-likelihood", sums=(-1.5, -2.0), means=(-1.5, -1.0))
    response = Response(item="x", replies=(Reply(text="A", scores=scores),))
    written = response.model_dump_json()
    assert '"scores":{"kind":"log-likelihood","sums":[-1.5,-2.0],"means":[-1.5,-1.0]}}]' in written
    assert Response.model_validate_json(written) == response


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sums": ()}, "at least 1"),
        ({"sums": (1.0, float("nan"))}, "not finite"),
        ({"sums": (1.0, -float("inf"))}, "not finite"),
        ({"sums": (1.0, 2.0), "means": (1.0,)}, "1 means for 2 options"),
    ],
)
def test_scores_that_are_none_are_refused(values, message) -> None:
    with pytest.raises(ValidationError, match=message):
        OptionScores(kind="score", **values)


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
