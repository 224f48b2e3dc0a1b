"""The applications that commands are added to, and what several commands share."""

from __future__ import annotations

import os
from typing import Annotated, Literal

from tyro.conf import arg
from tyro.extras import SubcommandApp

Layout = Annotated[str, arg(metavar="auto|saycam|babyview|ego4d|plain|NAME")]
"""How recordings are named; NAME is one that another package adds."""
Stage = Literal["vision", "language", "contrastive", "alignment", "joint", "instruction"]

app = SubcommandApp()
corpus_app = SubcommandApp()
toolbox_app = SubcommandApp()
study_app = SubcommandApp()


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0))
