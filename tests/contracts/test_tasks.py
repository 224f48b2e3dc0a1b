"""What every task holds: built by seed alone, guessing at chance, every reply accounted for, records that come back."""

import math

import pytest

from babyvlm.errors import ConfigError, InputError
from babyvlm.evaluation.baselines import RandomGuess
from babyvlm.records import Item, Reply, Response
from babyvlm.toolbox import TASKS, CorpusSource, build_toolbox, open_toolbox, score
from babyvlm.toolbox.tasks import BATTERY_TASKS, REGISTRY, in_table_order, is_extra, task_named
from tests.contracts.drawn_toolbox import config_of, without_boxes
from tests.extensions import example_names, names_of

NAMES = [name for name in names_of(REGISTRY) if name not in BATTERY_TASKS]
"""Those that are built; the others are imported, and their items stand in the suite of batteries."""
ADDED = example_names(REGISTRY.group)
SEEDS = 60


def items_of(toolbox, task):
    return [item for item in toolbox.items if item.task == task]


def answered(items, text_of):
    return [
        Response(item=item.id, replies=tuple(text_of(number, turn) for turn in item.turns))
        for number, item in enumerate(items)
    ]


@pytest.mark.parametrize("task", NAMES)
def test_a_task_says_what_it_is(task):
    spec = task_named(task)
    assert spec.name == task and spec.title and spec.measure and spec.options and 0 < spec.chance < 1
    low, high = spec.age_span_months
    assert high is None or low < high
    assert (task in TASKS) != is_extra(task)


@pytest.mark.parametrize("task", NAMES)
def test_items_are_valid_and_come_back_from_disk(task, toolbox):
    spec, items = task_named(task), items_of(toolbox, task)
    assert items
    for item in items:
        assert Item.model_validate_json(item.model_dump_json()) == item
        for turn in item.turns:
            assert turn.gold in turn.options and set(turn.options) <= set(spec.options)
            assert turn.prompt.count("<image>") == len(turn.images) > 0
            assert all(toolbox.image_path(name).is_file() for name in turn.images)
        assert all(turn.origins and "restricted" not in item.licence for turn in item.turns)
    assert len({turn.gold for item in items for turn in item.turns}) > 1, "one answer would always be right"
    assert items_of(open_toolbox(toolbox.folder), task) == items


@pytest.mark.parametrize("task", NAMES)
def test_guesses_are_at_chance(task, toolbox):
    items = items_of(toolbox, task)
    values, chance = [], sum(item.chance for item in items) / len(items)
    for seed in range(SEEDS):
        scores = score(items, RandomGuess(seed).answer([item.question() for item in items], toolbox.image))
        values.append(scores.task(task).value)
        assert scores.task(task).chance == pytest.approx(chance)
    deviation = math.sqrt(chance * (1 - chance) / (SEEDS * len(items)))
    assert abs(sum(values) / SEEDS - chance) < 4 * deviation


@pytest.mark.parametrize("task", NAMES)
def test_every_reply_is_accounted_for(task, toolbox):
    items = items_of(toolbox, task)
    kinds = [
        lambda turn: Reply(text=turn.gold),
        lambda turn: Reply(text="I am sorry, I cannot help with that", refused=True),
        lambda turn: Reply(text="hm"),
        lambda turn: Reply(text=None, problem="timed out"),
    ]
    result = score(items, answered(items, lambda number, turn: kinds[number % 4](turn))).task(task)
    assert sum(result.outcomes.values()) == sum(len(item.turns) for item in items)
    rounds = [sum(len(item.turns) for item in items[start::4]) for start in range(4)]
    assert [result.outcomes[kind] for kind in ("right", "refused", "unparsed", "failed")] == rounds
    assert result.items == len(items) and result.scored == len(items) - len(items[3::4])
    assert result.worst <= result.value <= result.best


@pytest.mark.parametrize("task", NAMES)
def test_right_replies_earn_everything_and_enter_the_mean_only_where_published(task, toolbox):
    items = items_of(toolbox, task)
    scores = score(items, answered(items, lambda _, turn: Reply(text=turn.gold)))
    assert scores.task(task).value == 1.0
    assert scores.overall == (None if is_extra(task) else 1.0)


@pytest.mark.parametrize("task", BATTERY_TASKS)
def test_a_task_of_a_battery_stands_outside_the_twelve_and_is_not_built(task):
    spec = task_named(task)
    assert spec.name == task and spec.title and spec.measure and 0 < spec.chance < 1 and is_extra(task)
    assert in_table_order([task, "subitizing"]) == ("subitizing", task)
    with pytest.raises(ConfigError, match=f"toolbox import SOURCE --battery {spec.battery}"):
        config_of([task])


def test_items_follow_from_the_seed_alone(toolbox, corpus, tmp_path):
    again = build_toolbox(CorpusSource(corpus, "test"), tmp_path / "again", config_of(NAMES))
    assert (again.folder / "items.jsonl").read_bytes() == (toolbox.folder / "items.jsonl").read_bytes()
    other = build_toolbox(CorpusSource(corpus, "test"), tmp_path / "other", config_of(NAMES, seed=1))
    for task in NAMES:
        assert items_of(other, task) != items_of(toolbox, task), task


def test_items_of_a_task_do_not_depend_on_which_others_are_built(toolbox, corpus, tmp_path):
    published = build_toolbox(CorpusSource(corpus, "test"), tmp_path / "published", config_of(TASKS))
    assert list(published.items) == [item for item in toolbox.items if item.task in TASKS]
    assert (
        published.manifest.extensions == {} and b'"extensions"' not in (published.folder / "manifest.json").read_bytes()
    )


def test_rows_stand_in_the_order_of_tables(toolbox):
    assert toolbox.tasks == in_table_order(NAMES)
    assert toolbox.tasks[: len(TASKS)] == tuple(TASKS)


@pytest.mark.parametrize("task", ADDED)
def test_a_task_of_another_package_is_built_in_either_construction_and_recorded(task, toolbox, corpus, tmp_path):
    built = build_toolbox(
        CorpusSource(corpus, "test"), tmp_path / "balanced", config_of([task], construction="balanced")
    )
    assert built.tasks == (task,) and built.construction == "balanced"
    assert toolbox.manifest.extensions[f"task {task}"] == built.manifest.extensions[f"task {task}"]


@pytest.mark.parametrize("task", NAMES)
def test_bad_input_is_named(task, corpus, tmp_path):
    with pytest.raises(ConfigError, match=f"there is no task .*did you mean {task!r}"):
        config_of([task + "x"])
    with pytest.raises(ConfigError, match="at least 1 item"):
        config_of([task], items={task: 0})
    empty = CorpusSource(without_boxes(corpus), "test")
    with pytest.raises(InputError, match="no item of any task can be built"):
        build_toolbox(empty, tmp_path / "empty", config_of([task]))
