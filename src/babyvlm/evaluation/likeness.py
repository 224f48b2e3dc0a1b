"""What likeness can answer, and how an option is picked by it; shared by dual encoders and by `python:` classes."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from babyvlm.records import Question, QuestionTurn
from babyvlm.toolbox.tasks import CAPTION_TASKS, WORD_TASKS

WORD_ROWS = (*WORD_TASKS, "devbench_grammar", "contrast_nouns", "contrast_adjectives", *CAPTION_TASKS)
"""Sub-tasks that the likeness of words, or of sentences, and pictures answers."""
PICTURE_ROWS = ("left_right", "spatial_details", "memory")
"""Sub-tasks that the likeness of pictures answers."""
_QUOTED = re.compile(r"(?<!\w)'(.+?)'(?!\w)")  # an apostrophe within a word is no quote


def likeness_takes(row: str, rows: Sequence[str] = (*WORD_ROWS, *PICTURE_ROWS)) -> bool:
    """Whether likeness can answer a row's items, hard variants too.

    >>> likeness_takes("memory.hard"), likeness_takes("object_counting"), likeness_takes("memory", WORD_ROWS)
    (True, False, False)
    """
    return row.removesuffix(".hard") in rows


def asked_word(turn: QuestionTurn) -> str:
    """The word between quotes that a round asks for, where each option is a picture; empty in other rounds."""
    quoted = _QUOTED.search(turn.prompt)
    return quoted[1] if quoted and len(turn.images) == len(turn.options) else ""


def offered_captions(turn: QuestionTurn) -> tuple[str, ...]:
    """The texts between double quotes of which a round asks which is true of its picture; none in other rounds."""
    quoted = all(f'"{option}"' in turn.prompt for option in turn.options)
    return turn.options if quoted and len(turn.images) == 1 and len(turn.options) > 1 else ()


def best_option(values: Sequence[float], question: Question, number: int, seed: int) -> str:
    """The option with the highest figure; among equals, a guess by item, round and seed alone.

    Args:
        values: A figure for each option.
        question: What is asked.
        number: The round, from 0.
        seed: Of the guess.
    """
    draw = random.Random(f"{seed}/{question.id}/{number}")
    best = [place for place, value in enumerate(values) if value == max(values)]
    return question.turns[number].options[draw.choice(best)]
