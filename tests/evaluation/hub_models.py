"""Tiny random models of the kinds that the hub holds, each with a processor of its own, saved as the hub would.

Pictures become few tokens; weights are drawn wide enough that replies differ between items.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3Processor,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3Processor,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLProcessor,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
)
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

END, PADDING = "<|end|>", "<|pad|>"
CONTEXT = 4096
TEXT = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 2, "max_position_embeddings": CONTEXT,
}  # fmt: skip
VISION = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
WORDS = [
    "Touch the new image. (A) (B) Let's try more.",
    "Which of the following is the same as this? How many of ball do you see? User: Assistant: 1 2 3 A B C",
]


def tokenizer(*special: str, **named: str) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer; ``named`` become attributes too, such as ``image_token``."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=alphabet, special_tokens=[PADDING, END, *special, *named.values()]
    )
    trained.train_from_iterator(WORDS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=trained, eos_token=END, pad_token=PADDING, model_max_length=CONTEXT, extra_special_tokens=named
    )


def template(picture: str) -> str:
    """Rounds as they are, a picture as ``picture``, ``<|end|>`` behind each."""
    return (
        "{% for message in messages %}{{ message['role'] | capitalize }}: {% for part in message['content'] %}"
        f"{{% if part['type'] == 'image' %}}{picture}{{% else %}}{{{{ part['text'] }}}}{{% endif %}}{{% endfor %}}"
        f"{END}{{% endfor %}}{{% if add_generation_prompt %}}Assistant:{{% endif %}}"
    )


def llava(folder: Path) -> None:
    words = tokenizer("<image>")
    processor = LlavaProcessor(
        image_processor=LlavaImageProcessorPil(size={"height": 32, "width": 32}, do_center_crop=False),
        tokenizer=words, patch_size=16, vision_feature_select_strategy="full", num_additional_image_tokens=1,
        chat_template=template("<image>"),
    )  # fmt: skip
    config = LlavaConfig(
        text_config=text("llama", words),
        vision_config={"model_type": "clip_vision_model", "image_size": 32, "patch_size": 16, **VISION},
        image_token_index=words.convert_tokens_to_ids("<image>"), image_seq_length=5,
        vision_feature_select_strategy="full", vision_feature_layer=-1,
    )  # fmt: skip
    save(LlavaForConditionalGeneration(config), processor, folder)


def idefics3(folder: Path, kind=(Idefics3Config, Idefics3ForConditionalGeneration)) -> None:
    """A picture of 48 pixels is four tiles and itself, each of four tokens."""
    rows = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    words = tokenizer("<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>", *rows)
    processor = Idefics3Processor(
        image_processor=Idefics3ImageProcessorPil(size={"longest_edge": 64}, max_image_size={"longest_edge": 32}),
        tokenizer=words, image_seq_len=4, chat_template=template("<image>"),
    )  # fmt: skip
    config, model = kind
    made = config(
        text_config=text("llama", words), vision_config={"image_size": 32, "patch_size": 8, **VISION}, scale_factor=2,
        image_token_id=words.convert_tokens_to_ids("<image>"), pad_token_id=words.pad_token_id,
    )  # fmt: skip
    save(model(made), processor, folder)


def smolvlm(folder: Path) -> None:
    """Its own processor wants torchvision for videos; Idefics3's, from which it comes, does the same to pictures."""
    idefics3(folder, (SmolVLMConfig, SmolVLMForConditionalGeneration))


def qwen2_vl(folder: Path) -> None:
    config, processor = qwen(Qwen2VLConfig, Qwen2VLProcessor)
    save(Qwen2VLForConditionalGeneration(config), processor, folder)


def qwen2_5_vl(folder: Path) -> None:
    more = {"out_hidden_size": 32, "window_size": 56, "fullatt_block_indexes": [1]}
    config, processor = qwen(Qwen2_5_VLConfig, Qwen2_5_VLProcessor, **more)
    save(Qwen2_5_VLForConditionalGeneration(config), processor, folder)


def qwen(config, processor, **vision):
    """A picture of 48 pixels is resized to 56 and becomes four tokens; positions have three parts."""
    names = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
    words = tokenizer(*names)
    ids = {
        name: words.convert_tokens_to_ids(token)
        for name, token in zip(
            ("vision_start_token_id", "vision_end_token_id", "image_token_id", "video_token_id"), names, strict=True
        )
    }
    vision = {"depth": 2, "num_heads": 2, "patch_size": 14, "spatial_merge_size": 2, **vision}
    if config is Qwen2VLConfig:
        vision |= {"embed_dim": 32, "hidden_size": 32, "mlp_ratio": 2}
    else:
        vision |= {"hidden_size": 32, "intermediate_size": 64}
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}
    made = config(
        text_config={**text("", words), "rope_parameters": rope, "tie_word_embeddings": False}, vision_config=vision,
        **ids,
    )  # fmt: skip
    images = Qwen2VLImageProcessorPil(
        patch_size=14, merge_size=2, size={"shortest_edge": 28 * 28, "longest_edge": 56 * 56}
    )
    return made, Parts(processor, images, words, template("<|vision_start|><|image_pad|><|vision_end|>"))


class Parts:
    """A processor with a part for videos, saved as the hub holds it; making it here would need torchvision."""

    def __init__(self, processor, images, words, look):
        self._name, self._images, self._look, self.tokenizer = processor.__name__, images, look, words

    def save_pretrained(self, folder: Path) -> None:
        self.tokenizer.save_pretrained(folder)
        self._images.save_pretrained(folder)
        (folder / "chat_template.jinja").write_text(self._look)
        for name in ("preprocessor_config.json", "tokenizer_config.json"):
            said = json.loads((folder / name).read_text())
            (folder / name).write_text(json.dumps(said | {"processor_class": self._name}))


def gemma3(folder: Path) -> None:
    """Windows and whole attention by turns; the tokens of a picture see each other both ways."""
    words = tokenizer(boi_token="<start_of_image>", eoi_token="<end_of_image>", image_token="<image_soft_token>")
    processor = Gemma3Processor(
        image_processor=Gemma3ImageProcessorPil(size={"height": 32, "width": 32}),
        tokenizer=words, image_seq_length=4, chat_template=template("<start_of_image>"),
    )  # fmt: skip
    config = Gemma3Config(
        text_config={**text("", words), "head_dim": 16, "sliding_window": 64,
                     "layer_types": ["sliding_attention", "full_attention"]},
        vision_config={"image_size": 32, "patch_size": 8, "vision_use_head": False, **VISION}, mm_tokens_per_image=4,
        image_token_id=words.image_token_id, boi_token_index=words.boi_token_id, eoi_token_index=words.eoi_token_id,
        tie_word_embeddings=False,
    )  # fmt: skip
    save(Gemma3ForConditionalGeneration(config), processor, folder)


def text(model_type: str, words: PreTrainedTokenizerFast) -> dict:
    named = {"model_type": model_type} if model_type else {}
    ids = {"pad_token_id": words.pad_token_id, "eos_token_id": words.eos_token_id, "bos_token_id": None}
    return {**TEXT, **named, **ids, "vocab_size": len(words)}


def save(model, processor, folder: Path) -> None:
    torch.manual_seed(5)
    for parameter in model.parameters():
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.2)
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    model.generation_config.pad_token_id = processor.tokenizer.pad_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


KINDS = {kind.__name__: kind for kind in (llava, idefics3, smolvlm, qwen2_vl, qwen2_5_vl, gemma3)}
"""Model type -> what saves a tiny one of it."""
USUAL_KINDS = [pytest.param(kind, marks=[pytest.mark.slow] * (kind in ("idefics3", "qwen2_5_vl"))) for kind in KINDS]
"""As parameters of a test; those that are built like another one are slow."""
