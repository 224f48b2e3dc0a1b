"""What several commands share: types of their settings, and the line that each ends with."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import arg

from babyvlm.names import LAYOUTS

Layout = Annotated[str, arg(metavar="|".join(("auto", *LAYOUTS, "NAME")))]
"""How recordings are named; NAME is one that another package adds."""
Overrides = Annotated[tuple[str, ...], arg(metavar="[KEY=VALUE ...]")]
"""Settings of a recipe to change."""
Runs = Annotated[tuple[Path, ...], arg(metavar="RUN [RUN ...]")]
"""Run folders."""
Sharing = Literal["", "restricted"]
"""Whether restricted pictures may be shown to others."""


def closing(made: str, *then: str | Path) -> str:
    """The line that a command ends with.

    Args:
        made: What was made.
        then: The command to type next, without ``babyvlm``; paths are quoted for a shell. None where nothing follows.

    >>> closing("my set is made", "train", "nursery", "--data", Path("my set"), "--out", "RUN")
    "my set is made. Next: babyvlm train nursery --data 'my set' --out RUN"
    """
    if not then:
        return made
    words = [shlex.quote(str(word)) if isinstance(word, Path) else word for word in then]
    return f"{made}. Next: babyvlm {' '.join(words)}"
