"""A language model as a respondent: it reads the question without its pictures and takes the likeliest option.

    rounds as text, "QUESTION REPLY\\nQUESTION" ── " OPTION" behind it ── sum of log-probabilities of its tokens

It sees nothing, so that its figures show what the words alone give away: a control row. Log-likelihoods are those of
lm-evaluation-harness: an option's tokens are those that it adds to the tokens of what stands before, no special token
is added, and nothing closes the option. An option by itself stands behind the model's first token (``<bos>``, or where
there is none its last).

Of a minimal pair, and of the two captions of a contrast, the sentences are compared by themselves, behind the model's
first token; the question is not read.

B rows, L tokens, V vocabulary.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from babyvlm.errors import CheckpointError
from babyvlm.evaluation.configuration import AskConfig
from babyvlm.evaluation.controls import without_pictures
from babyvlm.evaluation.hub_access import hub_revision, load_errors, load_weights, refuse_unreachable, shown_name
from babyvlm.evaluation.option_scores import likelihood_scores
from babyvlm.evaluation.respondents import Family, ImageReader, failed_response, written_reply
from babyvlm.folders import MANIFEST
from babyvlm.records import Question, Reply, Response
from babyvlm.toolbox.tasks import CAPTION_TASKS

ALONE = ("minimal_pairs", *CAPTION_TASKS)
"""Sub-tasks whose options are whole texts, to be compared without the question."""


@dataclass(frozen=True, kw_only=True)
class TextLikelihood:
    """How likely some text is behind another."""

    log_likelihood: float
    """Sum over its tokens, nats."""
    tokens: int


class LanguageModel:
    """A language model of transformers.

    Args:
        name: Id on the hub, or a folder.
        ask: Names batch size, precision and devices.
        device: Where it runs; a GPU where there is one, when empty.

    Raises:
        CheckpointError: It does not load, is a checkpoint of ours, or its tokenizer has neither a first nor a last
            token.
    """

    family: Family = "baseline"
    sends_data_out = False

    def __init__(self, name: str, *, ask: AskConfig = AskConfig(), device: str = "") -> None:  # noqa: B008
        self.name, self._batch_size = f"{shown_name(name)}, language alone", ask.batch_size
        if (Path(name) / MANIFEST).is_file():
            remedy = f"Its text-only row is baseline:text-only:{name}"
            raise CheckpointError("a checkpoint of ours, not a language model by itself", path=name, remedy=remedy)
        refuse_unreachable(name)
        with load_errors(name, "a language model of transformers", "AutoModelForCausalLM and AutoTokenizer"):
            self._tokenizer: Any = AutoTokenizer.from_pretrained(name)
            self.model: Any = load_weights(AutoModelForCausalLM, name, ask, device=device)
        first = self._tokenizer.bos_token_id
        self._first = self._tokenizer.eos_token_id if first is None else first
        if self._first is None:
            raise CheckpointError("its tokenizer has neither a first nor a last token", path=name)
        self.revision = hub_revision(name, self.model.config)
        self.context: int | None = getattr(self.model.config, "max_position_embeddings", None)
        self._alone: dict[str, float] = {}

    def answer(self, questions: Sequence[Question], images: ImageReader) -> Iterator[Response]:
        for start in range(0, len(questions), self._batch_size):
            batch = questions[start : start + self._batch_size]
            yield from self._answer_batch([without_pictures(question) for question in batch])

    def _answer_batch(self, batch: Sequence[Question]) -> list[Response]:
        said = [""] * len(batch)
        replies: list[list[Reply]] = [[] for _ in batch]
        too_long: dict[int, int] = {}
        for number in range(max(len(question.turns) for question in batch)):
            began_s = time.monotonic()
            asked = [row for row, question in enumerate(batch) if number < len(question.turns) and row not in too_long]
            for row in asked:
                if batch[row].task not in ALONE:
                    said[row] += ("\n" if number else "") + batch[row].turns[number].prompt
            longest = {row: self._tokens(said[row], batch[row].turns[number].options) for row in asked}
            too_long |= {row: tokens for row, tokens in longest.items() if self.context and tokens > self.context}
            asked = [row for row in asked if row not in too_long]
            pairs = [
                (said[row], _behind(said[row], option)) for row in asked for option in batch[row].turns[number].options
            ]
            found = iter(self.log_likelihoods(pairs))
            for row in asked:
                options = batch[row].turns[number].options
                judged = [next(found) for _ in options]
                sums = [one.log_likelihood for one in judged]
                best = sums.index(max(sums))
                scores = likelihood_scores(
                    sums,
                    [one.tokens for one in judged],
                    [self._by_itself(option) for option in options] if said[row] else [],
                )
                latency_s = (time.monotonic() - began_s) / len(asked)
                replies[row].append(
                    written_reply(
                        options[best], tokens=judged[best].tokens, latency_s=latency_s, cut=False, scores=scores
                    )
                )
                history = batch[row].history
                said[row] += f" {history[number] if number < len(history) else options[best]}"
        return [
            failed_response(question, f"context too short: {too_long[row]} tokens, and the model takes {self.context}")
            if row in too_long
            else Response(item=question.id, replies=tuple(replies[row]))
            for row, question in enumerate(batch)
        ]

    def _tokens(self, context: str, options: Sequence[str]) -> int:
        return max(sum(map(len, self._split(context, _behind(context, option)))) for option in options)

    def _by_itself(self, option: str) -> float:
        if option not in self._alone:
            self._alone[option] = self.log_likelihoods([("", f" {option}")])[0].log_likelihood
        return self._alone[option]

    @torch.inference_mode()
    def log_likelihoods(self, pairs: Sequence[tuple[str, str]]) -> list[TextLikelihood]:
        """How likely each second text is behind the first, in batches of ``--batch-size`` rows.

        Args:
            pairs: What stands before, empty for nothing, and what comes behind it.
        """
        split = [self._split(before, behind) for before, behind in pairs]
        order = sorted(range(len(split)), key=lambda place: -sum(map(len, split[place])))
        found: dict[int, TextLikelihood] = {}
        for start in range(0, len(order), self._batch_size):
            places = order[start : start + self._batch_size]
            rows = [before + behind for before, behind in (split[place] for place in places)]
            ids_BL = torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
            counted_B1 = torch.tensor([[len(row)] for row in rows])
            mask_BL = (torch.arange(ids_BL.shape[1]) < counted_B1).long()
            device = self.model.device
            logits_BLV = self.model(input_ids=ids_BL.to(device), attention_mask=mask_BL.to(device)).logits
            for row, place in enumerate(places):
                before, behind = split[place]
                logits_LV = logits_BLV[row, len(before) - 1 : len(before) + len(behind) - 1].float()
                wanted_L1 = torch.tensor(behind, device=logits_LV.device)[:, None]
                total = float(logits_LV.log_softmax(-1).gather(1, wanted_L1).sum())
                found[place] = TextLikelihood(log_likelihood=total, tokens=len(behind))
        return [found[place] for place in range(len(split))]

    def _split(self, before: str, behind: str) -> tuple[list[int], list[int]]:
        """Tokens of both; blanks between them belong to the second, and an empty first text is the first token."""
        bare = before.rstrip()
        whole = self._tokenizer.encode(before + behind, add_special_tokens=False)
        if not bare:
            return [self._first], whole
        context = self._tokenizer.encode(bare, add_special_tokens=False)
        return context, whole[len(context) :]


def _behind(before: str, option: str) -> str:
    """An option as it stands behind a question, or by itself where nothing stands before it."""
    return f" {option}" if before else option
