"""Counted operations against PyTorch's own counter, and the peak."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from babyvlm.model import BabyLlavaForConditionalGeneration
from babyvlm.model.configuration import model_config
from babyvlm.training.batches import Sample
from babyvlm.training.flops import StepFlops, peak_flops
from babyvlm.training.optimizers import part_of
from tests.training.tiny import TINY


@pytest.mark.parametrize("stem", [(), (6, 8), (6, 8, 8)], ids=["patches", "stem", "deep stem"])
@pytest.mark.parametrize(
    "trains", [("vision", "connector", "language"), ("connector", "language"), ("connector",), ("language",)]
)
def test_counts_are_those_of_the_products_done(trains, stem):
    config = model_config(replace(TINY, stem=stem))
    config._attn_implementation = "eager"  # whose products are counted on every device
    model = BabyLlavaForConditionalGeneration(config)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(part_of(name) in trains)
    L = 40
    ids = np.full(L, 7, np.int64)
    ids[: TINY.image_tokens] = TINY.vocabulary
    sample = Sample(ids=ids, labels=ids, images=(0,))
    counter = FlopCounterMode(display=False)
    with counter:
        pixels = torch.randn(1, 3, TINY.image_size, TINY.image_size)
        ids_BL = torch.from_numpy(ids)[None]
        model(input_ids=ids_BL, labels=ids_BL, pixel_values=pixels).loss.backward()
    # PyTorch counts the whole square of causal attention; it stops at the first input that nothing learnt comes before.
    causal = 2 * TINY.text_layers * TINY.text_width * L**2 * 3
    expected = counter.get_total_flops() - causal
    assert StepFlops(model, TINY, trains, cached_features=False)([sample], 1) == pytest.approx(expected, rel=0.1)


def test_kept_features_cost_nothing():
    model = BabyLlavaForConditionalGeneration(model_config(TINY))
    sample = Sample(ids=np.zeros(9, np.int32), labels=np.zeros(9, np.int32), images=(0,))
    run, kept = (StepFlops(model, TINY, ("language",), cached_features=cached)([sample], 3) for cached in (False, True))
    tower = sum(part.weight.numel() for part in model.model.vision_tower.modules() if isinstance(part, torch.nn.Linear))
    assert run - kept > 2 * tower * 3 * TINY.image_tokens


def test_the_peak_of_a_processor_is_measured_once():
    first = peak_flops(torch.device("cpu"), "no")
    assert first > 1e8 and peak_flops(torch.device("cpu"), "no") == first
