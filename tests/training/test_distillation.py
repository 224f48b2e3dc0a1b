"""The vision stage's loop: views cut where the tower is, what its log says, and when it stops."""

import json
import math
from dataclasses import replace

import pytest
import torch
from accelerate.state import AcceleratorState
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from babyvlm.errors import ConfigError, TrainingError
from babyvlm.training import Trainer, distillation, session
from babyvlm.training.checkpoints import Resume
from babyvlm.training.collapse import CollapseWatch, feature_rank
from babyvlm.training.distillation import Frames, new_objective, train_tower, views_of
from babyvlm.training.flops import vision_flops
from babyvlm.training.run import RunContext, accelerator_for
from tests.training.tiny import TINY, fork, tiny_recipe, weights


class Noise:
    def __init__(self, number, side):
        generator = torch.Generator().manual_seed(0)
        self.pixels_NCHW = torch.randint(0, 256, (number, 3, side, side), dtype=torch.uint8, generator=generator)

    def __len__(self):
        return len(self.pixels_NCHW)


def recipe_of(*, steps=4, batch_size=4, **settings):
    recipe = tiny_recipe(precision=settings.pop("precision", "bf16"))
    optimisation = replace(recipe.vision.optimisation, steps=steps, batch_size=batch_size)
    return replace(recipe, vision=replace(recipe.vision, optimisation=optimisation, **settings))


@pytest.fixture
def train(tmp_path):
    def run(recipe, probe=None):
        AcceleratorState._reset_state(True)
        accelerator = accelerator_for(recipe, cpu=True)
        run = RunContext(recipe=recipe, accelerator=accelerator, out=tmp_path, data="", tensorboard=False)
        tower, log = train_tower(Noise(24, 40), run, Resume(tmp_path, "vision", "", accelerator), probe)
        return tower, [json.loads(line) for line in log.splitlines()]

    yield run
    AcceleratorState._reset_state(True)


def taken(seed=5):
    pixels = Noise(6, 40).pixels_NCHW
    return Frames(pixels_BCSS=pixels, generator=torch.Generator().manual_seed(seed))


def test_views_are_a_function_of_the_seed_and_in_the_right_sizes():
    recipe = recipe_of(window_scale=(0.2, 0.6))
    views = views_of(taken(), recipe, torch.device("cpu"))
    assert [tuple(view.shape) for view in views] == [(6, 3, 32, 32)] * 2 + [(6, 3, 16, 16)] * 2
    again = views_of(taken(), recipe, torch.device("cpu"))
    other = views_of(taken(6), recipe, torch.device("cpu"))
    assert all(torch.equal(*pair) for pair in zip(views, again, strict=True))
    assert not torch.equal(views[0], other[0]) and not torch.equal(views[0], views[1])


def test_frames_reach_the_device_as_bytes_and_views_are_drawn_there(monkeypatch):
    """On a device of no arithmetic: had anything been drawn or cut elsewhere, its place would not be that device."""
    drawn = []

    def cut(frames, size, scale, flip, generator, aspects=None):
        drawn.append((frames.device.type, generator.device.type, generator.initial_seed()))
        return frames.new_zeros(len(frames), 3, size, size)

    def same(views, colour, view, generator):
        drawn.append((views.device.type, generator.device.type, generator.initial_seed()))
        return views

    class Generator:
        def __init__(self, device):
            self.device = device

        def manual_seed(self, seed):
            self.initial_seed = lambda: seed
            return self

    frames = taken()
    monkeypatch.setattr(distillation, "cut_views", cut)
    monkeypatch.setattr(distillation, "change_colours", same)
    monkeypatch.setattr(distillation, "normalise", lambda views: views)
    monkeypatch.setattr(distillation.torch, "Generator", Generator)
    views = views_of(frames, recipe_of(window_scale=(1.0, 1.0)), torch.device("meta"))
    assert {view.device.type for view in views} == {"meta"}
    assert drawn == [("meta", "meta", 5)] * 8
    assert frames.pixels_BCSS.dtype == torch.uint8


def test_the_log_has_the_use_of_the_machine_entropy_and_rank(train):
    _, lines = train(recipe_of(steps=6))
    for line in lines:
        assert 0 <= line["teacher_entropy"] <= math.log(32) + 1e-4
        assert line["feature_rank"] >= 1 and line["flop_use"] >= 0 and 0 <= line["data_wait"] <= 1


@pytest.mark.parametrize("precision", ["no", "bf16_weights"])
def test_any_precision_trains_and_leaves_float32(train, precision):
    tower, lines = train(recipe_of(precision=precision))
    assert {parameter.dtype for parameter in tower.parameters()} == {torch.float32}
    assert [line["step"] for line in lines] == [1, 2, 3, 4]


def test_the_teacher_in_copies_follows_the_student_in_float32(train):
    """With a momentum so near 1 that a step is lost in bfloat16, the tower moves all the same."""
    recipe = recipe_of(precision="bf16_weights", steps=3, teacher_momentum=0.9999)
    torch.manual_seed(3)
    before = {name: value.clone() for name, value in new_objective(recipe).teacher.state_dict().items()}
    torch.manual_seed(3)
    tower, _ = train(recipe)
    moved = [(value - before[name]).abs().max().item() for name, value in tower.state_dict().items()]
    assert 0 < max(moved) < 1e-4


def test_a_batch_that_processes_do_not_divide_is_refused(train, monkeypatch):
    with pytest.raises(ConfigError, match=r"vision\.optimisation\.batch_size=4 does not divide by 3 processes: set it"):
        distillation.share_of(4, 3)


def test_held_out_pictures_are_looked_up_once_an_epoch(train):
    class Constant:
        by_word = False

        def accuracy(self, tower):
            return 0.5

    _, lines = train(recipe_of(steps=15, probes=None), probe=Constant())
    assert [line["step"] for line in lines if line.get("knn_recording") == 0.5] == [1, 6, 12, 15]
    _, lines = train(recipe_of(steps=15, probes=2), probe=Constant())
    assert [line["step"] for line in lines if "knn_recording" in line] == [1, 8, 15]


def test_operations_are_those_counted_by_torch():
    recipe = recipe_of()
    recipe = replace(recipe, attention="eager")  # whose products are counted on every device
    model = new_objective(recipe)
    views = views_of(taken(), recipe, torch.device("cpu"))
    counter = FlopCounterMode(display=False)
    with counter:
        loss, _ = model(views)
        loss.backward()
    counted = vision_flops(model.student, model.student_head, recipe.vision, TINY, 6)
    # Of patches, ours counts the class token too, and going backward the gradient of pixels, which nobody needs.
    patch = 2 * TINY.patch_size**2 * 3 * TINY.vision_width
    tokens, patches = 12 * 5 + 12 * 2, 12 * 4 + 12 * 1  # two global and two local views of six frames
    more = patch * (3 * tokens - 2 * patches) + patch * (12 * 5 - 12 * 4)
    assert counted - more == pytest.approx(counter.get_total_flops(), rel=0.01)


def test_rank_counts_directions():
    torch.manual_seed(0)
    assert feature_rank(torch.randn(4000, 8)).item() == pytest.approx(8, rel=0.05)
    assert feature_rank(torch.randn(100, 1) @ torch.randn(1, 300) + 5).item() == pytest.approx(1, abs=1e-3)
    wide = torch.randn(20, 50)
    centred = wide - wide.mean(0)
    eigenvalues = torch.linalg.svdvals(centred) ** 2
    expected = eigenvalues.sum() ** 2 / (eigenvalues**2).sum()
    assert feature_rank(wide).item() == pytest.approx(expected.item(), rel=1e-4)
    assert feature_rank(torch.ones(5, 3)).isfinite()


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ({"loss": math.log(64), "entropy": math.log(64), "rank": 9.0}, "all prototypes evenly"),
        ({"loss": 0.0, "entropy": 0.0, "rank": 9.0}, "the same prototype"),
        ({"loss": 2.0, "entropy": 2.0, "rank": 1.0}, "one direction"),
    ],
)
def test_a_sign_of_collapse_counts_when_it_has_held(figures, said):
    watch = CollapseWatch(64, warmup=5, patience=10)
    well = {"loss": 3.0, "entropy": 2.0, "rank": 9.0}
    found = [watch.check(step, **figures) for step in range(1, 15)]
    assert found == [""] * 14
    assert watch.check(15, **well) == ""  # counted from the beginning
    found = [watch.check(step, **figures) for step in range(16, 26)]
    assert found[:-1] == [""] * 9 and said in found[-1]


def test_a_teacher_that_says_nothing_stops_the_stage(train, monkeypatch):
    """A head without weights names all prototypes alike, whatever it sees."""
    monkeypatch.setattr(distillation, "LEAST_PATIENCE", 6)
    real = distillation.new_objective

    def mute(recipe):
        model = real(recipe)
        for head in (model.student_head, model.teacher_head):
            head.forward = lambda features: F.linear(features, torch.zeros(32, features.shape[-1])) + 0 * features.sum()
        return model

    monkeypatch.setattr(distillation, "new_objective", mute)
    with pytest.raises(TrainingError, match=r"vision stage has collapsed: for 6 steps .* evenly .*teacher_momentum"):
        train(recipe_of(steps=40, koleo_weight=0.0))


def test_figures_read_late_change_nothing_learned(data, trained, tmp_path, monkeypatch):
    """As on a GPU: each step's loss is read one step later, a checkpoint waits for all of them."""
    real = session.LateFigures.__init__
    monkeypatch.setattr(session.LateFigures, "__init__", lambda self, device: real(self, device, behind=1))
    recipe = tiny_recipe(checkpoint_every_s=0.0)
    for stage in ("vision", "instruction"):
        run = fork(trained, tmp_path / stage, recipe, data, without=stage)
        Trainer(recipe, data, run).run([stage])
        lines, expected = (
            [json.loads(line) for line in (folder / stage / "metrics.jsonl").open()] for folder in (run, trained)
        )
        assert [(line["step"], line["loss"]) for line in lines] == [(line["step"], line["loss"]) for line in expected]
        for name, tensor in weights(trained / stage).items():
            assert torch.equal(tensor, weights(run / stage)[name]), name
