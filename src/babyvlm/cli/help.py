"""``babyvlm --help``: every command by what one does. A command's own ``--help`` is tyro's, with a line below it."""

from __future__ import annotations

import shutil
import textwrap

from babyvlm.cli.index import FAMILIES, GROUPS, Command
from babyvlm.cli.typed import commands_of

OPTIONS = (
    ("-h, --help", "Show this, or behind a command its settings."),
    ("--help-all", "Behind a command, show its rare settings too."),
    ("-q, --quiet", "No progress and no notes: errors alone, and what a command is asked to print."),
    ("-v, --verbose", "How long it took and how much memory; where our errors come from."),
    ("--version", "Show the version."),
)
_WIDTH = 21


def overview() -> str:
    """Every command with a line on it."""
    parts = [
        "usage: babyvlm [OPTIONS] COMMAND ...",
        "From infants' head-camera video to a model and a benchmark.",
        *(f"{title}\n{_rows(commands)}" for title, commands in GROUPS.items()),
        "Options of every command\n" + "\n".join(_row(name, text) for name, text in OPTIONS),
        "babyvlm COMMAND --help explains a command; babyvlm docs opens the documentation.",
    ]
    return "\n\n".join(parts)


def family_overview(family: str) -> str:
    """The commands that begin with a word."""
    listed = _rows(tuple(commands_of(family)))
    return (
        f"usage: babyvlm {family} COMMAND ...\n\n{FAMILIES[family]}\n\n{listed}\n\n"
        f"babyvlm {family} COMMAND --help explains one."
    )


def below(every_setting: bool) -> str:
    """What stands below a command's own help."""
    rare = "" if every_setting else " Rare settings are left out here; --help-all shows them."
    return f"Every command takes -q (--quiet) and -v (--verbose) as well.{rare}"


def _rows(commands: tuple[Command, ...]) -> str:
    return "\n".join(_row(command.name, command.help.replace("``", "")) for command in commands)


def _row(name: str, text: str) -> str:
    columns = max(60, min(shutil.get_terminal_size().columns, 110))
    return textwrap.fill(
        text, columns, initial_indent=f"  {name:<{_WIDTH - 2}}", subsequent_indent=" " * _WIDTH, break_on_hyphens=False
    )
