"""What a step at full size costs by count (claims: compiled, a joint row of ``saycam`` keeps at most 30 GiB and runs at
50% or more of an H100's peak, the vision stage at 50% or more).

    python benchmarks/full_size_count.py

**A model of a GPU, not a GPU; no GPU has confirmed it.** Nothing is computed: tensors have no memory (FakeTensor).
Layers of full width are traced forward and backward by PyTorch's AOTAutograd, and cut in two by the partitioner that
``torch.compile`` uses. Each product takes the time of its operations at 72% of 989.4 TFLOP/s, attention that of 450
TFLOP/s forward and 330 backward, all else that of the bytes it reads and writes at 2.9 TB/s, and no kernel less than
2.5 µs. ``eager`` counts every operation by itself; ``compiled`` counts neighbours that work number by number, or over
rows or columns of the same numbers, as one kernel, as PyTorch's compiler has it by default. The share of the peak is
that of the operations which the model needs, three times the forward pass's products where weights learn, so that
what is computed twice brings nothing.

Counted are the layers (one of each kind, times their number), the connector, the output layer with its loss, the
vision stage's heads with theirs, the optimizer's step with clipping, and the teacher's update. Views, pictures on
their way to the GPU, averaging over processes and the host are not. The joint row is about one process's on eight GPUs
(23,568 tokens in samples of 208 to 1,672, 104 pictures, 700 learned places); of the vision stage it is a step of one
process, with what is kept of one of its micro batches.

Writes a dated result beside this script.
"""

from __future__ import annotations

import argparse
import datetime
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from functorch.compile import aot_function, default_partition, make_boxed_func, min_cut_rematerialization_partition
from torch import nn
from torch._inductor.decomposition import select_decomp_table
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call
from torch.fx import GraphModule, Node
from torch.nn import functional as F
from torch.utils._pytree import tree_leaves
from transformers import AttentionInterface
from transformers.initialization import no_init_weights

from babyvlm.model.configuration import model_config
from babyvlm.model.modeling import BabyLlavaForConditionalGeneration
from babyvlm.model.packed_attention import row_arguments
from babyvlm.recipes import saycam
from babyvlm.training.distribution import layers_of
from babyvlm.training.vision import ProjectionHead

RESULTS = Path(__file__).parent / "results"
PEAK, MEMORY, LAUNCH_S = 989.4e12, 2.9e12, 2.5e-6
PRODUCTS, ATTENTION = 0.72 * PEAK, {"forward": 450e12, "backward": 330e12}
MOST_KEPT_GIB, LEAST_SHARE = 30.0, 0.5
BLOCKS = ((20, 208), (25, 216), (3, 408), (5, 424), (6, 624), (2, 832), (1, 1040), (2, 1256), (1, 1672), (1, 32))
PICTURES, LEARNED = 104, 700
_ATTENDED = sum(samples * length**2 for samples, length in BLOCKS) / 2
"""Pairs of a query and a key that it sees."""
_VIEWS = {
    "view", "_unsafe_view", "t", "transpose", "permute", "unsqueeze", "squeeze", "expand", "slice", "select", "split",
    "split_with_sizes", "detach", "alias", "as_strided", "unbind", "getitem", "reshape",
}  # fmt: skip
_BY_THEMSELVES = {"embedding", "index", "index_put", "index_copy", "embedding_dense_backward"}


@torch.library.custom_op("full_size_count::attend", mutates_args=())
def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Stands for one call of attention over a packed row, whose samples do not see each other."""
    raise NotImplementedError


@attend.register_fake
def _(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.empty_like(query), query.new_empty(query.shape[:3], dtype=torch.float32)


@torch.library.custom_op("full_size_count::attend_backward", mutates_args=())
def attend_backward(
    slope: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    found: torch.Tensor,
    sums: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Its backward pass."""
    raise NotImplementedError


@attend_backward.register_fake
def _(slope: torch.Tensor, *kept: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return tuple(torch.empty_like(one) for one in kept[:3])


attend.register_autograd(
    lambda ctx, slope, _: attend_backward(slope, *ctx.saved_tensors),
    setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs, *output),
)


def attend_in_one_call(module: nn.Module, query, key, value, *args: Any, **options: Any) -> tuple[torch.Tensor, None]:
    """What training on a GPU does by default, as transformers calls it."""
    return attend(query, key, value)[0].transpose(1, 2), None


AttentionInterface.register("counted", attend_in_one_call)


@dataclass(kw_only=True)
class Cost:
    """Of a part of a step."""

    seconds: float = 0.0
    needed: float = 0.0
    """Operations that the model needs."""
    kept: float = 0.0
    """Bytes for the backward pass."""
    kernels: float = 0
    by_kind: Counter = field(default_factory=Counter)
    """Seconds of products, attention, the rest."""

    def add(self, other: Cost, times: float = 1) -> None:
        self.seconds += times * other.seconds
        self.needed += times * other.needed
        self.kept += times * other.kept
        self.kernels += times * other.kernels
        for kind, seconds in other.by_kind.items():
            self.by_kind[kind] += times * seconds


def counted(
    function: Callable, inputs: Sequence[torch.Tensor], *, weights: int, compiled: bool, learns: bool = True
) -> Cost:
    """A function of tensors, the first of them weights, forward and, where those learn, backward."""
    graphs: list[GraphModule] = []

    def keep(graph: GraphModule, _: Any) -> Callable:
        graphs.append(graph)
        return make_boxed_func(graph)

    traced = aot_function(
        function,
        fw_compiler=keep,
        bw_compiler=keep,
        partition_fn=partial(min_cut_rematerialization_partition, compiler="inductor")
        if compiled
        else default_partition,
        decompositions=select_decomp_table() if compiled else None,
    )
    if not learns:
        with torch.no_grad():
            traced(*inputs)
    else:
        output = traced(*inputs)
        output.backward(torch.empty_like(output))
    cost = Cost()
    for graph in graphs:
        price(graph, cost, compiled)
    forward = graphs[0]
    cost.needed = (3 if learns else 1) * sum(flops(node) for node in forward.graph.nodes)
    if learns:
        outputs = next(node for node in forward.graph.nodes if node.op == "output").args[0]
        kept = {base for node in outputs[1:] if isinstance(node, Node) for base in bases(node, itself=True)}
        given = [node for node in forward.graph.nodes if node.op == "placeholder"]
        cost.kept = sum(map(size, kept - set(given[:weights])))
    return cost


def named(node: Node) -> str:
    return str(getattr(node.target, "_opname", getattr(node.target, "__name__", node.target))).partition(".")[0]


def tensors(value: Any) -> list[torch.Tensor]:
    return [one for one in tree_leaves(value) if isinstance(one, torch.Tensor)]


def size(node: Node) -> int:
    return sum(one.numel() * one.element_size() for one in tensors(node.meta.get("val")))


def flops(node: Node) -> float:
    """Of a product or of attention, which sees half of a square."""
    if node.op != "call_function":
        return 0.0
    name, values = named(node), [one.meta["val"] for one in node.all_input_nodes if "val" in one.meta]
    if name in ("mm", "addmm", "bmm", "baddbmm"):
        return 2.0 * tensors(node.meta["val"])[0].numel() * values[-1].shape[-2]
    if name.startswith("attend"):
        query = values[1 if "backward" in name else 0]
        return 4.0 * query.shape[1] * query.shape[3] * _ATTENDED * (2.5 if "backward" in name else 1)
    if "scaled_dot_product" in name:
        query, key = (values[1], values[2]) if "backward" in name else (values[0], values[1])
        causal = 0.5 if any(one is True for one in node.args) or node.kwargs.get("is_causal") else 1.0
        return 4.0 * query.numel() * key.shape[-2] * causal * (2.5 if "backward" in name else 1)
    return 0.0


def attends(node: Node) -> bool:
    return "scaled_dot_product" in named(node) or named(node).startswith("attend")


def price(graph: GraphModule, cost: Cost, compiled: bool) -> None:
    """Adds the time of every kernel."""
    for kernel in kernels(graph, compiled):
        operations, attending = sum(map(flops, kernel)), any(map(attends, kernel))
        within = set(kernel)
        read = {base for node in kernel for base in bases(node) if not within & {base, *sources(base, itself=True)}}
        written = [node for node in kernel if any(user not in within for user in users(node))]
        moved_s = (sum(map(size, read)) + sum(map(size, written))) / MEMORY
        backward = any("backward" in named(node) for node in kernel)
        rate = ATTENTION["backward" if backward else "forward"] if attending else PRODUCTS
        seconds = max(operations / rate, moved_s, LAUNCH_S)
        cost.seconds += seconds
        cost.kernels += 1
        cost.by_kind["attention" if attending else "products" if operations else "rest"] += seconds


def sources(node: Node, itself: bool = False) -> Iterator[Node]:
    """The operations whose results a node reads, behind views; of ``itself``, what it is a view of."""
    for one in [node] if itself else node.all_input_nodes:
        if one.op == "call_function" and named(one) in _VIEWS:
            yield from sources(one)
        else:
            yield one


def bases(node: Node, itself: bool = False) -> Iterator[Node]:
    """The tensors that a node reads, or is, behind views: of several results of an operation the one that is meant."""
    for one in [node] if itself else node.all_input_nodes:
        if one.op == "call_function" and named(one) in _VIEWS - {"getitem"}:
            yield from bases(one)
        else:
            yield one


def users(node: Node) -> Iterator[Node]:
    """What reads a node, behind views."""
    for one in node.users:
        if one.op == "call_function" and named(one) in _VIEWS:
            yield from users(one)
        else:
            yield one


def kernels(graph: GraphModule, compiled: bool) -> list[set[Node]]:
    """The operations that run at once: each by itself, or neighbours where nothing between them has to come first."""
    operations = [node for node in graph.graph.nodes if node.op == "call_function" and named(node) not in _VIEWS]
    group = {node: {node} for node in operations}
    for node in operations if compiled else ():
        for source in dict.fromkeys(sources(node)):
            one, other = group.get(source), group[node]
            if one is None or one is other or not (joins(source) and joins(node)) or leads(one, other, group):
                continue
            one |= other
            for member in other:
                group[member] = one
    return list({id(members): members for members in group.values()}.values())


def leads(one: set[Node], other: set[Node], group: dict[Node, set[Node]]) -> bool:
    """Whether a way leads from one kernel to the other through a third, which has to run between them."""
    waiting = [group[user] for node in one for user in users(node) if user in group]
    seen = {id(one), id(other)}
    while waiting:
        members = waiting.pop()
        if id(members) in seen:
            continue
        seen.add(id(members))
        after = [group[user] for node in members for user in users(node) if user in group]
        if any(found is other for found in after):
            return True
        waiting += after
    return False


def joins(node: Node) -> bool:
    """Whether a compiler puts it into one kernel with its neighbours."""
    return not (flops(node) or attends(node) or named(node) in _BY_THEMSELVES)


def of_module(
    module: nn.Module, call: Callable[[Callable], torch.Tensor], *inputs: torch.Tensor, **options: bool
) -> Cost:
    """A module in bfloat16; ``call`` is given it and the inputs."""
    weights = dict(module.named_parameters())

    def function(*given: torch.Tensor) -> torch.Tensor:
        held = dict(zip(weights, given[: len(weights)], strict=True))
        return call(lambda *a, **k: functional_call(module, held, a, k), *given[len(weights) :])

    learns = options.get("learns", True)
    given = [weight.detach().requires_grad_(learns) for weight in weights.values()]
    return counted(function, [*given, *inputs], weights=len(weights), **options)


def drawn(*shape: int, learns: bool = False) -> torch.Tensor:
    return torch.empty(shape, dtype=torch.bfloat16).requires_grad_(learns)


def optimizer(parameters: float, teacher: float = 0.0) -> Cost:
    """AdamW in one kernel on float32 weights with bfloat16 copies, clipping, and a teacher that follows."""
    bytes_moved = parameters * (4 * 7 + 2 + 4) + teacher * (4 * 3 + 2)
    return Cost(seconds=bytes_moved / MEMORY, by_kind=Counter(rest=bytes_moved / MEMORY), kernels=3)


def joint(compiled: bool) -> Cost:
    """A row of the joint stage, whose tower is frozen."""
    recipe = saycam()
    shape, tokens = recipe.model, sum(samples * length for samples, length in BLOCKS)
    model = new_model()
    layer, width = layers_of(model.model.language_model)[0], shape.text_width
    total = Cost()
    arguments = row_arguments(BLOCKS, torch.device("cpu"))
    turns = [drawn(1, tokens, width // shape.text_heads) for _ in range(2)]
    total.add(
        of_module(
            layer,
            lambda called, hidden, cosines, sines: called(hidden, position_embeddings=(cosines, sines), **arguments),
            drawn(1, tokens, width, learns=True),
            *turns,
            compiled=compiled,
        ),
        shape.text_layers,
    )
    total.add(tower(model, PICTURES, shape.image_tokens, compiled, learns=False), shape.vision_layers)
    seen = drawn(PICTURES, shape.image_tokens, shape.vision_width)
    total.add(of_module(model.model.multi_modal_projector, lambda called, x: called(x), seen, compiled=compiled))
    targets = torch.zeros(LEARNED, dtype=torch.long)
    total.add(
        of_module(
            model.lm_head,
            lambda called, hidden, right: F.cross_entropy(called(hidden).float(), right),
            drawn(LEARNED, width, learns=True),
            targets,
            compiled=compiled,
        )
    )
    learned = sum(one.numel() for name, one in model.named_parameters() if "vision_tower" not in name)
    total.add(optimizer(learned))
    return total


def tower(model: nn.Module, pictures: int, tokens: int, compiled: bool, *, learns: bool = True) -> Cost:
    """A layer of it."""
    layer = layers_of(model.model.vision_tower)[0]
    hidden = drawn(pictures, tokens, saycam().model.vision_width, learns=learns)

    def call(called: Callable, given: torch.Tensor) -> torch.Tensor:
        output = called(given)
        return output[0] if isinstance(output, tuple) else output

    return of_module(layer, call, hidden, compiled=compiled, learns=learns)


def vision(compiled: bool) -> Cost:
    """A step of one process of eight in the vision stage."""
    recipe = saycam()
    shape, settings = recipe.model, recipe.vision
    model = new_model()
    frames, times = settings.micro_batch, settings.optimisation.batch_size // 8 / settings.micro_batch
    small = (settings.local_size // shape.patch_size) ** 2 + 1
    one, total = Cost(), Cost()
    for pictures, tokens, learns in (
        (2 * frames, shape.image_tokens, True),
        (settings.local_views * frames, small, True),
        (2 * frames, shape.image_tokens, False),
    ):
        one.add(tower(model, pictures, tokens, compiled, learns=learns), shape.vision_layers)
    with no_init_weights():
        head = ProjectionHead(shape.vision_width, settings)
    # Of half of the two global views of a frame three tenths on average, as DINOv2 hides.
    hidden_places = round(frames * shape.image_tokens * 0.3) if settings.masked_patch_weight else 0
    views, seen = (2 + settings.local_views) * frames + hidden_places, 2 * frames + hidden_places
    width = shape.vision_width

    def student(called: Callable, hidden: torch.Tensor, taught: torch.Tensor) -> torch.Tensor:
        return -(F.log_softmax(called(hidden).float() / 0.1, dim=-1) * taught).sum()

    one.add(
        of_module(head, student, drawn(views, width, learns=True), drawn(1, settings.prototypes), compiled=compiled),
    )
    one.add(
        of_module(
            head, lambda called, hidden: called(hidden).float().softmax(-1).bfloat16(), drawn(seen, width),
            compiled=compiled, learns=False,
        ),
    )  # fmt: skip
    total.add(one, times)
    total.kept = one.kept
    weights = sum(one.numel() for one in [*model.model.vision_tower.parameters(), *head.parameters()])
    total.add(optimizer(weights, weights))
    return total


def new_model() -> nn.Module:
    config = model_config(saycam().model)
    config._attn_implementation = {"text_config": "counted", "vision_config": "sdpa"}
    with no_init_weights():
        return BabyLlavaForConditionalGeneration(config)


def told(cost: Cost) -> dict:
    return {
        "kept GiB": round(cost.kept / 2**30, 1),
        "ms": round(1e3 * cost.seconds),
        "ms by kind": {kind: round(1e3 * seconds) for kind, seconds in cost.by_kind.items()},
        "kernels": round(cost.kernels),
        "needed TFLOP": round(cost.needed / 1e12, 1),
        "share of the peak": round(cost.needed / cost.seconds / PEAK, 3),
    }


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    found: dict[str, dict] = {}
    torch.set_default_dtype(torch.bfloat16)
    with FakeTensorMode(allow_non_fake_inputs=True):
        for name, count in (("joint row", joint), ("vision step", vision)):
            for way in ("eager", "compiled"):
                found[f"{name}, {way}"] = told(count(way == "compiled"))
                print(f"{name}, {way}", found[f"{name}, {way}"], flush=True)
    reached = (
        found["joint row, compiled"]["kept GiB"] <= MOST_KEPT_GIB
        and min(found[f"{name}, compiled"]["share of the peak"] for name in ("joint row", "vision step")) >= LEAST_SHARE
    )
    result = {
        "date": f"{datetime.date.today()}", "torch": torch.__version__, "by count": found,
        "bounds": {"kept GiB": MOST_KEPT_GIB, "share of the peak": LEAST_SHARE}, "reached": reached,
    }  # fmt: skip
    path = RESULTS / f"full_size_count-{datetime.date.today()}.json"
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print("reached" if reached else "missed")


if __name__ == "__main__":
    main()
