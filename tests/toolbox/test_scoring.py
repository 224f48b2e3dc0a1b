"""Metrics worked by hand; outcomes never mixed up; the reference's faults on request only."""

import json
import math

import pytest

from babyvlm.errors import InputError
from babyvlm.evaluation.table import describe_scores
from babyvlm.records import Item, ItemTurn, Reply, Response
from babyvlm.toolbox import TASKS, Scores, leaderboard_results, score
from babyvlm.toolbox.scoring import effective_size, wilson_interval


def item(name, task, gold, options=None):
    turn = ItemTurn(prompt="?", images=(), options=options or TASKS[task].options, gold=gold)
    return Item(id=name, task=task, split="test", turns=(turn,), chance=TASKS[task].chance)


def memory_item(name="m"):
    """Two tests of each of five objects, the new one always A."""
    turns = [ItemTurn(prompt="?", images=(), options=("A",), gold="A", labels=("o0",))]
    turns += [
        ItemTurn(prompt="?", images=(), options=("A", "B"), gold="A", labels=(f"o{index}", f"o{index - 1}"))
        for index in range(1, 5)
    ]
    turns += [
        ItemTurn(prompt="?", images=(), options=("A", "B"), gold="A", labels=(f"new{test}", f"o{test % 5}"))
        for test in range(10)
    ]
    return Item(id=name, task="memory", split="test", turns=tuple(turns), chance=0.25)


def respond(name, *texts):
    return Response(item=name, replies=tuple(Reply(text=text) for text in texts))


def test_outcomes_are_kept_apart_and_only_failures_leave_the_denominator():
    items = [item(name, "picture_vocabulary", "A") for name in "abcdef"]
    responses = [
        respond("a", "A"),
        respond("b", "(B)"),
        respond("c", "It is a cat"),
        Response(item="d", replies=(Reply(text="no", refused=True),)),
        Response(item="e", replies=(Reply(text=None, problem="time out"),)),
        respond("f", ""),
    ]
    result = score(items, responses).task("picture_vocabulary")
    assert result.outcomes == {"right": 1, "wrong": 1, "unparsed": 2, "refused": 1, "failed": 1}
    assert (result.items, result.scored, result.value) == (6, 5, 1 / 5)
    assert (result.low, result.high) == wilson_interval(1 / 5, 5)
    assert (result.worst, result.best) == (1 / 6, 5 / 6)  # two unparsed, one refused, one failed, of six


def test_the_published_scoring_has_its_faults_and_both_treatments_of_errors():
    items = [item(name, "picture_vocabulary", "A") for name in "abc"] + [item("n", "object_counting", "12")]
    responses = [
        respond("a", "It is a cat"),
        Response(item="b", replies=(Reply(text=None, problem="crash"),)),
        respond("c", ""),
        respond("n", "twelve"),
    ]
    ours = score(items, responses)
    assert ours.task("picture_vocabulary").value == 0.0 and ours.task("picture_vocabulary").scored == 2
    script = score(items, responses, scoring="reference")  # leaves the error out
    assert (script.task("picture_vocabulary").value, script.task("picture_vocabulary").scored) == (1 / 2, 2)
    assert script.task("picture_vocabulary").outcomes == {
        "right": 1, "wrong": 1, "unparsed": 0, "refused": 0, "failed": 1,
    }  # fmt: skip
    wrapper = score(items, responses, scoring="leaderboard")  # an error is an empty reply
    assert (wrapper.task("picture_vocabulary").value, wrapper.task("picture_vocabulary").scored) == (1 / 3, 3)
    assert wrapper.task("picture_vocabulary").outcomes["wrong"] == 2
    assert ours.task("object_counting").value == 1.0
    assert script.task("object_counting").value == wrapper.task("object_counting").value == 0.0
    for scores in (script, wrapper):
        assert f"scoring {scores.scoring}: as the published" in describe_scores(scores)
    assert "scoring" not in describe_scores(ours)


@pytest.mark.parametrize(
    ("reply", "read"),
    [
        ("Four. One is partly hidden behind the 2nd box.", "4"),
        ("I think there are about four or 5.", "4"),
        ("two or 3", "2"),
        ("One image, 5 cups", "1"),
        ("two_cups", "2"),
        ("two答", "2"),
        ("ten4", "10"),
        ("eleven", None),
        ("someone", None),
        ("007", "7"),
        ("٣", "3"),
    ],
)
def test_the_published_script_takes_the_first_token_that_is_a_number(reply, read):
    items = [item("n", "object_counting", read or "12")]
    assert score(items, [respond("n", reply)], scoring="reference").tasks[0].value == float(read is not None)


@pytest.mark.parametrize(("reply", "right"), [("right", 1.0), ("RIGHT", 1.0), (" right", 0.0), ("right\n", 0.0)])
def test_the_published_script_compares_directions_without_stripping(reply, right):
    items = [item("d", "visual_delayed_response_binary", "right")]
    metrics = score(items, [respond("d", reply)], scoring="reference").tasks[0].metrics
    assert metrics == {"acc_exact": right, "acc_adjacent": right}


@pytest.mark.parametrize(("reply", "exact"), [("B", 1.0), ("b", 1.0), ("(B)", 0.0), ("B) right", 0.0), ("right", 0.0)])
def test_the_published_script_compares_letters_of_delayed_response_as_whole_strings(reply, exact):
    items = [item("d", "visual_delayed_response_binary", "B", options=("A", "B"))]
    metrics = score(items, [respond("d", reply)], scoring="reference").tasks[0].metrics
    assert metrics == {"acc_exact": exact, "acc_adjacent": 0.0}


def test_the_published_script_wants_exactly_two_tests_of_an_object():
    turns = list(memory_item().turns)
    third = turns[-1].model_copy(update={"labels": ("new9", "o0")})  # o0 is tested three times, o4 once
    again = memory_item().model_copy(update={"turns": (*turns[:-1], third)})
    replies = [respond("m", *"A" * 15)]
    assert score([again], replies, scoring="reference").tasks[0].value == 3 / 5
    assert score([again], replies).tasks[0].value == 4 / 5
    assert score([memory_item()], replies, scoring="reference").tasks[0].value == 1.0


def test_neighbouring_directions_are_adjacent_and_opposite_ones_are_not():
    task = "visual_delayed_response_open"
    items = [item(name, task, "top") for name in "abcd"]
    responses = [respond("a", "top"), respond("b", "top left"), respond("c", "bottom"), respond("d", "left")]
    metrics = score(items, responses).task(task).metrics
    assert metrics == {"acc_exact": 1 / 4, "acc_adjacent": 2 / 4}


def test_memory_by_hand():
    # Learning: 4 of 5. Testing: object 0 right twice, 1 once, 2 never, 3 and 4 twice.
    right = [True, True, False, True, True, True, True, False, True, True, True, False, False, True, True]
    result = score([memory_item()], [respond("m", *("A" if is_right else "B" for is_right in right))]).task("memory")
    assert result.metrics == {"acc_learning": 0.8, "acc_testing_raw": 0.7, "acc_testing_adjusted": 0.6}
    assert result.value == 0.6 and result.primary_metric == "acc_testing_adjusted"


def test_a_memory_item_with_a_failed_round_counts_in_no_metric():
    replies = (*(Reply(text="A") for _ in range(14)), Reply(text=None, problem="time out"))
    result = score([memory_item()], [Response(item="m", replies=replies)]).task("memory")
    assert (result.items, result.scored, result.outcomes["failed"]) == (1, 0, 1) and result.metrics == {}
    assert (result.worst, result.best) == (0.8, 1.0)  # the last object's second test is open


def test_memory_without_labels_goes_by_the_pictures():
    item = memory_item()
    turns = tuple(turn.model_copy(update={"labels": (), "images": turn.labels}) for turn in item.turns)
    replies = respond("m", *"A" * 9, "B", *"A" * 5)
    labelled = score([item], [replies]).task("memory").metrics
    assert score([item.model_copy(update={"turns": turns})], [replies]).task("memory").metrics == labelled
    assert labelled["acc_testing_adjusted"] == 0.8


def test_memory_intervals_assume_no_more_trials_than_there_are():
    assert effective_size([0.6, 0.6, 0.4, 0.4], 5) == 20  # items agree more than chance would have them
    dependent = effective_size([0.0, 1.0] * 10, 5)
    assert dependent == pytest.approx(19)  # all or nothing: items, not objects, are the trials
    assert effective_size([1.0] * 10, 5) == 10


def test_wilson_by_hand():
    z2 = 1.959964**2
    centre, half = (0 + z2 / 20) / (1 + z2 / 10), math.sqrt(z2) * math.sqrt(z2 / 400) / (1 + z2 / 10)
    low, high = wilson_interval(0.0, 10)
    assert low == pytest.approx(centre - half, abs=1e-9) and high == pytest.approx(centre + half)
    assert wilson_interval(0.5, 0) == (0.0, 1.0)


def test_overall_is_the_mean_of_primary_metrics_and_scores_survive_json():
    items = [item("a", "picture_vocabulary", "A"), item("b", "object_counting", "3"), item("c", "subitizing", "1")]
    scores = score(items, [respond("a", "A"), respond("b", "three"), respond("c", "2")])
    assert scores.overall == pytest.approx(2 / 3)
    assert Scores.model_validate_json(scores.model_dump_json()) == scores
    results = json.loads(json.dumps(leaderboard_results(scores)))
    assert results == {"results": {"baby_pv": {"acc": 1.0}, "baby_count": {"acc": 1.0}}}


@pytest.mark.parametrize(
    "responses",
    [[respond("z", "A")], [respond("a", "A"), respond("a", "B")], [respond("a", "A", "A")]],
    ids=["unknown item", "twice", "one reply too many"],
)
def test_responses_that_do_not_fit_are_refused(responses):
    with pytest.raises(InputError, match=r"item '[az]'"):
        score([item("a", "picture_vocabulary", "A")], responses)
