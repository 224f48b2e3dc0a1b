"""Decisions are kept, applied as they read, and reach the file through the page alone."""

import json
import os
import signal
import subprocess
import sys

import pytest
from fastapi.testclient import TestClient
from pydantic import ValidationError

from babyvlm.errors import ConfigError, DataFolderError
from babyvlm.toolbox import CorpusSource, ToolboxConfig, build_toolbox
from babyvlm.toolbox.review import Decision, Decisions, apply_decisions, read_decisions
from babyvlm.toolbox.review.server import review_app, serve_review


def one_of(toolbox, task, index=0):
    return [item for item in toolbox.items if item.task == task][index]


def test_decisions_are_sorted_lines_that_read_back(toolbox, tmp_path):
    path = tmp_path / "decisions.jsonl"
    decisions = Decisions(path=path)
    for item in (toolbox.items[2], toolbox.items[0]):
        decisions.set(Decision(item=item.id, task=item.task, verdict="reject", note="blurred"))
    assert [json.loads(line)["item"] for line in path.read_text().splitlines()] == sorted(
        [toolbox.items[0].id, toolbox.items[2].id]
    )
    assert read_decisions(path).by_item == decisions.by_item
    decisions.clear(toolbox.items[0].id)
    assert list(read_decisions(path).by_item) == [toolbox.items[2].id]


def test_two_decisions_about_one_item_are_refused(toolbox, tmp_path):
    line = Decision(item="x", task="memory", verdict="accept").model_dump_json()
    (tmp_path / "d.jsonl").write_text(line + "\n" + line + "\n")
    with pytest.raises(DataFolderError, match="line 2"):
        read_decisions(tmp_path / "d.jsonl")


def test_relabel_needs_an_answer_and_nothing_else_has_one():
    with pytest.raises(ValidationError):
        Decision(item="x", task="memory", verdict="relabel")
    with pytest.raises(ValidationError):
        Decision(item="x", task="memory", verdict="accept", answer="A")


def test_a_build_applies_decisions(corpus, tmp_path):
    config = ToolboxConfig(tasks=("localization", "object_counting"), items_per_task=6)
    source = CorpusSource(corpus, "test")
    plain = build_toolbox(source, tmp_path / "plain", config)
    bad, wrong, fine = plain.items[:3]
    answer = next(option for option in wrong.turns[0].options if option != wrong.turns[0].gold)
    decisions = Decisions(path=tmp_path / "decisions.jsonl")
    decisions.set(Decision(item=bad.id, task=bad.task, verdict="reject"))
    decisions.set(Decision(item=wrong.id, task=wrong.task, verdict="relabel", answer=answer))
    decisions.set(Decision(item=fine.id, task=fine.task, verdict="accept"))
    decisions.set(Decision(item="gone", task="memory", verdict="reject"))
    reviewed = build_toolbox(source, tmp_path / "reviewed", config, review=read_decisions(decisions.path))
    assert {item.id for item in plain.items} - {item.id for item in reviewed.items} == {bad.id, wrong.id}
    (corrected,) = {item.id for item in reviewed.items} - {item.id for item in plain.items}
    corrected = next(item for item in reviewed.items if item.id == corrected)
    assert corrected.turns[0].gold == answer and corrected.turns[0].images == wrong.turns[0].images
    assert reviewed.manifest.skipped["item: rejected in review"] == 1
    assert any("1 decisions about items not built" in note for note in reviewed.manifest.notes)


def test_an_answer_that_is_no_option_is_refused(toolbox):
    item = one_of(toolbox, "picture_vocabulary")
    with pytest.raises(DataFolderError, match="'E' cannot be the answer"):
        apply_decisions([item], [Decision(item=item.id, task=item.task, verdict="relabel", answer="E")])
    memory = one_of(toolbox, "memory")
    with pytest.raises(DataFolderError, match="one round"):
        apply_decisions([memory], [Decision(item=memory.id, task="memory", verdict="relabel", answer="A")])


@pytest.fixture
def page(toolbox, tmp_path):
    decisions = Decisions(path=tmp_path / "decisions.jsonl")
    return TestClient(review_app(toolbox, decisions, reviewer="ab"), base_url="http://127.0.0.1"), decisions


def test_the_page_shows_items_and_takes_decisions(page, toolbox):
    client, decisions = page
    first = client.get("/api/items", params={"task": "memory"}).json()
    assert first["matching"] == 24 and first["decided"] == 0 and first["tasks"] == list(toolbox.tasks)
    item = first["items"][0]["item"]
    assert client.get("/images/" + item["turns"][0]["images"][0]).status_code == 200
    made = client.put(f"/api/decisions/{item['id']}", json={"verdict": "reject", "note": " dim "})
    assert made.status_code == 200 and made.json()["reviewer"] == "ab"
    assert read_decisions(decisions.path).by_item[item["id"]].note == "dim"
    assert client.get("/api/items", params={"task": "memory"}).json()["matching"] == 23
    assert client.get("/api/items", params={"task": "memory", "show": "rejected"}).json()["matching"] == 1
    client.delete(f"/api/decisions/{item['id']}")
    assert client.get("/api/items", params={"task": "memory"}).json()["matching"] == 24


def test_what_does_not_fit_is_refused_and_leaves_the_file_alone(page, toolbox):
    client, decisions = page
    item = one_of(toolbox, "picture_vocabulary")
    assert client.put("/api/decisions/none", json={"verdict": "accept"}).status_code == 404
    assert client.put(f"/api/decisions/{item.id}", json={"verdict": "perhaps"}).status_code == 422
    assert client.put(f"/api/decisions/{item.id}", json={"verdict": "relabel"}).status_code == 422
    assert client.put(f"/api/decisions/{item.id}", json={"verdict": "relabel", "answer": "Z"}).status_code == 422
    elsewhere = {"Origin": "http://elsewhere.example"}
    assert client.put(f"/api/decisions/{item.id}", json={"verdict": "accept"}, headers=elsewhere).status_code == 403
    assert client.get("/images/..%2Fitems.jsonl").status_code == 404
    assert not decisions.path.exists()


@pytest.fixture
def two(toolbox, tmp_path):
    """Anna and Bea, each with a page of her own, on one file."""
    path = tmp_path / "both.jsonl"

    def page_of(reviewer):
        app = review_app(toolbox, read_decisions(path, must_exist=False), reviewer=reviewer)
        return TestClient(app, base_url="http://127.0.0.1")

    return page_of("anna"), page_of("bea"), path


def put(client, item, verdict="reject", **more):
    return client.put(f"/api/decisions/{item.id}", json={"verdict": verdict, **more})


@pytest.mark.case("shared trouble")
@pytest.mark.parametrize("order", ["aab", "aba", "baab", "abab", "aaabbb"])
def test_what_two_reviewers_decide_is_all_there(two, toolbox, order):
    anna, bea, path = two
    for number, who in enumerate(order):
        assert put(anna if who == "a" else bea, toolbox.items[number]).status_code == 200
    kept = read_decisions(path).by_item
    assert [kept[toolbox.items[number].id].reviewer[0] for number in range(len(order))] == list(order)
    listed = bea.get("/api/items", params={"show": "rejected"}).json()
    assert listed["matching"] == len(order)


@pytest.mark.case("shared trouble")
@pytest.mark.parametrize("second", ["decides otherwise", "takes back", "has looked since"])
def test_two_who_decide_on_one_item_are_told(two, toolbox, second):
    anna, bea, path = two
    item = toolbox.items[0]
    bea.get("/api/items")
    assert put(anna, item).status_code == 200
    if second == "has looked since":
        bea.get("/api/items")
    got = bea.delete(f"/api/decisions/{item.id}") if second == "takes back" else put(bea, item, "accept")
    kept = read_decisions(path).by_item[item.id]
    if second == "has looked since":
        assert got.status_code == 200 and kept.reviewer == "bea"
    else:
        assert got.status_code == 409 and "anna has decided to reject" in got.json()["detail"]
        assert kept.reviewer == "anna" and put(bea, item, "accept").status_code == 200


@pytest.mark.case("one datum")
def test_a_file_that_is_damaged_meanwhile_is_named_and_left_as_it_is(two, toolbox):
    anna, _, path = two
    put(anna, toolbox.items[0])
    path.write_text(path.read_text() + "<<<<<<< merge\n")
    before = path.read_text()
    got = put(anna, toolbox.items[1])
    assert got.status_code == 409 and "line 2" in got.json()["detail"] and path.read_text() == before


def test_many_at_once_lose_nothing(toolbox, tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    path = tmp_path / "d.jsonl"
    reviewers = [Decisions(path=path) for _ in range(4)]

    def decide(number):
        item = toolbox.items[number]
        reviewers[number % 4].set(Decision(item=item.id, task=item.task, verdict="accept"))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(decide, range(24)))
    assert len(read_decisions(path).by_item) == 24


@pytest.mark.case("pages")
@pytest.mark.parametrize("host", ["evil.test:8341", "localhost.evil.test", "10.0.0.7"])
def test_nobody_decides_by_another_name(page, toolbox, host):
    client, decisions = page
    headers = {"Host": host, "Origin": f"http://{host}"}
    sent = {"verdict": "reject"}
    assert client.put(f"/api/decisions/{toolbox.items[0].id}", json=sent, headers=headers).status_code == 421
    assert client.get("/", headers=headers).status_code == 421 and not decisions.path.exists()


def test_the_review_page_has_the_common_guard(page, toolbox):
    client, _ = page
    got = client.get("/")
    assert "unsafe" not in got.headers["content-security-policy"] and "<style" not in got.text
    assert "<script>" not in got.text and client.get("/review.js").status_code == 200
    assert client.get("/review.css").headers["content-type"].startswith("text/css")
    body = b'{"verdict": "accept", "note": "' + b"x" * 60_000 + b'"}'
    headers = {"content-type": "application/json"}
    got = client.put(f"/api/decisions/{toolbox.items[0].id}", content=body, headers=headers)
    assert got.status_code == 413 and len(got.content) < 200
    assert client.get("/nothing").headers["content-type"].startswith("text/html")


def test_restricted_pictures_are_not_served_to_other_machines(toolbox, tmp_path):
    items = tuple(item.model_copy(update={"licence": "restricted: SAYCam"}) for item in toolbox.items)
    restricted = type(toolbox)(folder=toolbox.folder, items=items, manifest=toolbox.manifest)
    with pytest.raises(ConfigError, match="i-may-share restricted"):
        serve_review(restricted, Decisions(path=tmp_path / "d"), host="0.0.0.0")


def test_the_command_serves_until_interrupted(toolbox, tmp_path):
    command = [sys.executable, "-m", "babyvlm.cli", "toolbox", "review", str(toolbox.folder), "--port", "0"]
    served = subprocess.Popen(
        [*command, "--decisions", str(tmp_path / "d.jsonl")],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    try:
        assert "Review " in served.stdout.readline()
    finally:
        served.send_signal(signal.SIGINT)
        served.wait(timeout=20)
