"""A toolbox of contrasts in the words of a training set.

training set ── vocabulary ──┐
nursery's drawings ──────────┼── stock ── ten kinds of contrasts ── pictures drawn ── records ── toolbox
labelled pictures ───────────┘                  └── what no contrast can be made of, by kind and reason

The toolbox has ``words.tsv`` beside its items: every word asked for, how often it was said, and its bin.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from babyvlm.corpus.nursery.lexicon import CATEGORIES
from babyvlm.errors import InputError, MissingExtraError
from babyvlm.folders import fresh_folder, refuse_existing
from babyvlm.plurals import plural
from babyvlm.toolbox.batteries import Battery, BatteryRecord
from babyvlm.toolbox.contrasts.configuration import GRAMMATICAL, KINDS, LEXICAL, ContrastConfig
from babyvlm.toolbox.contrasts.grammar import grammar
from babyvlm.toolbox.contrasts.scenes import Contrast, Scene, Shown, UnmadeContrast
from babyvlm.toolbox.contrasts.stock import LabelledNouns, Stock
from babyvlm.toolbox.contrasts.trials import TrialKey, grammar_records, lexical_record
from babyvlm.toolbox.contrasts.vocabulary import SaidWords, bin_of, read_vocabulary
from babyvlm.toolbox.contrasts.words import adjectives, nouns
from babyvlm.toolbox.folder import Toolbox, open_toolbox
from babyvlm.toolbox.published.importing import ImportConfig
from babyvlm.toolbox.word_pictures import HandPictures, hands_of
from babyvlm.words import words_of

WORDS = "words.tsv"
_SOURCE = "contrasts"


@dataclass(frozen=True, kw_only=True)
class ContrastsMade:
    """What came of it."""

    toolbox: Toolbox
    trials: Mapping[str, int]
    """Contrasts by kind; 0 where a kind has none."""
    left_out: tuple[UnmadeContrast, ...]


def build_contrasts(
    data: Path,
    out: Path,
    config: ContrastConfig | None = None,
    *,
    pictures: Path | None = None,
    licence: str = "",
) -> ContrastsMade:
    """Makes contrasts of a training set's vocabulary.

    Args:
        data: Curated set, or a TSV file of words and counts.
        out: The toolbox to write; absent or empty.
        config: Settings.
        pictures: Labelled pictures of nouns, ``WORD/*.jpg`` or ``words.tsv`` and ``HAND/WORD.png``.
        licence: Theirs.

    Returns:
        The toolbox, how many contrasts of each kind there are, and what was left out.

    Raises:
        DataFolderError: ``data`` is no curated set.
        InputError: Nothing was said, or no contrast of any kind can be made.
        MissingExtraError: Pictures are to be drawn, and Skia is not installed.
        OutputExistsError: ``out`` holds something.
    """
    config = config or ContrastConfig()
    refuse_existing(out)
    hands = hands_of(pictures) if pictures is not None else ()
    phrases = {form for hand in hands for noun in hand.files for form in (noun, plural(noun))}
    phrases |= {form for noun, one in CATEGORIES.items() for form in (noun, one.plural)}
    vocabulary = read_vocabulary(data, phrases)
    with tempfile.TemporaryDirectory() as temporary, fresh_folder(out) as partial:
        making = _Making(config=config, licence=licence, folder=Path(temporary) / _SOURCE)
        making.folder.mkdir()
        making.make(_stock(vocabulary, config, hands))
        if not making.records:
            reasons = "; ".join(f"{one.kind}: {one.reason}" for one in making.left_out)
            raise InputError(f"no contrast can be made of its words ({reasons})", path=data)
        Battery(name=_SOURCE, read=making.read, write_example=_none)(
            making.folder, partial, ImportConfig(licence=licence or "unknown", max_unusable=1.0)
        )
        (partial / WORDS).write_text(making.table(), encoding="utf-8")
    counts = Counter(making.trials)
    return ContrastsMade(
        toolbox=open_toolbox(out), trials={kind: counts[kind] for kind in KINDS}, left_out=tuple(making.left_out)
    )


def _none(folder: Path) -> None:
    """Contrasts have no example: they are made, not imported."""


def _stock(vocabulary: SaidWords, config: ContrastConfig, hands: tuple[HandPictures, ...]) -> Stock:
    drawn = [noun for noun, one in CATEGORIES.items() if config.drawn and vocabulary.count(noun, one.plural)]
    labelled = []
    for hand in hands:
        said = {noun: paths for noun, paths in hand.there.items() if paths and vocabulary.count(noun, plural(noun))}
        if said:
            labelled.append(LabelledNouns(files=said, icons=hand.icons))

    def shows(noun: str, number: int, colour: str) -> bool:
        return _stills().shows_colour(config.nursery_seed, noun, number, colour)

    return Stock(vocabulary=vocabulary, nouns=tuple(drawn), shows_colour=shows, labelled=tuple(labelled))


def _stills():  # type: ignore[no-untyped-def]
    """What draws; here, for it needs an extra."""
    try:
        from babyvlm.corpus.nursery import stills
    except ModuleNotFoundError as error:
        if error.name != "skia":
            raise
        raise MissingExtraError("Drawing the pictures of contrasts (--no-drawn leaves them out)", "render") from error
    return stills


@dataclass(kw_only=True)
class _Making:
    """Records and pictures in the making."""

    config: ContrastConfig
    licence: str
    folder: Path
    records: list[BatteryRecord] = field(default_factory=list)
    left_out: list[UnmadeContrast] = field(default_factory=list)
    trials: list[str] = field(default_factory=list)
    """The kind of each contrast."""
    words: dict[tuple[str, str], int] = field(default_factory=dict)
    """How often each word of each kind was said."""
    _files: int = 0

    def make(self, stock: Stock) -> None:
        """Makes the contrasts of every kind."""
        for kind in KINDS:
            draw = Random(f"{self.config.seed}/{kind}")
            made: Iterator[Contrast | UnmadeContrast]
            if kind in GRAMMATICAL:
                made = grammar(stock, kind, draw, self.config.per_kind)
            else:
                made = (nouns if kind == "nouns" else adjectives)(stock, draw, self.config.per_word)
            before = len(self.trials)
            for number, one in enumerate(made, start=1):
                if isinstance(one, UnmadeContrast):
                    self._leave_out(one)
                else:
                    self._add(one, number, stock)
            if len(self.trials) == before and not any(one.kind == kind for one in self.left_out):
                reason = "no word of it that was said can be shown"
                self._leave_out(UnmadeContrast(kind=kind, what=kind, reason=reason))

    def _leave_out(self, one: UnmadeContrast) -> None:
        if one not in self.left_out:
            self.left_out.append(one)

    def _add(self, one: Contrast, number: int, stock: Stock) -> None:
        files = [self._file(picture) for picture in one.pictures]
        drawn = isinstance(one.pictures[0], Scene)
        licence = "Apache-2.0" if drawn else self.licence
        counts = [self._count(one.kind, word, stock) for word in one.words]
        place = f"{one.kind}, contrast {number}"
        self.trials.append(one.kind)
        if one.kind in LEXICAL:
            for at, caption in enumerate(one.captions):
                key = TrialKey(kind=one.kind, bin=bin_of(counts[at]), name=str(number))
                labels = caption, one.captions[1 - at]
                record = lexical_record(
                    key, caption, files[at], files[1 - at], place=place, labels=labels, word=one.words[at],
                    licence=licence,
                )  # fmt: skip
                self.records.append(record)
            return
        key = TrialKey(kind=one.kind, bin=bin_of(min(counts)), name=str(number))
        word = " / ".join(dict.fromkeys(one.words))
        self.records += grammar_records(key, one.captions, files, place=place, word=word, licence=licence)

    def _count(self, kind: str, word: str, stock: Stock) -> int:
        """How often a word was said; of several words that are none by themselves, the rarest."""
        count = stock.noun_count(word) or min(stock.vocabulary.count(part) for part in words_of(word))
        self.words[kind, word] = count
        return count

    def _file(self, picture: Shown) -> Path:
        """The picture in the folder that records are read from."""
        self._files += 1
        if isinstance(picture, Path):
            path = self.folder / f"{self._files}{picture.suffix.lower()}"
            path.write_bytes(picture.read_bytes())
            return path
        stills, side = _stills(), self.config.side
        room = stills.Room(kind="mat", seed=picture.ground, horizon=0.0)
        path = self.folder / f"{self._files}.png"
        stills.draw_still(picture.things, room, seed=self.config.nursery_seed, side_px=side).save(path)
        return path

    def read(self, source: Path) -> Iterator[BatteryRecord]:
        """The records, with what was left out."""
        yield from self.records
        for one in self.left_out:
            yield BatteryRecord(place=f"{one.kind}: {one.what}", problem=f"{one.kind}: {one.reason}")

    def table(self) -> str:
        """Every word asked for, with its count and bin."""
        rows = [f"{kind}\t{word}\t{count}\t{bin_of(count)}" for (kind, word), count in sorted(self.words.items())]
        return "\n".join(["kind\tword\tcount\tbin", *rows]) + "\n"
