"""Items of every sub-task and a respondent with known faults, for the tests of the report."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from babyvlm.evaluation.respondents import Family, ImageReader
from babyvlm.records import Item, ItemTurn, Question, Reply, Response, content_id
from babyvlm.toolbox import TASKS

RESTRICTED = "restricted: nobody may redistribute frames"
ITEMS_PER_TASK = 24
DISJOINT = "none of the 2 recordings of the items is in training; 0 of 9 item images lie near a training image"


class Scripted:
    """Right with a given probability; otherwise wrong, and now and then unreadable, refused or failed."""

    sends_data_out = False

    def __init__(self, name: str, items: Sequence[Item], right: float, family: Family = "baby model") -> None:
        self.name, self.family, self._right = name, family, right
        self._items = {item.id: item for item in items}

    def answer(self, questions: Sequence[Question], images: ImageReader) -> Iterator[Response]:
        for question in questions:
            rng = random.Random(f"{self.name}/{question.id}")
            replies = []
            for turn in self._items[question.id].turns:
                draw = rng.random()
                if draw < 0.02:
                    replies.append(Reply(text="hmm"))
                elif draw < 0.03:
                    replies.append(Reply(text="I'm sorry, I cannot help"))
                elif draw < 0.04 and len(self._items[question.id].turns) == 1:
                    replies.append(Reply(text=None, problem="timed out <after> 60 s"))
                else:
                    replies.append(Reply(text=turn.gold if draw < self._right else rng.choice(turn.options)))
            yield Response(item=question.id, replies=tuple(replies))


def make_items(images: Path, restricted_task: str) -> list[Item]:
    """Items of every sub-task; those of one task show pictures of a restricted licence."""
    images.mkdir(parents=True)
    rng = random.Random(0)
    items = []
    for task, spec in TASKS.items():
        licence = RESTRICTED if task == restricted_task else "Apache-2.0"
        for number in range(ITEMS_PER_TASK):
            name = f"{content_id(task, number)}.jpg"
            colour = (rng.randrange(256), rng.randrange(256), rng.randrange(256))
            Image.new("RGB", (24, 18), colour).save(images / name)
            turns = []
            for round_ in range(15 if task == "memory" else 1):
                options = ("A",) if task == "memory" and round_ == 0 else spec.options
                pictures = (name,) * (len(options) if spec.answers == "letter" and task != "localization" else 1)
                # Learning rounds show a new object each; testing rounds show each of them twice.
                labels = tuple(f"object {round_ % 5}" for _ in pictures)
                gold = options[number % len(options)] if spec.answers == "number" else rng.choice(options)
                prompt = f"<{'image'}>" * len(pictures) + f" {task} & more?"
                turns.append(ItemTurn(prompt=prompt, images=pictures, options=options, gold=gold, labels=labels))
            items.append(
                Item(
                    id=content_id(task, number, "item"),
                    task=task,
                    split="test",
                    turns=tuple(turns),
                    chance=spec.chance,
                    category=f"thing {number}",
                    licence=licence,
                )
            )
    return items
