"""DINOv2's terms: which patches are masked, what they teach, and that the tower left behind is none the wiser."""

import math
from dataclasses import replace

import pytest
import torch
from tiny import TINY, fork, tiny_recipe, weights
from transformers import ViTModel

from babyvlm.errors import ConfigError
from babyvlm.model.configuration import vision_config
from babyvlm.training import Trainer
from babyvlm.training.configuration import VisionStage
from babyvlm.training.vision import SelfDistillation, cut_windows, draw_masks, koleo

KNOBS = replace(tiny_recipe().vision, masked_patch_weight=1.0, koleo_weight=0.1)


def distillation(knobs=KNOBS):
    torch.manual_seed(0)
    return SelfDistillation(ViTModel(vision_config(TINY), add_pooling_layer=False), knobs)


def test_masks_cover_the_part_asked_for_of_the_views_asked_for():
    masks = draw_masks(8, 100, KNOBS, torch.Generator().manual_seed(1))
    assert sorted(masks.sum(1).tolist()) == [0, 0, 0, 0, 10, 23, 37, 50]
    again = draw_masks(8, 100, KNOBS, torch.Generator().manual_seed(1))
    assert torch.equal(masks, again) and not torch.equal(
        masks, draw_masks(8, 100, KNOBS, torch.Generator().manual_seed(2))
    )
    assert draw_masks(2, 4, KNOBS, torch.Generator()).sum() >= 1


def test_a_window_is_taken_where_there_is_something_to_see():
    frames = torch.full((64, 3, 96, 96), 0.5)
    frames[:, :, 60:80, 10:30] = torch.rand(64, 3, 20, 20, generator=torch.Generator().manual_seed(1))
    blind, best = (cut_windows(frames, (0.05, 0.1), tries, torch.Generator().manual_seed(0)) for tries in (1, 16))
    assert best.shape == (64, 3, 31, 31)
    shown = [(windows.std((1, 2, 3)) > 0.02).float().mean().item() for windows in (blind, best)]
    assert shown[0] < 0.5 and shown[1] > 0.8
    assert cut_windows(frames, (1.0, 1.0), 16, torch.Generator()) is frames


def test_koleo_is_minus_the_log_of_the_distance_to_the_nearest():
    corners = torch.tensor([[1.0, 0.0], [0.0, 2.0], [-1.0, 0.0]])
    assert koleo(corners).item() == pytest.approx(-math.log(math.sqrt(2)), abs=1e-4)
    assert koleo(torch.tensor([[1.0, 0.0], [1.0, 0.01], [-1.0, 0.0]])) > koleo(corners)


def test_what_is_masked_is_learned_from_the_teacher_and_the_rest_is_not():
    model = distillation(replace(KNOBS, koleo_weight=0.0))
    views = [torch.rand(3, 3, 32, 32) for _ in range(2)] + [torch.rand(3, 3, 16, 16)]
    masked = torch.zeros(6, 4, dtype=torch.bool)
    masked[0, 2] = masked[4, 0] = masked[4, 1] = True
    plain, means = model(views)
    assert not means.patches.any()
    loss, means = model(views, masked)
    with torch.no_grad():  # the same, patch by patch
        taught = model.teacher_head(model.teacher(torch.cat(views[:2])).last_hidden_state[:, 1:])
        learned = model.student(torch.cat(views[:2]), bool_masked_pos=masked).last_hidden_state
        said = torch.log_softmax(model.student_head(learned[:, 1:]) / KNOBS.student_temperature, -1)
        wanted = torch.softmax(taught / KNOBS.teacher_temperature, -1)
        each = -(wanted * said).sum(-1)
        expected = (each[0, 2] + (each[4, 0] + each[4, 1]) / 2) / 2
    assert means.patches == pytest.approx(taught[masked].mean(0), abs=1e-6)
    only = replace(KNOBS, koleo_weight=0.0, masked_patch_weight=3.0)
    tripled, _ = distillation(only)(views, masked)
    assert (tripled - loss).item() == pytest.approx(2 * expected.item(), rel=1e-4)
    loss.backward()
    assert model.student.embeddings.mask_token.grad.abs().sum() > 0
    model.move_teacher(0.5)
    assert model.teacher.embeddings.mask_token is None and plain.isfinite()


def test_the_stage_with_both_terms_leaves_a_plain_tower(data, trained, tmp_path):
    recipe = tiny_recipe()
    recipe = replace(recipe, vision=replace(recipe.vision, masked_patch_weight=1.0, koleo_weight=0.1))
    run = fork(trained, tmp_path / "run", recipe, data, without="vision")
    Trainer(recipe, data, run).run(["vision"])
    tower, before = weights(run / "vision"), weights(trained / "vision")
    assert tower.keys() == before.keys()
    assert any(not torch.equal(tensor, before[name]) for name, tensor in tower.items())


@pytest.mark.parametrize(
    ("knob", "value"),
    [
        ("masked_patches", (0.5, 0.1)),
        ("koleo_weight", -1.0),
        ("window_scale", (0.0, 1.5)),
        ("window_tries", 0),
        ("masked_views", 0.0),
    ],
)
def test_values_that_make_no_sense_are_refused(knob, value):
    with pytest.raises(ConfigError, match=knob):
        VisionStage(optimisation=KNOBS.optimisation, **{knob: value})
