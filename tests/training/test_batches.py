"""Which samples a step draws, and how they lie in a row."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from babyvlm.errors import ConfigError
from babyvlm.training.batches import BatchPlan, Row, Sample, apportioned, pack
from babyvlm.training.configuration import MixturePhase
from babyvlm.training.samples import collate
from babyvlm.training.steps import StepMaker

SIZES = {"image": 50, "video": 20, "empty": 0}


def plan(**settings):
    return BatchPlan(SIZES, settings.get("phases", [MixturePhase()]), 7, 100, settings.get("seed", 0))


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


def test_every_step_is_full_and_no_source_gets_ahead_or_behind_by_a_whole_sample():
    rng = np.random.default_rng(0)
    for sources, batch_size in [(1, 5), (2, 1), (3, 7), (9, 64), (12, 4), (40, 16)]:
        shares = rng.dirichlet(np.full(sources, 0.5))
        shares[rng.random(sources) < 0.2] = 0
        shares = shares / shares.sum() if shares.any() else np.eye(sources)[0]
        counts = apportioned(shares.tolist(), batch_size, 200)
        assert (counts >= 0).all() and (counts.sum(1) == batch_size).all() and not counts[:, shares == 0].any()
        expected = np.outer(np.arange(1, 201) * batch_size, shares)
        assert np.abs(counts.cumsum(0) - expected).max() < 1


def test_weights_that_name_nothing_are_refused():
    with pytest.raises(ConfigError, match="vidoe"):
        plan(phases=[MixturePhase(weights={"vidoe": 1})])
    with pytest.raises(ConfigError, match="draws nothing"):
        plan(phases=[MixturePhase(weights={"image": 0})])


def samples_of(lengths):
    return [Sample(ids=np.full(n, n, np.int32), labels=np.full(n, n, np.int32), images=()) for n in lengths]


def test_rows_hold_every_sample_within_the_budget():
    lengths = np.random.default_rng(0).integers(1, 60, 100)
    rows = pack(samples_of(lengths), 256)
    assert sorted(len(sample) for row in rows for group in row.groups for sample in group) == sorted(lengths)
    assert all(row.num_tokens <= 256 for row in rows)
    assert len(rows) < 100 * 60 / 256
    assert len(pack(samples_of([300]), 256)) == 1  # longer than the budget: a row to itself


def test_groups_cost_no_more_than_any_contiguous_ones():
    lengths = [20, 22, 25, 240, 250, 900]

    def cost(groups):
        return sum(len(group) * max(group) + 100 for group in groups)

    (row,) = pack(samples_of(lengths), 10_000)
    found = [[len(sample) for sample in group] for group in row.groups]
    every = []
    for cuts in range(2 ** (len(lengths) - 1)):
        groups = [[lengths[0]]]
        for place, length in enumerate(lengths[1:]):
            if cuts >> place & 1:
                groups.append([])
            groups[-1].append(length)
        every.append(cost(groups))
    assert cost(found) == min(every)


def test_a_row_is_laid_out_group_by_group_and_learns_no_first_token():
    pair, four = tuple(samples_of([2, 3])), tuple(samples_of([4]))
    ids_1T, labels_1T, _, _ = collate(Row(groups=(pair, four)))
    assert ids_1T.shape == labels_1T.shape == (1, 128)  # lengths in eights, rows in 128s
    assert ids_1T[0, :24].tolist() == [2] * 2 + [0] * 6 + [3] * 3 + [0] * 5 + [4] * 4 + [0] * 4
    learned = {place: label for place, label in enumerate(labels_1T[0].tolist()) if label != -100}
    assert learned == {1: 2, 9: 3, 10: 3, 17: 4, 18: 4, 19: 4}


def test_a_process_without_a_sample_learns_nothing_and_still_takes_part():
    sample = Sample(ids=np.arange(5, dtype=np.int32), labels=np.arange(5, dtype=np.int32), images=(3,))
    recipe = SimpleNamespace(sharding="ddp", model=SimpleNamespace(vocabulary=4, image_tokens=1))
    pictures = SimpleNamespace(pixels_NCHW=torch.arange(5, dtype=torch.uint8).view(5, 1, 1, 1))
    for rank, learned in ((0, 4), (1, 0)):
        accelerator = SimpleNamespace(process_index=rank, num_processes=2, device=torch.device("cpu"))
        plan = SimpleNamespace(step=lambda step: [("all", 0)])
        run = SimpleNamespace(recipe=recipe, accelerator=accelerator)
        make = StepMaker(
            plan,
            {"all": [sample]},
            pictures,
            None,
            run=run,
            micro_batch_tokens=128,
            flops=lambda samples, pictures: 1.0,
        )
        step = make(0)
        (row,) = step.rows
        assert len(row.learned_M) == learned and row.pixels_UCHW.flatten().tolist() == [3]
        assert (step.samples, step.tokens, step.learned) == (1, 5, 4)
