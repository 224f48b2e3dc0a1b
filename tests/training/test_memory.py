"""Memory is estimated and asked for before anything begins."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import ViTModel
from transformers.initialization import no_init_weights

from babyvlm.errors import ConfigError
from babyvlm.model.configuration import model_config, vision_config
from babyvlm.model.modeling import BabyLlavaForConditionalGeneration
from babyvlm.model.packed_attention import packed, row_arguments
from babyvlm.parts import parameter_counts
from babyvlm.recipes import nursery, saycam
from babyvlm.training import STAGES, memory, require_memory


def test_parameters_are_those_of_the_model():
    shape = nursery().model
    counted = parameter_counts(BabyLlavaForConditionalGeneration(model_config(shape)))
    for part, number in memory.parameters(shape).items():
        assert number == counted[part]
    assert sum(memory.parameters(saycam().model).values()) == pytest.approx(1_303_153_664, rel=0.001)


def test_the_full_size_is_refused_where_it_does_not_fit(monkeypatch):
    monkeypatch.setattr(memory, "available_gib", lambda processes: 20.0)
    with pytest.raises(ConfigError, match=r"about \d+\.\d GiB in the \w+ stage.*20\.0 GiB"):
        require_memory(saycam(), STAGES, 1)
    require_memory(nursery(), STAGES, 2)


@pytest.mark.parametrize("processes", [1, 8])
def test_the_full_size_fits_a_gpu_of_80_gb_by_the_estimate(processes):
    recipe = saycam()
    for stage in STAGES:
        share = replace(
            getattr(recipe, stage).optimisation, batch_size=getattr(recipe, stage).optimisation.batch_size // processes
        )
        one = replace(recipe, **{stage: replace(getattr(recipe, stage), optimisation=share)})
        assert memory.needed(one, stage, processes).total_gib < 75, stage


def kept_bytes(call, module):
    """What autograd keeps of a call, less the module's own weights."""
    own = {parameter.untyped_storage()._cdata for parameter in module.parameters()}
    kept = {}

    def note(tensor):
        storage = tensor.untyped_storage()
        kept[storage._cdata] = (storage.nbytes(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        output = call()
    del output
    return sum(size for place, (size, _) in kept.items() if place not in own)


def language_layers(layers, precision):
    shape = replace(saycam().model, image_size=32, vision_width=64, vision_heads=2, vision_layers=1, text_layers=layers)
    config = model_config(shape)
    config._attn_implementation = {"text_config": packed("sdpa"), "vision_config": "sdpa"}
    model = BabyLlavaForConditionalGeneration(config).model.language_model
    half, blocks = precision == "bf16_weights", ((4, 208), (1, 704))
    dtype = torch.bfloat16 if half else torch.float32
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)

    def call():
        embedded = torch.randn(1, 1536, shape.text_width, dtype=dtype, requires_grad=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            return model(inputs_embeds=embedded, use_cache=False, **row_arguments(blocks, torch.device("cpu")))

    return kept_bytes(call, model)


def tower_layers(layers, precision):
    config = vision_config(replace(saycam().model, vision_layers=layers))
    config._attn_implementation = "sdpa"
    model = ViTModel(config, add_pooling_layer=False)
    dtype = torch.bfloat16 if precision == "bf16_weights" else torch.float32
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)

    def call():
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            return model(torch.randn(8, 3, 224, 224))

    return kept_bytes(call, model)


@pytest.mark.parametrize("precision", ["bf16", "bf16_weights", "no"])
def test_a_layer_keeps_what_is_counted(precision):
    """Layers of the full width, their tensors without memory: two more of them keep that much more."""
    recipe = replace(saycam(), precision=precision, compile=False)
    one = replace(recipe, model=replace(recipe.model, text_layers=1, vision_layers=1))
    copies = {"language": 2 * 44_040_192, "tower": 2 * 12_582_912}  # autocast's, of one layer's matrices
    with FakeTensorMode(), no_init_weights():
        kept = {
            "language": (language_layers(3, precision) - language_layers(1, precision)) / 2,
            "tower": (tower_layers(3, precision) - tower_layers(1, precision)) / 2,
        }
    counted = {
        "language": memory.text_activations(one, 1536),
        "tower": memory.tower_activations(one, 8 * one.model.image_tokens),
    }
    for part, size in kept.items():
        size -= copies[part] if precision == "bf16" else 0
        assert counted[part] == pytest.approx(size, rel=0.06), part


COUNTS = """
import contextlib
import os
import sys
from types import SimpleNamespace
import torch
import torch.distributed
from torch.distributed.fsdp import FSDPModule
from torch.testing._internal.distributed.fake_pg import FakeStore
from torch.utils._python_dispatch import TorchDispatchMode
from dataclasses import replace
from babyvlm.model import BabyLlavaForConditionalGeneration, model_config
from babyvlm.recipes import nursery
from babyvlm.training import memory
from babyvlm.training.distribution import Shared, units_of

processes = int(sys.argv[2])
torch.distributed.init_process_group("fake", rank=0, world_size=processes, store=FakeStore())
# As many layers as make one of them a small part of all.
shape = replace(nursery().model, stem=(), vision_layers=4)
model = BabyLlavaForConditionalGeneration(model_config(shape))
counted, whole = memory.gathered(model), sum(each.numel() for each in model.parameters())
os.environ["LOCAL_WORLD_SIZE"] = sys.argv[2]
accelerator = SimpleNamespace(
    num_processes=processes, process_index=0, local_process_index=0, device=torch.device("cpu"),
    autocast=contextlib.nullcontext, backward=lambda loss: loss.backward(),
)
units = units_of(model)
shared = Shared(model, accelerator, precision=sys.argv[1], sharding="fsdp", units=units)
arrived, most = [], 0
for name in ("all_gather_single", "all_gather_into_tensor"):  # as versions of torch call it
    if hasattr(torch.distributed, name):
        def noted(*given, real=getattr(torch.distributed, name), **named):
            output = named.get("output_tensor", named.get("output", given[0] if given else None))
            arrived.append(output.untyped_storage())
            return real(*given, **named)
        setattr(torch.distributed, name, noted)
groups = {id(group): group for part in model.modules() if isinstance(part, FSDPModule)
          if (group := part._get_fsdp_state()._fsdp_param_group)}

class Counting(TorchDispatchMode):
    def __torch_dispatch__(self, function, types, given=(), named=None):
        global most
        result = function(*given, **(named or {}))
        parts = [part.untyped_storage() for group in groups.values() for each in group.fsdp_params
                 for part in each.all_gather_outputs]
        size = 2 if sys.argv[1] == "bf16_weights" else 4
        held = sum(each.size() for each in parts) + (arrived[-1].size() if arrived else 0)
        most = max(most, held / size)
        return result

ids = torch.full((1, 40), 7)
pictures = torch.randn(1, 3, shape.image_size, shape.image_size)
ids[0, : shape.image_tokens] = shape.vocabulary
for row in range(2):
    with shared.row(row, 2), Counting():
        loss = model(input_ids=ids, pixel_values=pictures, labels=ids.where(ids < shape.vocabulary, -100)).loss
        shared.backward(loss)
print("counted", counted, "held", round(most), "of", whole)
"""


@pytest.mark.parametrize("precision", ["bf16_weights", "no"])
def test_what_is_gathered_at_once_is_counted(precision, tmp_path):
    """One of four processes, whose others are made up: what lies gathered at any operation of two rows, with the buffer
    of the last gathering. Shares are padded to whole rows of a parameter."""
    script = tmp_path / "counts.py"
    script.write_text(COUNTS)
    done = subprocess.run([sys.executable, script, precision, "4"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    counted, held, whole = (int(done.stdout.split()[place]) for place in (1, 3, 5))
    assert held == pytest.approx(counted, rel=0.03)
    assert held < whole / 3


def test_shards_and_checkpointing_need_less():
    recipe = saycam()
    alone = memory.needed(recipe, "joint", 1)
    lean = memory.needed(replace(recipe, gradient_checkpointing=True), "joint", 1)
    shards = memory.needed(replace(recipe, sharding="fsdp"), "joint", 8)
    assert shards.moments_gib == pytest.approx(alone.moments_gib / 8)
    assert shards.weights_gib < alone.weights_gib / 3  # an eighth, and what is gathered
    exact = memory.needed(replace(recipe, sharding="fsdp", precision="no"), "joint", 8)
    assert exact.weights_gib < memory.needed(replace(recipe, precision="no"), "joint", 1).weights_gib / 3
    assert lean.activations_gib < alone.activations_gib / 5
    frames = replace(recipe, vision=replace(recipe.vision, micro_batch=None))
    assert memory.needed(recipe, "vision", 1).activations_gib == pytest.approx(
        memory.needed(frames, "vision", 1).activations_gib / 32
    )
    assert memory.needed(recipe, "joint", 8).total_gib == pytest.approx(alone.total_gib)  # a copy each
    autocast = memory.needed(replace(recipe, precision="bf16"), "joint", 1)
    assert autocast.activations_gib > 1.5 * alone.activations_gib
