"""Runs one command: quietly or in full, timed, and ended with one line that says what to do next."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Sequence

from babyvlm.cli.index import Command
from babyvlm.cli.typed import read
from babyvlm.names import QUIET


def run(words: Sequence[str]) -> str:
    """Runs the command that is typed.

    Args:
        words: What stands behind ``babyvlm``; the name of a command first.

    Returns:
        The line that says what was made and what to do next.

    Raises:
        BabyVLMError: Whatever a person can mend.
        SystemExit: The words do not parse.
    """
    from babyvlm.cli.parsing import parse

    typed = read(words)
    assert typed.command is not None, words
    call = parse(typed.command, typed.rest)
    with silence(typed.command) if "quiet" in typed.options else contextlib.nullcontext():
        closing = call()
        sys.stdout.flush()
    return closing


def explain(command: Command, *, every_setting: bool) -> None:
    """Prints the help of a command."""
    from babyvlm.cli.help import below
    from babyvlm.cli.parsing import parse

    with contextlib.suppress(SystemExit):
        parse(command, ["--help"], every_setting=every_setting)
    print(below(every_setting))


@contextlib.contextmanager
def silence(command: Command) -> Iterator[None]:
    """Drops notes and progress, those of processes that are started too, and what a command prints unless asked to."""
    before = os.environ.get(QUIET)
    os.environ[QUIET] = "1"
    try:
        with contextlib.ExitStack() as stack:
            nowhere = stack.enter_context(open(os.devnull, "w"))  # noqa: PTH123 - no file of ours
            stack.enter_context(contextlib.redirect_stderr(nowhere))
            if not command.is_data:
                stack.enter_context(contextlib.redirect_stdout(nowhere))
            yield
    finally:
        os.environ.pop(QUIET)
        if before is not None:
            os.environ[QUIET] = before


@contextlib.contextmanager
def measured() -> Iterator[None]:
    """Reports on standard error how long a command took and the most memory that this process had."""
    began_s = time.monotonic()
    try:
        yield
    finally:
        import resource

        peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"babyvlm: {time.monotonic() - began_s:.1f} s, at most {peak_mib:,.0f} MiB", file=sys.stderr)


def speaks() -> bool:
    """Whether this is the one of several training processes that reports."""
    return os.environ.get("RANK", "0") == "0"
