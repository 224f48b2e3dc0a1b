"""Run folders: resume, scoring again, and what is refused."""

import json

import pytest

from babyvlm.errors import ConfigError, DataFolderError
from babyvlm.evaluation import evaluate, score_run
from babyvlm.evaluation.baselines import RandomGuess
from babyvlm.toolbox import Toolbox


class Counting(RandomGuess):
    """Counts what it is asked, and dies after so many answers."""

    def __init__(self, dies_after=None):
        super().__init__()
        self.asked, self._left = [], dies_after

    def answer(self, questions, images):
        for question in questions:
            if self._left == 0:
                raise KeyboardInterrupt
            self._left = None if self._left is None else self._left - 1
            self.asked.append(question.id)
            yield from super().answer([question], images)


def test_a_run_holds_what_the_contract_names(toolbox, tmp_path):
    run = tmp_path / "run"
    scores = evaluate(RandomGuess(), toolbox, run, model="baseline:random")
    names = {path.name for path in run.iterdir()}
    assert {"run.json", "responses.jsonl", "scores.json", "baby_leftright_results.json"} <= names
    assert len((run / "responses.jsonl").read_text().splitlines()) == len(toolbox.items)
    saved = json.loads((run / "scores.json").read_text())
    assert saved["results"]["baby_leftright"]["acc"] == scores.task("left_right").value
    results = json.loads((run / "baby_leftright_results.json").read_text())
    assert results["results"]["baby_leftright"]["acc,none"] == scores.task("left_right").value


def test_an_interrupted_run_goes_on_and_asks_nothing_twice(toolbox, tmp_path):
    run, whole = tmp_path / "run", tmp_path / "whole"
    evaluate(RandomGuess(), toolbox, whole, model="m")
    first, second = Counting(dies_after=10), Counting()
    with pytest.raises(KeyboardInterrupt):
        evaluate(first, toolbox, run, model="m")
    with (run / "responses.jsonl").open("a") as file:
        file.write('{"item": "torn by a ki')
    scores = evaluate(second, toolbox, run, model="m")
    assert sorted(first.asked + second.asked) == sorted(item.id for item in toolbox.items)
    assert scores == score_run(whole)
    assert (run / "scores.json").read_text() == (whole / "scores.json").read_text()


def test_tasks_and_limit(toolbox, tmp_path):
    scores = evaluate(RandomGuess(), toolbox, tmp_path / "run", tasks=["left_right"], limit=5)
    assert [(task.task, task.items) for task in scores.tasks] == [("left_right", 5)]
    with pytest.raises(ConfigError, match="left_right"):
        evaluate(RandomGuess(), toolbox, tmp_path / "other", tasks=["leftright"])
    assert not (tmp_path / "other").exists()


def test_another_run_is_not_mixed_in(toolbox, tmp_path):
    run = tmp_path / "run"
    evaluate(RandomGuess(), toolbox, run, model="baseline:random", limit=2)
    before = (run / "responses.jsonl").read_bytes()
    for change in ({"model": "baseline:majority", "limit": 2}, {"model": "baseline:random", "limit": 3}):
        with pytest.raises(ConfigError, match="another run"):
            evaluate(RandomGuess(), toolbox, run, **change)
    assert (run / "responses.jsonl").read_bytes() == before
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "mother.txt").write_text("dear mother")
    with pytest.raises(ConfigError, match="already holds"):
        evaluate(RandomGuess(), toolbox, tmp_path / "letters")


def test_scoring_an_unfinished_run_says_what_is_missing(toolbox, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        evaluate(Counting(dies_after=4), toolbox, tmp_path / "run")
    with pytest.raises(DataFolderError, match=f"{len(toolbox.items) - 4} of {len(toolbox.items)} items"):
        score_run(tmp_path / "run")
    with pytest.raises(DataFolderError, match="not a run"):
        score_run(tmp_path)


def test_restricted_pictures_do_not_leave(toolbox, tmp_path):
    items = tuple(item.model_copy(update={"licence": "restricted: SAYCam (Databrary)"}) for item in toolbox.items)
    restricted = Toolbox(**{**vars(toolbox), "items": items})
    outside = RandomGuess()
    outside.sends_data_out = True
    with pytest.raises(ConfigError, match=rf"{len(items)} of {len(items)} items.*SAYCam"):
        evaluate(outside, restricted, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    evaluate(outside, restricted, tmp_path / "run", share_restricted=True)
