"""Any image-and-text model of transformers as a respondent, through its own processor and chat template.

    single rounds   batches, padded on the left, greedy or by the likelihood of each option
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
from jinja2 import TemplateError
from PIL import Image
from transformers import (
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
    AutoConfig,
    AutoModelForImageTextToText,
    DynamicCache,
)

from babyvlm.errors import CheckpointError
from babyvlm.evaluation import kv_cache
from babyvlm.evaluation.configuration import AskConfig, by_likelihood
from babyvlm.evaluation.hub_access import (
    first_line,
    hub_revision,
    load_errors,
    load_weights,
    refuse_unreachable,
    shown_name,
)
from babyvlm.evaluation.hub_likelihood import last_logits, positions, sums_decoded, sums_from_cache, sums_recomputed
from babyvlm.evaluation.hub_processors import load_processor
from babyvlm.evaluation.hub_prompts import EMPTY_QUESTION, ChatPrompts, Message, PlainPrompts, assistant
from babyvlm.evaluation.option_scores import likelihood_scores
from babyvlm.evaluation.respondents import Family, ImageReader, failed_response, written_reply
from babyvlm.records import IMAGE_TOKEN, Question, QuestionTurn, Reply, Response

_MAX_NEW_TOKENS = 32
_ONE_PICTURE = {"blip-2", "git", "instructblip", "kosmos-2", "pix2struct", "vision-encoder-decoder", "florence2"}
"""Model types that take one picture in a conversation."""
_OTHER_KINDS = "A dual encoder is asked as clip:NAME, a language model as lm:NAME"
_SAME_LOGITS = 1e-2
"""Largest difference of logits between going on from the cache and encoding again, relative to the largest logit."""


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
        CheckpointError: It does not load, has no processor, or is to write and has no chat template.
    """

    family: Family = "open-source"
    sends_data_out = False

    def __init__(self, name: str, *, ask: AskConfig = AskConfig(), device: str = "") -> None:  # noqa: B008
        self.name = shown_name(name)
        self._ask, self._max_new_tokens = ask, ask.max_new_tokens or _MAX_NEW_TOKENS
        refuse_unreachable(name)
        with load_errors(
            name, "an image-and-text model of transformers", "AutoModelForImageTextToText and AutoProcessor",
            _OTHER_KINDS,
        ):  # fmt: skip
            self.processor: Any = load_processor(name)
            _refuse_without_template(name, self.processor, ask)
            self._model: Any = load_weights(AutoModelForImageTextToText, name, ask, device=device)
        self._device = self._model.device
        self._cache_named = kv_cache.argument(type(self._model))
        self._tokenizer: Any = self.processor.tokenizer
        self._tokenizer.padding_side = "left"
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        config = self._model.config
        has_template = bool(getattr(self.processor, "chat_template", None))
        self._prompts = ChatPrompts(self.processor) if has_template else PlainPrompts(self.processor, config)
        self._alone: dict[str, float | None] = {}  # log-likelihoods of options behind an empty question
        self.revision = hub_revision(name, config)
        text_config = config.get_text_config()
        self.context: int | None = getattr(text_config, "max_position_embeddings", None)
        self._max_images = ask.max_images or (1 if config.model_type in _ONE_PICTURE else None)
        ends = self._model.generation_config.eos_token_id
        self._ends = set(ends if isinstance(ends, list) else [ends]) | {self._tokenizer.eos_token_id}
        self.checked, self.checked_batch, self.said = False, False, set[str]()
        self._takes_types = "token_type_ids" in inspect.signature(self._model.forward).parameters
        self.keeps_cache = not (
            hasattr(getattr(self._model, "model", None), "get_rope_index")
            or self._takes_types
            or self._prompts.is_plain
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
                inputs = self._encode([self._prompts.text(talk.messages)], [talk.images])
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
            size = self._ask.batch_size if len(first.turns) == 1 else 1
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
        inputs = self._encode([self._prompts.text(talk.messages) for talk in talks], [talk.images for talk in talks])
        longest = inputs["input_ids"].shape[1]
        if self.context is not None and longest + self._max_new_tokens > self.context:
            return [self._converse(question, images) for question in batch]  # which says of each whether it fits
        if by_likelihood(self._ask.answer, batch[0].task):
            chosen = self._choose(talks, inputs, [question.turns[0].options for question in batch])
            latency_s = (time.monotonic() - began_s) / len(batch)
            replies = [one.model_copy(update={"latency_s": round(latency_s, 5)}) for one in chosen]
        else:
            written = self._generate(inputs)
            latency_s = (time.monotonic() - began_s) / len(batch)
            replies = [written_reply(said, tokens=n, latency_s=latency_s, cut=cut) for said, n, cut in written]
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
                whole.messages.append(assistant(question.history[number] if question.history else "A"))
        tokens = int(self._encode([self._prompts.text(whole.messages)], [whole.images])["input_ids"].shape[1])
        if self.context is not None and tokens + self._max_new_tokens > self.context:
            return failed_response(
                question, f"context too short: {tokens} tokens and a reply, and the model takes {self.context}"
            )
        talk, replies = _Talk([], []), []
        for number, turn in enumerate(question.turns):
            began_s = time.monotonic()
            before = len(talk.images)
            _extend(talk, turn, images)
            inputs = self._encode([self._prompts.text(talk.messages)], [talk.images])
            logits_V = self._read(talk, inputs, before) if self.keeps_cache else None
            if by_likelihood(self._ask.answer, question.task):
                (reply,) = self._choose([talk], inputs, [turn.options], logits_V)
            else:
                written = self._generate(inputs)[0] if logits_V is None else self._write(talk, logits_V)
                reply = written_reply(written[0], tokens=written[1], latency_s=0, cut=written[2])
            replies.append(reply.model_copy(update={"latency_s": round(time.monotonic() - began_s, 5)}))
            text = reply.text or ""
            talk.messages.append(assistant(question.history[number] if number < len(question.history) else text))
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

    def _choose(
        self,
        talks: Sequence[_Talk],
        inputs: dict[str, torch.Tensor],
        options: Sequence[Sequence[str]],
        first_V: torch.Tensor | None = None,
    ) -> list[Reply]:
        """Of each conversation, the option of highest likelihood, with the scores of all; the latency is yet to come.

        Args:
            talks: The conversations, up to the reply to be chosen.
            inputs: The same, encoded.
            options: Of each.
            first_V: Logits after the only conversation, where its cache holds it.
        """
        tails = [self._prompts.options(talk.messages, row) for talk, row in zip(talks, options, strict=True)]
        tails_BKL = kv_cache.padded_options(tails).to(self._device)
        if first_V is not None and talks[0].cache is not None:
            mask_1P = torch.ones((1, len(talks[0].cached)), dtype=torch.long, device=self._device)
            sums_BK = sums_from_cache(self._model, talks[0].cache, mask_1P, first_V[None], tails_BKL)
        else:
            sums_BK = self._sums(inputs, tails_BKL)
        replies = []
        for row, spelled, sums in zip(options, tails, sums_BK.tolist(), strict=True):
            known = sums[: len(row)]
            best = known.index(max(known))
            scores = likelihood_scores(known, list(map(len, spelled)), [self._by_itself(option) for option in row])
            replies.append(written_reply(row[best], tokens=len(spelled[best]), latency_s=0, cut=False, scores=scores))
        return replies

    def _sums(self, inputs: dict[str, torch.Tensor], tails_BKL: torch.Tensor) -> torch.Tensor:
        """Log-likelihoods of options behind conversations that are read for the first time, (B, K)."""
        if self._model.config.is_encoder_decoder:
            return sums_decoded(self._model, inputs, tails_BKL)
        if not self.keeps_cache or len(tails_BKL) == 1:
            return sums_recomputed(self._model, inputs, tails_BKL)
        cache, mask_BP = DynamicCache(config=self._model.config.get_text_config()), inputs["attention_mask"]
        placed = {**positions(self._model, mask_BP, mask_BP.shape[1]), **last_logits(self._model, 1)}
        logits_BLV = self._model(**inputs, **placed, **{self._cache_named: cache}, use_cache=True).logits
        sums_BK = sums_from_cache(self._model, cache, mask_BP, logits_BLV[:, -1].float(), tails_BKL)
        if not self.checked_batch:
            again_BK = sums_recomputed(self._model, inputs, tails_BKL)
            there_BK = again_BK.isfinite()
            apart = (sums_BK - again_BK)[there_BK].abs().max()
            self.checked_batch = bool(apart <= _SAME_LOGITS * again_BK[there_BK].abs().max().clamp(min=1))
            if not self.checked_batch:
                self._forget("options of a batch had other likelihoods from it")
                return again_BK
        return sums_BK

    def _by_itself(self, option: str) -> float | None:
        """Log-likelihood of an option behind an empty question; None where the model reads nothing without pictures."""
        if option not in self._alone:
            try:
                inputs = self._encode([self._prompts.text(EMPTY_QUESTION)], [[]])
                tails_BKL = kv_cache.padded_options([self._prompts.options(EMPTY_QUESTION, [option])])
                decoded = self._model.config.is_encoder_decoder
                read = sums_decoded if decoded else sums_recomputed
                self._alone[option] = float(read(self._model, inputs, tails_BKL.to(self._device)))
            except (RuntimeError, ValueError, IndexError, TypeError, KeyError, TemplateError) as error:
                self.say(f"no prompt-corrected scores: it reads no empty question ({first_line(error)})")
                self._alone[option] = None
        return self._alone[option]

    def _encode(self, texts: Sequence[str], images: Sequence[Sequence[Image.Image]]) -> dict[str, torch.Tensor]:
        # A template that writes the first token itself must not get a second one from the tokenizer.
        first = self._tokenizer.bos_token
        special = not (first and texts[0].startswith(first))
        shown = {"images": [list(row) for row in images]} if any(images) else {}
        added = {} if self._prompts.is_plain else {"add_special_tokens": special}
        inputs = self.processor(text=list(texts), padding=True, return_tensors="pt", **added, **shown)
        kept = {name: value.to(self._device) for name, value in inputs.items() if name != "labels"}
        if not self._takes_types:  # tokenizers hand them out to models that know none
            kept.pop("token_type_ids", None)
        return {n: v.to(self._model.dtype) if v.is_floating_point() else v for n, v in kept.items()}

    def _pictures(self, images: Sequence[Image.Image], message: Message) -> dict[str, torch.Tensor]:
        if not images:
            return {}
        inputs = self._encode([self._prompts.text([message])], [images])
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


def _refuse_without_template(name: str, processor: Any, ask: AskConfig) -> None:
    """Raises CheckpointError for a base model that is to write, before its weights load."""
    if getattr(processor, "tokenizer", None) is None:
        raise CheckpointError("its processor has no tokenizer", path=name, remedy="Give a model that reads text")
    if getattr(processor, "chat_template", None):
        return
    if type(config := AutoConfig.from_pretrained(name)) not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
        raise CheckpointError(f"a model of type {config.model_type} does not write", path=name, remedy=_OTHER_KINDS)
    if ask.answer != "likelihood":
        raise CheckpointError(
            "its processor has no chat template, so that nothing says how it replies",
            path=name,
            remedy="Ask it with --answer likelihood, or give an instruction-tuned model",
        )


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
