"""Copies to compute with, float32 weights that learn: they learn what the module itself would have learned."""

import copy

import pytest
import torch
from torch import distributed, multiprocessing, nn

from babyvlm.model import BabyLlavaForConditionalGeneration
from babyvlm.model.configuration import model_config
from babyvlm.model.packed_attention import packed
from babyvlm.training.masters import MasterWeights
from babyvlm.training.optimisation import Optimisation
from babyvlm.training.optimizers import Optimizers, part_of
from tests.training.tiny import TINY

SETTINGS = Optimisation(learning_rate=1e-3, weight_decay=0.1, batch_size=1, steps=1)
BLOCKS = ((2, 24), (1, 16))


def new_model():
    torch.manual_seed(0)
    config = model_config(TINY)
    config._attn_implementation = {"text_config": packed("sdpa"), "vision_config": "sdpa"}
    model = BabyLlavaForConditionalGeneration(config)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(part_of(name) != "vision")
    return model


def rows(step):
    """Two rows of a step; each sample is a picture and some words."""
    generator = torch.Generator().manual_seed(step)
    for _ in range(2):
        ids_1T = torch.randint(4, 300, (1, 64), generator=generator)
        labels_1T = ids_1T.clone()
        for start in (0, 24, 48):
            ids_1T[0, start + 1 : start + 1 + TINY.image_tokens] = TINY.vocabulary
            labels_1T[0, start : start + 2 + TINY.image_tokens] = -100
        pixels = torch.randn(3, 3, 32, 32, generator=generator)
        yield {"input_ids": ids_1T, "labels": labels_1T, "pixel_values": pixels, "blocks": BLOCKS}


def learn(model, steps, *, dtype=None, autocast=False):
    """Losses, and the masters if there are any."""
    masters = MasterWeights(model, dtype=dtype) if dtype else None
    trained = masters.trained() if masters else [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    optimizer = Optimizers(trained, SETTINGS)
    losses = []
    for step in range(steps):
        loss = 0.0
        for number, row in enumerate(rows(step % 5)):
            if masters:
                masters.begin_row(first=number == 0, last=number == 1)
            with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
                part = model(**row, num_items_in_batch=60.0).loss
            part.backward()
            loss += part.item()
        if masters:
            masters.end_step()
        nn.utils.clip_grad_norm_([parameter for _, parameter in trained], 1.0)
        optimizer.step()
        if masters:
            masters.refresh()
        losses.append(loss)
    return losses, masters


def test_copies_in_float32_learn_what_the_module_itself_learns():
    plain, copied = new_model(), new_model()
    expected, _ = learn(plain, 50)
    found, masters = learn(copied, 50, dtype=torch.float32)
    assert found == pytest.approx(expected, abs=1e-5)
    assert found[-1] < found[0] - 1  # or the comparison would say little
    masters.restore()
    for (name, weight), other in zip(plain.named_parameters(), copied.parameters(), strict=True):
        torch.testing.assert_close(other, weight, atol=1e-5, rtol=1e-4, msg=name)


def test_copies_in_bfloat16_lose_what_autocast_loses():
    expected, _ = learn(new_model(), 50, autocast=True)
    found, _ = learn(new_model(), 50, dtype=torch.bfloat16)
    apart = [abs(one - other) / other for one, other in zip(found, expected, strict=True)]
    assert sum(apart) / len(apart) < 1e-3
    assert max(apart) < 5e-3


def test_what_is_saved_and_left_is_float32_and_exact():
    model = new_model()
    before = copy.deepcopy(model.state_dict())
    masters = MasterWeights(model)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    saved = masters.state_dict()
    assert saved.keys() == before.keys()
    assert all(
        torch.equal(saved[name], tensor) and saved[name].dtype == tensor.dtype for name, tensor in before.items()
    )
    masters.restore()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_small_steps_are_not_lost_to_rounding():
    """A step of 1e-4 of a weight is nothing in bfloat16; a hundred of them are."""
    layer = nn.Linear(1, 1, bias=False)
    nn.init.ones_(layer.weight)
    masters = MasterWeights(layer)
    ((_, master),) = masters.trained()
    for _ in range(100):
        masters.begin_row(first=True, last=True)
        layer(torch.ones(1, 1, dtype=torch.bfloat16)).sum().backward()
        masters.end_step()
        with torch.no_grad():
            master.sub_(1e-4 * master.grad)
        masters.refresh()
    assert master.item() == pytest.approx(0.99, abs=1e-4)
    assert layer.weight.item() == pytest.approx(0.99, abs=4e-3)


def test_a_weight_without_gradient_is_left_alone():
    pair = nn.ModuleDict({"used": nn.Linear(2, 2), "unused": nn.Linear(2, 2)})
    masters = MasterWeights(pair)
    optimizer = Optimizers(masters.trained(), SETTINGS)
    before = masters.state_dict()["unused.weight"].clone()
    masters.begin_row(first=True, last=True)
    pair["used"](torch.ones(1, 2, dtype=torch.bfloat16)).sum().backward()
    masters.end_step()
    optimizer.step()
    assert torch.equal(masters.state_dict()["unused.weight"], before)


def average(rank, folder):
    """One of two processes; only the first uses the second layer, and the rows differ."""
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    torch.manual_seed(0)
    layers = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2)])
    masters = MasterWeights(layers, dtype=torch.float32, processes=2)
    for number in range(2):
        masters.begin_row(first=number == 0, last=number == 1)
        value = layers[0](torch.full((1, 2), float(1 + rank + number)))
        layers[2](layers[1](value) if rank == 0 else value).sum().backward()
    masters.end_step()
    torch.save([parameter.grad for _, parameter in masters.trained()], f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


@pytest.mark.slow
def test_gradients_are_averaged_over_processes(tmp_path):
    multiprocessing.spawn(average, (str(tmp_path),), nprocs=2)
    torch.manual_seed(0)
    layers = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2)])
    for rank in range(2):
        for number in range(2):
            value = layers[0](torch.full((1, 2), float(1 + rank + number)))
            (layers[2](layers[1](value) if rank == 0 else value).sum() / 2).backward()
    for rank in range(2):
        for found, parameter in zip(torch.load(tmp_path / f"{rank}.pt"), layers.parameters(), strict=True):
            torch.testing.assert_close(found, parameter.grad)
