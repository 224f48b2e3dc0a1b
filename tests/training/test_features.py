"""What a frozen tower makes of every picture, worked out by one process and by several."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from babyvlm.model.loading import load_exactly
from babyvlm.model.modeling import BabyLlavaForConditionalGeneration
from babyvlm.model.processing import normalise
from babyvlm.training import features
from tests.training.tiny import tiny_recipe


class Rank:
    """One of several processes; what the others hand in is put in its place afterwards."""

    is_main_process, device = True, torch.device("cpu")

    def __init__(self, index, processes):
        self.process_index, self.num_processes, self.given = index, processes, []

    def gather(self, tensor):
        self.given.append(tensor.clone())
        return torch.zeros(self.num_processes * len(tensor), *tensor.shape[1:], dtype=tensor.dtype)


@pytest.mark.parametrize("pictures", [1, 5, 11, 12])
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_processes_share_the_pictures_out_and_none_is_missed(pictures, processes, trained, monkeypatch):
    monkeypatch.setattr(features, "_ENCODE_IMAGES", 2)
    recipe = replace(tiny_recipe(), precision="no")
    model = load_exactly(BabyLlavaForConditionalGeneration, trained / "joint").eval()
    side = recipe.model.image_size
    pixels_NCHW = torch.randint(0, 256, (pictures, 3, side, side), generator=torch.Generator().manual_seed(1)).byte()

    class Shown(SimpleNamespace):
        def __len__(self):
            return len(self.pixels_NCHW)

    ranks = [Rank(index, processes) for index in range(processes)]
    for rank in ranks:
        run = SimpleNamespace(recipe=recipe, accelerator=rank)
        assert len(features.encode_pictures(model, Shown(pixels_NCHW=pixels_NCHW), run)) == pictures
    with torch.no_grad():
        expected = model.model.vision_tower(pixel_values=normalise(pixels_NCHW)).last_hidden_state
    found, left = [], pictures
    for chunk in zip(*(rank.given for rank in ranks), strict=True):
        size = min(left, 2 * processes)
        found.append(torch.cat(chunk)[:size])
        left -= size
    torch.testing.assert_close(torch.cat(found), expected, atol=1e-5, rtol=0)
