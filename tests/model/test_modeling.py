"""The model against plain references, and what must not change its output."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F
from transformers import AutoModelForImageTextToText

from babyvlm.errors import ConfigError
from babyvlm.model import BabyLlavaForConditionalGeneration, ModelShape, model_config
from babyvlm.model.configuration import vision_config
from babyvlm.model.loading import load_tower
from babyvlm.model.modeling import IGNORED
from babyvlm.model.packed_attention import packed
from babyvlm.model.stem import new_tower
from babyvlm.parts import parameter_counts

SHAPE = ModelShape(
    image_size=32, patch_size=16, vision_width=32, vision_layers=2, vision_heads=2, text_width=32, text_layers=2,
    text_heads=4, text_kv_heads=2, text_intermediate=64, vocabulary=300, context=256,
)  # fmt: skip
IMAGE = SHAPE.vocabulary
WITH_STEM = replace(SHAPE, stem=(6, 8))


@pytest.fixture(scope="module", params=[SHAPE, WITH_STEM], ids=["patches", "stem"])
def model(request):
    torch.manual_seed(0)
    return BabyLlavaForConditionalGeneration(model_config(request.param)).eval()


@pytest.fixture()
def batch():
    torch.manual_seed(1)
    ids_BL = torch.randint(4, 300, (2, 24))
    ids_BL[:, 2:7] = IMAGE
    ids_BL[:, 9:14] = IMAGE
    return ids_BL, torch.randn(4, 3, 32, 32)


def test_full_size_is_the_published_one():
    with torch.device("meta"):
        counts = parameter_counts(BabyLlavaForConditionalGeneration(model_config(ModelShape())))
    # LLaMA of width 2048 and vocabulary 6000, and one more row, in and out, for the image placeholder.
    attention, mlp = 2 * 2048**2 + 2 * 2048 * 256, 3 * 2048 * 5632
    assert counts["language"] == 22 * (attention + mlp + 2 * 2048) + 2048 + 2 * 6001 * 2048
    assert counts["connector"] == 1024 * 2048 + 2048 + 2048 * 2048 + 2048
    assert counts["vision"] == pytest.approx(303.3e6, rel=1e-3)
    assert ModelShape().image_tokens == 197


def test_pictures_enter_as_the_final_layer_normed_tokens(model, batch):
    _, pixels_NCHW = batch
    tower = model.model.vision_tower
    hidden = tower.embeddings(pixels_NCHW)
    if hasattr(tower.config, "stem"):
        first, second = tower.embeddings.patch_embeddings.projection.halvings
        halved = F.gelu(F.conv2d(pixels_NCHW, first.weight, first.bias, stride=2, padding=1))
        halved = F.gelu(F.conv2d(halved, second.weight, second.bias, stride=2, padding=1))
        last = tower.embeddings.patch_embeddings.projection.patches
        patches_NTD = F.conv2d(halved, last.weight, last.bias, stride=4).flatten(2).mT
        class_N1D = tower.embeddings.cls_token.expand(4, -1, -1)
        plain = torch.cat([class_N1D, patches_NTD], dim=1) + tower.embeddings.position_embeddings
        torch.testing.assert_close(hidden, plain, atol=1e-5, rtol=0)
    for layer in tower.layers:
        hidden = layer(hidden, None)
    plain_NTD = tower.layernorm(hidden)
    projector = model.model.multi_modal_projector
    expected = projector.linear_2(F.gelu(projector.linear_1(plain_NTD)))
    found = torch.stack(model.get_image_features(pixel_values=pixels_NCHW).pooler_output)
    assert found.shape == (4, 5, 32)  # four patches and the class token
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", [SHAPE, WITH_STEM], ids=["patches", "stem"])
def test_every_block_of_the_tower_learns(batch, shape):
    model = BabyLlavaForConditionalGeneration(model_config(shape))
    ids_BL, pixels_NCHW = batch
    model(
        input_ids=ids_BL, pixel_values=pixels_NCHW, labels=ids_BL.masked_fill(ids_BL == IMAGE, IGNORED)
    ).loss.backward()
    silent = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert silent == []
    assert model.model.vision_tower.layers[-1].mlp.fc2.weight.grad.abs().max() > 0


def test_loss_is_that_of_all_logits_at_learned_positions(model, batch):
    ids_BL, pixels_NCHW = batch
    labels_BL = torch.full_like(ids_BL, IGNORED)
    labels_BL[0, 20:], labels_BL[1, 15:18] = ids_BL[0, 20:], ids_BL[1, 15:18]
    logits_BLV = model(input_ids=ids_BL, pixel_values=pixels_NCHW).logits
    expected = F.cross_entropy(logits_BLV[:, :-1].flatten(0, 1), labels_BL[:, 1:].flatten(), ignore_index=IGNORED)
    found = model(input_ids=ids_BL, pixel_values=pixels_NCHW, labels=labels_BL)
    torch.testing.assert_close(found.loss, expected)
    assert found.logits.shape == (4 + 3, 301)
    halved = model(input_ids=ids_BL, pixel_values=pixels_NCHW, labels=labels_BL, num_items_in_batch=14)
    torch.testing.assert_close(halved.loss, expected / 2)


def test_a_repeated_picture_may_be_encoded_once_or_given_as_features(model, batch):
    ids_BL, pixels_NCHW = batch
    index_N = torch.tensor([1, 0, 1, 1])
    expected = model(input_ids=ids_BL, pixel_values=pixels_NCHW[index_N]).logits
    once = model(input_ids=ids_BL, pixel_values=pixels_NCHW[:2], image_index=index_N).logits
    features = model.model.vision_tower(pixels_NCHW[:2]).last_hidden_state
    given = model(input_ids=ids_BL, vision_features=features, image_index=index_N).logits
    torch.testing.assert_close(once, expected)
    torch.testing.assert_close(given, expected)


def test_right_padding_changes_nothing_before_it(model, batch):
    ids_BL, pixels_NCHW = batch
    padded_BL = F.pad(ids_BL, (0, 9), value=0)
    padded = model(input_ids=padded_BL, pixel_values=pixels_NCHW).logits[:, :24]
    torch.testing.assert_close(padded, model(input_ids=ids_BL, pixel_values=pixels_NCHW).logits, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kernel", ["eager", "sdpa"])
def test_samples_in_one_row_do_not_see_each_other(kernel):
    """Loss and every gradient are those of the samples one by one."""
    torch.manual_seed(0)
    config = model_config(SHAPE)
    config._attn_implementation = {"text_config": packed(kernel), "vision_config": "eager"}
    model = BabyLlavaForConditionalGeneration(config)
    samples = [torch.randint(4, 300, (length,)) for length in (12, 9, 24, 24, 7)]
    samples[0][2:7] = samples[2][0:5] = samples[2][8:13] = IMAGE
    pixels_NCHW = torch.randn(2, 3, 32, 32)
    index_N = torch.tensor([0, 1, 0])
    blocks = ((2, 12), (2, 24), (1, 7))

    def labels_of(ids):
        return torch.cat([torch.tensor([IGNORED]), ids[1:].masked_fill(ids[1:] == IMAGE, IGNORED)])

    ids_1T = torch.cat([*samples[:2], torch.zeros(3, dtype=torch.long), *samples[2:]])[None]
    labels = [*map(labels_of, samples[:2]), torch.full((3,), IGNORED), *map(labels_of, samples[2:])]
    row = model(
        input_ids=ids_1T,
        labels=torch.cat(labels)[None],
        pixel_values=pixels_NCHW,
        image_index=index_N,
        blocks=blocks,
        num_items_in_batch=1,
        use_cache=False,
    ).loss
    row.backward()
    together = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    alone = torch.tensor(0.0)
    for number, ids in enumerate(samples):
        shown = {0: index_N[:1], 2: index_N[1:]}.get(number)
        pictures = {} if shown is None else {"pixel_values": pixels_NCHW, "image_index": shown}
        loss = model(
            input_ids=ids[None], labels=labels_of(ids)[None], num_items_in_batch=1, use_cache=False, **pictures
        ).loss
        loss.backward()
        alone += loss.detach()
    torch.testing.assert_close(row.detach(), alone)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(together[name], parameter.grad, atol=1e-5, rtol=1e-4, msg=name)


def test_saved_and_loaded_through_the_auto_class_it_is_the_same(model, batch, tmp_path):
    ids_BL, pixels_NCHW = batch
    model.save_pretrained(tmp_path)
    loaded = AutoModelForImageTextToText.from_pretrained(tmp_path).eval()
    assert isinstance(loaded, BabyLlavaForConditionalGeneration)
    for (name, saved), (other, read) in zip(model.state_dict().items(), loaded.state_dict().items(), strict=True):
        assert name == other and torch.equal(saved, read)
    torch.testing.assert_close(
        loaded(input_ids=ids_BL, pixel_values=pixels_NCHW).logits,
        model(input_ids=ids_BL, pixel_values=pixels_NCHW).logits,
        atol=1e-5,
        rtol=0,
    )


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"image_size": 65}, "patch_size"),
        ({"text_width": 100, "text_heads": 32}, "text_heads"),
        ({"text_kv_heads": 5}, "text_kv_heads"),
        ({"vocabulary": 100}, "vocabulary"),
        ({"stem": (4, 5, 6, 7, 8)}, "stem"),
        ({"stem": (0,)}, "stem"),
    ],
)
def test_impossible_shapes_are_refused(settings, named):
    with pytest.raises(ConfigError, match=named):
        ModelShape(**settings)


@pytest.mark.parametrize("shape", [SHAPE, WITH_STEM], ids=["patches", "stem"])
def test_a_tower_alone_is_saved_loaded_and_put_into_a_model(shape, tmp_path):
    torch.manual_seed(2)
    tower = new_tower(vision_config(shape)).eval()
    tower.save_pretrained(tmp_path)
    loaded = load_tower(tmp_path).eval()
    model = BabyLlavaForConditionalGeneration(model_config(shape)).eval()
    model.model.vision_tower.load_state_dict(loaded.state_dict())
    pixels_NCHW = torch.randn(2, 3, 32, 32)
    expected = tower(pixels_NCHW).last_hidden_state
    for found in (loaded, model.model.vision_tower):
        torch.testing.assert_close(found(pixels_NCHW).last_hidden_state, expected)
