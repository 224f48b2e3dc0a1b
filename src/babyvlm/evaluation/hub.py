"""Any image-and-text model of transformers as a respondent, through its own processor and chat template.

    single rounds   batches, padded on the left, greedy
    many rounds     one conversation at a time; what the template leaves as it was stays in the key/value cache

The cache is kept across rounds only where that changes nothing: the tokens of the rounds before must come out of the
template unchanged, and the first round from the cache is compared with encoding everything again. Where either
fails, every round encodes the whole conversation, and a line on standard error says so once. It does so from the start
with models that know some things of a whole conversation alone: positions that depend on the pictures' sizes (Qwen-VL),
tokens of a picture that see each other both ways (Gemma3), windows that slide.

DEVIATION: the published wrapper encodes the conversation again each round, shows the model its own replies alone, and
has it write them; here a cache that changes no reply is kept, and gold replies and likelihoods may be asked for.
"""

from __future__ import annotations

import inspect
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image
from transformers import AutoModelForImageTextToText, DynamicCache

from babyvlm.errors import CheckpointError
from babyvlm.evaluation import kv_cache
from babyvlm.evaluation.configuration import AskConfig
from babyvlm.evaluation.hub_access import (
    first_line,
    hub_revision,
    load_errors,
    load_weights,
    refuse_unreachable,
    shown_name,
)
from babyvlm.evaluation.hub_processors import load_processor
from babyvlm.evaluation.respondents import Family, ImageReader, failed_response, written_reply
from babyvlm.records import IMAGE_TOKEN, Question, QuestionTurn, Response

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
        self.name = shown_name(name)
        self._ask, self._max_new_tokens = ask, ask.max_new_tokens or _MAX_NEW_TOKENS
        refuse_unreachable(name)
        with load_errors(
            name, "an image-and-text model of transformers", "AutoModelForImageTextToText and AutoProcessor"
        ):
            self.processor: Any = load_processor(name)
            _refuse_without_template(name, self.processor)
            self._model: Any = load_weights(AutoModelForImageTextToText, name, ask, device=device)
        self._device = self._model.device
        self._cache_named = kv_cache.argument(type(self._model))
        self._tokenizer: Any = self.processor.tokenizer
        self._tokenizer.padding_side = "left"
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        config = self._model.config
        self.revision = hub_revision(name, config)
        text_config = config.get_text_config()
        self.context: int | None = getattr(text_config, "max_position_embeddings", None)
        self._max_images = ask.max_images or (1 if config.model_type in _ONE_PICTURE else None)
        ends = self._model.generation_config.eos_token_id
        self._ends = set(ends if isinstance(ends, list) else [ends]) | {self._tokenizer.eos_token_id}
        self.checked, self.said = False, set[str]()
        self._takes_types = "token_type_ids" in inspect.signature(self._model.forward).parameters
        self.keeps_cache = not (
            hasattr(getattr(self._model, "model", None), "get_rope_index")
            or self._takes_types
            or "sliding_attention" in (getattr(text_config, "layer_types", None) or ())
        )
        self._require_sight()

    @torch.inference_mode()
    def _require_sight(self) -> None:
        """Raises CheckpointError where two different pictures leave what the model says the same."""
        noise_UHWC = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), np.uint8)
        turn = QuestionTurn(prompt=f"{IMAGE_TOKEN} What is this?", images=("noise",), options=())
        logits = []
        try:
            for noise in map(Image.fromarray, noise_UHWC):
                talk = _open(turn, {"noise": noise}.__getitem__)
                inputs = self._encode([self._render(talk.messages)], [talk.images])
                logits.append(self._model(**inputs, use_cache=False).logits[0, -1])
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            self.say(f"whether it sees was not checked ({first_line(error)})")
            return
        if torch.equal(*logits):
            raise CheckpointError(
                "the model does not see: two different pictures leave its output the same",
                path=self.name,
                remedy=f"Use another version of transformers than {transformers.__version__}, or another model",
            )

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
                self.say(f"a batch of {len(batch)} failed ({first_line(error)}); its items are asked one by one")
        for question in batch:
            try:
                yield self._converse(question, images)
            except (RuntimeError, ValueError, IndexError, TypeError) as error:
                yield failed_response(question, f"{type(error).__name__}: {first_line(error)}")

    @torch.inference_mode()
    def _answer_batch(self, batch: Sequence[Question], images: ImageReader) -> list[Response]:
        began_s = time.monotonic()
        talks = [_open(question.turns[0], images) for question in batch]
        inputs = self._encode([self._render(talk.messages) for talk in talks], [talk.images for talk in talks])
        longest = inputs["input_ids"].shape[1]
        if self.context is not None and longest + self._max_new_tokens > self.context:
            return [self._converse(question, images) for question in batch]  # which says of each whether it fits
        written = self._generate(inputs)
        latency_s = (time.monotonic() - began_s) / len(batch)
        replies = [written_reply(text, tokens=tokens, latency_s=latency_s, cut=cut) for text, tokens, cut in written]
        return [Response(item=question.id, replies=(reply,)) for question, reply in zip(batch, replies, strict=True)]

    def _generate(self, inputs: dict[str, torch.Tensor]) -> list[tuple[str, int, bool]]:
        """Each row's likeliest reply as transformers writes it, its length in tokens, and whether it was cut off."""
        written = self._model.generate(
            **inputs,
            max_new_tokens=self._max_new_tokens,
            do_sample=False,
            num_beams=1,
            pad_token_id=self._tokenizer.pad_token_id,
        )[:, inputs["input_ids"].shape[1] :]
        rows = written.tolist()
        kept = [self._until_end(ids) for ids in rows]
        return [(self._text(ids), len(ids), len(ids) == len(row)) for ids, row in zip(kept, rows, strict=True)]

    @torch.inference_mode()
    def _converse(self, question: Question, images: ImageReader) -> Response:
        whole = _Talk([], [])
        for number, turn in enumerate(question.turns):
            _extend(whole, turn, images)
            if number < len(question.turns) - 1:
                whole.messages.append(_assistant(question.history[number] if question.history else "A"))
        tokens = int(self._encode([self._render(whole.messages)], [whole.images])["input_ids"].shape[1])
        if self.context is not None and tokens + self._max_new_tokens > self.context:
            return failed_response(
                question, f"context too short: {tokens} tokens and a reply, and the model takes {self.context}"
            )
        talk, replies = _Talk([], []), []
        for number, turn in enumerate(question.turns):
            began_s = time.monotonic()
            before = len(talk.images)
            _extend(talk, turn, images)
            inputs = self._encode([self._render(talk.messages)], [talk.images])
            logits_V = self._read(talk, inputs, before) if self.keeps_cache else None
            cut = False
            if self._ask.answer == "likelihood":
                text, tokens = self._likeliest(talk, inputs, turn.options, logits_V)
            elif logits_V is not None:
                text, tokens, cut = self._write(talk, logits_V)
            else:
                ((text, tokens, cut),) = self._generate(inputs)
            replies.append(written_reply(text, tokens=tokens, latency_s=time.monotonic() - began_s, cut=cut))
            talk.messages.append(_assistant(question.history[number] if number < len(question.history) else text))
        return Response(item=question.id, replies=tuple(replies))

    def _read(self, talk: _Talk, inputs: dict[str, torch.Tensor], old_images: int) -> torch.Tensor | None:
        """Reads the conversation up to the reply to be written, from the cache on where there is one.

        Returns:
            (V,) logits; None where the cache cannot be continued and is dropped.
        """
        ids = tuple(inputs["input_ids"][0].tolist())
        if talk.cache is None:
            talk.cache, talk.cached = DynamicCache(config=self._model.config.get_text_config()), ids
            pictures = {name: value for name, value in inputs.items() if name not in ("input_ids", "attention_mask")}
            return self._forward(inputs["input_ids"], talk.cache, 0, pictures)
        shared = next((i for i, (a, b) in enumerate(zip(talk.cached, ids, strict=False)) if a != b), None)
        shared = min(len(talk.cached), len(ids) - 1) if shared is None else shared
        if not shared or self._picture_tokens(ids[:shared]) != self._picture_tokens(talk.cached):
            self._forget("the chat template writes earlier rounds anew")
            return None
        try:
            kv_cache.cut(talk.cache, shared)
            tail = torch.tensor([ids[shared:]], device=self._device)
            new = self._pictures(talk.images[old_images:], talk.messages[-1])
            logits_V = self._forward(tail, talk.cache, shared, new)
        except (RuntimeError, ValueError, IndexError, TypeError, AttributeError, KeyError) as error:
            self._forget(first_line(error))
            return None
        if not self.checked and not self._agrees(logits_V, inputs):
            self._forget("going on from it gave other logits")
            return None
        talk.cached = ids
        return logits_V

    def _agrees(self, logits_V: torch.Tensor, inputs: dict[str, torch.Tensor]) -> bool:
        again_V = self._model(**inputs, use_cache=False).logits[0, -1].float()
        self.checked = bool((logits_V - again_V).abs().max() <= _SAME_LOGITS * again_V.abs().max().clamp(min=1))
        return self.checked

    def _forward(self, ids_1L: torch.Tensor, cache: Any, past: int, pictures: dict[str, torch.Tensor]) -> torch.Tensor:
        ones = torch.ones((1, past + ids_1L.shape[1]), dtype=torch.long, device=self._device)
        logits = self._model(
            input_ids=ids_1L, attention_mask=ones, **{self._cache_named: cache}, use_cache=True, **pictures
        ).logits
        return logits[0, -1].float()

    def _write(self, talk: _Talk, logits_V: torch.Tensor) -> tuple[str, int, bool]:
        """The likeliest reply token by token, and whether it was cut off; the cache holds what was read on the way."""
        assert talk.cache is not None
        written: list[int] = []
        for _ in range(self._max_new_tokens):
            token = int(logits_V.argmax())
            if token in self._ends:
                return self._text(written), len(written), False
            written.append(token)
            if len(written) < self._max_new_tokens:
                ids = torch.tensor([[token]], device=self._device)
                logits_V = self._forward(ids, talk.cache, len(talk.cached), {})
                talk.cached = (*talk.cached, token)
        return self._text(written), len(written), True

    def _likeliest(
        self, talk: _Talk, inputs: dict[str, torch.Tensor], options: Sequence[str], first_V: torch.Tensor | None
    ) -> tuple[str, int]:
        """The option of highest likelihood, as the template writes it with what closes a reply."""
        prompt = self._render(talk.messages)
        tails = []
        for option in options:
            whole = self._render([*talk.messages, _assistant(option)], reply=False)
            tail = whole[len(prompt) :] if whole.startswith(prompt) else option
            tails.append(self._tokenizer(tail.rstrip("\n"), add_special_tokens=False).input_ids)
        if first_V is None:
            likelihoods = torch.tensor([self._likelihood(inputs, tail) for tail in tails])
        else:
            likelihoods = self._likelihoods(talk, tails, first_V)
        best = int(likelihoods.argmax())
        return options[best], len(tails[best])

    def _likelihoods(self, talk: _Talk, tails: list[list[int]], first_V: torch.Tensor) -> torch.Tensor:
        """Log-likelihood of each continuation, all read on from the cache; (K,)."""
        assert talk.cache is not None
        tails_KL = kv_cache.padded_options([tails])[0].to(self._device)
        past = torch.ones((len(tails), len(talk.cached)), device=self._device)
        logits_KLV = self._model(
            input_ids=tails_KL.clamp(min=0),
            attention_mask=torch.cat([past, (tails_KL >= 0).float()], 1).long(),
            **{self._cache_named: kv_cache.branch(talk.cache, len(tails))},
            use_cache=True,
        ).logits
        return kv_cache.option_likelihoods(logits_KLV[None], first_V[None], tails_KL[None])[0]

    def _likelihood(self, inputs: dict[str, torch.Tensor], tail: list[int]) -> float:
        """Log-likelihood of one continuation, the whole conversation read again."""
        tail_1L = torch.tensor([tail], device=self._device)
        behind = {"input_ids": tail_1L, "attention_mask": torch.ones_like(tail_1L)}
        longer = {  # what says something of every token; of text, nothing
            name: torch.cat([value, behind.get(name, torch.zeros_like(tail_1L))], 1)
            for name, value in inputs.items()
            if value.shape == inputs["input_ids"].shape
        }
        logits_LV = self._model(**inputs | longer, use_cache=False).logits[0, -len(tail) - 1 : -1].float()
        return float(logits_LV.log_softmax(-1).gather(1, tail_1L.T).sum())

    def _render(self, messages: Sequence[Message], *, reply: bool = True) -> str:
        return str(self.processor.apply_chat_template(list(messages), add_generation_prompt=reply, tokenize=False))

    def _encode(self, texts: Sequence[str], images: Sequence[Sequence[Image.Image]]) -> dict[str, torch.Tensor]:
        # A template that writes the first token itself must not get a second one from the tokenizer.
        first = self._tokenizer.bos_token
        special = not (first and texts[0].startswith(first))
        shown = {"images": [list(row) for row in images]} if any(images) else {}
        inputs = self.processor(
            text=list(texts), padding=True, return_tensors="pt", add_special_tokens=special, **shown
        )
        kept = {name: value.to(self._device) for name, value in inputs.items()}
        if not self._takes_types:  # tokenizers hand them out to models that know none
            kept.pop("token_type_ids", None)
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
        """Gives the cache up, in this round and all that follow."""
        self.keeps_cache = False
        self.say(f"every round encodes the whole conversation: {why}")

    def say(self, what: str) -> None:
        if what not in self.said:
            print(f"babyvlm: {self.name}: {what}", file=sys.stderr)
        self.said.add(what)


def _refuse_without_template(name: str, processor: Any) -> None:
    """Raises CheckpointError for a base model, before its weights load."""
    if getattr(processor, "tokenizer", None) is None or not getattr(processor, "chat_template", None):
        raise CheckpointError("its processor has no chat template", path=name, remedy="Give an instruction-tuned model")


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
