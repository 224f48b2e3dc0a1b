"""The ``babyvlm`` command: parses, calls one function of the public face, prints, and turns our errors into a message.

words ── typed.py ── index.py ──> help.py                                  no command is imported
                         └──> parsing.py (tyro) ──> corpus.py, ... ──> babyvlm.curate, ... ──> one closing line

An error that a person can mend ends with exit code 2, an interruption with 130.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys

from babyvlm.cli.running import explain, measured, run, speaks
from babyvlm.cli.typed import Typed, read
from babyvlm.errors import BabyVLMError


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line; exits with 2 on an error that a person can mend."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    typed = read(words)
    try:
        if not _answered(typed, words):
            with measured() if "verbose" in typed.options else contextlib.nullcontext():
                closing = run(words)
            if closing and "quiet" not in typed.options and speaks():
                print(closing, file=sys.stderr)
    except BabyVLMError as error:
        if error.everywhere and os.environ.get("RANK", "0") != "0":
            raise SystemExit(2) from error  # the first process says it
        _fail(str(error), error, typed)
    except BrokenPipeError:
        if not _nobody_reads_on():
            raise
        raise SystemExit(1) from None
    except RuntimeError as error:
        if not str(error).startswith("Symlink loop from "):  # pathlib's own, before Python 3.13
            raise
        path = str(error).removeprefix("Symlink loop from ").strip("'")
        _fail(f"{path}: a link that leads to itself. Give the folder itself", error, typed)
    except OSError as error:  # a full disk, a folder without access, a link to itself: wherever it comes up
        if not (sentence := _about_the_file(error)):
            raise
        _fail(sentence, error, typed)
    except KeyboardInterrupt:
        print("babyvlm: interrupted; run the same command again to resume", file=sys.stderr)
        raise SystemExit(130) from None


def _answered(typed: Typed, words: list[str]) -> bool:
    """Whether the words ask for no command to be run, and have their answer.

    Raises:
        SystemExit: With 0 after help or the version, with 2 where there is no such command.
    """
    if any(word.startswith("--tyro-") for word in words):
        from babyvlm.cli.parsing import complete

        complete(words)
        return True
    asked = typed.options & {"help", "help_all"}
    if "version" in typed.options:
        from babyvlm import __version__

        print(f"babyvlm {__version__}")
    elif mistake := typed.mistake:
        _fail(mistake, None, typed)
    elif typed.command is not None and asked:
        explain(typed.command, every_setting="help_all" in asked)
    elif typed.command is None:
        from babyvlm.cli import help as helping

        text = helping.family_overview(typed.family) if typed.family else helping.overview()
        print(text, file=sys.stdout if asked else sys.stderr)
        if not asked:
            _fail("name a command", None, typed)
    else:
        return False
    sys.stdout.flush()
    raise SystemExit(0)


def _fail(message: str, error: BaseException | None, typed: Typed) -> None:
    """Prints an error, with where it comes from where that is asked for, and exits with 2."""
    if error is not None and "verbose" in typed.options:
        import traceback

        traceback.print_exception(error)
    print(f"babyvlm: {_which_process()}error: {message}", file=sys.stderr)
    raise SystemExit(2) from error


def _which_process() -> str:
    """The number of this process where it is not the first of several."""
    rank = os.environ.get("RANK", "0")
    return "" if rank == "0" else f"process {rank}: "


def _about_the_file(error: OSError) -> str:
    """What is wrong with the file that an error names, or with the disk; empty where it names none."""
    from pathlib import Path

    from babyvlm.folders import is_no_room, no_room

    if is_no_room(error):
        return str(no_room(Path(str(error.filename or ".")), error))
    if error.filename is None or error.errno is None:
        return ""
    return f"{os.fsdecode(error.filename)}: {os.strerror(error.errno)}. Is it what it should be, and may you use it?"


def _nobody_reads_on() -> bool:
    """Whether standard output was closed at its other end, as `head` does; what is left to print is then dropped."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    closed = any(events & select.POLLERR for _, events in poll.poll(0))
    if closed:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return closed
