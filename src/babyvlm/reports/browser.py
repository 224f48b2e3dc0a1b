"""The item browser: a page of its own with items, their pictures and everybody's replies, to search and to filter.

It holds a share of the items, pictures made small, and needs no server: what it shows lies in the page itself. Pictures
of a restricted licence are left out unless sharing them is asked for in so many words.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from PIL import Image

from babyvlm.licences import is_restricted
from babyvlm.records import Item
from babyvlm.reports.examples import data_address, gold_words, prompt_words
from babyvlm.reports.results import Results
from babyvlm.toolbox import TASKS

_LONGEST_PX = 112


def browsed_items(results: Results, per_task: int) -> list[Item]:
    """The items to show: those that anybody was asked, at most so many of a sub-task, first in the toolbox's order."""
    asked = {item.id for run in results.runs for item in run.items}
    counts: Counter[str] = Counter()
    chosen = []
    for item in results.toolbox.items:
        if item.id in asked and counts[item.task] < per_task:
            counts[item.task] += 1
            chosen.append(item)
    return chosen


def browser_data(results: Results, items: list[Item], *, share_restricted: bool = False) -> dict[str, Any]:
    """What the page needs, as JSON.

    Args:
        results: The runs.
        items: Items to show.
        share_restricted: Whether pictures of a restricted licence may be embedded.

    Returns:
        ``respondents``, ``tasks`` (name to title), ``pictures`` (``data:`` addresses) and ``items``, whose rounds refer
        to pictures by place.
    """
    places: dict[str, int] = {}
    pictures: list[str] = []
    shown = []
    for item in items:
        withheld = is_restricted(item.licence) and not share_restricted
        rounds = []
        for number, turn in enumerate(item.turns):
            seen = []
            for name in () if withheld else turn.images:
                if name not in places:
                    places[name] = len(pictures)
                    image = results.toolbox.image(name)
                    image.thumbnail((_LONGEST_PX, _LONGEST_PX), Image.Resampling.LANCZOS)
                    pictures.append(data_address(image))
                seen.append(places[name])
            replies: list[list[str] | None] = []
            for run in results.ordered:
                response, judged = run.responses.get(item.id), run.judged.get(item.id)
                if response is None or judged is None:
                    replies.append(None)
                    continue
                reply = response.replies[number]
                replies.append([reply.problem if reply.text is None else reply.text, judged.turns[number].outcome])
            rounds.append(
                {
                    "prompt": prompt_words(turn.prompt),
                    "gold": gold_words(item.task, turn.gold),
                    "labels": list(turn.labels),
                    "pictures": seen,
                    "replies": replies,
                }
            )
        shown.append(
            {
                "id": item.id,
                "task": item.task,
                "category": item.category,
                "difficulty": item.difficulty,
                "withheld": item.licence if withheld else "",
                "rounds": rounds,
            }
        )
    return {
        "respondents": [run.name for run in results.ordered],
        "tasks": {task: TASKS[task].title for task in results.tasks},
        "pictures": pictures,
        "items": shown,
    }
