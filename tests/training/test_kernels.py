"""What a row costs besides its products: no compilation per layout, no zeros per slice, no wait for the host."""

import collections
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from babyvlm.model import BabyLlavaForConditionalGeneration
from babyvlm.model.configuration import model_config
from babyvlm.model.packed_attention import packed
from babyvlm.training import kernels
from babyvlm.training.batches import Row, Sample
from babyvlm.training.distribution import layers_of
from babyvlm.training.samples import collate
from babyvlm.training.steps import RowInputs
from tests.training.tiny import TINY, tiny_recipe

SHAPE = replace(TINY, text_layers=3, text_heads=4, text_kv_heads=2, vision_layers=2, context=1024)


def new_model():
    torch.manual_seed(0)
    config = model_config(SHAPE)
    config._attn_implementation = {"text_config": packed("sdpa"), "vision_config": "sdpa"}
    return BabyLlavaForConditionalGeneration(config)


def sample(words, pictures=1):
    ids = [2]
    for _ in range(pictures):
        ids += [SHAPE.vocabulary] * SHAPE.image_tokens + [7] * words
    labels = [-100 if token == SHAPE.vocabulary else token for token in ids]
    return Sample(ids=np.array(ids, np.int32), labels=np.array(labels, np.int32), images=tuple(range(pictures)))


def inputs(row):
    ids_1T, labels_1T, distinct, index_N = collate(row)
    return RowInputs(
        ids_1T=ids_1T,
        labels_1T=labels_1T,
        learned_M=(labels_1T[0, 1:] != -100).nonzero()[:, 0],
        blocks=row.blocks,
        seen_P=(ids_1T[0] == SHAPE.vocabulary).nonzero()[:, 0],
        index_N=index_N,
        pixels_UCHW=torch.randint(0, 256, (len(distinct), 3, 32, 32), dtype=torch.uint8),
    )


def row_of(blocks):
    """So many blocks of samples that grow longer; the last one fills the row up."""
    return Row(groups=tuple((sample(8 * size, 1 + size % 3),) * 2 for size in range(1, blocks)))


class Operations(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.counts = collections.Counter()

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        self.counts[function._schema.name.removeprefix("aten::")] += 1
        return function(*arguments, **(named or {}))


def test_a_row_looks_for_nothing_and_fills_no_zeros():
    model = new_model().train()
    given = inputs(row_of(4))
    with Operations() as seen:
        model(**given.arguments(torch.device("cpu")), num_items_in_batch=100.0).loss.backward()
    assert seen.counts["mm"] > 0
    # Each of these would make a GPU wait until the host has looked, or the host until the GPU has.
    waits = ("_local_scalar_dense", "nonzero", "masked_select", "masked_scatter", "is_nonzero", "item")
    assert {name: seen.counts[name] for name in waits} == dict.fromkeys(waits, 0)
    rotary = 4 * SHAPE.text_layers  # halves of queries and keys
    assert seen.counts["slice_backward"] <= rotary


def test_places_worked_out_beforehand_change_nothing():
    given = inputs(row_of(5))
    found = []
    for known in (True, False):
        model = new_model().train()
        arguments = given.arguments(torch.device("cpu"))
        if not known:
            del arguments["learned_places"], arguments["picture_places"]
        model(**arguments).loss.backward()
        found.append({name: parameter.grad for name, parameter in model.named_parameters()})
    assert all(torch.equal(gradient, found[1][name]) for name, gradient in found[0].items())


@pytest.mark.slow
def test_compiled_layers_take_rows_of_any_number_of_blocks():
    model, graphs = new_model().train(), []

    def backend(graph, example):
        graphs.append(graph)
        return graph.forward

    torch._dynamo.reset()
    for layer in layers_of(model.model.language_model):
        layer.compile(dynamic=True, backend=backend)
    counts = []
    for blocks in (2, 3, *range(4, 13)):
        with torch.autocast("cpu", torch.bfloat16):
            model(**inputs(row_of(blocks)).arguments(torch.device("cpu"))).loss.backward()
        counts.append(len(graphs))
    assert counts[0] > 0
    assert counts[1:] == [counts[1]] * (len(counts) - 1)


def test_layers_of_both_parts_are_found():
    assert len(layers_of(new_model())) == SHAPE.text_layers + SHAPE.vision_layers


@pytest.mark.parametrize(
    ("attention", "device", "precision", "has", "expected"),
    [
        ("auto", "cuda", "bf16", True, "varlen"),
        ("auto", "cuda", "bf16_weights", True, "varlen"),
        ("auto", "cuda", "no", True, "sdpa"),
        ("auto", "cuda", "bf16", False, "sdpa"),
        ("auto", "cpu", "bf16", True, "sdpa"),
        ("eager", "cuda", "bf16", True, "eager"),
        ("varlen", "cpu", "bf16", True, "varlen"),
    ],
)
def test_auto_takes_a_row_in_one_call_where_that_can_be_had(monkeypatch, attention, device, precision, has, expected):
    monkeypatch.setattr(kernels, "varlen_kernel", lambda: object() if has else None)
    recipe = tiny_recipe(attention=attention, precision=precision)
    assert kernels.row_attention(recipe, torch.device(device)) == expected
    assert kernels.tower_attention(recipe) == ("eager" if attention == "eager" else "sdpa")
