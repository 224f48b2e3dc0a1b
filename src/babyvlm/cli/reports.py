"""What others are shown: ``report``, ``children``, ``submit``, ``challenge``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

import babyvlm
from babyvlm.children import ChildrenConfig
from babyvlm.cli.shared import Runs, Sharing, closing
from babyvlm.leaderboard import ChallengeConfig, SubmissionConfig


def report(
    runs: Positional[Runs],
    *,
    out: Path,
    training: Path | None = None,
    data: Path | None = None,
    times: Path | None = None,
    elsewhere: tuple[Path, ...] = (),
    browse: int = 25,
    i_may_share: Sharing = "",
) -> str:
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
    babyvlm.report(
        runs, out, training=training, data=data, times=times, elsewhere=elsewhere, browse=browse,
        share_restricted=i_may_share == "restricted",
    )  # fmt: skip
    return closing(f"open {out} in a browser; its tables and figures are in {out.with_name(f'{out.stem}_files')}")


def children(
    runs: Positional[Annotated[tuple[Path, ...], arg(metavar="[RUN ...]")]] = (),
    *,
    out: Path,
    data: Path | None = None,
    people: Path | None = None,
    training: Path | None = None,
    concreteness: Path | None = None,
    config: Annotated[ChildrenConfig, arg(name="")] = ChildrenConfig(),  # noqa: B008
) -> str:
    """Put models beside children: choices by divergence, words by age of acquisition, items by ability.

    Args:
        runs: Folders written by ``babyvlm evaluate`` or ``babyvlm study export``; none where the data have the scores.
        out: The page, an .html file; tables and figures go beside it.
        data: Folder of children's choices in DevBench's layout, of a table of words by month, or of both.
        people: CSV file of people's ages (participant, age_months), where no participants.csv lies beside their runs.
        training: Curated set whose utterances tell how often a word is said.
        concreteness: CSV file of words with a rating (word, concreteness).
        config: How they are compared.
    """
    babyvlm.compare_with_children(
        runs, out, config, data=data, people=people, training=training, concreteness=concreteness
    )
    return closing(f"open {out} in a browser; its tables and figures are in {out.with_name(f'{out.stem}_files')}")


def submit(
    run: Positional[Path],
    *,
    model: Path,
    out: Path,
    submission: Annotated[SubmissionConfig, arg(name="")] = SubmissionConfig(),  # noqa: B008
) -> str:
    """Write a folder that the public leaderboard takes.

    Args:
        run: Folder written by ``babyvlm evaluate``.
        model: The checkpoint folder that answered in it.
        out: Folder to write.
        submission: What the leaderboard shows beside the figures.
    """
    from babyvlm.leaderboard.submission import why_missing

    for key in babyvlm.submit(run, model, out, submission).missing:
        print(f"{key:24} missing, counts as 0 on the leaderboard: {why_missing(key)}")
    print(f"written to {out}: submission.json, model.py, scores.json")
    return closing(f"{out} can be handed in", "push", model, "hf:OWNER/NAME")


def challenge(
    *,
    out: Path,
    runs: tuple[Path, ...] = (),
    objects: tuple[Path, ...] = (),
    properties: tuple[Path, ...] = (),
    language: tuple[Path, ...] = (),
    entry: Annotated[ChallengeConfig, arg(name="")],
) -> str:
    """Write a submission to the EgoBabyVLM challenge from runs and probes of three or more seeds.

    Args:
        out: JSON file to write; its name without the suffix is the submission's id.
        runs: Runs on contrasts, one for each seed.
        objects: Folders of ``babyvlm probe vision`` on pictures of objects, one for each seed.
        properties: Folders of ``babyvlm probe vision`` on pictures labelled with a property, one for each seed.
        language: Folders of ``babyvlm probe language``, one for each seed.
        entry: What the board shows beside the figures.
    """
    made = babyvlm.challenge(out, entry, runs=runs, objects=objects, properties=properties, language=language)
    for part in made.left_out:
        print(f"{part}: not in the submission, for nothing of it was given")
    for what in made.missing:
        print(f"missing: {what}")
    return closing(f"{out} is a submission over {made.seeds} seeds")
