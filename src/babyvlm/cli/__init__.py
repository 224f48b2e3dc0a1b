"""The ``babyvlm`` command: parses, calls one function of one room, and turns our errors into a message and exit code 2.

One module a room. Heavy rooms are imported inside the commands that need them, so that ``--help`` answers at once.
"""

from __future__ import annotations

import os
import select
import sys
from pathlib import Path

# isort: off
# Each adds its commands, in the order in which --help lists them.
from babyvlm.cli import corpus, training, toolbox, evaluation, reports, study, looking, machine  # noqa: F401
from babyvlm.cli import sharing  # noqa: F401

# isort: on
from babyvlm.cli.apps import app, corpus_app, study_app, toolbox_app
from babyvlm.errors import BabyVLMError
from babyvlm.folders import is_no_room, no_room

app.command(corpus_app, name="corpus", help="Recordings with their transcripts and boxes.")
app.command(toolbox_app, name="toolbox", help="The DevCV Toolbox: its items.")
app.command(study_app, name="study", help="People take the items in a browser.")


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line; exits with 2 on an error that a person can mend."""
    try:
        app.cli(
            prog="babyvlm", description="From infants' head-camera video to a model and a benchmark.", args=arguments
        )
        sys.stdout.flush()
    except BabyVLMError as error:
        if error.everywhere and os.environ.get("RANK", "0") != "0":
            raise SystemExit(2) from error  # the first process says it
        print(f"babyvlm: {_which_process()}error: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    except BrokenPipeError:
        if not _nobody_reads_on():
            raise
        raise SystemExit(1) from None
    except RuntimeError as error:
        if not str(error).startswith("Symlink loop from "):  # pathlib's own, before Python 3.13
            raise
        path = str(error).removeprefix("Symlink loop from ").strip("'")
        print(f"babyvlm: error: {path}: a link that leads to itself. Give the folder itself", file=sys.stderr)
        raise SystemExit(2) from error
    except OSError as error:  # a full disk, a folder without access, a link to itself: wherever it comes up
        if not (sentence := _about_the_file(error)):
            raise
        print(f"babyvlm: error: {sentence}", file=sys.stderr)
        raise SystemExit(2) from error
    except KeyboardInterrupt:
        print("babyvlm: interrupted; give the same command again to go on or begin anew", file=sys.stderr)
        raise SystemExit(130) from None


def _which_process() -> str:
    """The number of this process where it is not the first of several."""
    rank = os.environ.get("RANK", "0")
    return "" if rank == "0" else f"process {rank}: "


def _about_the_file(error: OSError) -> str:
    """What is wrong with the file that an error names, or with the disk; empty where it names none."""
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
