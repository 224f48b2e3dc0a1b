"""Every command: its name, what it is for, and the function that it is. Imports nothing but the standard library.

``babyvlm --help`` and a mistyped command are answered from here alone; of a command that is typed, its own module is
imported and no other.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import NamedTuple


class Command(NamedTuple):  # no dataclass: importing dataclasses would take as long as all of this
    """One command."""

    name: str
    """As it is typed: ``curate``, ``toolbox build``."""
    help: str
    """The first line of its function's docstring."""
    target: str
    """``module:function`` under ``babyvlm.cli``."""
    is_data: bool = False
    """Whether its standard output is what it is typed for, and so is printed under ``--quiet`` too."""

    def load(self) -> Callable[..., str]:
        """Imports its function."""
        module, _, function = self.target.partition(":")
        loaded: Callable[..., str] = getattr(importlib.import_module(f"babyvlm.cli.{module}"), function)
        return loaded


GROUPS: dict[str, tuple[Command, ...]] = {
    "Data": (
        Command(
            "corpus render",
            "Render the simulated nursery: mp4 files with sound, transcripts and boxes.",
            "corpus:render",
        ),
        Command(
            "corpus index",
            "List recordings, ages, hours, speech coverage and problems of a corpus.",
            "corpus:index",
            is_data=True,
        ),
        Command(
            "corpus transcribe",
            "Write a transcript beside each recording that has none; run it again after an interruption to resume.",
            "corpus:transcribe",
        ),
        Command(
            "curate",
            "Make the pretraining set of a corpus and, where it has boxes, the instruction set.",
            "corpus:curate",
        ),
        Command(
            "corpus select",
            "Make a part of a curated set, by age, child, date, hours or list, or the set again with other thresholds.",
            "corpus:select",
        ),
        Command("corpus export", "Write a curated set in a layout that others read.", "corpus:export"),
        Command(
            "corpus card",
            "Write the card of a curated set again: hours, coverage, language, similarities, examples.",
            "corpus:card",
        ),
    ),
    "Training": (
        Command(
            "config",
            "Print every resolved setting of a recipe, with its meaning, unit and source.",
            "training:config",
            is_data=True,
        ),
        Command(
            "train",
            "Train one or all stages of a recipe. Interrupted, the same command resumes where it stopped.",
            "training:train",
        ),
        Command(
            "convert",
            "Convert published BabyLLaVA-V2 weights to a checkpoint of ours, every key accounted for.",
            "training:convert",
        ),
        Command(
            "chat",
            "Talk to a checkpoint: show it pictures or a clip, ask, see the reply and how likely each option was.",
            "looking:chat",
            is_data=True,
        ),
    ),
    "Toolbox": (
        Command(
            "toolbox build",
            "Build the toolbox's items from a corpus with boxes, or from annotated photographs.",
            "toolbox:build",
        ),
        Command(
            "toolbox import",
            "Import published items, in any layout in which they are distributed, or the items of another battery.",
            "toolbox:import_published",
        ),
        Command(
            "toolbox contrasts",
            "Make contrasts of pictures and captions in a training set's own words, by how often each was said.",
            "toolbox:contrasts",
        ),
        Command(
            "toolbox export",
            "Write a toolbox's items as the published ones are distributed.",
            "toolbox:export_published",
        ),
        Command(
            "toolbox audit",
            "Find what gives a toolbox's answers away: shortcuts, uneven answers, leaks, duplicates, overlap with "
            "training.",
            "toolbox:audit",
        ),
        Command(
            "toolbox detect",
            "Propose boxes for photographs that have none, with Grounding DINO, as a COCO file to build from.",
            "toolbox:detect_boxes",
        ),
        Command(
            "toolbox review",
            "Accept, reject or relabel items in the browser. ``babyvlm toolbox build --review`` applies the decisions.",
            "toolbox:review_items",
            is_data=True,
        ),
        Command(
            "toolbox lmms-eval",
            "Write task files with which lmms-eval 0.7 asks the same items.",
            "toolbox:lmms_tasks",
            is_data=True,
        ),
    ),
    "Evaluation": (
        Command(
            "evaluate",
            "Let a respondent answer a toolbox's items. Interrupted, the same command resumes where it stopped.",
            "evaluation:evaluate_command",
        ),
        Command(
            "merge",
            "Put the runs over parts of a toolbox together, as evaluate --part makes them.",
            "evaluation:merge_runs",
            is_data=True,
        ),
        Command(
            "curve",
            "Show what each kept checkpoint of a run knows, against words heard and against age.",
            "evaluation:curve",
        ),
        Command("score", "Score a run's replies again, without asking anybody.", "evaluation:score", is_data=True),
        Command(
            "compare",
            "Test whether two runs differ, item by item; or put runs of one model with several seeds together.",
            "evaluation:compare_runs",
            is_data=True,
        ),
        Command(
            "power",
            "Say how many items a study needs to find a difference between two respondents.",
            "evaluation:power",
            is_data=True,
        ),
        Command(
            "probe vision",
            "Probe a tower on labelled pictures, beside the tower as drawn, pixels and colours.",
            "probes:vision",
            is_data=True,
        ),
        Command(
            "probe language",
            "Probe a language model on pairs of sentences, beside the model as drawn and word counts alone.",
            "probes:language",
            is_data=True,
        ),
        Command(
            "predictions",
            "Write a run's predictions on minimal pairs as BabyLM's evaluation pipeline has them.",
            "probes:predictions",
        ),
        Command("report", "Write the comparison page of some runs, with its tables and figures.", "reports:report"),
        Command(
            "children",
            "Put models beside children: choices by divergence, words by age of acquisition, items by ability.",
            "reports:children",
        ),
        Command("submit", "Write a folder that the public leaderboard takes.", "reports:submit"),
        Command(
            "challenge",
            "Write a submission to the EgoBabyVLM challenge from runs and probes of three or more seeds.",
            "reports:challenge",
        ),
        Command(
            "push",
            "Hand on a checkpoint, a toolbox or a run, with its card, to a folder or to a repository of the hub.",
            "sharing:push",
        ),
        Command(
            "explore",
            "Look at recordings, pairs, items and replies in a browser. An index is made once, and again when the "
            "data change.",
            "looking:explore",
            is_data=True,
        ),
    ),
    "Study": (
        Command(
            "study serve",
            "Let people take a toolbox's items in a browser. The first start begins the study and freezes its design.",
            "study:serve",
            is_data=True,
        ),
        Command(
            "study invite",
            "Make links for participants, as the admin page does. They are shown only now.",
            "study:invite",
            is_data=True,
        ),
        Command(
            "study password",
            "Choose another admin password, and another PIN where the study has one; a running server takes them at "
            "once.",
            "study:password",
        ),
        Command(
            "study prompts",
            "List every sentence that a study says, and the file in which ``--speech recorded`` looks for it.",
            "study:prompts",
            is_data=True,
        ),
        Command(
            "study export",
            "Write what people answered as run folders, which ``report`` and ``compare`` take, and as tidy CSV files.",
            "study:export",
        ),
    ),
    "Machine": (
        Command("doctor", "Say what this machine can and cannot do.", "machine:doctor", is_data=True),
        Command(
            "demo",
            "Run everything on the simulated nursery, in minutes, on two cores; ends with a link to the report.",
            "machine:demo",
        ),
        Command(
            "docs",
            "Open the documentation that comes with the program; nothing is fetched.",
            "sharing:docs",
            is_data=True,
        ),
    ),
}
"""Commands by what one does, in the order of ``--help``."""
COMMANDS: dict[str, Command] = {command.name: command for group in GROUPS.values() for command in group}
FAMILIES: dict[str, str] = {
    "corpus": "Recordings with their transcripts and boxes.",
    "toolbox": "The DevCV Toolbox: its items.",
    "study": "People take the items in a browser.",
    "probe": "What parts of a model tell apart, and find likely.",
}
"""First words that several commands share."""


def find(words: Sequence[str]) -> tuple[Command | None, int]:
    """The command that some words begin with, and how many words its name has.

    Args:
        words: What was typed behind ``babyvlm``. ``lmms_eval`` means ``lmms-eval``.

    >>> find(["toolbox", "build", "my-recordings"])[1], find(["toolbox", "biuld"])
    (2, (None, 0))
    """
    for length in (2, 1):
        name = " ".join(words[:length]).replace("_", "-")
        if len(words) >= length and name in COMMANDS:
            return COMMANDS[name], length
    return None, 0


def nearest(typed: str) -> str:
    """The command that was probably meant; empty where nothing is near.

    >>> nearest("evalute"), nearest("toolbox biuld"), nearest("audit"), nearest("zzz")
    ('evaluate', 'toolbox build', 'toolbox audit', '')
    """
    import difflib

    by_last_word = {name.rpartition(" ")[2]: name for name in reversed(COMMANDS)}
    if found := difflib.get_close_matches(typed, [*COMMANDS, *FAMILIES], n=1, cutoff=0.6):
        return found[0]
    last = difflib.get_close_matches(typed.rpartition(" ")[2], list(by_last_word), n=1, cutoff=0.6)
    return by_last_word[last[0]] if last else ""
