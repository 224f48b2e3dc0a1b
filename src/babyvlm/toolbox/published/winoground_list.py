"""Baby Winoground's published list: a CSV file with two rows for each pair, one for each of its pictures.

    instance_id, positive_phrase, negative_phrase, image, image_tag
    0, see person, touch pillow, S_..._00.jpg, positive
    0, see person, touch pillow, S_..._00_neg.jpeg, negative

Pictures lie beside the list in ``positive_images/`` and ``negative_images/``, as the published task has them, or beside
it or in ``images/``. Each row becomes an item of Looking While Listening about both pictures of its pair, the positive
one first, that asks for the row's own phrase. The two items of a pair make the pair that is scored by likelihood.
"""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from babyvlm.errors import InputError
from babyvlm.records import Item, ItemSplit, ItemTurn, content_id
from babyvlm.regular_files import read_regular
from babyvlm.toolbox.published.items import UnusableError
from babyvlm.toolbox.tasks import TASKS, looking_while_listening_prompt

VARIANT = "published: Baby Winoground"
_TASK = "looking_while_listening"
_TAGS = ("positive", "negative")
_SPELLINGS = {
    "instance_id": ("instanceid", "instance", "pairid", "pair", "id"),
    "positive_phrase": ("positivephrase", "phrasepositive", "posphrase", "positivecaption", "positivetext", "positive"),
    "negative_phrase": ("negativephrase", "phrasenegative", "negphrase", "negativecaption", "negativetext", "negative"),
    "image": ("image", "imagefile", "imagename", "imagepath", "filename", "file", "path"),
    "image_tag": ("imagetag", "tag", "imagetype", "imagelabel", "type", "label"),
}
"""The published columns, and how else they may be spelled, without capitals, blanks and lines."""


@dataclass(frozen=True, kw_only=True)
class PairRow:
    """One row, by the published names."""

    instance_id: str
    positive_phrase: str
    negative_phrase: str
    image: str
    image_tag: str


def pair_row(row: Mapping[str, str]) -> PairRow:
    """A row by the published names of its columns."""
    named = _columns(list(row))
    return PairRow(**{name: row[column].strip() for name, column in named.items()})


def picture_places(row: PairRow) -> tuple[str, ...]:
    """Where a row's picture may lie, relative to the list or to an image root."""
    return f"{row.image_tag}_images/{row.image}", row.image


def is_pair_list(path: Path) -> bool:
    """Whether a CSV file has most of the columns of a list of pairs, so that the missing ones are worth naming."""
    try:
        head = next(csv.reader(io.StringIO(read_regular(path).decode("utf-8-sig"))), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return False
    return len(_columns(head)) >= 3


def read_pair_list(path: Path) -> list[dict[str, str]]:
    """The rows of a list of pairs, with the names of the columns as they are.

    Raises:
        InputError: It does not read, lacks a column, or has a row with more or fewer fields than the head.
    """
    try:
        reader = csv.DictReader(io.StringIO(read_regular(path).decode("utf-8-sig"), newline=""), strict=True)
        rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"is not a CSV file ({error})", path=path, remedy="Was it copied whole?") from error
    head = list(reader.fieldnames or [])
    if missing := [name for name in _SPELLINGS if name not in _columns(head)]:
        raise InputError(
            f"has no column {', '.join(missing)}; its columns are {', '.join(map(repr, head)) or 'none'}",
            path=path,
            remedy=f"A list of pairs has the columns {', '.join(_SPELLINGS)}",
        )
    if not rows:
        raise InputError("holds no pair", path=path)
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise InputError(
                f"has another number of fields than the head, {len(head)}", path=path, place=f"line {number}"
            )
    return rows


def _columns(head: Sequence[str]) -> dict[str, str]:
    """The column of each published name that a head has, the plainest spelling first."""
    plain = {re.sub(r"[^a-z0-9]", "", column.lower()): column for column in head if column}
    found = {}
    for name, spellings in _SPELLINGS.items():
        if spelled := next((spelling for spelling in spellings if spelling in plain), None):
            found[name] = plain[spelled]
    return found


def pairs_of(rows: Sequence[PairRow]) -> dict[str, dict[str, int]]:
    """For each pair that is whole, the place of its row by tag.

    A pair is whole where it has one row of each tag, and both have the same phrases, which differ.
    """
    by_pair: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        by_pair[row.instance_id].append(place)
    whole = {}
    for name, places in by_pair.items():
        phrases = {(rows[place].positive_phrase, rows[place].negative_phrase) for place in places}
        (positive, negative), *others = phrases
        tags = sorted(rows[place].image_tag for place in places)
        if tags == sorted(_TAGS) and not others and positive and negative and positive != negative:
            whole[name] = {rows[place].image_tag: place for place in places}
    return whole


def pair_item(row: PairRow, pictures: Mapping[str, str | None], split: ItemSplit, licence: str) -> Item:
    """The item of a row.

    Args:
        row: One of the two of its pair.
        pictures: The stored names of the pair's pictures, by tag; empty where the pair is not whole.
        split: Split of the list.
        licence: Licence of its pictures.

    Raises:
        UnusableError: The pair is not whole, or a picture of it is missing.
    """
    if not pictures:
        raise UnusableError("pair: not one positive and one negative row with the same two phrases")
    images = tuple(pictures[tag] for tag in _TAGS)
    if images[0] is None or images[1] is None:
        raise UnusableError("image: missing, or that of the pair's other row is")
    phrases = row.positive_phrase, row.negative_phrase
    asked = _TAGS.index(row.image_tag)
    spec = TASKS[_TASK]
    prompt = looking_while_listening_prompt(phrases[asked])
    turn = ItemTurn(prompt=prompt, images=(images[0], images[1]), options=("A", "B"), gold="AB"[asked], labels=phrases)
    return Item(
        id=content_id(_TASK, [[prompt, turn.gold, *(Path(name).stem for name in turn.images)]]),
        task=_TASK,
        variant=VARIANT,
        split=split,
        turns=(turn,),
        chance=spec.chance,
        age_span_months=spec.age_span_months,
        category=phrases[asked],
        licence=licence,
    )
