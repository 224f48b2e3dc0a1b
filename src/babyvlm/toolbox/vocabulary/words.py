"""Words that children learn early: their semantic field, age of acquisition and pronunciation.

    early_words.tsv | a Wordbank CSV -> Vocabulary -> foils near or far in meaning or sound, age spans of items

An age of the packaged list that is from norms is the month at which half of the children *say* the word: where the
logistic curve of "says it" over months passes one half, fitted to both forms of the American English MacArthur-Bates
inventory together (8 to 31 months, 2,502 children), as ``babyvlm children`` computes it. The counts are Wordbank's
(Frank and others, 2017, https://wordbank.stanford.edu; data under CC BY 4.0). Words that the inventory does not ask, or
that fewer than half say at 31 months, have an estimate of ours, set down from common knowledge of early vocabularies
and moved up by the three months by which such estimates were early on average where norms exist. ``age_from`` tells
the two apart.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from babyvlm.errors import AnnotationError
from babyvlm.records import Record
from babyvlm.regular_files import read_regular
from babyvlm.spreadsheets import TableReader
from babyvlm.words import edit_distance

_PACKAGED = "early_words.tsv"
_NEAR_SOUND = 0.5  # of the longer word's phonemes may differ in a minimal-pair-like foil

_SPELLINGS: Mapping[str, str] = {
    "bookshelf": "bookcase",
    "cabinetry": "cabinet",
    "coffee table": "table",
    "coffeetable": "table",
    "countertop": "counter",
    "dining table": "table",
    "diningtable": "table",
    "nightstand": "table",
    "pictureframe": "picture frame",
    "potted plant": "plant",
    "pottedplant": "plant",
    "remote control": "remote",
    "tap": "faucet",
    "tin can": "can",
    "tincan": "can",
    "tv": "television",
    "tvmonitor": "television",
    "waste container": "trash can",
    "wastecontainer": "trash can",
    "fridge": "refrigerator",
    "cell phone": "phone",
    "plane": "airplane",
    "aeroplane": "airplane",
    "motorbike": "motorcycle",
    "teddy": "teddy bear",
    "biscuit": "cookie",
    "trousers": "pants",
    "pyjamas": "pajamas",
    "nappy": "diaper",
    "pram": "stroller",
    "doughnut": "donut",
}
"""Labels of common annotation sets and other spellings, and the word of the list that means the same."""


class Word(Record):
    """One word."""

    word: str = Field(min_length=1)
    field: str
    """Semantic field; empty where the source does not say."""
    acquired_months: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Age at which half of the children say it, months; None where the source does not say."""
    age_from: Literal["norms", "estimate", ""] = ""
    """Whether the age is computed from norms or estimated; empty for words of other tables."""
    pronunciation: tuple[str, ...] = ()
    """ARPABET phonemes of American English, without stress; empty where unknown."""


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """Words to look labels up in."""

    words: Mapping[str, Word]
    name: str

    def find(self, label: str) -> Word | None:
        """The word that a label means: as it stands, by its usual spelling, or by its singular; None where none does.

        >>> early_vocabulary().find("tvmonitor").word, early_vocabulary().find("Strawberries").word
        ('television', 'strawberry')
        """
        plain = " ".join(label.replace("_", " ").replace("-", " ").lower().split())
        for spelled in _spellings(plain):
            if spelled in self.words:
                return self.words[spelled]
        return None

    def same_field(self, first: str, second: str) -> bool:
        """Whether both labels are known and belong to one semantic field."""
        one, other = self.find(first), self.find(second)
        return one is not None and other is not None and one.field == other.field != ""

    def sound_alike(self, first: str, second: str) -> bool:
        """Whether both are known and at most half of the longer word's phonemes differ.

        >>> words = early_vocabulary()
        >>> words.sound_alike("cat", "hat"), words.sound_alike("cat", "umbrella")
        (True, False)
        """
        one, other = self.find(first), self.find(second)
        if one is None or other is None or not one.pronunciation or not other.pronunciation:
            return False
        longest = max(len(one.pronunciation), len(other.pronunciation))
        return edit_distance(one.pronunciation, other.pronunciation) <= _NEAR_SOUND * longest


def _spellings(plain: str) -> Iterator[str]:
    yield plain
    if plain in _SPELLINGS:
        yield _SPELLINGS[plain]
    for ending, singular in (("ies", "y"), ("ves", "f"), ("es", ""), ("s", "")):
        if plain.endswith(ending) and len(plain) > len(ending) + 2:
            yield plain[: -len(ending)] + singular
            yield _SPELLINGS.get(plain[: -len(ending)] + singular, "")


@functools.cache
def early_vocabulary() -> Vocabulary:
    """The packaged list."""
    text = resources.files(__package__).joinpath(_PACKAGED).read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t")
    words = [Word.model_validate({**row, "pronunciation": tuple(row["pronunciation"].split())}) for row in rows]
    return Vocabulary(words={word.word: word for word in words}, name="early words")


_WORD_COLUMNS = ("item_definition", "definition", "uni_lemma", "word")
_FIELD_COLUMNS = ("category", "field", "lexical_category")
_AGE_COLUMNS = ("aoa", "acquired_months", "age_of_acquisition")


@functools.lru_cache(maxsize=8)
def read_wordbank(path: Path, *, share: float = 0.5) -> Vocabulary:
    """A vocabulary from a Wordbank export.

    Two forms are read: by-item summaries with one column per month of age (the share of children who say the word; the
    age is the first month that reaches ``share``), and tables with a column of ages such as ``aoa``. Pronunciations
    come from the packaged list where it has the word.

    Args:
        path: CSV file with a heading.
        share: Share of children, 0 to 1, that must say a word.

    Raises:
        AnnotationError: The file has no column of words, or a value does not parse; the line is named.
    """
    try:
        text = read_regular(path).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise AnnotationError(f"does not read as text ({error})", path=path) from error
    table = TableReader(text, path)
    columns = table.columns
    word_column = next((name for name in _WORD_COLUMNS if name in columns), None)
    if word_column is None:
        raise AnnotationError(
            f"no column of words; the columns are {', '.join(columns) or 'none'}",
            path=path,
            remedy=f"Export by item from Wordbank, or name the column of words {_WORD_COLUMNS[0]}",
        )
    field_column = next((name for name in _FIELD_COLUMNS if name in columns), None)
    age_column = next((name for name in _AGE_COLUMNS if name in columns), None)
    months = sorted((int(name), name) for name in columns if name.isdigit())
    words: dict[str, Word] = {}
    for line, row in table:
        spelled = _wordbank_spelling(row[word_column])
        if not spelled:
            continue
        try:
            age: float | None = None
            if age_column is not None:
                age = float(row[age_column]) if row[age_column] not in ("", "NA") else None
            else:
                age = next((m for m, name in months if row[name] not in ("", "NA") and float(row[name]) >= share), None)
            known = early_vocabulary().words.get(spelled)
            words.setdefault(
                spelled,
                Word(
                    word=spelled,
                    field=row[field_column] if field_column else (known.field if known else ""),
                    acquired_months=age,
                    pronunciation=known.pronunciation if known else (),
                ),
            )
        except (ValueError, TypeError, ValidationError) as error:
            raise AnnotationError(
                f"the age of {spelled!r} does not parse ({error})", path=path, place=f"line {line}"
            ) from error
    if not words:
        raise AnnotationError("no word in it", path=path, remedy="Export by item from Wordbank")
    return Vocabulary(words=words, name=path.name)


def _wordbank_spelling(entry: str) -> str:
    """``chicken (animal)`` and ``blanket/blankie`` as plain words.

    >>> _wordbank_spelling("chicken (animal)"), _wordbank_spelling("soda/pop*")
    ('chicken', 'soda')
    """
    return entry.split("(")[0].split("/")[0].strip(" *").lower()
