"""What was typed: the options that every command has, the command, and what is left for it to parse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from babyvlm.cli.index import COMMANDS, FAMILIES, Command, find, nearest

_OURS = {
    "-h": "help",
    "--help": "help",
    "--help-all": "help_all",
    "-q": "quiet",
    "--quiet": "quiet",
    "-v": "verbose",
    "--verbose": "verbose",
    "--version": "version",
}


class Typed(NamedTuple):
    """One line of the shell, behind ``babyvlm``."""

    command: Command | None
    rest: tuple[str, ...]
    """Behind the command's name; where there is no command, all that was typed but for the options of all commands."""
    options: frozenset[str]
    """Of ``help``, ``help_all``, ``quiet``, ``verbose`` and ``version``, those given."""

    @property
    def family(self) -> str:
        """The first word, where several commands share it and the second word is missing."""
        return self.rest[0] if self.command is None and len(self.rest) == 1 and self.rest[0] in FAMILIES else ""

    @property
    def mistake(self) -> str:
        """What is wrong with the command's name, and which was probably meant; empty where nothing is."""
        if self.command is not None or not self.rest or self.family:
            return ""
        words = [word for word in self.rest[:2] if not word.startswith("-")]
        if self.rest[0].startswith("-"):
            return f"{self.rest[0]!r} is no option of babyvlm itself. Options of a command stand behind its name"
        typed = " ".join(words if words[0] in FAMILIES else words[:1])
        near = nearest(typed)
        return f"there is no command {typed!r}{f'; did you mean {near!r}?' if near else '.'} babyvlm --help lists all"


def read(words: Sequence[str]) -> Typed:
    """Takes a line apart.

    >>> typed = read(["-q", "toolbox", "build", "my-recordings", "--out", "my-toolbox"])
    >>> typed.command.name, typed.rest, sorted(typed.options)
    ('toolbox build', ('my-recordings', '--out', 'my-toolbox'), ['quiet'])
    >>> read(["evalute"]).mistake
    "there is no command 'evalute'; did you mean 'evaluate'? babyvlm --help lists all"
    """
    options = frozenset(_OURS[word] for word in words if word in _OURS)
    others = [word for word in words if word not in _OURS]
    command, length = find(others)
    return Typed(command=command, rest=tuple(others[length:]), options=options)


def commands_of(family: str) -> list[Command]:
    """The commands that begin with this word."""
    return [command for name, command in COMMANDS.items() if name.startswith(f"{family} ")]
