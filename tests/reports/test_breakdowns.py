"""Lags, agreement and the item browser, on items small enough to count by hand."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from babyvlm.errors import ConfigError
from babyvlm.evaluation import evaluate
from babyvlm.evaluation.baselines import RandomGuess
from babyvlm.folders import Manifest
from babyvlm.records import Reply, Response, write_jsonl
from babyvlm.reports import write_report
from babyvlm.reports.breakdowns import agreements, is_right, memory_by_lag
from babyvlm.reports.results import read_elsewhere, read_results
from babyvlm.toolbox import TASKS, Toolbox, open_toolbox
from tests.reports.report_inputs import ITEMS_PER_TASK, RESTRICTED, Scripted, make_items

ROUNDS = (("a",), ("b", "a"), ("c", "b"), ("d", "b"), ("e", "d"), ("x", "c"), ("y", "a"))  # the new object first


class OnlyShortLags:
    """Right where the old picture was shown at most two rounds ago."""

    name, family, sends_data_out = "short", "baby model", False

    def __init__(self, items):
        self._items = {item.id: item for item in items}

    def answer(self, questions, images):
        for question in questions:
            turns = self._items[question.id].turns
            replies = []
            for number, turn in enumerate(turns):
                old = turn.labels[1 - "AB".index(turn.gold)] if len(turn.labels) == 2 else None
                last = max((n for n in range(number) if old in turns[n].labels), default=number)
                right = number - last <= 2
                replies.append(Reply(text=turn.gold if right else "AB"["AB".index(turn.gold) - 1]))
            yield Response(item=question.id, replies=tuple(replies))


@pytest.fixture(scope="module")
def memory(tmp_path_factory):
    """A memory item of seven rounds: 2 of learning, by the reference's count, and 5 of testing."""
    folder = tmp_path_factory.mktemp("memory") / "toolbox"
    item = next(item for item in make_items(folder / "images", "") if item.task == "memory")
    turns = []
    for number, labels in enumerate(ROUNDS):
        gold = "A" if number % 2 == 0 else "B"
        shown = labels if gold == "A" else labels[::-1]
        options = ("A", "B")[: len(labels)]
        prompt = f"<{'image'}>" * len(labels)
        turns.append(
            item.turns[0].model_copy(
                update={
                    "prompt": prompt,
                    "images": (item.turns[0].images[0],) * len(labels),
                    "options": options,
                    "gold": gold,
                    "labels": shown,
                }
            )
        )
    write_jsonl(folder / "items.jsonl", [item.model_copy(update={"turns": tuple(turns)})])
    Manifest(kind="toolbox", counts={"memory": 1}, configuration={}).write(folder)
    toolbox = open_toolbox(folder)
    evaluate(OnlyShortLags(toolbox.items), toolbox, folder.parent / "run", model="short")
    return read_results([folder.parent / "run"])


def test_lag_counts_rounds_since_the_old_picture_was_last_shown(memory):
    found = {share.x: (share.right, share.trials) for share in memory_by_lag(memory.main)}
    # Rounds 3 to 7 show b, b, d, c and a again: last shown 1, 1, 1, 3 and 5 rounds before.
    assert found == {1: (3, 3), 3: (0, 1), 5: (0, 1)}


def test_agreement_adds_up_to_the_shared_items(runs: dict[str, Path]):
    results = read_results([runs["model"], runs["adults"]])
    assert results.rival is not None and results.rival.name == "adults"
    for row in agreements(results.main, results.rival):
        shared = [
            (is_right(results.main, item), is_right(results.rival, item))
            for item in results.toolbox.items
            if item.task == row.task
        ]
        shared = [pair for pair in shared if None not in pair]
        assert row.items == len(shared)
        assert (row.both, row.only_second) == (shared.count((True, True)), shared.count((False, True)))


def browser(folder: Path) -> dict:
    text = (folder / "page_files" / "items.html").read_text()
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1])


def test_the_browser_holds_items_replies_and_no_restricted_picture(runs: dict[str, Path], tmp_path: Path):
    write_report([runs["model"], runs["random"]], tmp_path / "page.html", browse=3)
    data = browser(tmp_path)
    assert len(data["items"]) == 3 * len(TASKS) and data["respondents"] == ["tiny <baby>", "random"]
    for item in data["items"]:
        assert all(len(one["replies"]) == 2 for one in item["rounds"])
        withheld = item["task"] == "localization"
        assert item["withheld"] == (RESTRICTED if withheld else "")
        assert all(bool(one["pictures"]) != withheld for one in item["rounds"])
    assert all(picture.startswith("data:image/jpeg;base64,") for picture in data["pictures"])
    write_report([runs["model"]], tmp_path / "none.html", browse=0)
    assert not (tmp_path / "none_files" / "items.html").exists()


@pytest.fixture
def other_toolbox(tmp_path: Path) -> Toolbox:
    folder = tmp_path / "outside"
    items = [
        item.model_copy(update={"id": f"outside {item.id}"})
        for item in make_items(folder / "images", "")
        if item.task in ("localization", "memory")
    ]
    write_jsonl(folder / "items.jsonl", items)
    Manifest(kind="toolbox", counts=dict.fromkeys(("localization", "memory"), ITEMS_PER_TASK), configuration={}).write(
        folder
    )
    return open_toolbox(folder)


def test_a_run_on_other_items_stands_beside_the_one_here(runs, other_toolbox, tmp_path):
    out = tmp_path / "there"
    evaluate(Scripted("tiny <baby>", other_toolbox.items, 0.3), other_toolbox, out, model="tiny")
    results = read_results([runs["model"]])
    (found,) = read_elsewhere([out], results)
    assert set(found.differences) == {"localization", "memory"}
    change = found.differences["localization"]
    here, there = (run.by_task["localization"].value for run in (found.here, found.there))
    assert change.value == pytest.approx(there - here) and change.low < change.value < change.high
    write_report([runs["model"]], tmp_path / "page.html", elsewhere=[out])
    assert "On other items" in (tmp_path / "page.html").read_text()


def test_figures_of_another_construction_are_refused(runs, other_toolbox, tmp_path):
    folder = tmp_path / "published"
    shutil.copytree(other_toolbox.folder, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["configuration"] = {"construction": "published"}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    published = open_toolbox(folder)
    evaluate(Scripted("tiny <baby>", published.items, 0.3), published, tmp_path / "there", model="tiny")
    with pytest.raises(ConfigError, match=r"of the published construction, this page's of the balanced"):
        read_elsewhere([tmp_path / "there"], read_results([runs["model"]]))
    write_report([tmp_path / "there"], tmp_path / "page.html")
    assert "published construction" in (tmp_path / "page.html").read_text()


def test_runs_that_have_no_partner_are_refused(runs, other_toolbox, tmp_path):
    results = read_results([runs["model"]])
    with pytest.raises(ConfigError, match="same toolbox"):
        read_elsewhere([runs["model"]], results)
    evaluate(RandomGuess(), other_toolbox, tmp_path / "there", model="baseline:random")
    with pytest.raises(ConfigError, match="not among the runs"):
        read_elsewhere([tmp_path / "there"], results)
