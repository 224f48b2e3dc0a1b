"""Lists balance what they should, and the same seed gives the same session."""

from collections import Counter
from itertools import pairwise

import pytest

from babyvlm.errors import ConfigError
from babyvlm.study import StudyConfig, plan_session
from babyvlm.study.design import answers_in_turn, choose_items, williams_order
from babyvlm.study.presentation import present
from babyvlm.study.wording import spoken
from babyvlm.toolbox import TASKS
from tests.study.study_world import SHORT


def session(toolbox, config=SHORT, *, group="adult", age_months=None, list_number=0):
    return plan_session(toolbox.items, config, group=group, age_months=age_months, list_number=list_number)


def test_the_same_seed_gives_the_same_session_and_another_seed_another(toolbox):
    assert session(toolbox) == session(toolbox)
    other = StudyConfig(**(vars(SHORT) | {"seed": 1}))
    assert [t.item for t in session(toolbox)] != [t.item for t in session(toolbox, other)]


@pytest.mark.parametrize("count", [4, 5, 12])
def test_over_the_lists_tasks_stand_at_every_place_and_follow_each_other_equally_often(count):
    lists = [williams_order(range(count), number) for number in range(2 * count)]
    assert {tuple(sorted(order)) for order in lists} == {tuple(range(count))}
    places = Counter((place, task) for order in lists for place, task in enumerate(order))
    follows = Counter(pair for order in lists for pair in pairwise(order))
    assert set(places.values()) == {2} and len(places) == count * count
    assert set(follows.values()) == {2} and len(follows) == count * (count - 1)


def test_over_the_lists_items_are_used_equally_often_and_practice_is_nobodys_test(toolbox):
    items = [item for item in toolbox.items if item.task == "picture_vocabulary"]
    config = StudyConfig(items_per_task=3, practice_per_task=1, lists=6)
    used, practised = Counter(), set()
    for number in range(config.lists):
        practice, tested = choose_items(items, "picture_vocabulary", config, group="adult", list_number=number)
        used.update(item.id for item in tested)
        practised |= {item.id for item in practice}
        assert len({item.id for item in tested}) == 3
    assert len(practised) == 1 and not practised & used.keys()
    assert set(used.values()) == {2} and len(used) == 9


def test_answers_take_turns(toolbox):
    import random

    items = [item for item in toolbox.items if item.task == "who_has_more_synthetic"]
    order = [item.turns[0].gold for item in answers_in_turn(items, random.Random(0))]
    assert all(order[start : start + 4].count("A") in (1, 2, 3) for start in range(len(order) - 3))


def test_age_picks_the_tasks_whose_span_fits(toolbox):
    def tasks(age):
        return {t.task for t in session(toolbox, group="child", age_months=age) if t.kind == "test"}

    assert "picture_vocabulary" not in tasks(24) and "looking_while_listening" in tasks(24)
    assert "picture_vocabulary" in tasks(25) and "looking_while_listening" not in tasks(25)
    assert tasks(60) == {"picture_vocabulary"}
    assert {t.task for t in session(toolbox) if t.kind == "test"} == set(TASKS)
    with pytest.raises(ConfigError, match=r"0\.5 months"):
        session(toolbox, group="child", age_months=0.5)


def test_breaks_and_attention_checks_fall_between_items(toolbox):
    plan = session(toolbox)
    assert [trial.position for trial in plan] == list(range(len(plan)))
    assert sum(trial.kind == "attention" for trial in plan) >= 3 and sum(trial.break_before for trial in plan) >= 2
    assert all(trial.turn == 0 for trial in plan if trial.break_before)
    for before, after in pairwise(plan):
        assert after.turn == 0 or (after.item == before.item and after.turn == before.turn + 1)


def test_every_task_has_its_way_of_being_shown(toolbox):
    seen = {}
    for trial in session(toolbox):
        if trial.kind == "test" and trial.turn == 0:
            item = next(item for item in toolbox.items if item.id == trial.item)
            seen[trial.task] = present(item, trial.turn, SHORT)
    assert {task: shown.layout for task, shown in seen.items()} == {
        **dict.fromkeys(TASKS, "pictures"),
        "localization": "quadrants",
        **dict.fromkeys(("subitizing", "object_counting"), "numbers"),
        **dict.fromkeys(("visual_delayed_response_binary", "visual_delayed_response_open"), "ways"),
    }
    assert seen["left_right"].samples == seen["spatial_details"].samples == 1
    assert seen["visual_delayed_response_open"].clip == 5 and seen["visual_delayed_response_open"].curtain_ms == 40
    for task, shown in seen.items():
        assert not set("<>()") & set(shown.say) and "ONLY" not in shown.say, (task, shown.say)


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("<image> How many cups do you see?", "How many cups do you see?"),
        ("<image> How many of teddy bear do you see?", "How many teddy bears do you see?"),
        ("Which image has more of ball? Answer (A) <image> (B) <image>", "Which picture has more balls?"),
        ("Which image has more sheep? (A) <image> (B) <image>", "Which picture has more sheep?"),
        (
            "<image> Which of the following is the same as this? Answer with a number. (A) <image> (B) <image>",
            "Which one is the same as this?",
        ),
        ("<image> Touch the image of 'cup' (A) top left image (B) top right image", "Touch the cup."),
        ("<image><image> do the ducks collectively leave the frame through the left side", "Where did the ducks go?"),
        ("Let's try more. Touch the new animal. (A) <image> (B) <image>", "Let's try more. Touch the new animal."),
        ("Touch the new image. (A) <image>", "Touch the new picture."),
        ("<image>\nWhere does it hide? (A) left (B) right", "Where does it hide?"),
        (
            "<image> Which of the following contains exactly this object? (A) <image>. Pay attention to details and "
            "give a letter A-C.",
            "Which one contains exactly this object?",
        ),
    ],
)
def test_people_are_told_what_only_people_need(prompt, said):
    assert spoken(prompt) == said


def test_a_design_that_makes_no_sense_is_refused():
    for wrong in ({"lists": 0}, {"tasks": ("jumping",)}, {"sites": ()}, {"sites": ("a", "a")}, {"delay_ms": -1}):
        with pytest.raises(ConfigError):
            StudyConfig(**wrong)
    assert StudyConfig.from_json(SHORT.as_json()) == SHORT
