"""Reads the question of one published record: its rounds, options, answer and pictures.

A record of which no item can be made raises `UnusableError`, with the reason by which it is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from babyvlm.records import Item, ItemSplit, ItemTurn, content_id
from babyvlm.toolbox.published.prompts import guess_options, placeholders, recognise
from babyvlm.toolbox.tasks import LETTERS, task_named

# DEVIATION: such prompts are asked all the same, under a variant of their own.
UNRECOGNISED = "unrecognised"


class UnusableError(Exception):
    """A record of which no item can be made; caught and counted by reason."""


def item_of(
    record: dict[str, Any], file_task: str | None, split: ItemSplit, shown: Sequence[str], licence: str
) -> Item:
    """The item of a record whose pictures are all there.

    Args:
        record: The record.
        file_task: The sub-task that its file or folder names.
        split: Its split.
        shown: Its pictures, by the names they are stored under.
        licence: Licence of pictures whose record has none.

    Raises:
        UnusableError: There is none, for the reason it gives.
    """
    rounds = rounds_of(record)
    understood = [recognise(prompt) for prompt, _ in rounds]
    # Most rounds of a memory item, and every other item, have one family; the last is never the odd first round.
    last = understood[-1]
    if all(understood) and last is not None:
        task = file_task if file_task in last.tasks else last.tasks[0]
        if last.task and file_task in (None, last.task):
            task = last.task
        variant, word = last.variant, last.word
        options = [entry.options if entry is not None else () for entry in understood]
    elif file_task is not None:
        task, variant, word = file_task, UNRECOGNISED, ""
        options = [guess_options(prompt, task) for prompt, _ in rounds]
    else:
        raise UnusableError("prompt: of no published wording, in a file that names no task")
    spec = task_named(str(task))
    if len(rounds) > 1 and spec.name != "memory":
        raise UnusableError("record: several rounds of a task that has one")
    shares = _share_out(rounds, shown)
    labels = record.get("labels")
    turns = []
    for number, ((prompt, answer), admitted, pictures) in enumerate(zip(rounds, options, shares, strict=True)):
        admitted = admitted or _numbers(spec.options, answer, variant)
        gold = _plain_answer(answer)
        if gold not in admitted:
            raise UnusableError("answer: not among the options")
        turns.append(
            ItemTurn(
                prompt=prompt,
                images=tuple(pictures),
                options=admitted,
                gold=gold,
                labels=_labels_of(labels, number, len(rounds)),
            )
        )
    _refuse_ambiguous(turns)
    meta = record.get("meta")
    if isinstance(meta, dict) and isinstance(meta.get("licence"), str):
        licence = meta["licence"]
    if isinstance(meta, dict) and meta.get("variant") == "balanced":
        variant = "balanced"  # built here, exported and imported again
    letters = set(turns[0].options) <= {"A", "B", "C", "D"}
    single = 1 / len(turns[0].options) if letters or spec.answers == "direction" else spec.chance
    content = [[turn.prompt, turn.gold, *(Path(name).stem for name in turn.images)] for turn in turns]
    return Item(
        id=content_id(spec.name, content),
        task=spec.name,
        variant=variant,
        split=split,
        turns=tuple(turns),
        chance=spec.chance if spec.name == "memory" else single,
        age_span_months=spec.age_span_months,
        category=word or (turns[0].gold if spec.answers == "number" else ""),
        licence=licence,
    )


def rounds_of(record: dict[str, Any]) -> list[tuple[str, str]]:
    """Prompt and answer of each round."""
    turns = record.get("conversations")
    if not isinstance(turns, list) or not turns or len(turns) % 2:
        raise UnusableError("record: no even number of turns")
    rounds = []
    for asked, answered in zip(turns[::2], turns[1::2], strict=True):
        if not isinstance(asked, dict) or not isinstance(answered, dict):
            raise UnusableError("record: a turn is no object")
        if asked.get("from") not in ("human", "user") or answered.get("from") not in ("gpt", "assistant"):
            raise UnusableError("record: turns are not by human and gpt in turn")
        rounds.append((str(asked.get("value", "")), str(answered.get("value", ""))))
    return rounds


def _share_out(rounds: Sequence[tuple[str, str]], shown: Sequence[str]) -> list[list[str]]:
    """The pictures of each round, as the placeholders say; all of them in the first round where there are none."""
    places = [placeholders(prompt) for prompt, _ in rounds]
    if sum(places) == 0:
        return [list(shown), *([] for _ in rounds[1:])]
    if sum(places) != len(shown):
        raise UnusableError("image: not as many as the prompt has places for")
    remaining = iter(shown)
    return [[next(remaining) for _ in range(count)] for count in places]


def _numbers(options: tuple[str, ...], answer: str, variant: str) -> tuple[str, ...]:
    """The admissible numbers, which reach as far as the answer."""
    plain = answer.strip()
    if variant == UNRECOGNISED or not plain.isdigit() or not plain.isascii() or len(plain) > 3:
        return options
    return options if plain in options else tuple(str(number) for number in range(int(plain) + 1))


def _plain_answer(answer: str) -> str:
    """An answer as options spell it: ``B`` for `` (b).``, ``top left`` for ``Top-left``.

    >>> _plain_answer(" (b)."), _plain_answer("Top-left"), _plain_answer("03")
    ('B', 'top left', '3')
    """
    plain = answer.strip().strip("().'\" ")
    if len(plain) == 1 and plain.isalpha():
        return plain.upper()
    if plain.isdigit() and plain.isascii():
        return str(int(plain))
    return " ".join(plain.lower().replace("-", " ").split())


def _labels_of(labels: object, number: int, rounds: int) -> tuple[str, ...]:
    if not isinstance(labels, list):
        return ()
    if len(labels) == rounds and isinstance(labels[number], list):
        return tuple(str(label) for label in labels[number])
    return tuple(str(label) for label in labels) if rounds == 1 and all(isinstance(one, str) for one in labels) else ()


def _refuse_ambiguous(turns: Sequence[ItemTurn]) -> None:
    """An item whose right option shows the same picture as another has no answer."""
    for turn in turns:
        shown = turn.images[-len(turn.options) :]
        if not set(turn.options) <= set(LETTERS) or not 1 < len(turn.options) <= len(turn.images):
            continue
        if len(set(shown)) == 1:
            raise UnusableError("options: every one of them is the same picture")
        if shown.count(shown[turn.options.index(turn.gold)]) > 1:
            raise UnusableError("options: another shows the same picture as the right one")
