"""A local checkpoint as a respondent: greedy replies, batched, the key/value cache kept across the rounds of an item.

    round r:  [left padding | new tokens of the round] ── cache ── reply, token by token ── next round

Rows of a batch go through the rounds together. Each round's new tokens are padded on the left, padding is masked out,
and a token's position counts only what is not masked; so a reply does not depend on the rows beside it.

The ``<eos>`` that closes a reply is read with the next round's tokens, not in a pass of its own.

Where the reply to be remembered is not the one just written (``--history gold``, ``--answer likelihood``), what was
written is masked out and the other's tokens open the next round. Likelihoods are those of an option and its ``<eos>``,
all options of a batch read in one pass on from the cached prompt.

B rows, K options, L tokens of a round, P tokens before it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import AutoTokenizer, DynamicCache

from babyvlm.errors import CheckpointError
from babyvlm.evaluation import kv_cache
from babyvlm.evaluation.configuration import AnswerMode
from babyvlm.evaluation.provenance import weights_revision
from babyvlm.evaluation.respondents import Family, ImageReader, failed_response
from babyvlm.folders import MANIFEST, read_manifest
from babyvlm.model.modeling import BabyLlavaForConditionalGeneration
from babyvlm.model.processing import ConversationEncoder, normalise, square_pixels
from babyvlm.model.tokenizer import EOS, PAD
from babyvlm.records import IMAGE_TOKEN, Question, Reply, Response


class LocalModel:
    """One of our checkpoints.

    Args:
        checkpoint: A folder written by ``babyvlm train``.
        name: As the report shows it; made of recipe and stage when empty.
        batch_size: Questions answered together.
        max_images: Most pictures an item may show; None for as many as the context takes.
        answer: Whether to write a reply, or to take the likeliest option.
        max_new_tokens: Longest reply, tokens.
        device: Where the model runs.

    Raises:
        CheckpointError: The folder is no checkpoint of ours.
    """

    family: Family = "baby model"
    sends_data_out = False

    def __init__(
        self,
        checkpoint: Path,
        *,
        name: str = "",
        batch_size: int = 32,
        max_new_tokens: int = 8,
        answer: AnswerMode = "generate",
        max_images: int | None = None,
        device: str = "",
    ) -> None:
        if not (checkpoint / "config.json").is_file() or not (checkpoint / MANIFEST).is_file():
            raise CheckpointError(
                "no checkpoint here",
                path=checkpoint,
                remedy="Give the folder of one stage, such as OUT/instruction of babyvlm train",
            )
        self.name = name or _shown_name(checkpoint)
        self.revision = weights_revision(checkpoint)
        self._batch_size, self._max_new_tokens, self._answer = batch_size, max_new_tokens, answer
        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        loaded: Any = BabyLlavaForConditionalGeneration.from_pretrained(
            checkpoint, output_loading_info=True, dtype=torch.float32
        )
        model, loading = loaded
        if problems := [f"{kind}: {sorted(keys)[:3]}" for kind, keys in loading.items() if keys]:
            raise CheckpointError("the weights do not fit the model: " + "; ".join(problems), path=checkpoint)
        self._model = model.to(self._device).eval()
        self._tokenizer = AutoTokenizer.from_pretrained(checkpoint)
        config = model.config
        self._max_images = max_images
        self._context = config.text_config.max_position_embeddings
        self._image_size, self._image_fit = config.vision_config.image_size, config.image_fit
        self._encoder = ConversationEncoder(
            self._tokenizer, image_token_id=config.image_token_index, image_tokens=config.image_seq_length
        )

    def answer(self, questions: Sequence[Question], images: ImageReader) -> Iterator[Response]:
        fitting = []
        for question in questions:
            shown = sum(len(turn.images) for turn in question.turns)
            if self._max_images is not None and shown > self._max_images:
                yield failed_response(question, f"{shown} pictures, and the model takes {self._max_images}")
            elif (tokens := self._most_tokens(question)) > self._context:
                yield failed_response(
                    question, f"context too short: up to {tokens} tokens, and the model takes {self._context}"
                )
            else:
                fitting.append(question)
        ordered = sorted(fitting, key=lambda question: (len(question.turns), question.task, question.id))
        start = 0
        while start < len(ordered):
            rounds = len(ordered[start].turns)
            batch = [q for q in ordered[start : start + self._batch_size] if len(q.turns) == rounds]
            yield from self._answer_batch(batch, images)
            start += len(batch)

    def _prompt(self, question: Question, number: int) -> list[int]:
        turn = question.turns[number]
        placed = IMAGE_TOKEN in turn.prompt
        prompt = turn.prompt if placed else IMAGE_TOKEN * len(turn.images) + turn.prompt
        return self._encoder.user(prompt, first=number == 0)

    def _most_tokens(self, question: Question) -> int:
        prompts = sum(len(self._prompt(question, number)) for number in range(len(question.turns)))
        return prompts + len(question.turns) * self._max_new_tokens

    def _spelled(self, reply: str) -> list[int]:
        """A reply's tokens as training writes them."""
        return [*self._encoder.text(f" {reply}"), EOS]

    @torch.inference_mode()
    def mean_loss(self, prompt: str, pictures: Sequence[Image.Image], reply: str) -> tuple[float, bool]:
        """How likely a reply is.

        Args:
            prompt: What is asked; pictures without any placeholder in it come first.
            pictures: The pictures it shows.
            reply: The reply to judge.

        Returns:
            Mean negative log-likelihood of the reply's tokens and its end, nats, and whether it is the greedy reply.
        """
        placeholders = prompt.count(IMAGE_TOKEN)
        asked = self._encoder.user(prompt if placeholders else IMAGE_TOKEN * len(pictures) + prompt, first=True)
        replied = [*self._encoder.text(f" {reply}"), EOS]
        inputs = {}
        if pictures:
            stacked = torch.stack([torch.tensor(square_pixels(p, self._image_size, self._image_fit)) for p in pictures])
            inputs["pixel_values"] = normalise(stacked.to(self._device))
        ids_BL = torch.tensor([asked + replied], device=self._device)
        logits_LV = self._model(input_ids=ids_BL, **inputs).logits[0, len(asked) - 1 : -1].float()
        wanted_L = ids_BL[0, len(asked) :]
        loss = torch.nn.functional.cross_entropy(logits_LV, wanted_L)
        return float(loss), bool((logits_LV.argmax(-1) == wanted_L).all())

    def option_probabilities(self, prompt: str, pictures: Sequence[Image.Image], options: Sequence[str]) -> list[float]:
        """How likely each option is as the whole reply, among these options alone; they add up to 1."""
        losses = [self.mean_loss(prompt, pictures, option)[0] * len(self._spelled(option)) for option in options]
        shares: list[float] = (-torch.tensor(losses)).softmax(0).tolist()
        return shares

    @torch.inference_mode()
    def _answer_batch(self, batch: Sequence[Question], images: ImageReader) -> Iterator[Response]:
        cache = DynamicCache(config=self._model.config.text_config)
        mask_BP = torch.zeros((len(batch), 0), dtype=torch.long, device=self._device)
        replies: list[list[Reply]] = [[] for _ in batch]
        remembered: list[list[int]] = [[] for _ in batch]  # yet to be read, at the start of the next round
        for number in range(len(batch[0].turns)):
            began_s = time.monotonic()
            rows = [said + self._prompt(q, number) for said, q in zip(remembered, batch, strict=True)]
            shown = [name for question in batch for name in question.turns[number].images]
            pixels = [square_pixels(images(name), self._image_size, self._image_fit) for name in shown]
            ids_BL, new_mask_BL = self._pad_left(rows)
            mask_BP = torch.cat([mask_BP, new_mask_BL], dim=1)
            if self._answer == "likelihood":
                texts, lengths = self._likeliest(
                    ids_BL, pixels, mask_BP, cache, [q.turns[number].options for q in batch]
                )
            else:
                prompted = mask_BP
                texts, lengths, mask_BP, unread = self._generate(ids_BL, pixels, mask_BP, cache)
                remembered = [[EOS] if row in unread else [] for row in range(len(batch))]
            for row, question in enumerate(batch):
                if number == len(question.turns) - 1 or (self._answer == "generate" and not question.history):
                    continue
                remembered[row] = self._spelled(question.history[number] if question.history else texts[row])
                if self._answer == "generate":
                    mask_BP[row, prompted.shape[1] :] = 0
            latency_s = (time.monotonic() - began_s) / len(batch)
            for row, (text, length) in enumerate(zip(texts, lengths, strict=True)):
                replies[row].append(Reply(text=text, latency_s=round(latency_s, 5), tokens=length))
        for question, given in zip(batch, replies, strict=True):
            yield Response(item=question.id, replies=tuple(given))

    def _likeliest(
        self,
        ids_BL: torch.Tensor,
        pixels: Sequence,
        mask_BP: torch.Tensor,
        cache: DynamicCache,
        options: Sequence[Sequence[str]],
    ) -> tuple[list[str], list[int]]:
        """The option of highest likelihood of each row, and its length in tokens; the cache holds the prompt after."""
        inputs = {}
        if pixels:
            inputs["pixel_values"] = normalise(torch.stack([torch.tensor(p) for p in pixels]).to(self._device))
        positions_BL = (mask_BP.cumsum(1) - 1).clamp(min=0)[:, -ids_BL.shape[1] :]
        first_BV = self._model(
            input_ids=ids_BL,
            attention_mask=mask_BP,
            position_ids=positions_BL,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
            **inputs,
        ).logits[:, -1]
        spelled = [[self._spelled(option) for option in row] for row in options]
        most, longest = max(map(len, spelled)), max(len(ids) for row in spelled for ids in row)
        tails_BKL = torch.full((len(spelled), most, longest), -1)
        for row, choices in enumerate(spelled):
            for place, ids in enumerate(choices):
                tails_BKL[row, place, : len(ids)] = torch.tensor(ids)
        tails_BKL = tails_BKL.to(self._device)
        flat = tails_BKL.flatten(0, 1)
        prompted = kv_cache.length(cache)
        kv_cache.repeat(cache, most)
        full_mask = torch.cat([mask_BP.repeat_interleave(most, 0), (flat >= 0).long()], dim=1)
        logits = self._model(
            input_ids=flat.clamp(min=PAD),
            attention_mask=full_mask,
            position_ids=(full_mask.cumsum(1) - 1).clamp(min=0)[:, -longest:],
            past_key_values=cache,
            use_cache=True,
        ).logits
        kv_cache.cut(cache, prompted, every=most)
        likelihoods_BK = kv_cache.option_likelihoods(logits.unflatten(0, tails_BKL.shape[:2]), first_BV, tails_BKL)
        best = likelihoods_BK.argmax(-1).tolist()
        return [row[place] for row, place in zip(options, best, strict=True)], [
            len(row[place]) for row, place in zip(spelled, best, strict=True)
        ]

    def _pad_left(self, rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        longest = max(map(len, rows))
        ids_BL = torch.full((len(rows), longest), PAD)
        mask_BL = torch.zeros((len(rows), longest), dtype=torch.long)
        for row, ids in enumerate(rows):
            ids_BL[row, longest - len(ids) :] = torch.tensor(ids)
            mask_BL[row, longest - len(ids) :] = 1
        return ids_BL.to(self._device), mask_BL.to(self._device)

    def _generate(
        self, ids_BL: torch.Tensor, pixels: Sequence, mask_BP: torch.Tensor, cache: DynamicCache
    ) -> tuple[list[str], list[int], torch.Tensor, set[int]]:
        """Replies of one round.

        Args:
            ids_BL: The round's new tokens.
            pixels: Its pictures, uint8, CHW.
            mask_BP: Which of all tokens so far, these included, count.
            cache: Keys and values of the rounds before; extended in place.

        Returns:
            The replies' texts, their lengths in tokens, the mask with the replies' tokens in the cache added, and the
            rows whose ``<eos>`` is not in it.
        """
        inputs = {}
        if pixels:
            inputs["pixel_values"] = normalise(torch.stack([torch.tensor(p) for p in pixels]).to(self._device))
        rows = len(ids_BL)
        open_B = torch.ones(rows, dtype=torch.bool, device=self._device)
        generated: list[torch.Tensor] = []
        while True:
            positions = (mask_BP.cumsum(1) - 1).clamp(min=0)[:, -ids_BL.shape[1] :]
            logits = self._model(
                input_ids=ids_BL,
                attention_mask=mask_BP,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
                **inputs,
            ).logits[:, -1]
            inputs = {}
            # A finished row is fed padding that counts for nothing; one cut off is closed as in training.
            last = len(generated) == self._max_new_tokens - 1
            chosen_B = torch.full_like(open_B, EOS, dtype=torch.long) if last else logits.argmax(-1)
            chosen_B = torch.where(open_B, chosen_B, PAD)
            generated.append(chosen_B)
            asked_B, open_B = open_B, open_B & (chosen_B != EOS)
            if not bool(open_B.any()):
                break
            mask_BP = torch.cat([mask_BP, asked_B.long()[:, None]], dim=1)
            ids_BL = chosen_B[:, None]
        replies_BR = torch.stack(generated, dim=1)
        kept = [[token for token in row if token not in (PAD, EOS)] for row in replies_BR.tolist()]
        texts = [str(self._tokenizer.decode(row)).strip() for row in kept]
        return texts, [len(row) for row in kept], mask_BP, set(asked_B.nonzero()[:, 0].tolist())


def _shown_name(checkpoint: Path) -> str:
    """The recipe, and the stage unless it is the last."""
    made = read_manifest(checkpoint, "checkpoint").configuration
    recipe, stage = made.get("recipe", checkpoint.resolve().name), made.get("stage", "instruction")
    return f"BabyLLaVA-V2 {recipe}" if stage == "instruction" else f"BabyLLaVA-V2 {recipe}, {stage} stage"
