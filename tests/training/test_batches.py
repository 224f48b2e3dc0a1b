"""Which samples a step draws."""

from collections import Counter

import numpy as np
import pytest

from babyvlm.errors import ConfigError
from babyvlm.training.batches import BatchPlan, Sample, micro_batches
from babyvlm.training.configuration import MixturePhase

SIZES = {"image": 50, "video": 20, "empty": 0}


def plan(**knobs):
    return BatchPlan(SIZES, knobs.get("phases", [MixturePhase()]), 7, 100, knobs.get("seed", 0))


def test_a_step_depends_on_seed_and_step_alone():
    forward, shuffled = plan(), plan()
    steps = [forward.step(step) for step in range(100)]
    for step in np.random.default_rng(0).permutation(100):
        assert shuffled.step(int(step)) == steps[step]
    assert plan(seed=1).step(3) != steps[3]


def test_an_epoch_draws_every_sample_once():
    drawn = [index for step in range(10) for index in plan().step(step)]
    assert Counter(drawn) == Counter([("image", n) for n in range(50)] + [("video", n) for n in range(20)])


def test_weights_are_met_in_every_phase():
    phases = [MixturePhase(until=0.5, weights={"video": 1}), MixturePhase(weights={"image": 3, "video": 1})]
    mixed = plan(phases=phases)
    first = Counter(source for step in range(50) for source, _ in mixed.step(step))
    second = Counter(source for step in range(50, 100) for source, _ in mixed.step(step))
    assert first == {"video": 350}
    assert second["image"] == pytest.approx(262.5, abs=1) and second["video"] == pytest.approx(87.5, abs=1)


def test_weights_that_name_nothing_are_refused():
    with pytest.raises(ConfigError, match="vidoe"):
        plan(phases=[MixturePhase(weights={"vidoe": 1})])
    with pytest.raises(ConfigError, match="draws nothing"):
        plan(phases=[MixturePhase(weights={"image": 0})])


def test_micro_batches_hold_every_sample_within_the_budget():
    lengths = np.random.default_rng(0).integers(1, 60, 100)
    samples = [Sample(ids=np.zeros(n, np.int32), labels=np.zeros(n, np.int32), images=()) for n in lengths]
    groups = micro_batches(samples, 64)
    assert sorted(len(sample) for group in groups for sample in group) == sorted(lengths)
    assert all(len(group) * max(map(len, group)) <= 64 for group in groups)
    assert len(micro_batches(samples[:1], 1)) == 1  # longer than the budget: a group to itself


def test_grouping_costs_no_more_than_any_contiguous_one():
    lengths = [20, 22, 25, 240, 250, 900]
    samples = [Sample(ids=np.zeros(n, np.int32), labels=np.zeros(n, np.int32), images=()) for n in lengths]

    def cost(groups):
        return sum(len(group) * max(group) + 750 for group in groups)

    found = [[len(sample) for sample in group] for group in micro_batches(samples, 10_000)]
    every = []
    for cuts in range(2 ** (len(lengths) - 1)):
        groups = [[lengths[0]]]
        for place, length in enumerate(lengths[1:]):
            if cuts >> place & 1:
                groups.append([])
            groups[-1].append(length)
        every.append(cost(groups))
    assert cost(found) == min(every)
