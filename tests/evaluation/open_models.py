"""Tiny random dual encoders, language models and base models of transformers, saved as the hub holds them."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import processors
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2Processor,
    CLIPConfig,
    CLIPModel,
    CLIPProcessor,
    Florence2Config,
    Florence2ForConditionalGeneration,
    Florence2Processor,
    GPT2Config,
    GPT2LMHeadModel,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
    PaliGemmaProcessor,
    Siglip2Config,
    Siglip2Model,
    Siglip2Processor,
    SiglipConfig,
    SiglipModel,
    SiglipProcessor,
)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil

from tests.evaluation.hub_models import END, VISION, save, text, tokenizer

SQUARE = {"height": 32, "width": 32}
TEXTS = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


def ended(*special: str, **named: str):
    """A tokenizer that puts ``<|end|>`` behind a text, as those of dual encoders do."""
    words = tokenizer(*special, **named)
    words.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {END}", special_tokens=[(END, words.convert_tokens_to_ids(END))]
    )
    return words


def read_by(words) -> dict:
    """Settings of a text encoder that follow from its tokenizer."""
    ids = {"pad_token_id": words.pad_token_id, "eos_token_id": words.eos_token_id, "bos_token_id": None}
    return {**TEXTS, **ids, "vocab_size": len(words), "max_position_embeddings": 40}


def clip(folder: Path) -> None:
    words = ended()
    images = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=SQUARE)
    config = CLIPConfig(
        text_config=read_by(words), vision_config={"image_size": 32, "patch_size": 8, **VISION}, projection_dim=16
    )
    save_drawn(CLIPModel(config), CLIPProcessor(images, words), folder)


def siglip(folder: Path) -> None:
    words = ended()
    config = SiglipConfig(text_config=read_by(words), vision_config={"image_size": 32, "patch_size": 8, **VISION})
    save_drawn(SiglipModel(config), SiglipProcessor(SiglipImageProcessorPil(size=SQUARE), words), folder)


def siglip2(folder: Path) -> None:
    words = ended("<unk>")
    config = Siglip2Config(text_config=read_by(words), vision_config={"patch_size": 16, "num_patches": 16, **VISION})
    images = Siglip2ImageProcessorPil()
    save_drawn(Siglip2Model(config), Siglip2Processor(images, words), folder)


def gpt2(folder: Path) -> None:
    words = tokenizer()
    words.bos_token = END
    config = GPT2Config(
        vocab_size=len(words), n_positions=1024, n_embd=32, n_layer=2, n_head=2, bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
    )  # fmt: skip
    save_drawn(GPT2LMHeadModel(config), words, folder)


def save_drawn(model, reader, folder: Path) -> None:
    """Saves a model with weights drawn wide, and its processor or tokenizer."""
    torch.manual_seed(7)
    for parameter in model.parameters():
        if parameter.ndim >= 2:
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    reader.save_pretrained(folder)


def paligemma(folder: Path) -> None:
    words = tokenizer("<image>", "<bos>")
    words.bos_token = "<bos>"
    images = SiglipImageProcessorPil(size=SQUARE)
    images.image_seq_length = 16
    config = PaliGemmaConfig(
        text_config={**text("gemma", words), "head_dim": 16, "bos_token_id": words.bos_token_id},
        vision_config={"model_type": "siglip_vision_model", "image_size": 32, "patch_size": 8,
                       "vision_use_head": False, **VISION},
        image_token_index=words.convert_tokens_to_ids("<image>"), projection_dim=32,
    )  # fmt: skip
    save(PaliGemmaForConditionalGeneration(config), PaliGemmaProcessor(images, words), folder)


def blip2(folder: Path) -> None:
    words = ended("<image>")
    config = Blip2Config(
        vision_config={"image_size": 32, "patch_size": 8, **VISION},
        qformer_config={**TEXTS, "encoder_hidden_size": 32, "vocab_size": len(words)},
        text_config={"model_type": "opt", "hidden_size": 32, "ffn_dim": 64, "num_hidden_layers": 2,
                     "num_attention_heads": 2, "word_embed_proj_dim": 32, "vocab_size": len(words),
                     "max_position_embeddings": 512, "pad_token_id": words.pad_token_id,
                     "eos_token_id": words.eos_token_id, "bos_token_id": words.eos_token_id},
        num_query_tokens=4, image_token_index=words.convert_tokens_to_ids("<image>"),
    )  # fmt: skip
    processor = Blip2Processor(BlipImageProcessorPil(size=SQUARE), words, num_query_tokens=4)
    save(Blip2ForConditionalGeneration(config), processor, folder)


def florence2(folder: Path) -> None:
    words = ended("<s>", image_token="<image>")
    words.bos_token = "<s>"
    images = CLIPImageProcessorPil(size=SQUARE, do_center_crop=False)
    images.image_seq_length = 17
    config = Florence2Config(
        vision_config={"embed_dim": [8, 16], "num_heads": [1, 2], "num_groups": [1, 2], "depths": [1, 1],
                       "patch_size": [7, 3], "patch_stride": [4, 2], "patch_padding": [3, 1],
                       "patch_prenorm": [False, True], "window_size": 2, "projection_dim": 32,
                       "max_position_embeddings": 50},
        text_config={"model_type": "bart", "d_model": 32, "encoder_layers": 1, "decoder_layers": 1,
                     "encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 64,
                     "decoder_ffn_dim": 64, "vocab_size": len(words), "max_position_embeddings": 512,
                     "pad_token_id": words.pad_token_id, "eos_token_id": words.eos_token_id,
                     "bos_token_id": words.bos_token_id, "decoder_start_token_id": words.eos_token_id},
        image_token_id=words.convert_tokens_to_ids("<image>"),
    )  # fmt: skip
    processor = Florence2Processor(images, words, num_additional_image_tokens=1)
    save(Florence2ForConditionalGeneration(config), processor, folder)


DUAL_ENCODERS = {"clip": clip, "siglip": siglip, "siglip2": siglip2}
BASE_MODELS = {"paligemma": paligemma, "blip2": blip2, "florence2": florence2}
