"""From ``MODEL`` on the command line to a respondent."""

from __future__ import annotations

from pathlib import Path

from babyvlm.errors import ConfigError
from babyvlm.evaluation.baselines import BlindMatch, Majority, RandomGuess
from babyvlm.evaluation.respondents import Respondent
from babyvlm.toolbox import Toolbox

BASELINES = ("random", "majority", "blind-match")


def choose_respondent(model: str, toolbox: Toolbox, *, seed: int = 0) -> Respondent:
    """The respondent that ``model`` names.

    Args:
        model: ``baseline:random``, ``baseline:majority``, ``baseline:blind-match``, or a checkpoint folder.
        toolbox: What it will be asked; the majority baseline counts its answers.
        seed: Seed of the random baseline.

    Raises:
        ConfigError: An unknown kind of respondent.
        CheckpointError: The folder is no checkpoint.
    """
    kind, colon, name = model.partition(":")
    if colon and kind == "baseline":
        if name == "random":
            return RandomGuess(seed)
        if name == "majority":
            return Majority(toolbox.items)
        if name == "blind-match":
            return BlindMatch()
        raise ConfigError(f"unknown baseline {name!r}. There are: {', '.join(BASELINES)}")
    if colon and not Path(model).exists():
        raise ConfigError(
            f"unknown respondent {model!r}. Give a checkpoint folder, or baseline: and one of {', '.join(BASELINES)}"
        )
    from babyvlm.evaluation.local import LocalModel  # torch takes seconds to import, and baselines need none of it

    return LocalModel(Path(model))
