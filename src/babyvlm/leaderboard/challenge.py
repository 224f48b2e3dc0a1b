"""A submission to the EgoBabyVLM challenge: runs and probes of several seeds in, one JSON file out.

    runs on contrasts ───────────────────── multimodal   lexical, grammatical, overall
    probes of labelled pictures ─┬───────── vision       object_recognition, visual_properties, overall
    probes of labelled properties┘
    probes of a language model ──────────── language     syntax, semantics, overall

Figures are percent, ``53.4 ± 0.7``: the mean over seeds and their standard deviation (that of a sample). An overall is
the mean of its two parts in each seed, and its deviation is over seeds. Three seeds are the least (EgoBabyVLM). A part
that was not measured is left out of the file, as the challenge has it, and named; a part of which something is missing
is refused unless asked for, and then named.

Object recognition is the mean of nearest neighbours, the linear probe and ABX on whole pictures; visual properties that
of the linear probe and ABX. ABX counts as how far it is from chance to all right, as published. DEVIATION: the
published parts have segmentation and depth too, which no probe here measures.

Source: the submission page of https://github.com/facebookresearch/egobabyvlm.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Literal

from babyvlm.errors import ConfigError, DataFolderError, OutputExistsError
from babyvlm.evaluation.runs import Run, read_run, run_scores
from babyvlm.folders import whole_file
from babyvlm.probing import Probed, SentencesProbed
from babyvlm.records import ModelT, read_record

FEWEST_SEEDS = 3
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
Figures = dict[str, float]
"""Figures of one seed, 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class ChallengeConfig:
    """What the board shows of a submission, apart from its figures."""

    model: str
    """Name of the model."""
    team: str
    """Who submits."""
    architecture: str
    """``contrastive``, ``generative``, or another word for it."""
    training_data: str
    """What it was trained on; ``BabyView`` for the challenge itself."""
    category: Literal["baseline", "topline", "reference", "offshelf"] = "baseline"
    """How the board marks the row."""
    ft: str = ""
    """What the encoders were tuned with; the model's name when empty, ``none`` where with nothing."""
    encoder: str = ""
    """The language model that the figures of language are of; the model's name when empty."""
    code_url: str = ""
    """Where the training code is: only with it the organisers can mark a submission as verified."""
    report_url: str = ""
    """Where a report is."""
    incomplete: bool = False
    """Whether a part of which something is missing is written all the same. What is missing is named."""


@dataclass(frozen=True, kw_only=True)
class ChallengeParts:
    """Where the figures come from: a folder for each seed, or none where a part was not measured."""

    runs: Sequence[Path] = ()
    """Runs on contrasts."""
    objects: Sequence[Path] = ()
    """Probes of a tower on pictures of objects."""
    properties: Sequence[Path] = ()
    """Probes of a tower on pictures labelled with a property, such as their number or colour."""
    language: Sequence[Path] = ()
    """Probes of a language model."""


@dataclass(frozen=True, kw_only=True)
class ChallengeEntry:
    """What was written."""

    file: Path
    seeds: int
    left_out: tuple[str, ...]
    """Parts that are not in the file."""
    missing: tuple[str, ...]
    """What is missing in parts that are."""


def write_challenge(parts: ChallengeParts, out: Path, config: ChallengeConfig) -> ChallengeEntry:
    """Writes a submission.

    Args:
        parts: Runs and probes, one of each kind per seed.
        out: The JSON file; its name without the suffix is the submission's id.
        config: What the board shows.

    Returns:
        What was written, and what is not in it.

    Raises:
        ConfigError: Fewer than three seeds, different numbers of them, a folder given twice, or runs on different
            toolboxes; a part lacks something, and ``incomplete`` is not set; the file's name is no id.
        DataFolderError: A folder is no finished run on contrasts, or no probe.
        OutputExistsError: There is such a file.
    """
    if out.suffix != ".json" or not _ID.fullmatch(out.stem):
        raise ConfigError(f"{out}: the id is the file's name: letters, digits, - and _, with .json behind")
    if out.exists():
        raise OutputExistsError(out, "something")
    seeds = _seeds(parts)
    missing: list[str] = []
    written: dict[str, object] = {
        "id": out.stem, "model": config.model, "team": config.team, "architecture": config.architecture,
        "training_data": config.training_data, "category": config.category, "n_seeds": seeds,
    }  # fmt: skip
    ft = config.ft or config.model
    if parts.runs:
        _refuse_strangers(parts.runs)
        written["multimodal"] = _over_seeds([_contrasts(folder, missing) for folder in parts.runs])
    if parts.objects or parts.properties:
        written["vision"] = [{"ft": ft, **_over_seeds(_vision(parts, missing))}]
    if parts.language:
        figures = [_language(folder, missing) for folder in parts.language]
        written["language"] = [{"encoder": config.encoder or config.model, "ft": ft, **_over_seeds(figures)}]
    missing = list(dict.fromkeys(missing))
    if missing and not config.incomplete:
        raise ConfigError(
            f"{'; '.join(missing)}. Measure what is missing, leave the part out, or write it so with --incomplete"
        )
    written |= {name: value for name in ("code_url", "report_url") if (value := getattr(config, name))}
    with whole_file(out) as file:
        file.write(json.dumps(written, indent=2, ensure_ascii=False) + "\n")
    left_out = tuple(name for name in ("multimodal", "vision", "language") if name not in written)
    return ChallengeEntry(file=out, seeds=seeds, left_out=left_out, missing=tuple(missing))


def _seeds(parts: ChallengeParts) -> int:
    """How many seeds there are."""
    given = {name: list(folders) for name, folders in vars(parts).items() if folders}
    if not given:
        raise ConfigError("there is nothing to submit: give --runs, --objects and --properties, or --language")
    for name, folders in given.items():
        if len({folder.resolve() for folder in folders}) < len(folders):
            raise ConfigError(f"--{name}: a folder is given twice; each seed has one of its own")
    counts = {name: len(folders) for name, folders in given.items()}
    if len(set(counts.values())) > 1:
        shown = ", ".join(f"--{name} {count}" for name, count in counts.items())
        raise ConfigError(f"every part needs one folder for each seed, and there are {shown}")
    (seeds,) = set(counts.values())
    if seeds < FEWEST_SEEDS:
        raise ConfigError(f"a submission needs {FEWEST_SEEDS} seeds or more, and there are {seeds}")
    return seeds


def _over_seeds(figures: Sequence[Mapping[str, float]]) -> dict[str, str]:
    """Means and deviations over seeds, as the board shows them.

    >>> _over_seeds([{"lexical": 0.5}, {"lexical": 0.52}, {"lexical": 0.54}])
    {'lexical': '52.0 ± 2.0'}
    """
    names = [name for name in figures[0] if all(name in one for one in figures)]
    return {
        name: f"{100 * fmean(one[name] for one in figures):.1f} ± {100 * stdev(one[name] for one in figures):.1f}"
        for name in names
    }


def _with_overall(figures: Mapping[str, float | None], folder: Path, missing: list[str]) -> Figures:
    """The parts that there are, and their mean."""
    there = {name: value for name, value in figures.items() if value is not None}
    missing += [f"{folder}: no figure of {name}" for name in figures if name not in there]
    return there | ({"overall": fmean(there.values())} if len(there) == len(figures) else {})


def _contrasts(folder: Path, missing: list[str]) -> Figures:
    run = read_run(folder)
    if not run.finished:
        remedy = "Run the same command of babyvlm evaluate again to resume it"
        raise DataFolderError("the run is not finished", path=folder, remedy=remedy)
    found = run_scores(folder).contrasts
    if found is None:
        remedy = "Ask items of babyvlm toolbox contrasts, or of the battery machine-devbench"
        raise DataFolderError("no contrast was asked in this run", path=folder, remedy=remedy)
    if found.missing:
        missing.append(f"multimodal: no contrasts of {', '.join(found.missing)}")
    if found.failed:
        missing.append(f"multimodal: {found.failed} questions without a reply in {folder}")
    return _with_overall({"lexical": found.lexical, "grammatical": found.grammatical}, folder, missing)


def _vision(parts: ChallengeParts, missing: list[str]) -> list[Figures]:
    missing.append("vision: segmentation and depth, which the published figures have, are not measured here")
    groups: dict[str, tuple[Sequence[Path], Callable[[Path], float]]] = {
        "object_recognition": (parts.objects, lambda folder: _tower(folder, ("nearest", "linear", "abx"))),
        "visual_properties": (parts.properties, lambda folder: _tower(folder, ("linear", "abx"))),
    }
    missing += [f"vision: no figure of {name}" for name, (folders, _) in groups.items() if not folders]
    there = {name: [figure(folder) for folder in folders] for name, (folders, figure) in groups.items() if folders}
    seeds = [dict(zip(there, values, strict=True)) for values in zip(*there.values(), strict=True)]
    return [one | ({"overall": fmean(one.values())} if len(one) == len(groups) else {}) for one in seeds]


def _tower(folder: Path, probes: Sequence[str]) -> float:
    """The mean of some probes of a tower on whole pictures; ABX from chance on."""
    probed = _probe(folder, Probed)
    found = {row.probe: row for row in probed.rows if row.features == "tower" and row.pictures == "whole"}
    values = []
    for name in probes:
        row = found[name]
        values.append(max(0.0, (row.value - row.chance) / (1 - row.chance)) if name == "abx" else row.value)
    return fmean(values)


def _language(folder: Path, missing: list[str]) -> Figures:
    probed = _probe(folder, SentencesProbed)
    if probed.missing:
        missing.append(f"language: no pairs of {', '.join(probed.missing)}")
    own = probed.figures["model"]
    return _with_overall({"syntax": own.syntax, "semantics": own.semantics}, folder, missing)


def _probe(folder: Path, kind: type[ModelT]) -> ModelT:
    path = folder / "probe.json"
    if not path.is_file():
        command = "vision" if kind is Probed else "language"
        raise DataFolderError("not a probe", path=folder, remedy=f"Give the --out of babyvlm probe {command}")
    return read_record(path, kind)


def _refuse_strangers(folders: Sequence[Path]) -> None:
    """Raises ConfigError where two runs differ in more than a seed, or not even in their weights."""
    runs: list[Run] = [read_run(folder) for folder in folders]
    for folder, run in zip(folders[1:], runs[1:], strict=True):
        for field in ("toolbox_hash", "tasks", "limit", "items", "options", "family"):
            if getattr(run, field) != getattr(runs[0], field):
                raise ConfigError(f"{folder}: differs from {folders[0]} in more than a seed ({field})")
    revisions = [run.revision for run in runs if run.revision]
    if len(set(revisions)) < len(revisions):
        raise ConfigError("two of the runs are of the same weights; each seed is a training of its own")
