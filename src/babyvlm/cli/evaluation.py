"""Asking, scoring, comparing: ``evaluate``, ``score``, ``compare``, ``power``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from babyvlm.cli.apps import app
from babyvlm.errors import DataFolderError, OutputExistsError
from babyvlm.evaluation.configuration import AskConfig
from babyvlm.toolbox import Scoring


@app.command(name="evaluate")
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
    i_may_share: Literal["", "restricted"] = "",
    ask: Annotated[AskConfig, arg(name="")] = AskConfig(),  # noqa: B008
) -> None:
    """Let a respondent answer a toolbox's items. Interrupted, the same command resumes where it stopped.

    Args:
        model: A checkpoint folder, hf:NAME of a model on the hub, openai:NAME, anthropic:NAME, gemini:NAME, or
            baseline:random, baseline:majority, baseline:blind-match, baseline:text-only:MODEL,
            baseline:blank-image:MODEL, baseline:shuffled-options:MODEL; or NAME:REST and baseline:NAME of another
            package.
        toolbox: Folder written by ``babyvlm toolbox build``.
        out: The run folder.
        tasks: Tasks to ask; all when not given.
        limit: Items a task; all when not given.
        seed: Seed of the random baseline and of shuffled options.
        nulls: Run every null row too, into RUN/nulls/NAME: random, majority, blind-match, and the same model with text
            only, with blank images and with shuffled options.
        retry_failed: Ask again the items of which nothing came back.
        i_may_share: ``restricted`` lets restricted pictures go to a respondent outside this machine.
        ask: How the respondent is asked.
    """
    from babyvlm.evaluation import BASELINES, Respondent, choose_controls, choose_respondent, evaluate
    from babyvlm.evaluation.table import describe_failures, describe_scores
    from babyvlm.records import Response, read_jsonl
    from babyvlm.toolbox import open_toolbox

    opened = open_toolbox(toolbox)
    respondent = choose_respondent(model, opened, seed=seed, ask=ask)

    def run(who: Respondent, folder: Path, named: str) -> None:
        scores = evaluate(
            who, opened, folder, model=named, tasks=tasks, limit=limit, share_restricted=i_may_share == "restricted",
            ask=ask, seed=seed, retry_failed=retry_failed,
        )  # fmt: skip
        print(describe_scores(scores))
        failed = describe_failures(read_jsonl(folder / "responses.jsonl", Response))
        if not any(task.scored for task in scores.tasks):
            raise DataFolderError(f"no item was answered, so there is no figure.\n{failed}", path=folder)
        if failed:
            print(failed)

    run(respondent, out, model)
    for name, null in choose_controls(respondent, opened, seed=seed).items() if nulls else ():
        print(f"\n{null.name}")
        run(null, out / "nulls" / name, f"baseline:{name}" if name in BASELINES else f"baseline:{name}:{model}")


@app.command(name="score")
def score(run: Positional[Path], *, scoring: Scoring = "default") -> None:
    """Score a run's replies again, without asking anybody.

    Args:
        run: Folder written by ``babyvlm evaluate``.
        scoring: Our own reading of replies (``default``), or the published one with its faults: ``reference`` leaves
            items with an error out of the mean, as the published evaluation script does; ``leaderboard`` counts an
            error as an empty reply, which is wrong, as the leaderboard's wrapper does.
    """
    from babyvlm.evaluation import score_run
    from babyvlm.evaluation.table import describe_scores

    print(describe_scores(score_run(run, scoring)))


@app.command(name="compare")
def compare_runs(
    runs: Positional[tuple[Path, ...]],
    *,
    seeds: bool = False,
    out: Path | None = None,
) -> None:
    """Test whether two runs differ, item by item; or put runs of one model with several seeds together.

    Args:
        runs: Folders written by ``babyvlm evaluate`` on the same toolbox: two, or with --seeds two or more.
        seeds: Mean, standard deviation and range over the runs, in place of a test.
        out: JSON file to write the figures to as well.
    """
    from babyvlm.evaluation.compare import compare_folders, spread_folders
    from babyvlm.evaluation.table import describe_comparison, describe_spread

    if out is not None and out.exists():
        raise OutputExistsError(out, "something")
    if seeds:
        spreads = spread_folders(runs)
        print(describe_spread(spreads))
        text = json.dumps([row.model_dump(mode="json") for row in spreads], indent=2)
    else:
        comparison = compare_folders(runs)
        print(describe_comparison(comparison))
        text = comparison.model_dump_json(indent=2)
    if out is not None:
        out.write_text(text + "\n", encoding="utf-8")


@app.command(name="power")
def power(*, difference: float, differing: float | None = None, accuracy: float = 0.5, power: float = 0.8) -> None:
    """Say how many items a study needs to find a difference between two respondents.

    Args:
        difference: Difference in accuracy to be found, 0 to 1.
        differing: Share of the items on which the two differ, if both answer the same items.
        accuracy: The lower of the two accuracies, if they answer different items.
        power: Chance to find the difference, 0 to 1.
    """
    from babyvlm.evaluation.statistics import items_needed

    needed = items_needed(difference, differing=differing, accuracy=accuracy, power=power)
    which = "items that both answer" if differing is not None else "items for each of the two"
    print(f"{needed:,} {which}: a difference of {100 * difference:g} points, power {100 * power:g}%, 5% two-sided")
