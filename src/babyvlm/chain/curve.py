"""What each kept checkpoint of a run knows.

run/ladder/STAGE/MARK + toolbox ──> proof of what it has heard ──> a run folder each ──> page, tables, figures
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from babyvlm.chain import Place, maybe_path
from babyvlm.errors import ConfigError, DataFolderError, OutputExistsError
from babyvlm.names import STAGES, StageName

if TYPE_CHECKING:
    from babyvlm.evaluation import AskConfig
    from babyvlm.heard import Heard
    from babyvlm.records import Recording


@dataclass(frozen=True, kw_only=True)
class _Rung:
    """A kept checkpoint."""

    folder: Path
    heard: Heard


def curve(
    run: Place,
    toolbox: Place,
    out: Place,
    *,
    stages: Sequence[StageName] = (),
    tasks: Sequence[str] = (),
    limit: int | None = None,
    data: Place | None = None,
    nothing_after: float | None = None,
    strict: bool = False,
    wordbank: Place | None = None,
    seed: int = 0,
    ask: AskConfig | None = None,
) -> Path:
    """Lets every checkpoint that a run kept answer a toolbox, and writes the page on what they know against words heard
    and against age. Called again after an interruption it resumes where it stopped.

    Args:
        run: Folder of `train`, of a recipe with ``keep_at``.
        toolbox: Folder written by `build_toolbox` or `import_toolbox`.
        out: The page, an .html file, or a folder, which gets ``curve.html``; runs, tables and figures go to the folder
            ``<stem>_files`` beside the page.
        stages: Stages whose checkpoints are asked; all that kept some when empty, the language stage aside, which has
            seen no picture.
        tasks: Tasks to ask; all that a checkpoint can answer when empty.
        limit: Items a task; None for all.
        data: The curated set of the run: the ages in the checkpoints' manifests are held against it.
        nothing_after: Highest age that a checkpoint may have heard, months; None for any.
        strict: Whether ``nothing_after`` holds for the stages before, the tokenizer and the vocabulary too.
        wordbank: Table of children who say each word at each age, to show beside the model.
        seed: Seed of guesses and of the bootstrap.
        ask: How checkpoints are asked.

    Returns:
        The page.

    Raises:
        ConfigError: The run kept no checkpoint, ``data`` is another set, or ``strict`` without ``nothing_after``.
        CheckpointError: A checkpoint has heard something later than it may, or does not say.
        DataFolderError: A folder is not what it should be, or no item was answered.
        OutputExistsError: The page, or something else than its files, is there already.
    """
    from babyvlm.chain.results import evaluate
    from babyvlm.reports.learning import read_course, read_kept
    from babyvlm.reports.learning_page import write_learning
    from babyvlm.toolbox.vocabulary.by_age import read_words_by_age

    run, out = Path(run), Path(out)
    page = out if out.suffix == ".html" else out / "curve.html"
    files = page.with_name(f"{page.stem}_files")
    _refuse_foreign(page, files)
    if strict and nothing_after is None:
        raise ConfigError("--strict says how far --nothing-after reaches: give that too")
    children = None if wordbank is None else read_words_by_age(Path(wordbank))
    rungs = _proven(_rungs(run, stages), nothing_after, strict=strict, recordings=_recordings(run, maybe_path(data)))
    courses = []
    for stage, found in rungs.items():
        kept = []
        for rung in found:
            model = f"clip:{rung.folder}" if stage == "contrastive" else str(rung.folder)
            answered = files / "runs" / stage / rung.heard.mark
            evaluate(model, toolbox, answered, tasks=tasks, limit=limit, seed=seed, ask=ask)
            kept.append(read_kept(rung.heard, answered))
        courses.append(read_course(stage, kept, children, seed=seed))
    write_learning(
        courses, page, files, toolbox=Path(toolbox).resolve().name, run=run.resolve().name,
        notes=_notes(nothing_after, strict=strict, checked=data is not None),
    )  # fmt: skip
    return page


def _refuse_foreign(page: Path, files: Path) -> None:
    """Raises OutputExistsError where something stands in the way that an earlier call did not write."""
    if files.exists() and not (files / "runs").is_dir():
        raise OutputExistsError(files, "something else than the files of a page")
    if page.exists() and not files.exists():
        raise OutputExistsError(page, "a page without its files")


def _rungs(run: Path, stages: Sequence[StageName]) -> dict[StageName, list[_Rung]]:
    """The kept checkpoints by stage, those of a stage by words heard."""
    from babyvlm.heard import LADDER, read_heard

    if not (run / "recipe.json").is_file():
        raise DataFolderError("no run of babyvlm train", path=run, remedy="Give the --out of babyvlm train")
    there = [stage for stage in STAGES if (run / LADDER / stage).is_dir()]
    if not there:
        raise ConfigError(
            f"{run}: this run kept no checkpoint. Train with STAGE.keep_at=percent, such as joint.keep_at=percent"
        )
    if missing := [stage for stage in stages if stage not in there]:
        raise ConfigError(f"{run}: the {missing[0]} stage kept no checkpoint; there are those of {', '.join(there)}")
    asked = [stage for stage in there if stage in stages or (not stages and stage != "language")]
    if not asked:
        raise ConfigError(
            f"{run}: only the language stage kept checkpoints, which has seen no picture; name it to ask it"
        )
    found = {}
    for stage in asked:
        folders = [folder for folder in sorted((run / LADDER / stage).iterdir()) if not folder.name.startswith(".")]
        rungs = [_Rung(folder=folder, heard=read_heard(folder)) for folder in folders]
        if rungs:
            found[stage] = sorted(rungs, key=lambda rung: rung.heard.words)
    return found


def _recordings(run: Path, data: Path | None) -> tuple[Recording, ...] | None:
    """The recordings of the run's own set, where it is at hand.

    Raises:
        ConfigError: It is another set.
    """
    if data is None:
        return None
    from babyvlm.curation.content import Content, content_of
    from babyvlm.curation.sets import PretrainingSet
    from babyvlm.records import read_record

    opened, noted = PretrainingSet(data), read_record(run / "inputs.json", Content)
    if content_of(data, noted.files).digest != noted.digest:
        raise ConfigError(f"{data}: this is not the set that {run} was trained on")
    return opened.recordings


def _proven(
    rungs: dict[StageName, list[_Rung]],
    nothing_after: float | None,
    *,
    strict: bool,
    recordings: tuple[Recording, ...] | None,
) -> dict[StageName, list[_Rung]]:
    """The checkpoints, each proven to have heard nothing later than the age that it stands for.

    Raises:
        CheckpointError: One has heard something later, or it cannot be told.
    """
    from babyvlm.heard import refuse_later

    for stage, found in rungs.items():
        for rung in found:
            ages = rung.heard.ages_months
            if nothing_after is not None:
                refuse_later(rung.folder, nothing_after, everything=strict, recordings=recordings)
            elif ages is not None:  # the age at which it is drawn
                refuse_later(rung.folder, ages[1], recordings=recordings)
            else:
                print(f"{stage} {rung.heard.mark}: the ages that it has heard are not all known", file=sys.stderr)
    return rungs


def _notes(nothing_after: float | None, *, strict: bool, checked: bool) -> list[str]:
    notes = []
    if nothing_after is not None:
        reach = "Neither these checkpoints nor the stages, tokenizer and vocabulary before them" if strict else "None"
        of = "" if strict else " of these checkpoints, in its own stage,"
        notes.append(f"{reach}{of} heard a recording of a child older than {nothing_after:g} months.")
    if checked:
        notes.append("The ages in the checkpoints’ manifests are those of the curated set.")
    return notes
