"""Fused layers compute what transformers' layers do: outputs and gradients, of whole rows and of learned places."""

from dataclasses import replace

import pytest
import torch

from babyvlm.model.configuration import ModelShape, model_config
from babyvlm.model.modeling import IGNORED, BabyLlavaForConditionalGeneration
from babyvlm.model.packed_attention import packed
from babyvlm.training.fused_layers import fused_layers
from babyvlm.training.kernels import fuses_layers
from tests.training.tiny import tiny_recipe

PICTURE = 3
SHAPE = ModelShape(
    image_size=32,
    patch_size=16,
    vision_width=32,
    vision_layers=1,
    vision_heads=2,
    text_width=48,
    text_layers=3,
    text_heads=4,
    text_kv_heads=4,
    text_intermediate=80,
    vocabulary=300,
    context=512,
)


def new_model(dtype, **changes):
    torch.manual_seed(0)
    config = model_config(replace(SHAPE, **changes))
    attention = {"text_config": packed("eager"), "vision_config": "eager"}
    model = BabyLlavaForConditionalGeneration._from_config(config, attn_implementation=attention).to(dtype)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:  # drawn as ones, which would hide a weight left out
                parameter.copy_(1 + 0.3 * torch.randn_like(parameter))
    return model.train()


def row_of(blocks, learned):
    """A row without pictures; ``learned`` gives the learned places within each sample, in order."""
    generator = torch.Generator().manual_seed(1)
    tokens = sum(samples * length for samples, length in blocks)
    ids = torch.randint(10, 300, (1, tokens), generator=generator)
    labels = torch.full_like(ids, IGNORED)
    starts, begin = [], 0
    for samples, length in blocks:
        starts += [begin + number * length for number in range(samples)]
        begin += samples * length
    found = [start + place for start, within in zip(starts, learned, strict=True) for place in within]
    places = torch.tensor(found, dtype=torch.long)
    labels[0, places + 1] = ids[0, places + 1]
    return {"input_ids": ids, "labels": labels, "blocks": tuple(blocks), "learned_places": places}


def loss_and_gradients(model, row, fused):
    model.zero_grad(set_to_none=True)
    with fused_layers(model.model.language_model, fused):
        output = model(**row)
        output.loss.backward()
    gradients = {
        name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None
    }
    return output.loss.detach(), output.logits.detach(), gradients


ROWS = {
    "one block, the last token of each": row_of([(4, 12)], [[10]] * 4),
    "lengths of several kinds": row_of([(2, 33), (3, 8), (1, 70)], [[30, 31], [5], [6], [2, 3, 6], [], [0, 20, 68]]),
    "a sample that teaches nothing": row_of([(3, 9), (2, 40)], [[7], [], [3, 4], [], [38]]),
    "a block that teaches nothing": row_of([(2, 9), (2, 16), (1, 300)], [[], [], [14], [0, 3], [298]]),
    "long samples, seen in spans": row_of([(2, 330), (1, 200)], [[0, 100, 328], [200], [197]]),
    "every token": row_of([(2, 6)], [list(range(5))] * 2),
}


@pytest.mark.parametrize("name", ROWS)
def test_float32_is_equal(name):
    model, row = new_model(torch.float32), ROWS[name]
    loss, logits, gradients = loss_and_gradients(model, row, fused=False)
    fused_loss, fused_logits, fused_gradients = loss_and_gradients(model, row, fused=True)
    torch.testing.assert_close(fused_loss, loss, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(fused_logits, logits, rtol=1e-5, atol=1e-5)
    assert fused_gradients.keys() == gradients.keys()
    for parameter, gradient in gradients.items():
        torch.testing.assert_close(fused_gradients[parameter], gradient, rtol=1e-4, atol=1e-6, msg=parameter)


def test_bfloat16_differs_by_rounding_alone():
    exact_loss, exact_logits, exact = loss_and_gradients(
        new_model(torch.float32), ROWS["lengths of several kinds"], False
    )
    errors = {}
    for fused in (False, True):
        model = new_model(torch.bfloat16)
        _, logits, gradients = loss_and_gradients(model, ROWS["lengths of several kinds"], fused)
        apart = [
            (gradients[name].float() - one).norm() / one.norm() for name, one in exact.items() if one.norm() > 1e-3
        ]
        errors[fused] = torch.stack([(logits.float() - exact_logits).norm() / exact_logits.norm(), *apart])
    assert exact_loss > 0
    assert errors[True].mean() < 1.5 * errors[False].mean()


def test_with_pictures():
    model = new_model(torch.float32)
    row = row_of([(3, 20)], [[17], [18], [2, 17]])
    row["input_ids"][0].view(3, 20)[:, 4:9] = PICTURE  # four patches and the class token
    row["picture_places"] = torch.nonzero(row["input_ids"][0] == PICTURE)[:, 0]
    row["vision_features"] = torch.randn(3, 5, 32, generator=torch.Generator().manual_seed(2))
    loss, _, gradients = loss_and_gradients(model, row, fused=False)
    fused_loss, _, fused_gradients = loss_and_gradients(model, row, fused=True)
    torch.testing.assert_close(fused_loss, loss)
    for parameter, gradient in gradients.items():
        torch.testing.assert_close(fused_gradients[parameter], gradient, rtol=1e-4, atol=1e-6, msg=parameter)


def test_layers_are_as_before_afterwards():
    model = new_model(torch.float32)
    language_model = model.model.language_model
    before = [layer.forward for layer in language_model.layers]
    with fused_layers(language_model, True):
        assert all("forward" in vars(layer) for layer in language_model.layers)
    assert [layer.forward for layer in language_model.layers] == before
    assert not any("forward" in vars(layer) for layer in language_model.layers)


@pytest.mark.parametrize("case", ["keys are shared", "nobody asks"])
def test_layers_that_stay_as_they_are(case):
    model = new_model(torch.float32, **({"text_kv_heads": 2} if case == "keys are shared" else {}))
    with fused_layers(model.model.language_model, case != "nobody asks"):
        assert not any("forward" in vars(layer) for layer in model.model.language_model.layers)


def test_autocast_and_padded_batches_take_the_usual_way():
    model, row = new_model(torch.float32), ROWS["one block, the last token of each"]
    batch = {"input_ids": row["input_ids"].view(4, 12), "labels": row["labels"].view(4, 12)}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        expected = model(**row).loss
        with fused_layers(model.model.language_model, True):
            assert torch.equal(model(**row).loss, expected)
    expected = model(**batch).loss
    with fused_layers(model.model.language_model, True):
        assert torch.equal(model(**batch).loss, expected)


@pytest.mark.parametrize(
    "changes", [{"attention": "sdpa"}, {"sharding": "fsdp"}, {"compile": True}, {"gradient_checkpointing": True}]
)
def test_recipes_whose_layers_are_not_fused(changes):
    recipe = tiny_recipe(attention="eager")
    assert fuses_layers(recipe, torch.device("cpu"))
    assert not fuses_layers(recipe, torch.device("cuda"))
    for stage in ("language", "alignment", "joint", "instruction"):  # Muon needs whole matrices
        settings = getattr(recipe, stage)
        plain = replace(settings, optimisation=replace(settings.optimisation, matrix_learning_rate=None))
        recipe = replace(recipe, **{stage: plain})
    assert not fuses_layers(replace(recipe, **changes), torch.device("cpu"))


@pytest.mark.parametrize("learned", [[[4], [2, 5], [], [9], [0]], [[], [], [], [], []]], ids=["some", "nothing"])
def test_what_no_learned_place_sees_goes_through_no_layer(learned):
    model, row = new_model(torch.float32), row_of([(3, 8), (2, 16)], learned)
    passed = []
    for layer in model.model.language_model.layers:
        layer.register_forward_hook(lambda layer, given, output: passed.append(output.shape[1]))
    _, logits, gradients = loss_and_gradients(model, row, fused=True)
    seen = sum(max(places) + 1 for places in learned if places)
    assert passed == [seen, seen, sum(map(len, learned))]
    _, usual_logits, usual = loss_and_gradients(model, row, fused=False)
    torch.testing.assert_close(logits, usual_logits, rtol=1e-5, atol=1e-5)
    assert gradients.keys() == usual.keys()
    for parameter, gradient in usual.items():
        torch.testing.assert_close(gradients[parameter], gradient, rtol=1e-4, atol=1e-6, msg=parameter)


def test_in_half_precision_sizes_come_in_steps_and_what_fills_up_teaches_nothing():
    row = ROWS["lengths of several kinds"]
    model = new_model(torch.bfloat16)
    passed = []
    model.model.language_model.layers[0].register_forward_hook(lambda *given: passed.append(given[-1].shape[1]))
    _, logits, gradients = loss_and_gradients(model, row, fused=True)
    assert passed == [128]  # of 121 that are seen: 32, 6, 7, 7 and 69
    assert len(logits) == len(row["learned_places"])
    by_word = gradients["model.language_model.embed_tokens.weight"]
    unseen = torch.ones(len(by_word), dtype=torch.bool)
    unseen[row["input_ids"][0]] = False
    assert (by_word[unseen] == 0).all()
    assert all(gradient.isfinite().all() for gradient in gradients.values())


def test_scores_computed_a_part_at_a_time_are_the_same(monkeypatch):
    model, row = new_model(torch.float32), ROWS["lengths of several kinds"]
    whole = loss_and_gradients(model, row, fused=True)
    monkeypatch.setattr("babyvlm.training.fused_layers._SCORES", 1)  # one head of one sample
    parts = loss_and_gradients(model, row, fused=True)
    torch.testing.assert_close(parts, whole)
