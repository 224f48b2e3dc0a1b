"""Children's choices and stored model scores on the same trials, in the layout of DevBench.

SET/                    lex-lwl, lex-viz_vocab, gram-trog, or one of your own
├── manifest.csv        trial n is row n: text1, image1 (the target), image2 ... (the foils)
├── human.csv           trial, age_bin (years; may be absent), then image1 ... with the share of children who chose each
│                       picture, or prop with the share of looking at the target; n, where it is known: children asked
├── children.csv        may be absent: child, age_bin, trial, choice (1 is image1), or prop of this one child
└── *.npy               trials x pictures; of a third axis of two (yes and no) the difference is the score

Source: DevBench (Tan and others, 2024), https://github.com/alvinwmtan/dev-bench, which we follow in what is counted.
What cannot be compared is left out by name: `LeftOut` says which trials of which age, and why.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from babyvlm.errors import InputError
from babyvlm.spreadsheets import open_table
from babyvlm.toolbox.devbench import MANIFEST, Trial, picture_columns, present, read_manifest_trials

Floats = NDArray[np.float64]

HUMAN, CHILDREN = "human.csv", "children.csv"
_ADULT_YEARS = 18.0
_PREFIXES = {"lwl", "vv", "trog"}
"""What names of DevBench's stored scores begin with."""
TITLES = {
    "lex-lwl": "Looking While Listening",
    "lex-viz_vocab": "Visual vocabulary",
    "gram-trog": "Test for Reception of Grammar",
    "own-items": "Items of your own",
}
"""Names of the published sets, and of one's own items, in words."""


@dataclass(frozen=True, kw_only=True)
class AgeGroup:
    """Children of one age, with what they did in each trial."""

    age: str
    """As the data write it; empty where they give no age."""
    numbers_T: NDArray[np.int64]
    """The trials' numbers."""
    shares_TP: Floats
    """Share of choices of each picture, or of looking at it; 0 where nobody chose it."""
    children_T: Floats | None = None
    """Children behind each row; None where the data do not say."""

    @property
    def years(self) -> float | None:
        """The age in years; None where there is none."""
        return float(self.age) if self.age else None

    @property
    def title(self) -> str:
        """The age in words."""
        if self.years is None:
            return "children of no stated age"
        return "adults" if self.years >= _ADULT_YEARS else f"{self.years:g} years"

    @property
    def people(self) -> str:
        """Who they are, in words."""
        return self.title if self.years is None or self.years >= _ADULT_YEARS else f"children of {self.title}"


@dataclass(frozen=True, kw_only=True)
class ChildChoice:
    """What one child did in one trial."""

    child: str
    age: str
    number: int
    shares_P: tuple[float, ...]
    """1 for the picture chosen and 0 for the others, or the shares of looking."""


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Trials that do not count, and why."""

    age: str
    reason: str
    trials: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class TrialSet:
    """One battery's trials with its children and the models whose scores lie beside them."""

    name: str
    """Name of the folder."""
    folder: Path
    trials: tuple[Trial, ...]
    num_pictures: int
    looking: bool
    """Whether the children's figures are shares of looking, not of choices."""
    ages: tuple[AgeGroup, ...]
    left_out: tuple[LeftOut, ...] = ()
    choices: tuple[ChildChoice, ...] = ()
    """Child by child, where the data have it."""
    models: Mapping[str, Floats] = field(default_factory=dict)
    """Stored scores by model, trials x pictures."""

    @property
    def title(self) -> str:
        return TITLES.get(self.name, self.name)

    @property
    def without_children(self) -> tuple[int, ...]:
        """Trials of the manifest that children of no age have a figure for."""
        known = {number for group in self.ages for number in group.numbers_T.tolist()}
        return tuple(trial.number for trial in self.trials if trial.number not in known)

    @property
    def shown(self) -> NDArray[np.bool_]:
        """Whether a trial has a picture at each place, T x P."""
        return np.array([[bool(name) for name in trial.pictures] for trial in self.trials])


def find_sets(folder: Path) -> tuple[Path, ...]:
    """Folders of trial sets with children: ``folder`` itself, or what lies in it, at most two levels down, by name."""
    found = {
        path.parent for name in (HUMAN, CHILDREN) for level in ("", "*/", "*/*/") for path in folder.glob(level + name)
    }
    return tuple(sorted(one for one in found if manifest_of(one).is_file()))


def manifest_of(folder: Path) -> Path:
    """The manifest of a set: in its folder, or as DevBench itself keeps it, ``assets/SET`` beside ``evals/SET``."""
    here = folder / MANIFEST
    there = folder.resolve().parent.parent / "assets" / folder.resolve().name / MANIFEST
    return there if not here.is_file() and there.is_file() else here


def read_set(folder: Path) -> TrialSet:
    """Reads a set.

    Raises:
        InputError: A file is missing or does not parse, a trial is no row of the manifest, a text is not the
            manifest's, or shares are none.
    """
    trials = read_manifest_trials(manifest_of(folder).parent)
    num_pictures = len(trials[0].pictures)
    choices = tuple(_read_choices(folder / CHILDREN, trials)) if (folder / CHILDREN).is_file() else ()
    looking = False
    if (folder / HUMAN).is_file():
        ages, left_out, looking = _read_human(folder / HUMAN, trials)
    else:
        ages, left_out = groups_of(choices, trials)
    if choices and not looking:
        looking = any(share not in (0, 1) for one in choices for share in one.shares_P)
    return TrialSet(
        name=folder.resolve().name,
        folder=folder,
        trials=trials,
        num_pictures=num_pictures,
        looking=looking,
        ages=ages,
        left_out=left_out,
        choices=choices,
        models=_read_models(folder, trials),
    )


@dataclass(frozen=True)
class _Row:
    """One line of children's shares."""

    number: int
    age: str
    shares: tuple[float, ...]
    """NaN where the cell is empty."""
    children: float


def _read_human(path: Path, trials: Sequence[Trial]) -> tuple[tuple[AgeGroup, ...], tuple[LeftOut, ...], bool]:
    """The children by age, the trials left out, and whether the figures are shares of looking."""
    table = open_table(path)
    columns, width = picture_columns(table), len(trials[0].pictures)
    looking = "prop" in table.columns and not columns
    if "trial" not in table.columns or not (looking or len(columns) == width):
        raise InputError(
            f"the columns are {', '.join(table.columns)}",
            path=path,
            place="line 1",
            remedy=f"It needs trial, and prop or image1 to image{width} as in {MANIFEST}",
        )
    rows, seen = [], set()
    for line, row in table:
        place = f"line {line}"
        number, age = _trial_number(row, trials, path, place), _age(row, path, place)
        if looking:
            share = _number(row["prop"], path, place)
            shares = (share, 1 - share, *([0.0] * (width - 2)))
        else:
            shares = tuple(_number(row[name], path, place) for name in columns)
        if any(share < 0 or share > 1 for share in shares) or sum(x for x in shares if x == x) > 1 + 1e-6:
            raise InputError(f"{shares} are no shares", path=path, place=place, remedy="Shares lie between 0 and 1")
        if (number, age) in seen:
            raise InputError(f"trial {number} stands twice for the age {age or 'none'}", path=path, place=place)
        seen.add((number, age))
        children = next((_number(row[name], path, place) for name in ("n", "children") if name in row), math.nan)
        rows.append(_Row(number, age, shares, children))
    return (*_grouped(rows, trials), looking)


def _trial_number(row: Mapping[str, str], trials: Sequence[Trial], path: Path, place: str) -> int:
    value = _number(row["trial"], path, place)
    if value != value or value != int(value) or not 1 <= value <= len(trials):
        raise InputError(
            f"trial {row['trial']!r} is no row of {MANIFEST}, which has {len(trials)}", path=path, place=place
        )
    number = int(value)
    said, text = row.get("text1", "").strip(), trials[number - 1].text
    if said and said != text:
        raise InputError(
            f"trial {number} asks for {said!r} here, and for {text!r} in {MANIFEST}",
            path=path,
            place=place,
            remedy="Trial n must be row n of the manifest",
        )
    return number


def _age(row: Mapping[str, str], path: Path, place: str) -> str:
    said = present(row.get("age_bin", ""))
    if said:
        _number(said, path, place)
    return said


def _number(value: str, path: Path, place: str) -> float:
    """A cell as a number; NaN where it is empty."""
    if not present(value):
        return math.nan
    try:
        number = float(value)
    except ValueError as error:
        raise InputError(f"{value!r} is no number", path=path, place=place) from error
    if not math.isfinite(number):
        raise InputError(f"{value!r} is not finite", path=path, place=place)
    return number


def _grouped(rows: Iterable[_Row], trials: Sequence[Trial]) -> tuple[tuple[AgeGroup, ...], tuple[LeftOut, ...]]:
    """Rows by age, in the order of ages; rows that no model could be compared on are left out by name."""
    shown = {trial.number: trial.pictures for trial in trials}
    kept: dict[str, list[_Row]] = defaultdict(list)
    dropped: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row in rows:
        kept[row.age] += []
        absent = [share > 0 and not name for share, name in zip(row.shares, shown[row.number], strict=True)]
        if all(share != share for share in row.shares):
            dropped[row.age, "the children have no figure"].append(row.number)
        elif any(absent):
            dropped[row.age, "children chose a picture that the manifest does not have"].append(row.number)
        else:
            kept[row.age].append(row)
    groups = [_group(age, kept[age]) for age in sorted(kept, key=lambda age: float(age) if age else -1.0)]
    left_out = [LeftOut(age=age, reason=why, trials=tuple(found)) for (age, why), found in sorted(dropped.items())]
    return tuple(groups), tuple(left_out)


def _group(age: str, rows: Sequence[_Row]) -> AgeGroup:
    rows = sorted(rows, key=lambda row: row.number)
    shares_TP = np.array([row.shares for row in rows], dtype=float)
    children_T = np.array([row.children for row in rows])
    return AgeGroup(
        age=age,
        numbers_T=np.array([row.number for row in rows], dtype=np.int64),
        shares_TP=np.nan_to_num(shares_TP, nan=0.0),
        children_T=children_T if len(rows) and np.isfinite(children_T).all() else None,
    )


def _read_choices(path: Path, trials: Sequence[Trial]) -> Iterator[ChildChoice]:
    """One child, one trial a line."""
    table, width = open_table(path), len(trials[0].pictures)
    if not {"child", "trial"} <= set(table.columns) or not {"choice", "prop"} & set(table.columns):
        raise InputError(
            f"the columns are {', '.join(table.columns)}",
            path=path,
            place="line 1",
            remedy="It needs child, trial, and choice (1 for image1) or prop",
        )
    for line, row in table:
        place = f"line {line}"
        number, age = _trial_number(row, trials, path, place), _age(row, path, place)
        value = _number(row.get("choice") or row.get("prop", ""), path, place)
        if value != value:
            continue
        if "choice" in row:
            if value != int(value) or not 1 <= value <= width:
                raise InputError(f"choice {value:g} is none of 1 to {width}", path=path, place=place)
            shares = tuple(float(at + 1 == value) for at in range(width))
        elif 0 <= value <= 1:
            shares = (value, 1 - value, *([0.0] * (width - 2)))
        else:
            raise InputError(f"prop {value:g} is no share", path=path, place=place)
        yield ChildChoice(child=row["child"].strip(), age=age, number=number, shares_P=shares)


def groups_of(
    choices: Iterable[ChildChoice], trials: Sequence[Trial]
) -> tuple[tuple[AgeGroup, ...], tuple[LeftOut, ...]]:
    """Single choices added up by age, in the order of ages, and what is left out."""
    return _grouped(_added_up(choices, len(trials[0].pictures)), trials)


def _added_up(choices: Iterable[ChildChoice], width: int) -> list[_Row]:
    """Mean shares of each trial at each age."""
    sums: dict[tuple[int, str], Floats] = defaultdict(lambda: np.zeros(width))
    counts: Counter[tuple[int, str]] = Counter()
    for one in choices:
        sums[one.number, one.age] += one.shares_P
        counts[one.number, one.age] += 1
    return [
        _Row(number, age, tuple((total / counts[number, age]).tolist()), float(counts[number, age]))
        for (number, age), total in sums.items()
    ]


def _read_models(folder: Path, trials: Sequence[Trial]) -> dict[str, Floats]:
    """Stored scores by the name of the file, without what all names begin with (``vv_clip_base``: ``clip_base``)."""
    paths = sorted(folder.glob("*.npy"))
    starts = {path.stem.partition("_")[0] for path in paths if "_" in path.stem}
    common = f"{next(iter(starts))}_" if len(starts) == 1 and (len(paths) > 1 or starts <= _PREFIXES) else ""
    return {path.stem.removeprefix(common): read_scores(path, trials) for path in paths}


def read_scores(path: Path, trials: Sequence[Trial]) -> Floats:
    """Stored scores, trials x pictures; NaN where the file has none.

    Raises:
        InputError: The file is no array, or of another shape.
    """
    try:
        stored = np.asarray(np.load(path, allow_pickle=False), dtype=np.float64)
    except (OSError, ValueError, EOFError, TypeError) as error:
        raise InputError(f"does not read as an array of numbers ({error})", path=path) from error
    while stored.ndim > 2 and stored.shape[-1] == 1:
        stored = stored[..., 0]
    if stored.ndim == 3 and stored.shape[2] == 2:
        stored = stored[:, :, 0] - stored[:, :, 1]
    wanted = len(trials), len(trials[0].pictures)
    if stored.ndim != 2 or stored.shape[0] > wanted[0] or stored.shape[1] != wanted[1]:
        raise InputError(
            f"of shape {stored.shape}, where {MANIFEST} has {wanted[0]} trials of {wanted[1]} pictures",
            path=path,
            remedy="Store trials x pictures, or trials x pictures x 2 for yes and no",
        )
    if np.isinf(stored).any():
        row = int(np.argwhere(np.isinf(stored))[0, 0]) + 1
        raise InputError("a score is infinite", path=path, place=f"trial {row}")
    full = np.full(wanted, np.nan)
    full[: len(stored)] = stored
    return full
