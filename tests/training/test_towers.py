"""The two complete vision stages, cut to a tiny size: they run, resume exactly, and leave a plain tower."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from PIL import Image
from transformers import ViTModel

from babyvlm.curation.sets import PretrainingSet
from babyvlm.model.loading import load_exactly
from babyvlm.model.processing import square_pixels
from babyvlm.recipes.towers import dino_fork, dinov2_large
from babyvlm.training import Trainer
from babyvlm.training.nodes import NodeCache
from babyvlm.training.pictures import PixelTable
from babyvlm.training.samples import training_frames
from babyvlm.training.vision import cut_views
from tests.training.tiny import TINY, tiny_recipe, weights

SMALL = {
    "prototypes": 32, "head_width": 16, "bottleneck": 8, "local_views": 2, "local_size": 16, "source_size": 40,
    "micro_batch": 2, "probes": 0,
}  # fmt: skip


def cut_down(stage):
    return replace(stage, optimisation=replace(stage.optimisation, epochs=None, steps=4, batch_size=4), **SMALL)


class Killed(BaseException):
    pass


@pytest.mark.parametrize("stage", [dinov2_large(), dino_fork(1)], ids=["dinov2", "fork"])
def test_an_interrupted_stage_ends_with_the_weights_of_an_undisturbed_one(stage, data, tmp_path):
    recipe = replace(tiny_recipe(checkpoint_every_s=0.0), vision=cut_down(stage))
    Trainer(recipe, data, tmp_path / "whole").run(["vision"])

    def killed_at_2(step):
        if step == 2:
            raise Killed

    killed = Trainer(recipe, data, tmp_path / "killed")
    killed.context = replace(killed.context, before_step=killed_at_2)
    with pytest.raises(Killed):
        killed.run(["vision"])
    Trainer(recipe, data, tmp_path / "killed").run(["vision"])
    whole, resumed = (weights(tmp_path / run / "vision") for run in ("whole", "killed"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole) and whole.keys() == resumed.keys()
    tower = load_exactly(ViTModel, tmp_path / "whole" / "vision", add_pooling_layer=False)
    assert all(torch.isfinite(parameter).all() for parameter in tower.parameters())


def test_all_candidate_frames_are_those_of_training_recordings_kept_or_not(data):
    pairs, every = (training_frames(data, kind) for kind in ("pairs", "candidates"))
    assert set(pairs) <= set(every) and len(every) == len(set(every))
    expected = {
        frame.image
        for candidate in data.candidates()
        for frame in candidate.frames
        if candidate.recording in {recording.id for recording in data.recordings if recording.split == "train"}
    }
    assert set(every) == expected


def test_aspects_are_those_of_the_pictures(data, tmp_path, another_precision):
    names = training_frames(data, "pairs")[:3]
    expected = [data.read_image(name).width / data.read_image(name).height for name in names]
    accelerator = Accelerator(cpu=True)
    cache = NodeCache(tmp_path, accelerator, kept=True)
    table = PixelTable(data, lambda: names, size=16, fit="stretch", cache=cache, accelerator=accelerator)
    assert table.aspects_N.tolist() == pytest.approx(expected)


def test_views_of_a_frame_as_it_is_show_no_bars_and_keep_its_proportions():
    """A wide frame of coloured squares: in a view of it a square stays one, and nothing of a bar is seen."""
    cells = np.kron(np.random.default_rng(0).integers(40, 256, (6, 8, 3)), np.ones((20, 20, 1))).astype(np.uint8)
    frame = torch.tensor(square_pixels(Image.fromarray(cells), 96, "stretch")).float()[None] / 255
    views = cut_views(
        frame.expand(300, -1, -1, -1), 48, (0.32, 1.0), 0.5, torch.Generator().manual_seed(0), torch.full((300,), 4 / 3)
    )
    assert views.min() > 0.1, "black or mean-grey bars would be darker or smoother"
    areas, ratios = [], []
    marked = torch.zeros(1, 3, 96, 96)
    marked[:, 0] = torch.linspace(0, 1, 96)
    marked[:, 1] = torch.linspace(0, 1, 96)[:, None]
    for seed in range(200):
        view = cut_views(marked, 48, (0.1, 0.3), 0.0, torch.Generator().manual_seed(seed), torch.tensor([4 / 3]))[0]
        width, height = (view[0, 24, -4] - view[0, 24, 3]) * 4 / 3, view[1, -4, 24] - view[1, 3, 24]
        areas.append(float(width * height / (4 / 3) * (48 / 41) ** 2))
        ratios.append(float(width / height))
    assert min(areas) > 0.08 and max(areas) < 0.33
    assert 0.72 < min(ratios) < 0.85 and 1.2 < max(ratios) < 1.38


def test_without_an_aspect_a_frame_is_a_square(data: PretrainingSet):
    frame = torch.rand(2, 3, 40, 40)
    given = (frame, TINY.image_size, (0.2, 0.5), 0.5)
    plain = cut_views(*given, torch.Generator().manual_seed(1))
    square = cut_views(*given, torch.Generator().manual_seed(1), torch.ones(2))
    assert torch.equal(plain, square)
