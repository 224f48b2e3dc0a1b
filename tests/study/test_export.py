"""Thirty simulated people of known accuracy come out of export and report with exactly those figures."""

import csv
import json
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from statistics import fmean

import pytest

from babyvlm.cli import main
from babyvlm.errors import DataFolderError
from babyvlm.evaluation.runs import read_run
from babyvlm.reports.results import read_results
from babyvlm.study import StudyConfig
from babyvlm.study.export import export_study
from babyvlm.toolbox import TASKS
from tests.study.study_world import PIN, SHORT, Taker, planned_choice

PEOPLE = 30


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def take(service, base, toolbox, number):
    """Answers a whole session; the number decides which test answers are right. Returns what came of it, by task."""
    invited = service.store.invite("adult", "main")[0]
    taker = Taker(base, invited.token)
    state, position = taker.begin(), 0
    given = defaultdict(list)
    while state["phase"] == "trials":
        plan = service.store.shown_trial(invited.code, position)
        right = plan.kind != "test" or (position * 7 + number * 3) % 10 < 3 + number % 6
        right = right or (plan.task == "memory" and plan.turn == 0)  # one option alone cannot be missed
        choice = planned_choice(service.store, toolbox, invited.code, position, right)
        reply = taker.answer(state["trial"], choice, reaction_ms=0.5)
        if plan.kind == "test":
            given[plan.task].append(right)
        state, position = reply.json()["state"], position + 1
    return invited.code, dict(given)


def memory_kept(right):
    """Of fifteen rounds, the share of five objects whose two tests are right; object o of 5 is tested at 5+o, 10+o."""
    return sum(right[5 + thing] and right[10 + thing] for thing in range(5)) / 5


def value(task, right):
    return memory_kept(right) if task == "memory" else fmean(right)


@pytest.fixture(scope="module")
def group(toolbox, tmp_path_factory):
    """The thirty, and the export of their answers."""
    from babyvlm.study import ExclusionRules
    from babyvlm.study.service import StudyService
    from babyvlm.study.store import Store
    from tests.study.study_world import PASSWORD, running

    folder = tmp_path_factory.mktemp("group")
    settings = {"rules": ExclusionRules(max_hasty=1.0), "items_per_task": 1, "practice_per_task": 0}
    config = StudyConfig(**(vars(SHORT) | settings))
    store = Store.begin(folder / "study.db", toolbox, config, password=PASSWORD, pin=PIN)
    service = StudyService(store, toolbox, "Please take part.", answers_per_s=10_000)
    with running(service) as base, ThreadPoolExecutor(4) as pool:
        known = dict(pool.map(lambda number: take(service, base, toolbox, number), range(PEOPLE)))
    store.invite("adult", "main")
    main(["study", "export", str(folder / "study.db"), "--out", str(folder / "out")])
    return known, folder / "out", store


def test_each_of_them_has_exactly_their_figures(group):
    known, out, _ = group
    assert {path.name for path in (out / "participants").iterdir()} == set(known)
    for code, given in known.items():
        scores = json.loads((out / "participants" / code / "scores.json").read_text())["babyvlm"]
        assert {task["task"]: task["value"] for task in scores["tasks"]} == pytest.approx(
            {task: value(task, right) for task, right in given.items()}
        )
        assert read_run(out / "participants" / code).family == "human"


def test_together_they_have_exactly_the_mean_of_all_answers(group):
    known, out, _ = group
    (run,) = read_results([out / "pooled"]).runs
    for task in TASKS:
        each = [value(task, given[task]) for given in known.values()]
        assert run.by_task[task].value == pytest.approx(fmean(each))
        assert run.by_task[task].low < run.by_task[task].value < run.by_task[task].high
        assert run.by_task[task].items == sum(1 if task == "memory" else len(given[task]) for given in known.values())
    assert run.name == "30 adults" and run.overall is not None


def test_the_report_takes_them_like_any_other(group, toolbox, tmp_path):
    known, out, _ = group
    main(["evaluate", "baseline:random", str(toolbox.folder), "--out", str(tmp_path / "random")])
    one = out / "participants" / next(iter(known))
    main(["report", str(out / "pooled"), str(one), str(tmp_path / "random"), "--out", str(tmp_path / "r.html")])
    figures = {(row["respondent"], row["task"]): row for row in rows(tmp_path / "r_files" / "results.csv")}
    for task in TASKS:
        expected = fmean(value(task, given[task]) for given in known.values())
        assert float(figures["30 adults", task]["value"]) == pytest.approx(expected, abs=1e-4)
        assert figures["30 adults", task]["family"] == "human"
    main(["compare", str(out / "pooled"), str(tmp_path / "random")])
    main(["score", str(out / "pooled")])


def test_the_tidy_files_hold_every_trial(group):
    known, out, _ = group
    trials = rows(out / "trials.csv")
    tested = [row for row in trials if row["kind"] == "test"]
    assert len(tested) == sum(len(right) for given in known.values() for right in given.values())
    right = sum(sum(answers) for given in known.values() for answers in given.values())
    assert sum(row["right"] == "1" for row in tested) == right
    checks = [row["right"] for row in trials if row["kind"] == "attention"]
    assert checks and set(checks) == {"1"}
    people = rows(out / "participants.csv")
    assert len(people) == PEOPLE + 1 and [row["left_out"] for row in people].count("not begun") == 1
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["counts"] == {"kept": 30, "not begun": 1, "withdrawn": 0} and "Please take part." in str(manifest)


def test_rules_written_down_beforehand_leave_people_out(begin, served, toolbox, tmp_path):
    service = begin()
    with served(service) as base:
        for wrong in ("attention", "hasty", "stopped", "fine"):
            invited = service.store.invite("adult", "main")[0]
            taker = Taker(base, invited.token)
            state, position = taker.begin(), 0
            while state["phase"] == "trials" and not (wrong == "stopped" and position == 8):
                plan = service.store.shown_trial(invited.code, position)
                right = not (wrong == "attention" and plan.kind == "attention")
                choice = planned_choice(service.store, toolbox, invited.code, position, right)
                reaction_ms = 1.0 if wrong == "hasty" else 210.0
                state = taker.answer(state["trial"], choice, reaction_ms=reaction_ms).json()["state"]
                position += 1
    export_study(service.store, tmp_path / "out")
    found = [row["left_out"] for row in rows(tmp_path / "out" / "participants.csv")]
    assert found == ["attention checks", "hasty answers", "too little answered", ""]
    assert read_run(tmp_path / "out" / "pooled").respondent == "1 adult"
    assert len(list((tmp_path / "out" / "participants").iterdir())) == 1


def test_children_are_a_respondent_of_their_own_and_what_they_skip_counts_for_nothing(begin, served, toolbox, tmp_path):
    from babyvlm.study import ExclusionRules

    service = begin(StudyConfig(**(vars(SHORT) | {"child_rules": ExclusionRules(min_answered=0)})))
    with served(service) as base:
        taker = Taker(base, service.store.invite("child", "main")[0].token)
        state = taker.begin(pin=PIN, age_months=30)
        while state["trial"]["practice"]:
            state = taker.answer(state["trial"], 0).json()["state"]
        state = taker.answer(state["trial"], None, skip_pin=PIN).json()["state"]
    export_study(service.store, tmp_path / "out")
    assert read_run(tmp_path / "out" / "pooled").respondent == "1 child, 30 months"
    (task,) = json.loads((tmp_path / "out" / "pooled" / "scores.json").read_text())["babyvlm"]["tasks"]
    assert task["outcomes"]["failed"] >= 1 and task["scored"] == 0


def test_an_empty_study_and_a_changed_toolbox_are_refused(begin, tmp_path):
    service = begin()
    with pytest.raises(DataFolderError, match="nobody has answered"):
        export_study(service.store, tmp_path / "out")
    assert not (tmp_path / "out").exists()
