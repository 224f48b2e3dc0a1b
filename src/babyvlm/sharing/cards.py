"""Cards of a toolbox and of a run: ``README.md`` with the metadata head that the hub reads. A checkpoint has its own.

They say what there is, of which licence, and how it is used; nothing of the machine.
"""

from __future__ import annotations

import json
from collections import Counter

from babyvlm.evaluation.runs import Run
from babyvlm.evaluation.table import describe_scores
from babyvlm.licences import is_restricted
from babyvlm.toolbox import Scores, Toolbox
from babyvlm.toolbox.tasks import row_name

_RESTRICTED = "**Restricted: do not publish or pass on.** The recordings behind it are shared under an agreement."


def toolbox_card(toolbox: Toolbox, licence: str) -> str:
    """The card of a toolbox.

    Args:
        toolbox: Its items.
        licence: Of all of them together.
    """
    counts = Counter(row_name(item.task, item.variant) for item in toolbox.items)
    rows = [f"| {task} | {counts[task]:,} |" for task in toolbox.tasks]
    return _card(
        licence,
        "# Items of the DevCV Toolbox",
        f"{len(toolbox.items):,} items of the construction *{toolbox.construction}*, after "
        "[BabyVLM-V2](https://arxiv.org/abs/2512.10932).",
        "\n".join(["| sub-task | items |", "|---|---:|", *rows]),
        "## Use\n\nIt is a toolbox of `babyvlm`, to be used as it is:\n\n"
        "```bash\nbabyvlm evaluate MODEL THIS-FOLDER --out RUN\n```",
    )


def run_card(run: Run, scores: Scores | None, licence: str) -> str:
    """The card of a run.

    Args:
        run: What it says of itself.
        scores: Its figures; None where its toolbox is not at hand.
        licence: Of the items that it answers.
    """
    figures = "Its figures are in `scores.json`." if scores is None else f"```text\n{describe_scores(scores)}\n```"
    settings = ", ".join(f"{name}: {value}" for name, value in run.options.items() if value not in (None, ""))
    return _card(
        licence,
        f"# {run.respondent} on the DevCV Toolbox",
        f"Answers to the items of the toolbox with the digest `{run.toolbox_hash}`, seed {run.seed}"
        + (f", {run.limit} items a sub-task" if run.limit is not None else "")
        + (f"; {settings}" if settings else "")
        + ".",
        figures,
        "Intervals are 95%. A figure stands beside chance and the control conditions, or it says little.\n\n"
        "## Use\n\n`responses.jsonl` holds one answer per line. `babyvlm score` and `babyvlm report` read the folder,\n"
        "with the toolbox where `run.json` says that it is.",
    )


def _card(licence: str, *parts: str) -> str:
    head = [
        "---",
        "license: other",
        f"license_name: {json.dumps(licence)}",
        "tags:",
        "- babyvlm",
        "- developmental",
        "---",
    ]
    notes = [f"Licence of the material: {licence}."] + ([_RESTRICTED] if is_restricted(licence) else [])
    return "\n\n".join(["\n".join(head), *parts, "## Licence", *notes]) + "\n"
