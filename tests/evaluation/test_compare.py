"""Run folders are compared by their items, and what cannot be compared is refused."""

import json

import pytest

from babyvlm.cli import main
from babyvlm.errors import ConfigError
from babyvlm.evaluation import evaluate
from babyvlm.evaluation.baselines import Majority, RandomGuess
from babyvlm.evaluation.compare import compare_folders, spread_folders
from babyvlm.toolbox import open_toolbox


@pytest.fixture(scope="module")
def runs(toolbox, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for name, respondent in {
        "a": RandomGuess(),
        "b": RandomGuess(1),
        "c": RandomGuess(2),
        "majority": Majority(toolbox.items),
    }.items():
        evaluate(
            respondent, toolbox, folder / name, model="baseline:majority" if name == "majority" else "baseline:random"
        )
    for name, task in (("left", "left_right"), ("right", "left_right")):
        evaluate(RandomGuess(), toolbox, folder / name, model=f"openai:{name}", tasks=[task])
    return folder


def test_two_runs_are_compared_on_their_items(runs, toolbox):
    found = compare_folders([runs / "a", runs / "majority"])
    assert (found.first, found.second) == ("random", "majority")
    assert [task.task for task in found.tasks] == list(open_toolbox(toolbox.folder).tasks)
    for task in found.tasks:
        assert task.items == sum(item.task == task.task for item in toolbox.items)
        assert task.difference.value == pytest.approx(task.second - task.first)


def test_guesses_with_other_seeds_do_not_differ_after_correction(runs):
    found = compare_folders([runs / "a", runs / "b"])
    assert min(task.p_holm for task in found.tasks) > 0.05


def test_the_command_prints_and_writes(runs, tmp_path, capsys):
    main(["compare", str(runs / "a"), str(runs / "majority"), "--out", str(tmp_path / "c.json")])
    assert "mean of sub-tasks" in capsys.readouterr().out
    assert json.loads((tmp_path / "c.json").read_text())["first"] == "random"
    main(["compare", *(str(runs / name) for name in "abc"), "--seeds"])
    assert "runs" in capsys.readouterr().out
    main(["power", "--difference", "0.1", "--differing", "0.3"])
    assert "234 items" in capsys.readouterr().out


def test_seeds_are_put_together(runs):
    rows = spread_folders([runs / name for name in "abc"])
    assert rows[-1].name == "mean of sub-tasks" and rows[-1].runs == 3
    assert rows[-1].lowest <= rows[-1].mean <= rows[-1].highest


@pytest.mark.case("identity")
@pytest.mark.parametrize("others", [("a", "majority"), ("a", "b", "majority"), ("a", "left"), ("left", "right")])
def test_runs_that_differ_in_more_than_a_seed_are_not_put_together(runs, others):
    with pytest.raises(ConfigError, match="more than a seed"):
        spread_folders([runs / name for name in others])


def test_what_cannot_be_compared_is_refused(runs, toolbox, tmp_path):
    with pytest.raises(ConfigError, match="two runs"):
        compare_folders([runs / "a"])
    with pytest.raises(ConfigError, match="given twice"):
        compare_folders([runs / "a", runs / "a"])
    with pytest.raises(ConfigError, match="at least two"):
        spread_folders([runs / "a"])
