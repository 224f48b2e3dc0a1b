"""Names that the command line, the records on disk and the code share, in a module that imports nothing heavy.

The rooms that give them their meaning, `babyvlm.training` and `babyvlm.corpus.layouts`, need torch or much of the
program; listing or parsing a name does not.
"""

from __future__ import annotations

from typing import Literal, get_args

StageName = Literal["vision", "language", "alignment", "joint", "instruction"]
"""A stage of training (paper)."""
STAGES: tuple[StageName, ...] = get_args(StageName)
"""The stages in the order in which they run."""
WholeStage = Literal["joint", "instruction"]
"""A stage whose checkpoint is a whole model."""
LayoutName = Literal["saycam", "babyview", "ego4d", "plain"]
"""A built-in way of naming recordings."""
LAYOUTS: tuple[LayoutName, ...] = get_args(LayoutName)
"""The built-in layouts in the order in which ``auto`` tries them."""
QUIET = "BABYVLM_QUIET"
"""Environment variable that is set while a command is to show no progress; processes that it starts see it too."""
