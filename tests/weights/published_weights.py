"""Small checkpoints in exactly the published key layouts, and the published computation in plain torch functions.

Nothing here knows our names or transformers. A tower's weights are made once and written in any of the three layouts;
the reference forward reads torchvision's names for the tower and LLaVA's for the rest.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch.nn import functional as F

TOWER = "model.vision_tower.vision_tower."
NORM_EPS, ROPE_BASE = 1e-5, 10000.0


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Of a model; the defaults are as small as still tells everything apart."""

    width: int = 128
    tower_layers: int = 2
    heads: int = 2
    patch: int = 16
    side: int = 48
    text_width: int = 64
    text_layers: int = 2
    text_heads: int = 4
    kv_heads: int = 2
    inner: int = 96
    vocabulary: int = 300
    context: int = 512

    def config(self) -> dict[str, Any]:
        """``config.json`` as published."""
        return {
            "model_type": "llava_llama", "architectures": ["LlavaLlamaForCausalLM"], "hidden_act": "silu",
            "hidden_size": self.text_width, "intermediate_size": self.inner, "num_hidden_layers": self.text_layers,
            "num_attention_heads": self.text_heads, "num_key_value_heads": self.kv_heads,
            "vocab_size": self.vocabulary, "max_position_embeddings": self.context, "rms_norm_eps": NORM_EPS,
            "rope_theta": ROPE_BASE, "rope_scaling": None, "tie_word_embeddings": False, "attention_bias": False,
            "image_aspect_ratio": "pad", "mm_hidden_size": self.width, "mm_projector_type": "mlp2x_gelu",
            "mm_use_im_start_end": False, "mm_vision_select_layer": -2, "mm_patch_merge_type": "flat",
            "torch_dtype": "bfloat16",
        }  # fmt: skip


SMALL = Sizes()
FULL = Sizes(
    width=1024, tower_layers=24, heads=16, side=224, text_width=2048, text_layers=22, text_heads=32, kv_heads=4,
    inner=5632, vocabulary=6000, context=8192,
)  # fmt: skip
"""The published size."""


def torchvision_tower(sizes: Sizes = SMALL, seed: int = 0) -> dict[str, torch.Tensor]:
    """A tower by torchvision's names."""
    generator, width = torch.Generator().manual_seed(seed), sizes.width

    def drawn(*shape: int) -> torch.Tensor:
        return 0.3 * torch.randn(shape, generator=generator)

    tokens = (sizes.side // sizes.patch) ** 2 + 1
    tensors = {
        "class_token": drawn(1, 1, width), "encoder.pos_embedding": drawn(1, tokens, width),
        "conv_proj.weight": drawn(width, 3, sizes.patch, sizes.patch) / 10, "conv_proj.bias": drawn(width),
        "encoder.ln.weight": 1 + drawn(width), "encoder.ln.bias": drawn(width),
    }  # fmt: skip
    for number in range(sizes.tower_layers):
        block = f"encoder.layers.encoder_layer_{number}."
        for norm in ("ln_1", "ln_2"):
            tensors |= {f"{block}{norm}.weight": 1 + drawn(width), f"{block}{norm}.bias": drawn(width)}
        layers = (
            ("self_attention.in_proj_", 3 * width, width), ("self_attention.out_proj.", width, width),
            ("mlp.0.", 4 * width, width), ("mlp.3.", width, 4 * width),
        )  # fmt: skip
        for name, out, into in layers:
            tensors |= {f"{block}{name}weight": drawn(out, into) / into**0.5 * 3, f"{block}{name}bias": drawn(out)}
    return tensors


_TO_TIMM = (
    ("class_token", "cls_token"), ("encoder.pos_embedding", "pos_embed"), ("conv_proj.", "patch_embed.proj."),
    ("encoder.ln.", "norm."), ("encoder.layers.encoder_layer_", "blocks."), (".ln_1.", ".norm1."),
    (".ln_2.", ".norm2."), (".mlp.0.", ".mlp.fc1."), (".mlp.3.", ".mlp.fc2."),
    (".self_attention.in_proj_", ".attn.qkv."), (".self_attention.out_proj.", ".attn.proj."),
)  # fmt: skip


def timm_tower(tower: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same tower by timm's names, as DINO keeps it."""
    renamed = {}
    for key, tensor in tower.items():
        for theirs, other in _TO_TIMM:
            key = key.replace(theirs, other)
        renamed[key] = tensor
    return renamed


def scaled_tower(tower: dict[str, torch.Tensor], sizes: Sizes = SMALL) -> dict[str, torch.Tensor]:
    """The same tower as DINOv2 keeps it: each branch's last layer divided by a learned scale that follows it."""
    tensors = timm_tower(tower)
    generator = torch.Generator().manual_seed(7)
    for number in range(sizes.tower_layers):
        for scale, layer in (("ls1", "attn.proj"), ("ls2", "mlp.fc2")):
            gamma_D = 0.5 + torch.rand(sizes.width, generator=generator)
            name = f"blocks.{number}.{layer}"
            tensors[f"blocks.{number}.{scale}.gamma"] = gamma_D
            tensors[f"{name}.weight"] = tensors[f"{name}.weight"] / gamma_D[:, None]
            tensors[f"{name}.bias"] = tensors[f"{name}.bias"] / gamma_D
    tensors |= {"mask_token": torch.zeros(1, sizes.width), "register_tokens": torch.zeros(1, 4, sizes.width)}
    return tensors


def whole_model(tower: dict[str, torch.Tensor], sizes: Sizes = SMALL, seed: int = 1) -> dict[str, torch.Tensor]:
    """A whole model by LLaVA's names around a tower in any layout."""
    generator, wide = torch.Generator().manual_seed(seed), sizes.text_width

    def drawn(out: int, into: int) -> torch.Tensor:
        return torch.randn((out, into), generator=generator) / into**0.5

    head = wide // sizes.text_heads
    tensors = {TOWER + key: tensor for key, tensor in tower.items()}
    tensors |= {
        "model.embed_tokens.weight": drawn(sizes.vocabulary, wide) * 4,
        "model.mm_projector.0.weight": drawn(wide, sizes.width), "model.mm_projector.0.bias": drawn(1, wide)[0],
        "model.mm_projector.2.weight": drawn(wide, wide),
        "model.mm_projector.2.bias": drawn(1, wide)[0],
        "model.norm.weight": 1 + drawn(1, wide)[0], "lm_head.weight": drawn(sizes.vocabulary, wide) * 4,
    }  # fmt: skip
    for number in range(sizes.text_layers):
        block = f"model.layers.{number}."
        tensors |= {
            f"{block}self_attn.q_proj.weight": drawn(wide, wide),
            f"{block}self_attn.k_proj.weight": drawn(sizes.kv_heads * head, wide),
            f"{block}self_attn.v_proj.weight": drawn(sizes.kv_heads * head, wide),
            f"{block}self_attn.o_proj.weight": drawn(wide, wide),
            f"{block}mlp.gate_proj.weight": drawn(sizes.inner, wide),
            f"{block}mlp.up_proj.weight": drawn(sizes.inner, wide),
            f"{block}mlp.down_proj.weight": drawn(wide, sizes.inner),
            f"{block}input_layernorm.weight": 1 + drawn(1, wide)[0],
            f"{block}post_attention_layernorm.weight": 1 + drawn(1, wide)[0],
        }
    return tensors


def published_tokenizer(entries: int = SMALL.vocabulary) -> Tokenizer:
    """As the published script makes it: byte level, with a space put before each text."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=entries, special_tokens=["<pad>", "<unk>", "<sos>", "<eos>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    words = "user assistant how many cups of milk do you see look at that shiny red ball".split()  # noqa: SIM905
    tokenizer.train_from_iterator([f"{one} {other}" for one in words for other in words], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<sos> $A", special_tokens=[("<sos>", 2)])
    return tokenizer


def write_whole_model(
    folder: Path, tensors: dict[str, torch.Tensor], tokenizer: Tokenizer, sizes: Sizes = SMALL, *, parts: int = 1
) -> None:
    """A folder as published, the weights in one file or several."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(sizes.config()))
    tokenizer.save(str(folder / "tokenizer.json"))
    if parts == 1:
        save_file(tensors, folder / "model.safetensors")
        return
    names, places = sorted(tensors), {}
    for number in range(parts):
        file = f"model-{number + 1:05d}-of-{parts:05d}.safetensors"
        held = {name: tensors[name] for name in names[number::parts]}
        places |= dict.fromkeys(held, file)
        save_file(held, folder / file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))


def tower_tokens(tower: dict[str, torch.Tensor], pixels_NCHW: torch.Tensor, sizes: Sizes = SMALL) -> torch.Tensor:
    """The published tower: every token of the last block after the last norm, class token first."""

    def norm(hidden: torch.Tensor, name: str) -> torch.Tensor:
        return F.layer_norm(hidden, (sizes.width,), tower[f"{name}.weight"], tower[f"{name}.bias"], eps=1e-6)

    patches_NPD = F.conv2d(pixels_NCHW, tower["conv_proj.weight"], tower["conv_proj.bias"], stride=sizes.patch)
    patches_NPD = patches_NPD.flatten(2).transpose(1, 2)
    hidden = torch.cat([tower["class_token"].expand(len(pixels_NCHW), -1, -1), patches_NPD], dim=1)
    hidden = hidden + tower["encoder.pos_embedding"]
    for number in range(sizes.tower_layers):
        block = f"encoder.layers.encoder_layer_{number}"
        attention = f"{block}.self_attention"
        mixed = F.linear(norm(hidden, f"{block}.ln_1"), tower[f"{attention}.in_proj_weight"],
                         tower[f"{attention}.in_proj_bias"])  # fmt: skip
        query, key, value = (part.unflatten(2, (sizes.heads, -1)).transpose(1, 2) for part in mixed.chunk(3, dim=2))
        weights = (query @ key.transpose(2, 3) / (sizes.width // sizes.heads) ** 0.5).softmax(-1)
        seen = (weights @ value).transpose(1, 2).flatten(2)
        hidden = hidden + F.linear(seen, tower[f"{attention}.out_proj.weight"], tower[f"{attention}.out_proj.bias"])
        inner = F.gelu(F.linear(norm(hidden, f"{block}.ln_2"), tower[f"{block}.mlp.0.weight"],
                                tower[f"{block}.mlp.0.bias"]))  # fmt: skip
        hidden = hidden + F.linear(inner, tower[f"{block}.mlp.3.weight"], tower[f"{block}.mlp.3.bias"])
    return norm(hidden, "encoder.ln")


def connected(model: dict[str, torch.Tensor], tokens_NTD: torch.Tensor) -> torch.Tensor:
    """The published connector."""
    inner = F.gelu(F.linear(tokens_NTD, model["model.mm_projector.0.weight"], model["model.mm_projector.0.bias"]))
    return F.linear(inner, model["model.mm_projector.2.weight"], model["model.mm_projector.2.bias"])


def language_logits(model: dict[str, torch.Tensor], embedded_LD: torch.Tensor, sizes: Sizes = SMALL) -> torch.Tensor:
    """The published language model over one sequence of embeddings: logits, LV."""
    length, head = len(embedded_LD), sizes.text_width // sizes.text_heads

    def norm(hidden: torch.Tensor, name: str) -> torch.Tensor:
        return hidden * (hidden.pow(2).mean(-1, keepdim=True) + NORM_EPS).rsqrt() * model[name]

    angles = torch.arange(length)[:, None] * ROPE_BASE ** (-torch.arange(0, head, 2) / head)
    cos, sin = torch.cat([angles, angles], 1).cos(), torch.cat([angles, angles], 1).sin()

    def turned(heads_HLK: torch.Tensor) -> torch.Tensor:
        first, second = heads_HLK.chunk(2, dim=-1)
        return heads_HLK * cos + torch.cat([-second, first], dim=-1) * sin

    future = torch.full((length, length), -torch.inf).triu(1)
    hidden = embedded_LD
    for number in range(sizes.text_layers):
        block = f"model.layers.{number}."
        entered = norm(hidden, f"{block}input_layernorm.weight")
        query, key, value = (
            F.linear(entered, model[f"{block}self_attn.{part}_proj.weight"]).unflatten(1, (-1, head)).transpose(0, 1)
            for part in "qkv"
        )
        key, value = (part.repeat_interleave(sizes.text_heads // sizes.kv_heads, dim=0) for part in (key, value))
        weights = (turned(query) @ turned(key).transpose(1, 2) / head**0.5 + future).softmax(-1)
        hidden = hidden + F.linear(
            (weights @ value).transpose(0, 1).flatten(1), model[f"{block}self_attn.o_proj.weight"]
        )
        entered = norm(hidden, f"{block}post_attention_layernorm.weight")
        gated = F.silu(F.linear(entered, model[f"{block}mlp.gate_proj.weight"]))
        hidden = hidden + F.linear(
            gated * F.linear(entered, model[f"{block}mlp.up_proj.weight"]), model[f"{block}mlp.down_proj.weight"]
        )
    return F.linear(norm(hidden, "model.norm.weight"), model["lm_head.weight"])


def multimodal_logits(
    model: dict[str, torch.Tensor], tower: dict[str, torch.Tensor], tokenizer: Tokenizer, prompt: str,
    pixels_NCHW: torch.Tensor, sizes: Sizes = SMALL,
) -> torch.Tensor:  # fmt: skip
    """The published model over a prompt: text tokenised piece by piece, pictures put in between, ``<sos>`` once."""
    pictures_NTD = iter(connected(model, tower_tokens(tower, pixels_NCHW, sizes)))
    embedded = [model["model.embed_tokens.weight"][torch.tensor([2])]]
    for piece in re.split("(<image>)", prompt):
        if piece == "<image>":
            embedded.append(next(pictures_NTD))
        elif ids := tokenizer.encode(piece, add_special_tokens=False).ids:
            embedded.append(model["model.embed_tokens.weight"][torch.tensor(ids)])
    return language_logits(model, torch.cat(embedded), sizes)
