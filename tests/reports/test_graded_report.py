"""The page of respondents whose replies have scores, and of those that cannot answer every sub-task."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from babyvlm.evaluation import evaluate, score_run
from babyvlm.evaluation.respondents import Family, ImageReader
from babyvlm.evaluation.table import describe_scores
from babyvlm.records import OptionScores, Question, Reply, Response
from babyvlm.reports import write_report
from babyvlm.toolbox import TASKS, Toolbox

LEFT_OUT = ("object_counting", "subitizing")


class Sure:
    """Scores every option at random, and cannot count."""

    name, sends_data_out = "sure", False
    family: Family = "open-source"

    def takes(self, row: str) -> bool:
        return row not in LEFT_OUT

    def answer(self, questions: Sequence[Question], images: ImageReader) -> Iterator[Response]:
        for question in questions:
            rng = random.Random(question.id)
            replies = []
            for turn in question.turns:
                sums = tuple(round(rng.uniform(-5, 0), 3) for _ in turn.options)
                scores = OptionScores(kind="log-likelihood", sums=sums, means=sums[::-1], corrected=sums)
                replies.append(Reply(text=turn.options[sums.index(max(sums))], scores=scores))
            yield Response(item=question.id, replies=tuple(replies))


@pytest.fixture(scope="module")
def scored(toolbox: Toolbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scored") / "sure"
    evaluate(Sure(), toolbox, folder, model="sure")
    return folder


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"{name}.csv").open() as file:
        return list(csv.DictReader(file))


def test_tables_figure_and_notes(scored: Path, runs: dict[str, Path], toolbox: Toolbox, tmp_path: Path) -> None:
    write_report([scored, *runs.values()], tmp_path / "page.html", browse=0)
    page, files = (tmp_path / "page.html").read_text(), tmp_path / "page_files"
    graded = json.loads((scored / "scores.json").read_text())["babyvlm"]["graded"]
    mean = next(row for row in rows(files, "graded_accuracy") if (row["task"], row["reading"]) == ("mean", "sums"))
    assert float(mean["value"]) == graded["overall"]["sums"] and mean["respondent"] == "sure"
    assert "Scores of the options" in page and f"<td>{100 * graded['calibration_error']:.1f}</td>" in page
    assert (files / "graded.svg").is_file() and (files / "graded.pdf").is_file() and "most confident tenth" in page
    assert {row["respondent"] for row in rows(files, "graded_accuracy")} == {"sure"}
    assert sum(int(row["rounds"]) for row in rows(files, "reliability")) == graded["rounds"]
    assert [float(row["coverage"]) for row in rows(files, "selective_accuracy")] == [n / 10 for n in range(1, 11)]
    memory = [row for row in rows(files, "graded_accuracy") if row["task"] == "memory"]
    assert all(row["low"] == "" for row in memory) and len(memory) == 3

    titles = ", ".join(TASKS[task].title for task in toolbox.tasks if task in LEFT_OUT)
    assert f"A dash in the row of sure: it cannot answer {titles}, and was not asked." in page
    assert page.count('<span class="vh">cannot answer</span>') == len(LEFT_OUT)
    empty = [row for row in rows(files, "results") if row["respondent"] == "sure" and row["task"] in LEFT_OUT]
    assert len(empty) == len(LEFT_OUT) and all(row["value"] == "" and row["items"] == "0" for row in empty)


def test_a_page_without_scores_has_none_of_it(runs: dict[str, Path], tmp_path: Path) -> None:
    write_report(list(runs.values()), tmp_path / "page.html", browse=0)
    page = (tmp_path / "page.html").read_text()
    assert "Scores of the options" not in page and "cannot answer" not in page
    assert not (tmp_path / "page_files" / "graded.svg").exists()
    assert not (tmp_path / "page_files" / "graded_accuracy.csv").exists()
    assert "graded" not in (next(iter(runs.values())) / "scores.json").read_text()


def test_the_command_line_says_it_in_one_line(scored: Path) -> None:
    lines = [line for line in describe_scores(score_run(scored)).splitlines() if line.startswith("graded accuracy")]
    assert len(lines) == 1 and "log-likelihood" in lines[0] and "prompt-corrected" in lines[0]
