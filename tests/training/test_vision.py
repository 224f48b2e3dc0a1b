"""DINOv2's terms: which patches are masked, what they teach, and that the tower left behind is none the wiser."""

import math
from dataclasses import replace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import ViTModel

from babyvlm.errors import ConfigError
from babyvlm.model.configuration import vision_config
from babyvlm.training import Trainer
from babyvlm.training.configuration import VisionStage
from babyvlm.training.objective import Masked
from babyvlm.training.vision import SelfDistillation, cut_windows, draw_masks, koleo, micro_batches
from tests.training.tiny import TINY, fork, tiny_recipe, weights

SETTINGS = replace(tiny_recipe().vision, masked_patch_weight=1.0, koleo_weight=0.1)


def distillation(settings=SETTINGS):
    torch.manual_seed(0)
    return SelfDistillation(ViTModel(vision_config(TINY), add_pooling_layer=False), settings)


def test_masks_cover_the_part_asked_for_of_the_views_asked_for():
    masks = draw_masks(8, 100, SETTINGS, torch.Generator().manual_seed(1))
    assert sorted((masks > 0).sum(1).tolist()) == [0, 0, 0, 0, 10, 23, 37, 50]
    assert sorted(masks.sum(1).tolist()) == pytest.approx([0, 0, 0, 0, 0.25, 0.25, 0.25, 0.25])
    again = draw_masks(8, 100, SETTINGS, torch.Generator().manual_seed(1))
    assert torch.equal(masks, again) and not torch.equal(
        masks, draw_masks(8, 100, SETTINGS, torch.Generator().manual_seed(2))
    )
    assert (draw_masks(2, 4, SETTINGS, torch.Generator()) > 0).any()


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
    model = distillation(replace(SETTINGS, koleo_weight=0.0))
    views = [torch.rand(3, 3, 32, 32) for _ in range(2)] + [torch.rand(3, 3, 16, 16)]
    masks = torch.zeros(6, 4)
    masks[0, 2], masks[4, 0], masks[4, 1] = 0.5, 0.25, 0.25
    masked = masks > 0
    plain, said = model(views)
    assert not said.patches.any()
    given = Masked.drawn(masks, torch.device("cpu"))
    loss, said = model(views, given)
    with torch.no_grad():  # the same, patch by patch
        taught = model.teacher_head(model.teacher(torch.cat(views[:2])).last_hidden_state[:, 1:])
        learned = model.student(torch.cat(views[:2]), bool_masked_pos=masked).last_hidden_state
        predicted = torch.log_softmax(model.student_head(learned[:, 1:]) / SETTINGS.student_temperature, -1)
        wanted = torch.softmax(taught / SETTINGS.teacher_temperature, -1)
        each = -(wanted * predicted).sum(-1)
        expected = (each[0, 2] + (each[4, 0] + each[4, 1]) / 2) / 2
    assert said.patches == pytest.approx(taught[masked].sum(0), abs=1e-6)
    only = replace(SETTINGS, koleo_weight=0.0, masked_patch_weight=3.0)
    tripled, _ = distillation(only)(views, given)
    assert (tripled - loss).item() == pytest.approx(2 * expected.item(), rel=1e-4)
    loss.backward()
    assert model.student.embeddings.mask_token.grad.abs().sum() > 0
    model.update_teacher(0.5)
    assert model.teacher.embeddings.mask_token is None and plain.isfinite()


class Waits(TorchDispatchMode):
    """Notes operations of which the host has to know the outcome, or how long it is."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, operation, types, arguments=(), options=None):
        name = operation.overloadpacket.__name__
        by_mask = name.startswith("index") and any(
            isinstance(each, torch.Tensor) and each.dtype in (torch.bool, torch.uint8)
            for each in (arguments[1] if len(arguments) > 1 and isinstance(arguments[1], list | tuple) else ())
        )
        if by_mask or name in ("nonzero", "_local_scalar_dense", "item", "masked_select", "is_nonzero", "unique_dim"):
            self.seen.append(name)
        return operation(*arguments, **(options or {}))


def test_a_pass_never_makes_the_host_wait_for_the_device():
    model = distillation(replace(SETTINGS, drop_path=0.5))
    views = [torch.rand(5, 3, 32, 32) for _ in range(2)] + [torch.rand(5, 3, 16, 16)]
    masks = draw_masks(10, 4, SETTINGS, torch.Generator().manual_seed(0))
    passes = list(micro_batches(views, masks, 3))
    with Waits() as control:
        views[0][views[0] > 0.5].sum().item()
    assert control.seen == ["index", "_local_scalar_dense"]
    with Waits() as waits:
        for each in passes:
            loss, _ = model(*each)
            loss.backward()
    assert waits.seen == []


def test_micro_batches_add_up_to_the_whole():
    model = distillation(replace(SETTINGS, koleo_weight=0.0))
    views = [torch.rand(5, 3, 32, 32) for _ in range(2)] + [torch.rand(5, 3, 16, 16)]
    masks = draw_masks(10, 4, SETTINGS, torch.Generator().manual_seed(0))
    gradients, losses, said = [], [], []
    for frames in (None, 2):
        passes = [model(*each) for each in micro_batches(views, masks, frames)]
        assert len(passes) == (3 if frames else 1)
        losses.append(sum(loss for loss, _ in passes))
        losses[-1].backward()
        said.append([sum(getattr(each, name) for _, each in passes) for name in ("classes", "patches", "entropy")])
        gradients.append({name: parameter.grad.clone() for name, parameter in model.trained()})
        model.zero_grad()
    assert losses[1].item() == pytest.approx(losses[0].item(), rel=1e-6)
    for whole, parts in zip(*said, strict=True):
        assert torch.allclose(whole, parts, atol=1e-5, rtol=1e-5)
    for name, gradient in gradients[0].items():
        assert (gradient - gradients[1][name]).norm() <= 1e-6 + 1e-5 * gradient.norm(), name


@pytest.mark.usefixtures("another_precision")
def test_the_stage_in_micro_batches_trains_alike(data, trained, tmp_path):
    recipe = tiny_recipe(precision="no")
    recipe = replace(recipe, vision=replace(recipe.vision, koleo_weight=0.0, masked_patch_weight=1.0))
    towers = []
    for name, frames in (("whole", None), ("parts", 3)):
        changed = replace(recipe, vision=replace(recipe.vision, micro_batch=frames))
        run = fork(trained, tmp_path / name, changed, data, without="vision")
        Trainer(changed, data, run).run(["vision"])
        towers.append(weights(run / "vision"))
    for name, tensor in towers[0].items():
        assert torch.allclose(tensor, towers[1][name], atol=1e-5), name


def test_the_stage_with_both_terms_leaves_a_plain_tower(data, trained, tmp_path):
    recipe = tiny_recipe()
    recipe = replace(recipe, vision=replace(recipe.vision, masked_patch_weight=1.0, koleo_weight=0.1))
    run = fork(trained, tmp_path / "run", recipe, data, without="vision")
    Trainer(recipe, data, run).run(["vision"])
    tower, before = weights(run / "vision"), weights(trained / "vision")
    assert tower.keys() == before.keys()
    assert any(not torch.equal(tensor, before[name]) for name, tensor in tower.items())


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("masked_patches", (0.5, 0.1)),
        ("koleo_weight", -1.0),
        ("micro_batch", 0),
        ("window_scale", (0.0, 1.5)),
        ("window_tries", 0),
        ("masked_views", 0.0),
    ],
)
def test_values_that_make_no_sense_are_refused(setting, value):
    with pytest.raises(ConfigError, match=setting):
        VisionStage(optimisation=SETTINGS.optimisation, **{setting: value})
