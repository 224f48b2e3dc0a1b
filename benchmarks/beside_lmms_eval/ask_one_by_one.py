"""Runs lmms-eval with a model class written as its own LLaVA classes are, and times what any class takes to answer.

    python ask_one_by_one.py --model one_by_one|babyvlm ...            everything else as for ``python -m lmms_eval``

``one_by_one`` goes through the checkpoint's own processor, chat template and transformers' ``generate``. Single rounds
are sorted by length and taken ``--batch_size`` at a time, padded on the left, as lmms-eval's ``llava`` does (its
``llava_hf`` takes one at a time). A document of several rounds is a conversation by itself, and every round encodes the
whole of it again, pictures too, as its ``llava_onevision`` and the published wrapper do.

The seconds of each call are added to the file named by ASKING_SECONDS.
"""

from __future__ import annotations

import functools
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lmms_eval.__main__ import cli_evaluate
from lmms_eval.api.model import lmms
from lmms_eval.models import MODEL_REGISTRY_V2
from lmms_eval.models.registry_v2 import ModelManifest
from PIL import Image
from tqdm import tqdm
from transformers import AutoModelForImageTextToText, AutoProcessor

import babyvlm.model  # noqa: F401 - makes the checkpoint's type known to transformers
from babyvlm.leaderboard import lmms_model

Conversation = list[dict[str, str]]


class OneByOne(lmms):
    """A checkpoint through transformers alone.

    Args:
        pretrained: The checkpoint folder.
        batch_size: Single rounds generated together.
        device: Accepted for lmms-eval's sake; the processor it is.
    """

    is_simple = True

    def __init__(self, pretrained: str, batch_size: int | str = 1, device: str | None = None) -> None:
        super().__init__()
        self._processor = AutoProcessor.from_pretrained(pretrained, use_fast=False)
        self._processor.tokenizer.padding_side = "left"
        self._model = AutoModelForImageTextToText.from_pretrained(pretrained, dtype=torch.float32).eval()
        self._batch_size = int(batch_size)

    def generate_until(self, requests: list[Any]) -> list[str]:
        """Replies to single prompts, in the order of the requests."""
        order = sorted(range(len(requests)), key=lambda number: (-len(requests[number].args[0]), number))
        replies = [""] * len(requests)
        for start in tqdm(range(0, len(order), self._batch_size), desc="Model Responding"):
            numbers = order[start : start + self._batch_size]
            asked = [requests[number].args for number in numbers]
            conversations = [[{"role": "user", "content": context}] for context, *_ in asked]
            pictures = [to_visual(self.task_dict[task][split][place]) for _, _, to_visual, place, task, split in asked]
            for number, reply in zip(numbers, self._generate(conversations, pictures, asked[0][1]), strict=True):
                replies[number] = reply
        return replies

    def generate_until_multi_round(self, requests: list[Any]) -> list[str]:
        """Replies to every round of each document, as a JSON list."""
        found = []
        for request in tqdm(requests, desc="Model Responding"):
            _, settings, to_visual, _, place, task, split = request.args
            document = self.task_dict[task][split][place]
            pictures, conversation, replies = to_visual(document), [], []
            prompts = [turn["value"] for turn in document["conversations"] if turn["from"] == "human"]
            shown = 0
            for prompt in prompts:
                shown += prompt.count("<image>")
                conversation.append({"role": "user", "content": prompt})
                (reply,) = self._generate([conversation], [pictures[:shown]], settings)
                conversation.append({"role": "assistant", "content": reply})
                replies.append(reply)
            found.append(json.dumps(replies, ensure_ascii=False))
        return found

    def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]:
        raise NotImplementedError("only what is asked in words is timed")

    @torch.inference_mode()
    def _generate(
        self, conversations: list[Conversation], pictures: list[list[Image.Image]], settings: dict[str, Any]
    ) -> list[str]:
        texts = [
            self._processor.apply_chat_template(conversation, add_generation_prompt=True, tokenize=False)
            for conversation in conversations
        ]
        inputs = self._processor(text=texts, images=pictures, padding=True, return_tensors="pt")
        written = self._model.generate(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            pixel_values=inputs["pixel_values"],
            max_new_tokens=settings["max_new_tokens"] - 1,  # the last token allowed is the end of the reply
            do_sample=False,
            num_beams=1,
            use_cache=True,
            pad_token_id=self._processor.tokenizer.pad_token_id,
            eos_token_id=self._processor.tokenizer.eos_token_id,
        )[:, inputs["input_ids"].shape[1] :]
        return [text.strip() for text in self._processor.tokenizer.batch_decode(written, skip_special_tokens=True)]


def timed(answer: Callable[..., Any]) -> Callable[..., Any]:
    """The same, its seconds noted."""

    @functools.wraps(answer)
    def noted(*arguments: Any) -> Any:
        began_s = time.monotonic()
        try:
            return answer(*arguments)
        finally:
            with Path(os.environ["ASKING_SECONDS"]).open("a", encoding="utf-8") as file:
                file.write(f"{time.monotonic() - began_s}\n")

    return noted


if __name__ == "__main__":
    from beside_lmms_eval import ask_one_by_one as importable

    for kind in (importable.OneByOne, lmms_model.BabyVLM):
        for name in ("generate_until", "generate_until_multi_round"):
            setattr(kind, name, timed(getattr(kind, name)))
    path = "beside_lmms_eval.ask_one_by_one.OneByOne"
    MODEL_REGISTRY_V2.register_manifest(ModelManifest(model_id="one_by_one", simple_class_path=path))
    cli_evaluate()
