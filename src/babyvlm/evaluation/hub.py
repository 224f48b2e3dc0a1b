"""Any image-and-text model of transformers as a respondent, through its own processor and chat template.

    single rounds   batches, padded on the left, greedy
    many rounds     one conversation at a time; what the template leaves as it was stays in the key/value cache

The cache is kept across rounds only where that changes nothing: the tokens of the rounds before must come out of the
template unchanged, and the first round that is gone on with is compared with encoding everything again. Where either
fails, every round encodes the whole conversation, and a line on standard error says so once.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor, DynamicCache

from babyvlm.errors import CheckpointError
from babyvlm.evaluation import kv_cache
from babyvlm.evaluation.configuration import AskConfig
from babyvlm.evaluation.provenance import weights_revision
from babyvlm.evaluation.respondents import Family, ImageReader, failed_response
from babyvlm.records import IMAGE_TOKEN, Question, QuestionTurn, Reply, Response

_MAX_NEW_TOKENS = 32
_ONE_PICTURE = {"blip-2", "git", "instructblip", "kosmos-2", "pix2struct", "vision-encoder-decoder", "florence2"}
"""Model types that take one picture in a conversation."""
_SAME_LOGITS = 1e-2
"""Largest difference of logits between going on from the cache and encoding again, relative to the largest logit."""

Message = dict[str, Any]


@dataclass
class _Talk:
    """A conversation so far."""

    messages: list[Message]
    images: list[Image.Image]
    cache: DynamicCache | None = None
    cached: tuple[int, ...] = ()
    """Tokens whose keys and values the cache holds."""


class HubModel:
    """A model of transformers.

    Args:
        name: Id on the hub, or a folder.
        ask: How it is asked.
        device: Where it runs.

    Raises:
        CheckpointError: It does not load, or has no processor or chat template.
    """

    family: Family = "open-source"
    sends_data_out = False

    def __init__(self, name: str, *, ask: AskConfig = AskConfig(), device: str = "") -> None:  # noqa: B008
        self.name = Path(name).resolve().name if Path(name).is_dir() else name
        self._ask, self._max_new_tokens = ask, ask.max_new_tokens or _MAX_NEW_TOKENS
        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        dtype = torch.float32 if self._device.type == "cpu" else torch.bfloat16
        try:
            # The processors that work on PIL images need no torchvision.
            self._processor: Any = AutoProcessor.from_pretrained(name, use_fast=False)
            loaded: Any = AutoModelForImageTextToText.from_pretrained(name, dtype=dtype)
        except (OSError, ValueError, ImportError, KeyError) as error:
            first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise CheckpointError(
                f"does not load as an image-and-text model of transformers ({first})",
                path=name,
                remedy="Give a hub id or folder that AutoModelForImageTextToText and AutoProcessor load",
            ) from error
        self._model: Any = loaded.to(self._device).eval()
        self._tokenizer: Any = getattr(self._processor, "tokenizer", None)
        if self._tokenizer is None or not getattr(self._processor, "chat_template", None):
            raise CheckpointError(
                "its processor has no chat template", path=name, remedy="Give an instruction-tuned model"
            )
        self._tokenizer.padding_side = "left"
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        config = self._model.config
        commit = getattr(config, "_commit_hash", None)
        self.revision = weights_revision(Path(name)) if Path(name).is_dir() else str(commit or "")
        text_config = config.get_text_config()
        self._context: int | None = getattr(text_config, "max_position_embeddings", None)
        self._max_images = ask.max_images or (1 if config.model_type in _ONE_PICTURE else None)
        ends = self._model.generation_config.eos_token_id
        self._ends = set(ends if isinstance(ends, list) else [ends]) | {self._tokenizer.eos_token_id}
        # Positions that depend on the pictures' sizes are counted anew from a whole conversation only.
        self._keeps_cache = not hasattr(getattr(self._model, "model", None), "get_rope_index")
        self._checked = self._said = False

    def answer(self, questions: Sequence[Question], images: ImageReader) -> Iterator[Response]:
        fitting = []
        for question in questions:
            shown = sum(len(turn.images) for turn in question.turns)
            if self._max_images is not None and shown > self._max_images:
                yield failed_response(question, f"{shown} pictures, and the model takes {self._max_images}")
            else:
                fitting.append(question)
        fitting.sort(key=lambda q: (len(q.turns), q.task, len(q.turns[0].images), q.id))
        while fitting:
            first = fitting[0]
            size = self._ask.batch_size if len(first.turns) == 1 and self._ask.answer == "generate" else 1
            alike = [q for q in fitting[:size] if (q.task, len(q.turns)) == (first.task, len(first.turns))]
            alike = [q for q in alike if len(q.turns[0].images) == len(first.turns[0].images)]
            fitting = fitting[len(alike) :]
            yield from self._answer_together(alike, images)

    def _answer_together(self, batch: Sequence[Question], images: ImageReader) -> Iterator[Response]:
        if len(batch) > 1:
            try:
                yield from self._answer_batch(batch, images)
                return
            except (RuntimeError, ValueError, IndexError, TypeError) as error:
                self._say(f"a batch of {len(batch)} failed ({_first_line(error)}); its items are asked one by one")
        for question in batch:
            try:
                yield self._converse(question, images)
            except (RuntimeError, ValueError, IndexError, TypeError) as error:
                yield failed_response(question, f"{type(error).__name__}: {_first_line(error)}")

    @torch.inference_mode()
    def _answer_batch(self, batch: Sequence[Question], images: ImageReader) -> list[Response]:
        began_s = time.monotonic()
        talks = [_open(question.turns[0], images) for question in batch]
        inputs = self._encode([self._render(talk.messages) for talk in talks], [talk.images for talk in talks])
        longest = inputs["input_ids"].shape[1]
        if self._context is not None and longest + self._max_new_tokens > self._context:
            return [self._converse(question, images) for question in batch]  # which says of each whether it fits
        written = self._model.generate(
            **inputs,
            max_new_tokens=self._max_new_tokens,
            do_sample=False,
            num_beams=1,
            pad_token_id=self._tokenizer.pad_token_id,
        )[:, longest:]
        latency_s = round((time.monotonic() - began_s) / len(batch), 5)
        responses = []
        for question, ids in zip(batch, written.tolist(), strict=True):
            kept = self._until_end(ids)
            reply = Reply(text=self._text(kept), latency_s=latency_s, tokens=len(kept))
            responses.append(Response(item=question.id, replies=(reply,)))
        return responses

    @torch.inference_mode()
    def _converse(self, question: Question, images: ImageReader) -> Response:
        whole = _Talk([], [])
        for number, turn in enumerate(question.turns):
            _extend(whole, turn, images)
            if number < len(question.turns) - 1:
                whole.messages.append(_assistant(question.history[number] if question.history else "A"))
        tokens = int(self._encode([self._render(whole.messages)], [whole.images])["input_ids"].shape[1])
        if self._context is not None and tokens + self._max_new_tokens > self._context:
            return failed_response(
                question, f"context too short: {tokens} tokens and a reply, and the model takes {self._context}"
            )
        talk, replies = _Talk([], []), []
        for number, turn in enumerate(question.turns):
            began_s = time.monotonic()
            before = len(talk.images)
            _extend(talk, turn, images)
            logits_V = self._read(talk, before)
            if self._ask.answer == "likelihood":
                text, tokens = self._likeliest(talk, turn.options, logits_V)
            else:
                text, tokens = self._write(talk, logits_V)
            replies.append(Reply(text=text, latency_s=round(time.monotonic() - began_s, 5), tokens=tokens))
            talk.messages.append(_assistant(question.history[number] if number < len(question.history) else text))
        return Response(item=question.id, replies=tuple(replies))

    def _read(self, talk: _Talk, old_images: int) -> torch.Tensor:
        """Reads the conversation up to the reply to be written, from the cache on where it may; returns (V,) logits."""
        inputs = self._encode([self._render(talk.messages)], [talk.images])
        ids = tuple(inputs["input_ids"][0].tolist())
        if talk.cache is not None and self._keeps_cache:
            shared = next((i for i, (a, b) in enumerate(zip(talk.cached, ids, strict=False)) if a != b), None)
            shared = min(len(talk.cached), len(ids) - 1) if shared is None else shared
            new = self._pictures(talk.images[old_images:], talk.messages[-1])
            pictures_all = self._picture_tokens(ids)
            if pictures_all - self._picture_tokens(ids[shared:]) == self._picture_tokens(talk.cached) and shared:
                try:
                    kv_cache.cut(talk.cache, shared)
                    tail = torch.tensor([ids[shared:]], device=self._device)
                    logits_V = self._forward(tail, talk.cache, shared, new)
                    if self._checked or self._agrees(logits_V, inputs):
                        talk.cached = ids
                        return logits_V
                    self._forget("going on from it gave other logits")
                except (RuntimeError, ValueError, IndexError, TypeError, AttributeError, KeyError) as error:
                    self._forget(_first_line(error))
            else:
                self._forget("the chat template writes earlier rounds anew")
        talk.cache, talk.cached = DynamicCache(config=self._model.config.get_text_config()), ids
        pictures = {name: value for name, value in inputs.items() if name not in ("input_ids", "attention_mask")}
        return self._forward(inputs["input_ids"], talk.cache, 0, pictures)

    def _agrees(self, logits_V: torch.Tensor, inputs: dict[str, torch.Tensor]) -> bool:
        again_V = self._model(**inputs, use_cache=False).logits[0, -1].float()
        self._checked = bool((logits_V - again_V).abs().max() <= _SAME_LOGITS * again_V.abs().max().clamp(min=1))
        return self._checked

    def _forward(self, ids_1L: torch.Tensor, cache: Any, past: int, pictures: dict[str, torch.Tensor]) -> torch.Tensor:
        ones = torch.ones((1, past + ids_1L.shape[1]), dtype=torch.long, device=self._device)
        logits = self._model(
            input_ids=ids_1L, attention_mask=ones, past_key_values=cache, use_cache=True, **pictures
        ).logits
        return logits[0, -1].float()

    def _write(self, talk: _Talk, logits_V: torch.Tensor) -> tuple[str, int]:
        """The likeliest reply token by token; the cache holds what was read on the way."""
        assert talk.cache is not None
        written: list[int] = []
        for _ in range(self._max_new_tokens):
            token = int(logits_V.argmax())
            if token in self._ends:
                break
            written.append(token)
            if len(written) < self._max_new_tokens:
                ids = torch.tensor([[token]], device=self._device)
                logits_V = self._forward(ids, talk.cache, len(talk.cached), {})
                talk.cached = (*talk.cached, token)
        return self._text(written), len(written)

    def _likeliest(self, talk: _Talk, options: Sequence[str], first_V: torch.Tensor) -> tuple[str, int]:
        """The option of highest likelihood, as the template writes it with what closes a reply."""
        assert talk.cache is not None
        prompt = self._render(talk.messages)
        tails = []
        for option in options:
            whole = self._render([*talk.messages, _assistant(option)], reply=False)
            tail = whole[len(prompt) :] if whole.startswith(prompt) else option
            tails.append(self._tokenizer(tail.rstrip("\n"), add_special_tokens=False).input_ids)
        tails_KL = kv_cache.padded_options([tails])[0].to(self._device)
        past = torch.ones((len(tails), len(talk.cached)), device=self._device)
        logits_KLV = self._model(
            input_ids=tails_KL.clamp(min=0),
            attention_mask=torch.cat([past, (tails_KL >= 0).float()], 1).long(),
            past_key_values=kv_cache.branch(talk.cache, len(tails)),
            use_cache=True,
        ).logits
        likelihoods = kv_cache.option_likelihoods(logits_KLV[None], first_V[None], tails_KL[None])
        best = int(likelihoods[0].argmax())
        return options[best], len(tails[best])

    def _render(self, messages: Sequence[Message], *, reply: bool = True) -> str:
        return str(self._processor.apply_chat_template(list(messages), add_generation_prompt=reply, tokenize=False))

    def _encode(self, texts: Sequence[str], images: Sequence[Sequence[Image.Image]]) -> dict[str, torch.Tensor]:
        # A template that writes the first token itself must not get a second one from the tokenizer.
        first = self._tokenizer.bos_token
        special = not (first and texts[0].startswith(first))
        shown = {"images": [list(row) for row in images]} if any(images) else {}
        inputs = self._processor(
            text=list(texts), padding=True, return_tensors="pt", add_special_tokens=special, **shown
        )
        kept = {name: value.to(self._device) for name, value in inputs.items() if name != "token_type_ids"}
        return {n: v.to(self._model.dtype) if v.is_floating_point() else v for n, v in kept.items()}

    def _pictures(self, images: Sequence[Image.Image], message: Message) -> dict[str, torch.Tensor]:
        if not images:
            return {}
        inputs = self._encode([self._render([message])], [images])
        return {name: value for name, value in inputs.items() if name not in ("input_ids", "attention_mask")}

    def _picture_tokens(self, ids: Sequence[int]) -> int:
        config = self._model.config
        token = getattr(config, "image_token_id", None) or getattr(config, "image_token_index", None)
        return sum(one == token for one in ids)

    def _until_end(self, ids: Sequence[int]) -> list[int]:
        end = next((place for place, token in enumerate(ids) if token in self._ends), len(ids))
        return list(ids[:end])

    def _text(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=True)).strip()

    def _forget(self, why: str) -> None:
        self._keeps_cache = False
        self._say(f"every round encodes the whole conversation: {why}")

    def _say(self, what: str) -> None:
        if not self._said:
            print(f"babyvlm: {self.name}: {what}", file=sys.stderr)
        self._said = True


def _open(turn: QuestionTurn, images: ImageReader) -> _Talk:
    talk = _Talk([], [])
    _extend(talk, turn, images)
    return talk


def _extend(talk: _Talk, turn: QuestionTurn, images: ImageReader) -> None:
    """Adds what a round shows: text and pictures in the order of the prompt, pictures without a placeholder first."""
    talk.images += [images(name) for name in turn.images]
    pieces = turn.prompt.split(IMAGE_TOKEN)
    content: list[Message] = [{"type": "image"}] * (len(turn.images) if len(pieces) == 1 else 0)
    for position, piece in enumerate(pieces):
        content += [{"type": "image"}] if position else []
        content += [{"type": "text", "text": piece.strip()}] if piece.strip() else []
    talk.messages.append({"role": "user", "content": content})


def _assistant(text: str) -> Message:
    return {"role": "assistant", "content": [{"type": "text", "text": text}]}


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
