"""Samples in the order of time: what comes when, what is replayed, and that nothing later comes too early."""

import dataclasses
import json
import math
from collections import Counter

import numpy as np
import pytest

from babyvlm.errors import ConfigError
from babyvlm.recipes import RECIPES, resolve
from babyvlm.training.configuration import MixturePhase, saved_settings
from babyvlm.training.order import DataOrder
from babyvlm.training.ordered_plan import OrderedPlan
from tests.training.aged import drawn_sources, origins_of_recordings, recordings_of_ages

EVEN = (MixturePhase(),)


def plan_of(recordings, sources, kind, *, batch=4, steps=10, replay=0.0, phases=EVEN, seed=0):
    return OrderedPlan(sources, recordings, DataOrder(kind=kind, replay=replay), phases, batch, steps, seed)


def extremes(recordings, sources, samples, pick):
    """Age of the latest (or earliest) recording of each sample."""
    ages = [recording.age_months for recording in recordings]
    found = []
    for source, index in samples:
        one = sources[source]
        found.append(pick(ages[n] for n in one.recordings_R[one.first_N[index] : one.first_N[index + 1]]))
    return found


def test_one_pass_by_age_and_then_by_time_worked_by_hand():
    recordings = recordings_of_ages(9.0, 6.0, 7.0)
    sources = {"image": origins_of_recordings(0, 1, 2, 1), "video": origins_of_recordings(2, (1, 0))}
    forward = plan_of(recordings, sources, "chronological", batch=2, steps=3)
    # Ages: image 9 6 7 6, video 7 and 9, the later of two; of one age by the time in the recording.
    assert [forward.step(step) for step in range(3)] == [
        [("image", 1), ("image", 3)],
        [("image", 2), ("video", 0)],
        [("image", 0), ("video", 1)],
    ]
    backward = plan_of(recordings, sources, "reversed", batch=2, steps=3)
    # A sample of two recordings counts with the earlier: it waits until both have come.
    assert [backward.step(step) for step in range(3)] == [
        [("image", 0), ("image", 2)],
        [("image", 3), ("video", 0)],
        [("image", 1), ("video", 1)],
    ]


def test_months_of_age_one_after_another_each_with_all_before_it():
    recordings = recordings_of_ages(6.1, 6.9, 7.0, 9.5)
    sources = {"text": origins_of_recordings(0, 1, 2, 2, 3, 3, 3, 3)}
    plan = plan_of(recordings, sources, "cumulative", batch=3, steps=8)
    pools = [{index for _, index in plan.step(step)} for step in range(8)]
    for step, pool in enumerate(pools):
        size = 2 if step < 2 else 4 if step < 4 else 8  # samples up to the end of month 6, 7 and 9
        assert pool <= set(range(size)), step
    assert all(len(plan.step(step)) == 3 for step in range(8))
    assert set().union(*pools[4:]) & {4, 5, 6, 7} and set().union(*pools[4:]) & {0, 1, 2, 3}


@pytest.mark.parametrize("replay", [0.0, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("phases", [EVEN, (MixturePhase(weights={"image": 0.3, "video": 0.7}),)])
@pytest.mark.parametrize("kind", ["chronological", "reversed"])
@pytest.mark.parametrize("steps", [3, 10, 40])
def test_new_samples_never_come_before_an_earlier_step_has_passed_their_time(kind, phases, replay, steps):
    recordings, sources = drawn_sources()
    plan = plan_of(recordings, sources, kind, batch=8, steps=steps, replay=replay, phases=phases)
    pick, sign = (max, 1) if kind == "chronological" else (min, -1)
    met, furthest = set(), -math.inf
    for step in range(steps):
        samples = plan.step(step)
        assert len(samples) == 8
        ages = [sign * age for age in extremes(recordings, sources, samples, pick)]
        new = [age for sample, age in zip(samples, ages, strict=True) if sample not in met]
        assert all(age <= furthest for sample, age in zip(samples, ages, strict=True) if sample in met)
        if phases == EVEN:
            assert min(new, default=furthest) >= furthest  # what is new is never earlier than what was new before
        furthest = max([furthest, *new])
        met |= set(samples)
    if steps == 40 and phases == EVEN and replay <= 0.5:
        assert len(met) == 85  # all of them, in one pass
        assert furthest == max(sign * one.age_months for one in recordings)


def test_with_as_many_draws_as_samples_each_comes_once():
    recordings, sources = drawn_sources()
    plan = plan_of(recordings, sources, "chronological", batch=17, steps=5)
    drawn = [sample for step in range(5) for sample in plan.step(step)]
    assert len(set(drawn)) == len(drawn) == 85
    ages = extremes(recordings, sources, drawn, max)
    assert all(max(ages[: 17 * n]) <= min(ages[17 * n :]) for n in range(1, 5))


def test_the_share_that_is_replayed_is_the_one_asked_for():
    recordings, sources = drawn_sources()
    plan = plan_of(recordings, sources, "chronological", batch=20, steps=6, replay=0.3)
    met = set(plan.step(0))
    for step in range(1, 6):
        assert sum(sample in met for sample in plan.step(step)) == 6  # the window has 14 or 15 new ones; 14 fit
        met |= set(plan.step(step))


@pytest.mark.parametrize("kind", ["chronological", "reversed", "cumulative"])
def test_a_step_depends_on_seed_and_step_alone(kind):
    recordings, sources = drawn_sources()
    replay = 0.0 if kind == "cumulative" else 0.5
    forward, other = (plan_of(recordings, sources, kind, steps=30, replay=replay, seed=seed) for seed in (1, 2))
    steps = [forward.step(step) for step in range(30)]
    again = plan_of(recordings, sources, kind, steps=30, replay=replay, seed=1)
    for step in np.random.default_rng(0).permutation(30).tolist():
        assert again.step(step) == steps[step]
    assert [other.step(step) for step in range(30)] != steps


def test_a_source_with_nothing_so_early_is_made_up_for():
    recordings = recordings_of_ages(6.0, 12.0)
    sources = {"early": origins_of_recordings(*[0] * 10), "late": origins_of_recordings(*[1] * 10)}
    half = (MixturePhase(weights={"early": 0.5, "late": 0.5}),)
    plan = plan_of(recordings, sources, "chronological", batch=4, steps=10, phases=half)
    assert {source for step in range(5) for source, _ in plan.step(step)} == {"early"}
    assert Counter(source for source, _ in plan.step(7)) == {"early": 2, "late": 2}


def test_what_has_no_time_is_refused_with_the_way_out():
    recordings = recordings_of_ages(6.0, None)
    with pytest.raises(ConfigError, match=r"order of 1 of 2 samples is not known.*corpus select --ages"):
        plan_of(recordings, {"text": origins_of_recordings(0, 1)}, "chronological")
    with pytest.raises(ConfigError, match="order of 1 of 3 samples"):
        plan_of(recordings, {"text": origins_of_recordings(0, 0, ())}, "cumulative")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"replay": 1.0, "kind": "chronological"}, "must be in"),
        ({"replay": 0.5}, "only order.kind=chronological or reversed"),
        ({"replay": 0.5, "kind": "cumulative"}, "only order.kind=chronological or reversed"),
    ],
)
def test_bad_orders_are_refused(settings, said):
    with pytest.raises(ConfigError, match=said):
        DataOrder(**settings)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_without_order_and_ladder_is_saved_as_before_there_were_any(name):
    recipe = resolve(name)
    text = json.dumps(saved_settings(recipe))
    assert '"order"' not in text and '"keep_at"' not in text
    for stage in ("language", "contrastive", "joint"):
        assert not {"order", "keep_at"} & saved_settings(getattr(recipe, stage)).keys()
    changed = resolve(name, ["joint.order.kind=chronological", "joint.keep_at=percent"])
    assert saved_settings(changed)["joint"]["order"] == {"kind": "chronological", "replay": 0.0}
    assert saved_settings(changed)["joint"]["keep_at"] == "percent"
    assert dataclasses.replace(changed, joint=recipe.joint) == recipe
