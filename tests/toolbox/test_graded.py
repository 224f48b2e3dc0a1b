"""Graded figures, worked by hand."""

import math

import pytest

from babyvlm.errors import InputError
from babyvlm.records import Item, ItemTurn, OptionScores, Reply, Response
from babyvlm.toolbox.graded import graded_scores, option_credit
from babyvlm.toolbox.graded import scored_rounds as rounds_of


def item(number, task="left_right", gold="A", options=("A", "B")):
    turn = ItemTurn(prompt="?", images=(), options=options, gold=gold)
    return Item(id=str(number), task=task, split="test", turns=(turn,), chance=0.5)


def reply(number, *sums, kind="log-likelihood", **readings):
    scores = OptionScores(kind=kind, sums=sums, **readings) if sums else None
    return Response(item=str(number), replies=(Reply(text="A", scores=scores),))


def test_ties_share_the_credit():
    assert [option_credit(values, 0) for values in ([1, 0], [1, 1], [0, 1], [2, 2, 2, 1])] == [1, 1 / 2, 0, 1 / 3]


def test_each_reading_has_an_accuracy():
    items = [item(1), item(2), item(3, "memory")]
    said = [
        reply(1, -1.0, -2.0, means=(-1.0, -0.5), corrected=(0.0, 0.0)),
        reply(2, -3.0, -2.0, means=(-1.0, -2.0), corrected=(5.0, 1.0)),
        reply(3, -1.0, -1.0, means=(-1.0, -1.0)),
    ]
    found = graded_scores(items, said)
    by_task = {task.task: task for task in found.tasks}
    assert by_task["left_right"].accuracy == {"sums": 0.5, "means": 0.5, "corrected": 0.75}
    assert by_task["memory"].accuracy == {"sums": 0.5, "means": 0.5} and by_task["memory"].chance == 0.5
    assert found.overall == {"sums": 0.5, "means": 0.5}  # not every sub-task has a prompt-corrected one
    assert (found.rounds, found.unscored, found.kind) == (3, 0, "log-likelihood")


def test_calibration_by_hand():
    """Two rounds at a confidence of 0.75, one of them right; one at 0.55, right."""
    sure, unsure = math.log(3), math.log(0.55 / 0.45)
    found = graded_scores(
        [item(n) for n in (1, 2, 3)], [reply(1, sure, 0.0), reply(2, 0.0, sure), reply(3, unsure, 0.0)]
    )
    assert [(one.low, one.rounds, one.accuracy) for one in found.reliability] == [(0.5, 1, 1.0), (0.7, 2, 0.5)]
    assert found.calibration_error == pytest.approx((1 * 0.45 + 2 * 0.25) / 3)
    assert [point.accuracy for point in found.selective][:3] == [0.5] * 3  # the most confident two are a tie
    assert found.selective[-1].coverage == 1 and found.selective[-1].accuracy == pytest.approx(2 / 3)


def test_a_perfect_and_certain_respondent():
    found = graded_scores([item(1), item(2)], [reply(1, 0.0, -800.0), reply(2, 0.0, -800.0)])
    assert found.calibration_error == 0.0 and {point.accuracy for point in found.selective} == {1.0}
    assert found.model_dump()["calibration_error"] == 0.0


def test_figures_without_a_scale_have_no_calibration():
    found = graded_scores([item(1)], [reply(1, 5.0, 1.0, kind="score")])
    assert found.calibration_error is None and found.reliability == () and len(found.selective) == 10
    assert "calibration_error" not in found.model_dump()


def test_rounds_without_scores_or_choice():
    items = [item(1), item(2, gold="A", options=("A",)), item(3)]
    said = [reply(1), reply(2, 1.0), reply(3, 1.0, 0.0)]
    found = graded_scores(items, said)
    assert (found.rounds, found.unscored) == (1, 1)
    assert graded_scores(items, [reply(1), reply(2)]) is None


def test_scores_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="3 scores for the 2 options of item '1'"):
        list(rounds_of([item(1)], [reply(1, 1.0, 2.0, 3.0)]))
    with pytest.raises(InputError, match="scores of two kinds"):
        graded_scores([item(1), item(2)], [reply(1, 1.0, 2.0), reply(2, 1.0, 2.0, kind="score")])


def test_selective_accuracy_keeps_the_most_confident():
    items = [item(n) for n in range(10)]
    said = [reply(n, float(n), 0.0) if n >= 5 else reply(n, 0.0, float(n) / 2 + 0.1) for n in range(10)]
    points = graded_scores(items, said).selective
    assert [point.accuracy for point in points] == pytest.approx([1, 1, 1, 1, 1, 5 / 6, 5 / 7, 5 / 8, 5 / 9, 5 / 10])
