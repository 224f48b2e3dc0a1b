"""The row of frequency alone: what is named by the words that the training set says most, whatever is shown.

    a round's options in words, or what its pictures are labelled with ── mean of log(1 + count) over words ── highest

Its figure is what knowing a training set's word counts is worth by itself. In a toolbox in which both captions of every
contrast are asked for, that is half of every kind of grammar. Of words it is about half in a bin that holds several,
and all or nothing in a bin of a single word: its lexical figure has to stand beside a model's. Where nothing is named,
and where figures are equal, it guesses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from babyvlm.errors import ConfigError
from babyvlm.evaluation.likeness import best_option
from babyvlm.evaluation.option_scores import plain_scores
from babyvlm.evaluation.respondents import Family, ImageReader, Opening
from babyvlm.folders import MANIFEST
from babyvlm.records import Item, Question, Reply, Response
from babyvlm.toolbox.contrasts.vocabulary import SaidWords, read_vocabulary
from babyvlm.toolbox.tasks import task_named


class FrequencyAlone:
    """Replies with the option whose words are the most frequent.

    Args:
        vocabulary: The words and their counts.
        items: The toolbox, whose labels say what pictures show.
        seed: Of guesses.
    """

    name = "frequency alone"
    family: Family = "baseline"
    sends_data_out = False

    def __init__(self, vocabulary: SaidWords, items: Sequence[Item], seed: int = 0) -> None:
        self._vocabulary, self._seed = vocabulary, seed
        self._labels = {item.id: [turn.labels for turn in item.turns] for item in items}

    def answer(self, questions: Sequence[Question], images: ImageReader) -> Iterator[Response]:
        for question in questions:
            replies = []
            for number, turn in enumerate(question.turns):
                texts: Sequence[str] = ()
                if task_named(question.task).answers == "text":
                    texts = turn.options
                elif len(labels := self._labels.get(question.id, [()])[number]) >= len(turn.options):
                    texts = labels[-len(turn.options) :]
                values = [self._vocabulary.familiarity(text) for text in texts] or [0.0] * len(turn.options)
                text = best_option(values, question, number, self._seed)
                replies.append(Reply(text=text, scores=plain_scores("score", values)))
            yield Response(item=question.id, replies=tuple(replies))


def open_frequency(rest: str, opening: Opening) -> FrequencyAlone:
    """The respondent that ``frequency:DATASET`` names.

    Args:
        rest: A curated set, or a TSV file of words and counts.
        opening: What it is opened for.

    Raises:
        ConfigError: There is nothing at ``rest``.
        DataFolderError: It is no curated set.
        InputError: The table does not read.
    """
    place = Path(rest)
    if not place.is_file() and not (place / MANIFEST).is_file():
        raise ConfigError(f"frequency:{rest}: there is no curated set and no table of words here")
    return FrequencyAlone(read_vocabulary(place), opening.toolbox.items, opening.seed)
