"""Every error that babyvlm raises on purpose.

    BabyVLMError                 a person can mend this; the command line prints it and exits with 2
    ├── InputError               what was given cannot be used
    │   ├── MediaError           a video, sound or image file
    │   ├── TranscriptError      a transcript
    │   ├── AnnotationError      boxes or tracks
    │   └── DataFolderError      a folder that babyvlm wrote, or should have written
    ├── OutputExistsError        the output folder holds something else
    ├── ConfigError              a setting, a recipe or a combination of the two
    ├── MissingExtraError        an optional dependency is not installed
    ├── ExtensionError           what another package adds does not load
    ├── CheckpointError          a checkpoint that does not load exactly
    ├── TrainingError            training cannot go on (not finite, diverged)
    └── BudgetError              the next call of an API might pass the budget

A message says what was found, what was expected, where (file, record, line) and what to do.
"""

from __future__ import annotations

from pathlib import Path

_LONGEST = 4_000
"""Characters of a message. A damaged file would otherwise be quoted whole in it."""


class BabyVLMError(Exception):
    """Base of every error that a person can mend."""

    everywhere = False
    """Whether every process of a run raises it, so that the first alone need say it."""

    def __init__(self, message: str = "") -> None:
        if len(message) > _LONGEST:
            left_out = len(message) - _LONGEST
            message = f"{message[: _LONGEST - 1000]} [... {left_out:,} characters ...] {message[-1000:]}"
        super().__init__(message)


class InputError(BabyVLMError):
    """Input that cannot be used.

    Args:
        problem: What was found, and what was expected instead.
        path: The file or folder at fault.
        place: The spot in it, such as ``"line 12"`` or ``"annotation 7"``.
        remedy: What to do about it.
    """

    def __init__(
        self, problem: str, *, path: Path | str | None = None, place: str | None = None, remedy: str | None = None
    ) -> None:
        self.problem, self.path, self.place, self.remedy = problem, path, place, remedy
        where = ", ".join(str(part) for part in (path, place) if part is not None)
        message = f"{where}: {problem}" if where else problem
        super().__init__(f"{message}. {remedy}" if remedy else message)


class MediaError(InputError):
    """A video, sound or image file is missing, unreadable or damaged."""


class TranscriptError(InputError):
    """A transcript does not parse, or contradicts its recording."""


class AnnotationError(InputError):
    """Boxes or tracks do not parse, or lie outside their image."""


class DataFolderError(InputError):
    """A folder is not the kind of babyvlm data that was expected, or is of another schema."""


class OutputExistsError(BabyVLMError):
    """The output folder already holds something; nothing was written."""

    def __init__(self, path: Path | str, holds: str) -> None:
        super().__init__(
            f"{path}: already holds {holds}. Choose another --out, or remove it first; nothing was written"
        )


class ConfigError(BabyVLMError):
    """A setting has a bad value, is unknown, or contradicts another."""


class MissingExtraError(BabyVLMError):
    """An optional dependency is needed and not installed."""

    def __init__(self, needed_for: str, extra: str) -> None:
        from babyvlm.installation import install_command  # reads metadata; errors are imported by everything

        super().__init__(f"{needed_for} needs an optional dependency. Install it with: {install_command(extra)}")


class ExtensionError(BabyVLMError):
    """What another package adds does not import, is of another kind than it says, or has a name that is given twice.

    Args:
        problem: What was found, with the package and its entry point.
        remedy: What to do about it.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}. {remedy}")


class CheckpointError(InputError):
    """A checkpoint does not load exactly."""


class TrainingError(BabyVLMError):
    """Training cannot go on."""


class BudgetError(BabyVLMError):
    """The next call of an API might pass the budget."""
