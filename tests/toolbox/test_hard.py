"""Hard variants: matching falls to chance, magnitudes are apart from number, published items stay as they were."""

from dataclasses import replace
from random import Random
from statistics import fmean

import numpy as np
import pytest

from babyvlm.errors import ConfigError
from babyvlm.records import Reply, Response
from babyvlm.toolbox import CorpusSource, ToolboxConfig, build_toolbox, leaderboard_results, score
from babyvlm.toolbox.magnitude_control import (
    COUNT_KINDS,
    Magnitudes,
    hull_area,
    pairs_to_compare,
    plan_count,
    plan_pair,
)
from babyvlm.toolbox.tasks import HARD_TASKS, TASKS, is_hard, row_name
from babyvlm.toolbox.views import View

VIEW = View(source="r", window=(0, 0, 8, 8), size=(64, 64))


@pytest.fixture(scope="module")
def hard(corpus, tmp_path_factory):
    out = tmp_path_factory.mktemp("hard") / "built"
    config = ToolboxConfig(items_per_task=24, items={"memory": 4}, max_crops=300, variants=("hard",))
    return build_toolbox(CorpusSource(corpus, "test"), out, config)


def test_every_hard_task_is_built_with_balanced_answers(hard):
    assert hard.tasks == tuple(row_name(task, "hard") for task in TASKS if task in HARD_TASKS)
    for task in ("left_right", "spatial_details"):
        golds = [item.turns[0].gold for item in hard.items if item.task == task]
        assert {letter: golds.count(letter) for letter in "ABC"} == dict.fromkeys("ABC", 8)
    for item in hard.items:
        assert item.variant == "hard" and len(item.turns) == (15 if item.task == "memory" else 1)
        if item.task in ("left_right", "spatial_details", "memory"):
            shown = [name for turn in item.turns for name in turn.images]
            assert len(set(shown)) == len(shown)  # no picture is shown twice
            assert all(origin.source != "synthetic" for turn in item.turns for origin in turn.origins)


def test_hard_rows_stay_out_of_the_mean_and_the_leaderboard(hard, toolbox):
    items = [*hard.items, *(item for item in toolbox.items if item.task == "left_right")]
    right = [Response(item=i.id, replies=tuple(Reply(text=turn.gold) for turn in i.turns)) for i in hard.items]
    wrong = [
        Response(item=item.id, replies=(Reply(text="A" if item.turns[0].gold != "A" else "B"),))
        for item in items[len(hard.items) :]
    ]
    scores = score(items, right + wrong)
    assert scores.task("left_right.hard").value == 1 and scores.task("left_right").value == 0
    assert scores.overall == 0
    assert leaderboard_results(scores)["results"] == {"baby_leftright": {"acc": 0.0}}


def test_published_items_are_the_same_with_and_without_hard_ones(corpus, tmp_path):
    alone = ToolboxConfig(items_per_task=8, items={"memory": 2}, max_crops=300, tasks=("left_right", "memory"))
    config = replace(alone, variants=("published", "hard"))
    both = build_toolbox(CorpusSource(corpus, "test"), tmp_path / "both", config)
    only = build_toolbox(CorpusSource(corpus, "test"), tmp_path / "only", alone)
    published = [item for item in both.items if not is_hard(row_name(item.task, item.variant))]
    assert published == list(only.items) and len(both.items) == 2 * len(only.items)


@pytest.mark.slow
def test_same_seed_same_hard_items_for_any_number_of_workers(hard, corpus, tmp_path):
    config = ToolboxConfig(items_per_task=24, items={"memory": 4}, max_crops=300, variants=("hard",))
    again = build_toolbox(CorpusSource(corpus, "test"), tmp_path / "again", config, workers=2)
    assert again.items == hard.items
    for path in hard.folder.glob("images/*"):
        assert (again.folder / "images" / path.name).read_bytes() == path.read_bytes()


def test_every_magnitude_goes_with_number_in_half_of_the_pairs_and_against_it_in_half():
    rng = Random(0)
    for goes, sign in (("with", 1), ("against", -1)):
        leads = {"item_area": [], "total_area": [], "contour": [], "hull_area": []}
        for more, fewer in pairs_to_compare(12):
            pictures = plan_pair([VIEW], more, fewer, goes, rng)
            first, second = (Magnitudes.of(picture) for picture in pictures)
            assert (first.number, second.number) == (more, fewer)
            for name, found in leads.items():
                found.append(sign * (getattr(first, name) - getattr(second, name)) > 0)
        assert {name: fmean(found) >= 0.9 for name, found in leads.items()} == dict.fromkeys(leads, True)


def test_total_area_and_hull_hardly_go_with_number_in_pictures_to_count_in():
    rng = Random(1)
    found = [
        Magnitudes.of(plan_count([VIEW], number, 12, kind, rng))
        for number in range(2, 13)
        for kind in COUNT_KINDS
        for _ in range(12)
    ]
    logs = {
        name: np.log([getattr(one, name) for one in found])
        for name in ("number", "item_area", "total_area", "hull_area")
    }
    assert abs(np.corrcoef(logs["number"], logs["total_area"])[0, 1]) < 0.3
    assert abs(np.corrcoef(logs["number"], logs["hull_area"])[0, 1]) < 0.3


def test_the_hull_of_squares():
    assert hull_area([(0, 0, 10)]) == 100
    assert hull_area([(0, 0, 2), (8, 8, 2), (4, 4, 2)]) == 100 - 2 * 8 * 8 / 2


def test_bad_settings_are_refused():
    with pytest.raises(ConfigError, match="localization: no hard variant"):
        ToolboxConfig(tasks=("localization",), variants=("hard",))
