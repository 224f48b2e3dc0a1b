"""A local checkpoint as a respondent: greedy replies, batched, the key/value cache kept across the rounds of an item.

    round r:  [left padding | new tokens of the round] ── cache ── reply, token by token ── next round

Rows of a batch go through the rounds together (``reading.py``). What closes a reply, its ``<eos>`` and a last token cut
off by the longest reply, is read with the next round's tokens, not in a pass of its own.

Where the reply to be remembered is not the one just written (``--history gold``, ``--answer likelihood``), what was
written is masked out and the other's tokens open the next round. Likelihoods are those of an option and its ``<eos>``,
all options of a batch read in one pass on from the cached prompt. An empty reply leaves nothing behind, not even its
``<eos>``, as in the published template.

DEVIATION: the published wrapper encodes the whole conversation again each round, shows the model its own replies alone,
and has it write them; the cache changes no reply, the other two are asked for by name.

B rows, V vocabulary.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from babyvlm.errors import CheckpointError
from babyvlm.evaluation.configuration import AnswerMode, TooLong, by_likelihood
from babyvlm.evaluation.option_scores import likelihood_scores
from babyvlm.evaluation.provenance import weights_revision
from babyvlm.evaluation.reading import PictureFeatures, Reading
from babyvlm.evaluation.respondents import Family, ImageReader, failed_response, written_reply
from babyvlm.folders import MANIFEST, read_manifest
from babyvlm.model.llava_config import BabyLlavaConfig
from babyvlm.model.loading import load_config, load_exactly, load_tokenizer
from babyvlm.model.modeling import BabyLlavaForConditionalGeneration
from babyvlm.model.processing import ConversationEncoder, normalise, square_pixels, with_places
from babyvlm.model.sight import require_sight
from babyvlm.model.stem import TOWER_TYPES
from babyvlm.model.tokenizer import EOS, PAD
from babyvlm.records import IMAGE_TOKEN, OptionScores, Question, QuestionTurn, Reply, Response


class LocalModel:
    """One of our checkpoints.

    Args:
        checkpoint: A folder written by ``babyvlm train``.
        name: As the report shows it; made of recipe and stage when empty.
        batch_size: Questions answered together.
        max_images: Most pictures an item may show; None for as many as the context takes.
        answer: Whether to write a reply, or to take the likeliest option, always or where the leaderboard does.
        max_new_tokens: Longest reply, tokens.
        too_long: What becomes of an item that is longer than the context: it fails, or is cut there and answered.
        device: Where the model runs.

    Raises:
        CheckpointError: The folder is no checkpoint of ours, not a whole model, or not whole.
        DataFolderError: It is another folder of ours, or of another schema.
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
        too_long: TooLong = "fail",
        device: str = "",
    ) -> None:
        if not (checkpoint / "config.json").is_file() or not (checkpoint / MANIFEST).is_file():
            raise CheckpointError(
                "no checkpoint here",
                path=checkpoint,
                remedy="Give the folder of one stage, such as OUT/instruction of babyvlm train",
            )
        made = read_manifest(checkpoint, "checkpoint").configuration
        _refuse_other_models(checkpoint)
        self.name = name or _shown_name(checkpoint, made)
        self.revision = weights_revision(checkpoint)
        self._batch_size, self._max_new_tokens, self._answer = batch_size, max_new_tokens, answer
        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        model: Any = load_exactly(BabyLlavaForConditionalGeneration, checkpoint)
        self.model = model.to(self._device).eval()
        require_sight(self.model, checkpoint)
        self._tokenizer = load_tokenizer(checkpoint)
        config = model.config
        if (found := self._tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)) != config.image_token_index:
            raise CheckpointError(
                f"the tokenizer is not this model's: it has {IMAGE_TOKEN} at {found}, the model at "
                f"{config.image_token_index}",
                path=checkpoint,
            )
        self._max_images, self._too_long = max_images, too_long
        self._alone: dict[str, float] = {}  # log-likelihoods of options behind an empty question
        self.context = config.text_config.max_position_embeddings
        self._image_size, self._image_fit = config.vision_config.image_size, config.image_fit
        self._encoder = ConversationEncoder(
            self._tokenizer, image_token_id=config.image_token_index, image_tokens=config.image_seq_length
        )

    def answer(self, questions: Sequence[Question], images: ImageReader) -> Iterator[Response]:
        # Places, not questions, are sorted: a hundred thousand questions would fill the memory.
        fitting: list[tuple[tuple[int, bool], str, str, int]] = []
        for place, question in enumerate(questions):
            shown = sum(len(turn.images) for turn in question.turns)
            if self._max_images is not None and shown > self._max_images:
                yield failed_response(question, f"{shown} pictures, and the model takes {self._max_images}")
            elif (tokens := self._most_tokens(question)) <= self.context:
                alike = (len(question.turns), by_likelihood(self._answer, question.task))
                fitting.append((alike, question.task, question.id, place))
            elif self._too_long == "cut":
                yield self._answer_cut(question, images)
            else:
                yield failed_response(
                    question,
                    f"context too short: up to {tokens} tokens, and the model takes {self.context} (--too-long cut "
                    "answers from what fits, as the published code does)",
                )
        pictures = PictureFeatures(self.model, images)
        for (_, likeliest), group in itertools.groupby(sorted(fitting), key=lambda sorted_by: sorted_by[0]):
            while batch := [questions[place] for *_, place in itertools.islice(group, self._batch_size)]:
                yield from self._answer_batch(batch, pictures, likeliest)

    def _prompt(self, question: Question, number: int) -> list[int]:
        turn = question.turns[number]
        return self._encoder.user(with_places(turn.prompt, len(turn.images)), first=number == 0)

    def _most_tokens(self, question: Question) -> int:
        prompts = sum(len(self._prompt(question, number)) for number in range(len(question.turns)))
        return prompts + len(question.turns) * self._max_new_tokens

    def spelled(self, reply: str) -> list[int]:
        """A reply's tokens as training writes them."""
        return [*self._encoder.text(f" {reply}"), EOS]

    @torch.inference_mode()
    def mean_loss(self, prompt: str, pictures: Sequence[Image.Image], reply: str) -> tuple[float, bool]:
        """How likely a reply is.

        Args:
            prompt: What is asked; pictures without any placeholder in it come first.
            pictures: The pictures it shows.
            reply: The reply to judge, as it stands behind ``ASSISTANT: ``.

        Returns:
            Mean negative log-likelihood of the reply's tokens and its end, nats, and whether it is the greedy reply.
        """
        asked = self._encoder.user(with_places(prompt, len(pictures)), first=True)
        replied = self.spelled(reply)
        inputs = {}
        if pictures:
            stacked = torch.stack([torch.tensor(square_pixels(p, self._image_size, self._image_fit)) for p in pictures])
            inputs["pixel_values"] = normalise(stacked.to(self._device))
        ids_BL = torch.tensor([asked + replied], device=self._device)
        logits_LV = self.model(input_ids=ids_BL, **inputs).logits[0, len(asked) - 1 : -1].float()
        wanted_L = ids_BL[0, len(asked) :]
        loss = torch.nn.functional.cross_entropy(logits_LV, wanted_L)
        return float(loss), bool((logits_LV.argmax(-1) == wanted_L).all())

    def phrase_loss(self, picture: Image.Image, phrase: str) -> float:
        """Mean negative log-likelihood of a phrase and its ``<eos>`` beside a picture, nats a token.

        As the published wrapper has it: nothing is asked, and lmms-eval's blank stands before the phrase besides the
        template's.
        """
        return self.mean_loss("", [picture], f" {phrase}")[0]

    def option_probabilities(self, prompt: str, pictures: Sequence[Image.Image], options: Sequence[str]) -> list[float]:
        """How likely each option is as the whole reply, among these options alone; they add up to 1."""
        losses = [self.mean_loss(prompt, pictures, option)[0] * len(self.spelled(option)) for option in options]
        shares: list[float] = (-torch.tensor(losses)).softmax(0).tolist()
        return shares

    @torch.inference_mode()
    def _answer_batch(
        self, batch: Sequence[Question], pictures: PictureFeatures, likeliest: bool
    ) -> Iterator[Response]:
        """Replies to items of as many rounds, written or the likeliest of the options."""
        began_s = time.monotonic()
        rounds = range(len(batch[0].turns))
        prompts = [[self._prompt(question, number) for question in batch] for number in rounds]
        longest = [max(map(len, alike)) for alike in prompts]
        reading = Reading.of(self.model, len(batch), room=sum(longest) + len(rounds) * self._max_new_tokens)
        replies: list[list[Reply]] = [[] for _ in batch]
        unread: list[list[int]] = [[] for _ in batch]  # opens the next round
        for number in rounds:
            rows = [left + prompt for left, prompt in zip(unread, prompts[number], strict=True)]
            shown = [name for question in batch for name in question.turns[number].images]
            logits_BV = reading.read_rows(rows, pictures.features(shown))
            scores: list[OptionScores | None] = [None] * len(batch)
            if likeliest:
                spelled = [[self.spelled(option) for option in q.turns[number].options] for q in batch]
                likelihoods_BK = reading.option_likelihoods(logits_BV, spelled)
                best = likelihoods_BK.argmax(-1).tolist()
                scores = [self._scores(q.turns[number], row) for q, row in zip(batch, likelihoods_BK, strict=True)]
                texts = [question.turns[number].options[place] for question, place in zip(batch, best, strict=True)]
                unread = [row[place] for row, place in zip(spelled, best, strict=True)]
                lengths, cut = list(map(len, unread)), [False] * len(batch)
            else:
                prompted = len(reading)
                written, unread, cut = self._write(reading, logits_BV)
                texts = [str(self._tokenizer.decode(row)).strip() for row in written]
                lengths = list(map(len, written))
            if number < len(batch[0].turns) - 1:
                for row, question in enumerate(batch):
                    if question.history:
                        unread[row] = self.spelled(question.history[number])
                        if not likeliest:
                            reading.forget(row, since=prompted)
                    elif not texts[row]:  # as published, nothing closes an empty reply
                        unread[row] = []
                        reading.forget(row, since=prompted)
            latency_s, began_s = (time.monotonic() - began_s) / len(batch), time.monotonic()
            for row, (text, length) in enumerate(zip(texts, lengths, strict=True)):
                reply = written_reply(text, tokens=length, latency_s=latency_s, cut=cut[row], scores=scores[row])
                replies[row].append(reply)
        for question, given in zip(batch, replies, strict=True):
            yield Response(item=question.id, replies=tuple(given))

    @torch.inference_mode()
    def _answer_cut(self, question: Question, images: ImageReader) -> Response:
        """Replies to rounds that may be longer than the context, each from as much of the conversation as fits.

        As in the published code, what is cut is the end of the conversation: once it is full, every later round is
        answered from the same beginning.
        """
        pictures, ids, replies = PictureFeatures(self.model, images), list[int](), list[Reply]()
        for number, turn in enumerate(question.turns):
            began_s = time.monotonic()
            ids += self._prompt(question, number)
            shown = [name for past in question.turns[: number + 1] for name in past.images]
            reading = Reading.of(self.model, 1)
            logits_BV = reading.read_cut(ids, pictures.features(shown), self.context)
            scores = None
            if by_likelihood(self._answer, question.task):
                spelled = [self.spelled(option) for option in turn.options]
                likelihoods_K = reading.option_likelihoods(logits_BV, [spelled])[0]
                best, scores = int(likelihoods_K.argmax()), self._scores(turn, likelihoods_K)
                text, said, cut = turn.options[best], spelled[best], False
                length = len(said)
            else:
                (written,), _, (cut,) = self._write(reading, logits_BV)
                text, length = str(self._tokenizer.decode(written)).strip(), len(written)
                said = [*written, EOS] if text else []
            latency_s = time.monotonic() - began_s
            reply = written_reply(text, tokens=length, latency_s=latency_s, cut=cut, scores=scores)
            if len(ids) > self.context and not reply.problem:
                reply = reply.model_copy(update={"problem": f"{len(ids)} tokens, cut to the context of {self.context}"})
            replies.append(reply)
            ids += self.spelled(question.history[number]) if question.history[number:] else said
        return Response(item=question.id, replies=tuple(replies))

    def _scores(self, turn: QuestionTurn, likelihoods_K: torch.Tensor) -> OptionScores | None:
        """The three readings of a round's options."""
        for option in turn.options:
            if option not in self._alone:
                self._alone[option] = -self.mean_loss("", [], option)[0] * len(self.spelled(option))
        lengths = [len(self.spelled(option)) for option in turn.options]
        sums = likelihoods_K[: len(lengths)].tolist()
        return likelihood_scores(sums, lengths, [self._alone[option] for option in turn.options])

    def _write(self, reading: Reading, logits_BV: torch.Tensor) -> tuple[list[list[int]], list[list[int]], list[bool]]:
        """Replies of one round, token by token.

        Args:
            reading: The conversations; extended to the last token but one of each reply.
            logits_BV: After the prompt.

        Returns:
            Each reply's tokens without what closes it, each row's tokens that are yet to be read, and whether the reply
            was cut off.
        """
        open_B = torch.ones(len(logits_BV), dtype=torch.bool, device=self._device)
        written: list[torch.Tensor] = []
        while len(written) < self._max_new_tokens - 1:  # one cut off is closed as in training
            chosen_B = torch.where(open_B, logits_BV.argmax(-1), PAD)
            written.append(chosen_B)
            open_B = open_B & (chosen_B != EOS)
            if not bool(open_B.any()) or len(written) == self._max_new_tokens - 1:
                break
            # A finished row is fed padding that counts for nothing.
            logits_BV = reading.read(chosen_B[:, None], open_B[:, None])
        rows = torch.stack(written, dim=1).tolist() if written else [[]] * len(logits_BV)
        cut = open_B.tolist()
        unread = [[row[-1], EOS] if cut_off and row else [EOS] for row, cut_off in zip(rows, cut, strict=True)]
        return [[token for token in row if token not in (PAD, EOS)] for row in rows], unread, cut


def _refuse_other_models(checkpoint: Path) -> None:
    """Looks before anything is made: of another model's configuration transformers would make a large model of ours."""
    kind = load_config(checkpoint).model_type
    if kind != BabyLlavaConfig.model_type:
        whole = " A vision tower by itself answers nothing: give a later stage" if kind in TOWER_TYPES else ""
        raise CheckpointError(f"holds a model of type {kind}, not a whole model of ours.{whole}", path=checkpoint)


def _shown_name(checkpoint: Path, made: Mapping[str, Any]) -> str:
    """The recipe, and the stage unless it is the last."""
    recipe, stage = made.get("recipe", checkpoint.resolve().name), made.get("stage", "instruction")
    return f"BabyLLaVA-V2 {recipe}" if stage == "instruction" else f"BabyLLaVA-V2 {recipe}, {stage} stage"
