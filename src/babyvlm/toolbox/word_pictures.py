"""The battery ``words``: one word, four pictures, from any folder of pictures that each show one object.

SOURCE/WORD/*.jpg               a folder for each word
SOURCE/words.tsv, HAND/WORD.png a list of words (``word``, and ``icon`` where two words have one drawing), and a folder
                                for each hand that draws them all; blanks of a word are underscores in a file's name

Each picture is asked for once, among three foils of the same hand or folder: pictures of other words, drawn by a seed
from what is asked alone. A picture that is the object and nothing else is welcome. The task's figure is the mean over
words, so that a word with many pictures counts as much as one with few. A respondent that does not know a word has to
guess, and its guesses count: the word is not left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from PIL import Image

from babyvlm.errors import InputError
from babyvlm.shown_pictures import IMAGE_SUFFIXES
from babyvlm.spreadsheets import open_table
from babyvlm.toolbox.batteries import Battery, BatteryRecord, BatteryTurn
from babyvlm.toolbox.tasks import LETTERS, picture_vocabulary_prompt

WORD_LIST = "words.tsv"
_SEED = 0


@dataclass(frozen=True, kw_only=True)
class HandPictures:
    """The pictures of one hand, or of folders of one word each."""

    files: Mapping[str, Sequence[Path]]
    """By word; those of a hand need not be there."""
    icons: Mapping[str, str]
    """The drawing of each word: two words may have one."""

    @property
    def there(self) -> dict[str, list[Path]]:
        """Pictures that are there, by word."""
        return {word: [path for path in paths if path.is_file()] for word, paths in self.files.items()}


def hands_of(source: Path) -> tuple[HandPictures, ...]:
    """The labelled pictures of a source, hand by hand.

    Raises:
        InputError: ``source`` is of neither layout.
    """
    if not source.is_dir():
        raise InputError("is no folder", path=source, remedy="Give a folder of pictures, WORD/*.jpg")
    if (source / WORD_LIST).is_file():
        icons = _read_list(source / WORD_LIST)
        hands = [folder for folder in sorted(source.iterdir()) if folder.is_dir() and _pictures(folder)]
        if not hands:
            raise InputError(f"no folder of pictures beside {WORD_LIST}", path=source)
        return tuple(
            HandPictures(files={word: [hand / f"{word.replace(' ', '_')}.png"] for word in icons}, icons=icons)
            for hand in hands
        )
    folders = [folder for folder in sorted(source.iterdir()) if folder.is_dir()]
    files = {folder.name.replace("_", " "): _pictures(folder) for folder in folders if _pictures(folder)}
    return (HandPictures(files=files, icons={word: word for word in files}),)


def read_words(source: Path) -> Iterator[BatteryRecord]:
    """One record for each picture.

    Raises:
        InputError: ``source`` is of neither layout, or has fewer than four words.
    """
    for hand in hands_of(source):
        yield from _records(source, hand)


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)


def _read_list(path: Path) -> dict[str, str]:
    """Words, each with the name of its drawing."""
    table = open_table(path, delimiter="\t")
    if "word" not in table.columns:
        raise InputError(f"the columns are {', '.join(table.columns)}", path=path, remedy="It needs word")
    return {row["word"].strip(): row.get("icon", "").strip() or row["word"].strip() for _, row in table}


def _records(source: Path, hand: HandPictures) -> Iterator[BatteryRecord]:
    """The records of one hand, or of folders of one word each."""
    files, icons = hand.files, hand.icons
    if len(set(icons.values())) < len(LETTERS):
        raise InputError(
            f"{len(set(icons.values()))} words with pictures",
            path=source,
            remedy=f"At least {len(LETTERS)} are needed: WORD/*.jpg, or {WORD_LIST} and HAND/WORD.png",
        )
    there = hand.there
    for word, paths in files.items():
        for path in paths:
            place = path.relative_to(source).as_posix()
            rng = Random(f"{_SEED}/{place}")
            foils = _foils(word, there, icons, rng)
            if foils is None:
                yield BatteryRecord(place=place, problem="pictures: too few of other words")
                continue
            shown = [(word, path), *foils]
            rng.shuffle(shown)
            gold = LETTERS[[name for name, _ in shown].index(word)]
            turn = BatteryTurn(
                prompt=picture_vocabulary_prompt(word),
                images=tuple(picture for _, picture in shown),
                options=LETTERS,
                gold=gold,
                labels=tuple(name for name, _ in shown),
                origins=tuple(picture.relative_to(source).as_posix() for _, picture in shown),
            )
            yield BatteryRecord(place=place, task="word_pictures", turns=(turn,), category=word)


def _foils(
    word: str, there: Mapping[str, Sequence[Path]], icons: Mapping[str, str], rng: Random
) -> list[tuple[str, Path]] | None:
    """Three other words with a picture each, no two of them of one drawing; None where there are too few."""
    others = [other for other, paths in there.items() if paths and icons[other] != icons[word]]
    rng.shuffle(others)
    chosen: dict[str, str] = {}
    for other in others:
        chosen.setdefault(icons[other], other)
        if len(chosen) == len(LETTERS) - 1:
            return [(name, rng.choice(there[name])) for name in chosen.values()]
    return None


def write_example(folder: Path) -> None:
    """Five words, two of them with two pictures."""
    colours = {"dog": 20, "cup": 70, "car": 120, "hat": 170, "ice_cream": 220}
    for word, grey in colours.items():
        (folder / word).mkdir()
        for number in range(1 + (word in ("dog", "cup"))):
            Image.new("RGB", (48, 48), (grey, 255 - grey, 40 * number)).save(folder / word / f"{number}.png")


WORDS = Battery(name="words", read=read_words, write_example=write_example)
