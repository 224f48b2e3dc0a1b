"""What others are shown: ``report``, ``submit``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from babyvlm.cli.apps import app
from babyvlm.leaderboard import SubmissionConfig


@app.command(name="report")
def report(
    runs: Positional[tuple[Path, ...]],
    *,
    out: Path,
    training: Path | None = None,
    data: Path | None = None,
    times: Path | None = None,
    elsewhere: tuple[Path, ...] = (),
    browse: int = 25,
    i_may_share: Literal["", "restricted"] = "",
) -> None:
    """Write the comparison page of some runs, with its tables and figures.

    Args:
        runs: Folders written by ``babyvlm evaluate``.
        out: The page, an .html file; tables and figures go beside it.
        training: Run of ``babyvlm train`` whose curves to show.
        data: Curated set whose statistics to show.
        times: JSON file of stage names and seconds, as ``babyvlm demo`` writes it.
        elsewhere: Runs of the same respondents on another toolbox, as out of domain.
        browse: Items of each sub-task in the item browser beside the page; 0 for none.
        i_may_share: ``restricted`` embeds restricted pictures; by default the page leaves them out and says so.
    """
    from babyvlm.reports import write_report

    write_report(
        runs,
        out,
        training=training,
        data=data,
        times=times,
        elsewhere=elsewhere,
        browse=browse,
        share_restricted=i_may_share == "restricted",
    )


@app.command(name="submit")
def submit(
    run: Positional[Path],
    *,
    model: Path,
    out: Path,
    submission: Annotated[SubmissionConfig, arg(name="")] = SubmissionConfig(),  # noqa: B008
) -> None:
    """Write a folder that the public leaderboard takes.

    Args:
        run: Folder written by ``babyvlm evaluate``.
        model: The checkpoint folder that answered in it.
        out: Folder to write.
        submission: What the leaderboard shows beside the figures.
    """
    from babyvlm.leaderboard.submission import why_missing, write_submission

    for key in write_submission(run, model, out, submission):
        print(f"{key:24} missing, counts as 0 on the leaderboard: {why_missing(key)}")
    print(f"written to {out}: submission.json, model.py, scores.json")
