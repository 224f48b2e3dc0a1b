"""A trial as questions: two pictures for a word, two captions for a picture; and where a question belongs.

lexical       "Touch the image of 'dog' (A) <image> (B) <image>"            one question for each caption asked for
grammatical   '<image> Which is right? "..." or "..."'                      one question for each of the two pictures

`Origin.source` of each picture says kind, bin and trial, ``negation/[4,8)/17``: figures are put together by it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from babyvlm.records import IMAGE_TOKEN, Item
from babyvlm.toolbox.batteries import BatteryRecord, BatteryTurn
from babyvlm.toolbox.contrasts.configuration import KINDS, TASK_PREFIX
from babyvlm.toolbox.tasks import LETTERS, looking_while_listening_prompt

_SOURCE = re.compile(r"([a-z_]+)/([^/]+)/(.+)")


@dataclass(frozen=True, kw_only=True)
class TrialKey:
    """Which trial a question is of."""

    kind: str
    bin: str
    """``[4,8)``."""
    name: str

    @property
    def source(self) -> str:
        """As `Origin.source` has it."""
        return f"{self.kind}/{self.bin}/{self.name}"


def trial_of(item: Item) -> TrialKey | None:
    """The trial that an item is a question of; None for items of other tasks."""
    kind = item.task.removeprefix(TASK_PREFIX)
    if not item.task.startswith(TASK_PREFIX) or kind not in KINDS or not item.turns[0].origins:
        return None
    found = _SOURCE.fullmatch(item.turns[0].origins[0].source)
    return TrialKey(kind=found[1], bin=found[2], name=found[3]) if found and found[1] == kind else None


def lexical_record(
    key: TrialKey, caption: str, right: Path, wrong: Path, *, place: str, labels: tuple[str, str], word: str = "",
    licence: str = "",
) -> BatteryRecord:  # fmt: skip
    """A caption and two pictures.

    Args:
        key: The trial.
        caption: What is asked for.
        right: The picture that shows it.
        wrong: The other.
        place: For messages.
        labels: What the right picture shows, and the other.
        word: What the caption turns on; the caption itself when empty.
        licence: Of the pictures.
    """
    shown = [(right, labels[0]), (wrong, labels[1])]
    if Random(f"{key.source}/{caption}").random() < 0.5:
        shown.reverse()
    turn = BatteryTurn(
        prompt=looking_while_listening_prompt(caption),
        images=tuple(path for path, _ in shown),
        options=LETTERS[:2],
        gold=LETTERS[[path for path, _ in shown].index(right)],
        labels=tuple(label for _, label in shown),
        origins=(key.source,) * 2,
    )
    return BatteryRecord(
        place=place, task=TASK_PREFIX + key.kind, turns=(turn,), category=word or caption, licence=licence
    )


def grammar_records(
    key: TrialKey, captions: tuple[str, str], pictures: Sequence[Path], *, place: str, word: str = "", licence: str = ""
) -> list[BatteryRecord]:
    """Two pictures, and which of two captions each of them shows.

    Args:
        key: The trial.
        captions: The first is true of the first picture, the second of the second.
        pictures: Two.
        place: For messages.
        word: What the captions turn on.
        licence: Of the pictures.
    """
    records = []
    for number, (gold, picture) in enumerate(zip(captions, pictures, strict=True)):
        options = captions if Random(f"{key.source}/{number}").random() < 0.5 else captions[::-1]
        turn = BatteryTurn(
            prompt=f'{IMAGE_TOKEN} Which is right? "{options[0]}" or "{options[1]}"',
            images=(picture,),
            options=options,
            gold=gold,
            labels=(gold,),
            origins=(key.source,),
        )
        records.append(
            BatteryRecord(place=place, task=TASK_PREFIX + key.kind, turns=(turn,), category=word, licence=licence)
        )
    return records
