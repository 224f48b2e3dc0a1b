"""Example items with everybody's replies: chosen by rule, some that the main respondent got right and some wrong.

Pictures of a restricted licence are left out unless sharing them is asked for in so many words.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from babyvlm.licences import is_restricted
from babyvlm.records import IMAGE_TOKEN, Item, ItemTurn, Outcome, Reply
from babyvlm.reports.results import Results, RunResult
from babyvlm.toolbox import TASKS, Toolbox
from babyvlm.toolbox.scoring import memory_base
from babyvlm.toolbox.tasks import LETTERS, QUADRANTS

ITEMS_PER_TASK = 3
_TEST_ROUNDS = 3
_REPLY_CHARACTERS = 120
_ROUND_REPLY_CHARACTERS = 28
_JPEG_QUALITY = 78
_WITHHELD_PX = 56


@dataclass(frozen=True)
class PagePicture:
    """A picture of an item, as the page shows it."""

    number: int
    """Counted from 1, as the prompt refers to it."""
    data: str
    """``data:`` address; empty where the licence keeps it from the page."""
    description: str
    width_px: int
    height_px: int


@dataclass(frozen=True)
class ShownReply:
    """One respondent's reply."""

    respondent: str
    text: str
    outcome: Outcome | None
    """None where the respondent was not asked."""


@dataclass(frozen=True)
class ShownRound:
    """One turn of an item."""

    title: str
    """Empty for items of one turn."""
    prompt: str
    pictures: tuple[PagePicture, ...]
    gold: str
    replies: tuple[ShownReply, ...]

    @property
    def of(self) -> dict[str, ShownReply]:
        """The replies by respondent."""
        return {reply.respondent: reply for reply in self.replies}


@dataclass(frozen=True)
class ShownItem:
    """One example."""

    id: str
    rounds: tuple[ShownRound, ...]
    rounds_in_all: int
    withheld: str
    """The licence that keeps the pictures from the page; empty where they are shown."""


@dataclass(frozen=True)
class TaskExamples:
    """The examples of one sub-task."""

    task: str
    items: tuple[ShownItem, ...]


def choose_examples(results: Results, *, share_restricted: bool = False) -> list[TaskExamples]:
    """Examples of every sub-task, the same ones for the same runs.

    Args:
        results: The runs.
        share_restricted: Whether pictures of a restricted licence may be embedded.
    """
    examples = []
    for task in results.tasks:
        chosen = _choose(task, results)
        shown = tuple(_show(item, results, share_restricted) for item in chosen)
        examples.append(TaskExamples(task, shown))
    return examples


def _choose(task: str, results: Results) -> list[Item]:
    """Right and wrong by turns, each category once as long as there are others."""
    judge = next(run for run in (results.main, *results.runs) if task in run.by_task)
    primary = TASKS[task].primary_metric
    right: list[Item] = []
    wrong: list[Item] = []
    for item in judge.items:
        if item.task == task and item.id in judge.judged:
            worth = judge.judged[item.id].metrics.get(primary, 0.0)
            (right if worth >= 0.5 else wrong).append(item)
    chosen: list[Item] = []
    for turn in range(ITEMS_PER_TASK):
        pools = (right, wrong) if turn % 2 == 0 else (wrong, right)
        pool = next((pool for pool in pools if pool), None)
        if pool is None:
            break
        seen = {item.category for item in chosen}
        item = next((item for item in pool if item.category not in seen), pool[0])
        pool.remove(item)
        chosen.append(item)
    return chosen


def _show(item: Item, results: Results, share_restricted: bool) -> ShownItem:
    withheld = item.licence if is_restricted(item.licence) and not share_restricted else ""
    turns = range(len(item.turns))
    if len(item.turns) > 1:
        base = memory_base(item)
        turns = range(min(len(item.turns), base + _TEST_ROUNDS))
    rounds = tuple(_show_round(item, number, results, bool(withheld)) for number in turns)
    return ShownItem(item.id, rounds, len(item.turns), withheld)


def _show_round(item: Item, number: int, results: Results, withheld: bool) -> ShownRound:
    turn = item.turns[number]
    title = ""
    if len(item.turns) > 1:
        title = f"{'Learning' if number < memory_base(item) else 'Testing'} {number + 1}"
    limit_px = _limit_px(turn, bool(title))
    pictures = tuple(
        _picture(results.toolbox, turn, place, limit_px, withheld, compact=bool(title))
        for place in range(len(turn.images))
    )
    replies = tuple(_reply(run, item, number) for run in results.ordered)
    return ShownRound(title, prompt_words(turn.prompt), pictures, gold_words(item.task, turn.gold), replies)


def _limit_px(turn: ItemTurn, compact: bool) -> int:
    """Longest side of an embedded picture: twice what a page shows, for fine screens."""
    count = len(turn.images)
    return 112 if compact or count > 4 else 360 if count == 1 else 240 if count == 2 else 176


def _picture(
    toolbox: Toolbox, turn: ItemTurn, place: int, limit_px: int, withheld: bool, *, compact: bool
) -> PagePicture:
    label = turn.labels[place] if place < len(turn.labels) else ""
    description = f"Picture {place + 1}" + (f": {label}" if label else "")
    if withheld:
        return PagePicture(place + 1, "", description, _WITHHELD_PX, _WITHHELD_PX)
    image = toolbox.image(turn.images[place])
    image.thumbnail((limit_px, limit_px), Image.Resampling.LANCZOS)
    # Crops of 128 px are shown at their own size at most; compact ones at half.
    shown = 56 if compact or len(turn.images) > 4 else {1: 180, 2: 128}.get(len(turn.images), 78)
    scale = min(1.0, shown / max(image.size))
    return PagePicture(
        place + 1, data_address(image), description, round(image.width * scale), round(image.height * scale)
    )


def data_address(image: Image.Image) -> str:
    """A picture as a ``data:`` address, the same for the same pixels."""
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=_JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def prompt_words(prompt: str) -> str:
    """The prompt with numbered pictures in place of placeholders.

    >>> prompt_words("<image><image><image> Which? (A) <image>")
    '[1–3] Which? (A) [4]'
    """
    words, done, place = [], 0, 0
    for found in re.finditer(rf"{IMAGE_TOKEN}(?:\s*{IMAGE_TOKEN})*", prompt):
        count = found[0].count(IMAGE_TOKEN)
        name = f"[{place + 1}]" if count == 1 else f"[{place + 1}–{place + count}]"
        words += [prompt[done : found.start()], name]
        done, place = found.end(), place + count
    return "".join([*words, prompt[done:]])


def gold_words(task: str, gold: str) -> str:
    """The right answer, with the place a letter stands for where that is the question."""
    if task == "localization" and gold in LETTERS:
        return f"{gold} ({QUADRANTS[LETTERS.index(gold)]})"
    return gold


def _reply(run: RunResult, item: Item, number: int) -> ShownReply:
    response = run.responses.get(item.id)
    if response is None or item.id not in run.judged:
        return ShownReply(run.name, "", None)
    return ShownReply(
        run.name,
        _words(response.replies[number], _ROUND_REPLY_CHARACTERS if len(item.turns) > 1 else _REPLY_CHARACTERS),
        run.judged[item.id].turns[number].outcome,
    )


def _words(reply: Reply, most: int) -> str:
    text = reply.problem or "nothing came back" if reply.text is None else " ".join(reply.text.split()) or "(empty)"
    return text if len(text) <= most else text[: most - 1] + "…"


def withheld_items(items: Sequence[Item]) -> dict[str, int]:
    """How many items are of each restricted licence."""
    counts: dict[str, int] = {}
    for item in items:
        if is_restricted(item.licence):
            counts[item.licence] = counts.get(item.licence, 0) + 1
    return dict(sorted(counts.items()))
