"""What others are shown: the report, a submission, a copy with its card, a study's answers.

runs ──> page, tables, figures | leaderboard folder | challenge file       checkpoint | toolbox | run ──> folder or hub
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from babyvlm.chain import Place, maybe_path

if TYPE_CHECKING:
    from babyvlm.leaderboard import ChallengeConfig, ChallengeEntry, SubmissionConfig
    from babyvlm.sharing import Pushed


def report(
    runs: Sequence[Place],
    out: Place,
    *,
    training: Place | None = None,
    data: Place | None = None,
    times: Place | None = None,
    elsewhere: Sequence[Place] = (),
    browse: int = 25,
    share_restricted: bool = False,
) -> Path:
    """Writes the comparison page of some runs, with its tables and figures beside it.

    Args:
        runs: Folders written by `evaluate`. The page is about the first that is no baseline.
        out: The page, an .html file; tables and figures go to the folder ``<stem>_files`` beside it.
        training: Run of `train` whose curves to show.
        data: Curated set whose statistics to show.
        times: JSON file of stage names and seconds.
        elsewhere: Runs of the same respondents on another toolbox, as out of domain.
        browse: Items of each sub-task in the item browser; 0 for none.
        share_restricted: Whether pictures of a restricted licence are embedded.

    Returns:
        The page.

    Raises:
        OutputExistsError: The page, or something else than a page's files, is there already.
        DataFolderError: An input is missing or does not parse.
        ConfigError: The runs do not belong in one table.
    """
    from babyvlm.reports import write_report

    write_report(
        [Path(run) for run in runs],
        Path(out),
        training=maybe_path(training),
        data=maybe_path(data),
        times=maybe_path(times),
        elsewhere=[Path(run) for run in elsewhere],
        browse=browse,
        share_restricted=share_restricted,
    )
    return Path(out)


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A folder for the public leaderboard."""

    folder: Path
    missing: tuple[str, ...]
    """Benchmarks that the run does not have; they count as 0 there."""


def submit(run: Place, model: Place, out: Place, config: SubmissionConfig | None = None) -> Submission:
    """Writes a folder that the public leaderboard takes.

    Args:
        run: Folder written by `evaluate`.
        model: The checkpoint folder that answered in it.
        out: Folder to write; absent or empty.
        config: What the leaderboard shows beside the figures.

    Returns:
        The folder, and which benchmarks are missing.

    Raises:
        DataFolderError: ``run`` is no finished run.
        CheckpointError: There is no checkpoint at ``model``.
        ConfigError: Another respondent answered, or the run has no task that the leaderboard knows.
    """
    from babyvlm.leaderboard import write_submission

    return Submission(folder=Path(out), missing=tuple(write_submission(Path(run), Path(model), Path(out), config)))


def challenge(
    out: Place,
    config: ChallengeConfig,
    *,
    runs: Sequence[Place] = (),
    objects: Sequence[Place] = (),
    properties: Sequence[Place] = (),
    language: Sequence[Place] = (),
) -> ChallengeEntry:
    """Writes a submission to the EgoBabyVLM challenge from runs and probes of three or more seeds.

    Args:
        out: The JSON file; its name without the suffix is the submission's id.
        config: What the board shows beside the figures.
        runs: Runs on contrasts, one for each seed.
        objects: Folders written by `probe_vision` on pictures of objects, one for each seed.
        properties: Folders written by `probe_vision` on pictures labelled with a property, one for each seed.
        language: Folders written by `probe_language`, one for each seed.

    Returns:
        What was written, and what is not in it.

    Raises:
        ConfigError: Fewer than three seeds, or parts that do not belong together; a part lacks something.
        DataFolderError: A folder is no finished run on contrasts, or no probe.
        OutputExistsError: ``out`` is there.
    """
    from babyvlm.leaderboard import ChallengeParts, write_challenge

    given = {"runs": runs, "objects": objects, "properties": properties, "language": language}
    parts = ChallengeParts(**{name: [Path(folder) for folder in folders] for name, folders in given.items()})
    return write_challenge(parts, Path(out), config)


def push(source: Place, destination: str, *, public: bool = False, share_restricted: bool = False) -> Pushed:
    """Hands on a checkpoint, a toolbox or a run, with its card, to a folder or to a repository of the hub.

    Args:
        source: A finished stage, a converted checkpoint, a toolbox, or a run folder.
        destination: A new folder, or ``hf:OWNER/NAME`` for the hub.
        public: Whether a new repository of the hub is public.
        share_restricted: Whether restricted material, material of unknown licence and people's answers may be handed
            on.

    Returns:
        What was handed on, and where it is now.

    Raises:
        ConfigError: The material may not be handed on, the name is none, or the hub refuses.
        DataFolderError: The source is nothing that can be handed on.
        OutputExistsError: The folder holds something.
    """
    from babyvlm.sharing import push

    return push(Path(source), destination, permission="restricted" if share_restricted else "", public=public)


def export_study(db: str, out: Place, *, toolbox: Place | None = None) -> dict[str, int]:
    """Writes what people answered as run folders, which `report` and `compare` take, and as tidy CSV files.

    Args:
        db: The study's database, as given to ``babyvlm study serve``.
        out: Folder to write: ``pooled`` and ``participants/CODE`` are runs.
        toolbox: The toolbox, where it has moved since.

    Returns:
        Sessions by what became of them.

    Raises:
        DataFolderError: Nobody has answered anything, the toolbox has changed, or the database is damaged.
        MissingExtraError: The extra ``study`` is not installed.
    """
    from babyvlm.study import require_study_extra

    require_study_extra("A study")
    from babyvlm.study.export import export_study
    from babyvlm.study.store import Store

    return export_study(Store.open(db), Path(out), toolbox=maybe_path(toolbox))
