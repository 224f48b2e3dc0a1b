"""Replies of several people to one item, put together where a figure needs one value an item.

A run of people may hold many responses to an item. Scores and break-downs count every one of them; a comparison item by
item, or a page of examples, takes what is typical.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean

from babyvlm.records import Response
from babyvlm.toolbox import ItemScore


def typical_score(scores: Sequence[ItemScore]) -> ItemScore:
    """Mean metrics, and in each round the commonest answer."""
    if len(scores) == 1:
        return scores[0]
    counted = [score for score in scores if score.metrics]
    turns = []
    for round_scores in zip(*(score.turns for score in counted or scores), strict=True):
        tally = Counter(round_scores)
        turns.append(max(round_scores, key=lambda turn: tally[turn]))
    names = counted[0].metrics if counted else {}
    metrics = {name: fmean(score.metrics[name] for score in counted) for name in names}
    return scores[0].model_copy(update={"turns": tuple(turns), "metrics": metrics, "participant": ""})


def typical_scores(scores: Iterable[ItemScore]) -> dict[str, ItemScore]:
    """The typical score of each item."""
    by_item: dict[str, list[ItemScore]] = defaultdict(list)
    for score in scores:
        by_item[score.item].append(score)
    return {item: typical_score(of_item) for item, of_item in by_item.items()}


def typical_responses(responses: Iterable[Response]) -> dict[str, Response]:
    """By item the commonest reply of each round, with how many of how many people gave it."""
    by_item: dict[str, list[Response]] = defaultdict(list)
    for response in responses:
        by_item[response.item].append(response)
    return {item: _typical_response(of_item) for item, of_item in by_item.items()}


def _typical_response(responses: Sequence[Response]) -> Response:
    if len(responses) == 1:
        return responses[0]
    replies = []
    for round_replies in zip(*(response.replies for response in responses), strict=True):
        given = [reply for reply in round_replies if reply.text is not None] or list(round_replies)
        tally = Counter(reply.text for reply in given)
        common = max(given, key=lambda reply: tally[reply.text])
        shown = None if common.text is None else f"{common.text} ({tally[common.text]} of {len(given)} people)"
        replies.append(common.model_copy(update={"text": shown}))
    return Response(item=responses[0].item, replies=tuple(replies))
