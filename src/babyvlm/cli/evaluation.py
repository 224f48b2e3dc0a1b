"""Asking, scoring, comparing: ``evaluate``, ``curve``, ``score``, ``compare``, ``power``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

import babyvlm
from babyvlm.cli.shared import Runs, Sharing, closing
from babyvlm.evaluation.configuration import AskConfig
from babyvlm.names import StageName
from babyvlm.toolbox import Scoring

if TYPE_CHECKING:
    from babyvlm.chain.results import Evaluation


def evaluate_command(
    model: Positional[str],
    toolbox: Positional[Path],
    *,
    out: Path,
    tasks: tuple[str, ...] = (),
    limit: int | None = None,
    seed: int = 0,
    nulls: bool = False,
    retry_failed: bool = False,
    i_may_share: Sharing = "",
    part: str = "",
    ask: Annotated[AskConfig, arg(name="")] = AskConfig(),  # noqa: B008
) -> str:
    """Let a respondent answer a toolbox's items. Interrupted, the same command resumes where it stopped.

    Args:
        model: A checkpoint folder, hf:NAME of a model on the hub, clip:NAME of a dual encoder, lm:NAME of a language
            model, frequency:DATASET (word counts alone), python:FILE.py:CLASS, openai:NAME, anthropic:NAME,
            gemini:NAME, or baseline:random, baseline:majority, baseline:blind-match, baseline:text-only:MODEL,
            baseline:blank-image:MODEL, baseline:shuffled-options:MODEL; or NAME:REST and baseline:NAME of another
            package.
        toolbox: Folder written by ``babyvlm toolbox build``.
        out: The run folder.
        tasks: Tasks to ask; all when not given.
        limit: Items a task; all when not given.
        seed: Seed of the random baseline and of shuffled options.
        nulls: Run every control row too, into RUN/nulls/NAME: random, majority, blind-match, and the same model with
            text only, with blank images and with shuffled options.
        retry_failed: Ask again the items of which nothing came back.
        i_may_share: ``restricted`` lets restricted pictures go to a respondent outside this machine.
        part: 2/4 asks the second of four parts of the items, so that several processes or GPUs can share them;
            ``babyvlm merge`` puts their runs together.
        ask: How the respondent is asked.
    """
    from babyvlm.evaluation.table import describe_scores

    def show(made: Evaluation) -> None:
        if made.folder != out:
            print(f"\n{made.respondent}")
        print(describe_scores(made.scores))
        if made.failures and any(task.scored for task in made.scores.tasks):
            print(made.failures)

    babyvlm.evaluate(
        model, toolbox, out, tasks=tasks, limit=limit, seed=seed, controls=nulls, retry_failed=retry_failed,
        share_restricted=i_may_share == "restricted", part=part, ask=ask, on_run=show,
    )  # fmt: skip
    if part:
        return closing(f"{out} is part {part} of a run", "merge", "RUN", "RUN", "--out", "WHOLE")
    return closing(f"{out} is a run", "report", out, "--out", "PAGE.html")


def merge_runs(runs: Positional[Runs], *, out: Path) -> str:
    """Put the runs over parts of a toolbox together, as evaluate --part makes them.

    Args:
        runs: Folders written by ``babyvlm evaluate --part``, one for each part.
        out: The run folder to write.
    """
    from babyvlm.evaluation.table import describe_scores

    print(describe_scores(babyvlm.merge(runs, out)))
    return closing(f"{out} is a run", "report", out, "--out", "PAGE.html")


def curve(
    run: Positional[Path],
    *,
    toolbox: Path,
    out: Path,
    stages: tuple[StageName, ...] = (),
    tasks: tuple[str, ...] = (),
    limit: int | None = None,
    data: Path | None = None,
    nothing_after: float | None = None,
    strict: bool = False,
    wordbank: Path | None = None,
    seed: int = 0,
    ask: Annotated[AskConfig, arg(name="")] = AskConfig(),  # noqa: B008
) -> str:
    """Show what each kept checkpoint of a run knows, against words heard and against age.

    Each is asked once; interrupted, the same command resumes where it stopped.

    Args:
        run: Folder of ``babyvlm train`` with a stage that keeps checkpoints (``joint.keep_at=percent``).
        toolbox: Folder written by ``babyvlm toolbox build``.
        out: The page, an .html file, or a folder for it; runs, tables and figures go beside the page.
        stages: Stages whose checkpoints are asked; by default all that kept some but the language stage.
        tasks: Tasks to ask; all that a checkpoint can answer when not given.
        limit: Items a task; all when not given.
        data: The curated set of the run, to hold the ages in the checkpoints' manifests against.
        nothing_after: Refuse a checkpoint that has heard a recording of an older child, months.
        strict: With --nothing-after, count what the stages before, the tokenizer and the vocabulary have heard too.
        wordbank: CSV file of children who say each word at each age (word, age_months, children, say_so), to show
            beside the model.
        seed: Seed of guesses and of the bootstrap.
        ask: How checkpoints are asked.
    """
    page = babyvlm.curve(
        run, toolbox, out, stages=stages, tasks=tasks, limit=limit, data=data, nothing_after=nothing_after,
        strict=strict, wordbank=wordbank, seed=seed, ask=ask,
    )  # fmt: skip
    return closing(f"open {page} in a browser; its tables and figures are in {page.with_name(f'{page.stem}_files')}")


def score(run: Positional[Path], *, scoring: Scoring = "default") -> str:
    """Score a run's replies again, without asking anybody.

    Args:
        run: Folder written by ``babyvlm evaluate``.
        scoring: Our own reading of replies (``default``), or the published one with its faults: ``reference`` leaves
            items with an error out of the mean, as the published evaluation script does; ``leaderboard`` counts an
            error as an empty reply, which is wrong, as the leaderboard's wrapper does.
    """
    from babyvlm.evaluation.table import describe_scores

    print(describe_scores(babyvlm.score(run, scoring)))
    return closing(f"{run / 'scores.json'} has these scores", "report", run, "--out", "PAGE.html")


def compare_runs(
    runs: Positional[Runs],
    *,
    seeds: bool = False,
    out: Path | None = None,
) -> str:
    """Test whether two runs differ, item by item; or put runs of one model with several seeds together.

    Args:
        runs: Folders written by ``babyvlm evaluate`` on the same toolbox: two, or with --seeds two or more.
        seeds: Mean, standard deviation and range over the runs, in place of a test.
        out: JSON file to write the figures to as well.
    """
    from babyvlm.evaluation.table import describe_comparison, describe_spread

    if seeds:
        print(describe_spread(babyvlm.compare_seeds(runs, out=out)))
    else:
        print(describe_comparison(babyvlm.compare(runs, out=out)))
    made = f"{out} has these figures" if out is not None else f"{len(runs)} runs are compared"
    return closing(made, "report", *runs, "--out", "PAGE.html")


def power(*, difference: float, differing: float | None = None, accuracy: float = 0.5, power: float = 0.8) -> str:
    """Say how many items a study needs to find a difference between two respondents.

    Args:
        difference: Difference in accuracy to be found, 0 to 1.
        differing: Share of the items on which the two differ, if both answer the same items.
        accuracy: The lower of the two accuracies, if they answer different items.
        power: Chance to find the difference, 0 to 1.
    """
    needed = babyvlm.power(difference, differing=differing, accuracy=accuracy, power=power)
    which = "items that both answer" if differing is not None else "items for each of the two"
    print(f"{needed:,} {which}: a difference of {100 * difference:g} points, power {100 * power:g}%, 5% two-sided")
    return closing(
        "a toolbox of that size", "toolbox", "build", "SOURCE", "--items-per-task", str(needed), "--out", "TOOLBOX"
    )
