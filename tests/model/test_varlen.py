"""A row in one call of variable-length attention says what block by block does; the kernel itself needs a GPU."""

import itertools
import sys
import types

import pytest
import torch

from babyvlm.model import BabyLlavaForConditionalGeneration, ModelShape
from babyvlm.model.configuration import model_config
from babyvlm.model.packed_attention import packed, varlen_kernel

SHAPE = ModelShape(
    image_size=32, patch_size=16, vision_width=32, vision_layers=1, vision_heads=2, text_width=64, text_layers=2,
    text_heads=4, text_kv_heads=2, text_intermediate=64, vocabulary=300, context=256,
)  # fmt: skip
BLOCKS = ((3, 8), (2, 16), (1, 8))


def one_after_the_other(query, key, value, starts, longest, *, scale=None, enable_gqa=False):
    """What the kernel is documented to do."""
    assert starts.dtype == torch.int32 and longest == 16
    outputs = []
    for begin, end in itertools.pairwise(starts.tolist()):
        parts = (part[begin:end].transpose(0, 1)[None] for part in (query, key, value))
        attended = torch.nn.functional.scaled_dot_product_attention(
            *parts, is_causal=True, scale=scale, enable_gqa=enable_gqa
        )
        outputs.append(attended[0].transpose(0, 1))
    return torch.cat(outputs)


def kernel_of_2_10(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, is_causal=False, return_aux=None):
    assert is_causal
    return one_after_the_other(query, key, value, cu_seq_q, max_q)


def kernel_of_2_11(
    query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, *, return_aux=None, scale=None, window_size=(-1, -1)
):
    assert window_size == (-1, 0)
    return one_after_the_other(query, key, value, cu_seq_q, max_q, scale=scale)


def kernel_of_2_12(
    query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, *, scale=None, window_size=(-1, -1), enable_gqa=False
):
    assert window_size == (-1, 0)
    return one_after_the_other(query, key, value, cu_seq_q, max_q, scale=scale, enable_gqa=enable_gqa)


def losses(attention, device="cpu", dtype=torch.float32):
    torch.manual_seed(0)
    config = model_config(SHAPE)
    config._attn_implementation = {"text_config": packed(attention), "vision_config": "sdpa"}
    model = BabyLlavaForConditionalGeneration(config).to(device, dtype)
    ids_1T = torch.randint(4, 300, (1, 64), generator=torch.Generator().manual_seed(0)).to(device)
    loss = model(input_ids=ids_1T, labels=ids_1T, blocks=BLOCKS).loss
    loss.backward()
    return loss.item(), model.model.language_model.layers[0].self_attn.q_proj.weight.grad


@pytest.mark.case("versions")
@pytest.mark.parametrize("kernel", [kernel_of_2_10, kernel_of_2_11, kernel_of_2_12], ids=lambda each: each.__name__)
def test_one_call_agrees_with_block_by_block(monkeypatch, kernel):
    monkeypatch.setitem(sys.modules, "torch.nn.attention.varlen", types.SimpleNamespace(varlen_attn=kernel))
    (one, gradient), (each, expected) = losses("varlen"), losses("eager")
    assert one == pytest.approx(each, abs=1e-5)
    torch.testing.assert_close(gradient, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.case("versions")
@pytest.mark.parametrize("module", [None, types.SimpleNamespace(), types.SimpleNamespace(varlen_attn=lambda query: 0)])
def test_a_torch_without_the_kernel_is_refused_by_name(monkeypatch, module):
    monkeypatch.setitem(sys.modules, "torch.nn.attention.varlen", module)
    assert varlen_kernel() is None
    with pytest.raises(ValueError, match=r"attention=varlen needs torch 2\.10"):
        losses("varlen")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="the kernel runs on GPUs only")
def test_the_kernel_agrees_with_block_by_block():
    (one, _), (each, _) = (losses(kernel, "cuda", torch.bfloat16) for kernel in ("varlen", "sdpa"))
    assert one == pytest.approx(each, abs=2e-2)
