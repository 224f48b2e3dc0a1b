"""Names that the command line, the records on disk and the code share, in a module that imports nothing heavy.

The rooms that give them their meaning, `babyvlm.training` and `babyvlm.corpus.layouts`, need torch or much of the
program; listing or parsing a name does not.
"""

from __future__ import annotations

from typing import Literal, get_args

StageName = Literal["vision", "language", "contrastive", "alignment", "joint", "instruction"]
"""A stage of training (paper, but for the contrastive one, which is ours)."""
STAGES: tuple[StageName, ...] = get_args(StageName)
"""The stages in the order in which they run."""
MODEL_STAGES: tuple[StageName, ...] = ("language", "alignment", "joint", "instruction")
"""Those that leave a vision-language model, each made of the one before."""
WholeStage = Literal["joint", "instruction"]
"""A stage that published checkpoints are of."""
MaterialName = Literal["demo", "nursery", "saycam"]
"""A recipe that says how much it learns from; ``saycam-published`` learns from as much as ``saycam``."""
LayoutName = Literal["saycam", "babyview", "ego4d", "plain"]
"""A built-in way of naming recordings."""
LAYOUTS: tuple[LayoutName, ...] = get_args(LayoutName)
"""The built-in layouts in the order in which ``auto`` tries them."""
QUIET = "BABYVLM_QUIET"
"""Environment variable that is set while a command is to show no progress; processes that it starts see it too."""
