"""Samples shared out by cost: how long processes wait for the most laden one, at the published lengths."""

import numpy as np
import pytest

from babyvlm.training.balance import shared_out
from babyvlm.training.batches import Sample

TOWER, TEXT, OUTPUT = 303e6, 969e6, 12.3e6
"""Weights of the full size (paper): ViT-L, the LLaMA without its embeddings, its output layer."""


def sample(tokens, pictures):
    labels = np.full(tokens, -100, np.int32)
    labels[-8:] = 7
    return Sample(ids=np.zeros(tokens, np.int32), labels=labels, images=tuple(range(pictures)))


def joint(rng):
    kind = rng.choice(3, p=[0.759, 0.179, 0.062])
    pictures = [1, int(rng.choice([2, 3, 4], p=[0.5, 0.25, 0.25])), int(rng.integers(4, 9))][kind]
    words = rng.gamma(4, 2.2, pictures if kind == 2 else 1).clip(3, 40).astype(int).sum()
    return sample(197 * pictures + 8 + int(words), pictures)


def instruction(rng):
    kinds = [(13695, 1, 1), (12000, 29, 29), (5168, 5, 10), (12250, 1, 1), (46494, 4, 4), (23604, 2, 2)]
    numbers = np.array([number for number, _, _ in kinds])
    _, least, most = kinds[rng.choice(len(kinds), p=numbers / numbers.sum())]
    pictures = int(rng.integers(least, most + 1))
    return sample(197 * pictures + (466 if pictures == 29 else 40), pictures)


def joint_cost(one):
    pictures, tokens = len(one.images), len(one)
    return 6 * (TEXT * tokens + OUTPUT * 8) + 6 * 22 * 2048 * tokens**2 + 2 * TOWER * 197 * pictures


def instruction_cost(one):
    return joint_cost(one) + 4 * TOWER * 197 * len(one.images)


@pytest.mark.parametrize(
    ("draw", "cost", "batch", "most"),
    [(joint, joint_cost, 512, 0.01), (instruction, instruction_cost, 128, 0.02)],
    ids=["joint", "instruction"],
)
def test_eight_processes_hardly_wait(draw, cost, batch, most):
    rng = np.random.default_rng(0)
    shares, strided = [], []
    for _ in range(30):
        samples = [draw(rng) for _ in range(batch)]
        shares.append(shared_out(samples, 8, cost).idle)
        loads = np.array([sum(map(cost, samples[rank::8])) for rank in range(8)])
        strided.append(1 - loads.mean() / loads.max())
    assert np.mean(shares) < most
    assert np.mean(strided) > 4 * np.mean(shares)  # what would be idle if every eighth were taken


def test_everything_is_shared_out_once_and_always_alike():
    rng = np.random.default_rng(1)
    samples = [joint(rng) for _ in range(40)]
    shares = shared_out(samples, 3, len)
    assert sorted(id(one) for share in shares.of for one in share) == sorted(map(id, samples))
    loads = [sum(map(len, share)) for share in shares.of]
    assert shares.idle == pytest.approx(1 - np.mean(loads) / max(loads))
    again = shared_out(samples, 3, len)
    assert [[id(one) for one in share] for share in again.of] == [[id(one) for one in share] for share in shares.of]


def test_one_process_takes_all_as_drawn_and_many_processes_may_have_none():
    samples = [sample(length, 1) for length in (30, 10, 20)]
    alone = shared_out(samples, 1, len)
    assert list(map(id, alone.of[0])) == list(map(id, samples)) and alone.idle == 0
    assert sorted(map(len, shared_out(samples, 5, len).of)) == [0, 0, 1, 1, 1]
