"""Sentences to log-likelihoods: a language model as learned, the same as drawn, and word counts alone.

A sentence's log-likelihood is the sum over its tokens, behind the model's first token; nothing closes it.

B rows, L tokens, V vocabulary.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from babyvlm.errors import CheckpointError, InputError
from babyvlm.evaluation.configuration import AskConfig
from babyvlm.evaluation.language_model import LanguageModel
from babyvlm.folders import MANIFEST
from babyvlm.model.llava_config import BabyLlavaConfig
from babyvlm.model.loading import load_config, load_exactly, load_tokenizer
from babyvlm.model.modeling import BabyLlavaForConditionalGeneration
from babyvlm.model.tokenizer import SOS
from babyvlm.toolbox.contrasts.vocabulary import read_vocabulary
from babyvlm.words import words_of

Likelihoods = Callable[[Sequence[str]], list[float]]
"""Log-likelihoods of sentences, nats."""

MODEL, DRAWN, UNIGRAM = "model", "model as drawn", "unigram"


def sentence_likelihoods(checkpoint: str, seed: int, batch_size: int) -> dict[str, Likelihoods]:
    """How likely a model finds sentences, as it learned and as it was drawn.

    Args:
        checkpoint: Folder of a stage of ours that has a language model, or a folder or hub name of a causal language
            model of transformers.
        seed: Of the drawn weights.
        batch_size: Sentences of a forward pass.

    Returns:
        ``model`` and ``model as drawn``.

    Raises:
        CheckpointError: It does not load, or has no language model.
    """
    if (Path(checkpoint) / MANIFEST).is_file():
        return _ours(Path(checkpoint), seed, batch_size)
    learned = LanguageModel(checkpoint, ask=AskConfig(batch_size=batch_size), device="cpu")
    drawn = copy.copy(learned)
    torch.manual_seed(seed)
    drawn.model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(checkpoint)).eval()
    return {name: _of_transformers(one) for name, one in ((MODEL, learned), (DRAWN, drawn))}


def _of_transformers(model: LanguageModel) -> Likelihoods:
    def likelihoods(sentences: Sequence[str]) -> list[float]:
        return [one.log_likelihood for one in model.log_likelihoods([("", sentence) for sentence in sentences])]

    return likelihoods


def _ours(folder: Path, seed: int, batch_size: int) -> dict[str, Likelihoods]:
    config = load_config(folder)
    if config.model_type != BabyLlavaConfig.model_type:
        raise CheckpointError(
            f"holds a model of type {config.model_type}, which has no language model to ask",
            path=folder,
            remedy="Give the language stage or a later one of the whole model",
        )
    tokenizer = load_tokenizer(folder)
    learned = load_exactly(BabyLlavaForConditionalGeneration, folder).eval()
    torch.manual_seed(seed)
    drawn = BabyLlavaForConditionalGeneration(learned.config).eval()
    return {name: _sums(model, tokenizer, batch_size) for name, model in ((MODEL, learned), (DRAWN, drawn))}


def _sums(model: Any, tokenizer: Any, batch_size: int) -> Likelihoods:
    context = model.config.text_config.max_position_embeddings

    @torch.inference_mode()
    def likelihoods(sentences: Sequence[str]) -> list[float]:
        rows = [[SOS, *tokenizer.encode(sentence, add_special_tokens=False)] for sentence in sentences]
        if too_long := [text for text, row in zip(sentences, rows, strict=True) if len(row) > context]:
            raise InputError(f"a sentence is longer than the model's {context} tokens: {too_long[0][:60]!r}")
        order = sorted(range(len(rows)), key=lambda place: -len(rows[place]))
        found = [0.0] * len(rows)
        for start in range(0, len(order), batch_size):
            places = order[start : start + batch_size]
            ids_BL = torch.nn.utils.rnn.pad_sequence([torch.tensor(rows[at]) for at in places], batch_first=True)
            counted_B1 = torch.tensor([[len(rows[at])] for at in places])
            mask_BL = (torch.arange(ids_BL.shape[1]) < counted_B1).long()
            logs_BLV = model(input_ids=ids_BL, attention_mask=mask_BL).logits[:, :-1].float().log_softmax(-1)
            each_BL = logs_BLV.gather(2, ids_BL[:, 1:, None])[..., 0] * mask_BL[:, 1:]
            for at, total in zip(places, each_BL.sum(1).tolist(), strict=True):
                found[at] = total
        return found

    return likelihoods


def unigram_likelihoods(data: Path) -> Likelihoods:
    """How likely sentences are by the counts of their words in a training set alone; each count is raised by one.

    Args:
        data: Curated set, or a TSV file of words and counts.

    Raises:
        DataFolderError: It is no curated set.
        InputError: The table does not read.
    """
    said = read_vocabulary(data)
    total = sum(said.counts.values()) + len(said.counts) + 1  # and one for all words never said

    def likelihoods(sentences: Sequence[str]) -> list[float]:
        return [sum(math.log((said.count(word) + 1) / total) for word in words_of(text)) for text in sentences]

    return likelihoods
