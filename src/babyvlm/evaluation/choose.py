"""From ``MODEL`` on the command line to a respondent."""

from __future__ import annotations

from pathlib import Path

from babyvlm.errors import CheckpointError, ConfigError
from babyvlm.evaluation.apis import APIS, open_api
from babyvlm.evaluation.baselines import BlindMatch, Majority, RandomGuess
from babyvlm.evaluation.configuration import AskConfig
from babyvlm.evaluation.nulls import NULLS
from babyvlm.evaluation.respondents import Respondent
from babyvlm.folders import MANIFEST
from babyvlm.toolbox import Toolbox

BASELINES = ("random", "majority", "blind-match")
_KINDS = (
    "a checkpoint folder, hf:NAME of a model on the hub, "
    + ", ".join(f"{api}:NAME" for api in APIS)
    + ", or baseline: and one of "
    + ", ".join((*BASELINES, *(f"{null}:MODEL" for null in NULLS)))
)


def choose_respondent(
    model: str,
    toolbox: Toolbox,
    *,
    seed: int = 0,
    ask: AskConfig = AskConfig(),  # noqa: B008
) -> Respondent:
    """The respondent that ``model`` names.

    Args:
        model: ``baseline:random``, ``baseline:majority``, ``baseline:blind-match``, ``baseline:text-only:MODEL`` and
            the other nulls, ``openai:NAME``, ``anthropic:NAME``, ``gemini:NAME``, ``hf:NAME``, or a folder: one of our
            checkpoints, or any model of transformers.
        toolbox: What it will be asked; the majority baseline counts its answers.
        seed: Seed of the random baseline and of shuffled options.
        ask: How it is asked.

    Raises:
        ConfigError: An unknown kind of respondent, or one that cannot be asked so.
        CheckpointError: The folder is no checkpoint.
        MissingExtraError: A provider's client is not installed.
    """
    kind, colon, name = model.partition(":")
    if colon and kind == "baseline":
        if name == "random":
            return RandomGuess(seed)
        if name == "majority":
            return Majority(toolbox.items)
        if name == "blind-match":
            return BlindMatch()
        null, _, inner = name.partition(":")
        if null in NULLS and inner:
            return NULLS[null](choose_respondent(inner, toolbox, seed=seed, ask=ask), seed)
        hint = f" {null} needs a model: baseline:{null}:MODEL." if null in NULLS else ""
        raise ConfigError(f"unknown baseline {name!r}.{hint} There are: {', '.join((*BASELINES, *NULLS))}")
    if colon and kind in APIS:
        return open_api(model, ask)
    if colon and kind != "hf" and not Path(model).exists():
        raise ConfigError(f"unknown respondent {model!r}. Give {_KINDS}")
    # torch takes seconds to import, and the others need none of it
    folder = Path(model)
    if kind == "hf" and name:
        from babyvlm.evaluation.hub import HubModel

        return HubModel(name, ask=ask)
    if (folder / "config.json").is_file() and not (folder / MANIFEST).is_file():
        from babyvlm.evaluation.hub import HubModel

        return HubModel(model, ask=ask)
    if not folder.exists() and model.count("/") == 1 and not model.startswith((".", "/", "~")):
        raise CheckpointError("no such folder", path=model, remedy=f"For a model on the hub, write hf:{model}")
    from babyvlm.evaluation.local import LocalModel

    return LocalModel(
        folder, batch_size=ask.batch_size, max_new_tokens=ask.max_new_tokens or 8, answer=ask.answer,
        max_images=ask.max_images, too_long=ask.too_long,
    )  # fmt: skip


def choose_nulls(respondent: Respondent, toolbox: Toolbox, *, seed: int = 0) -> dict[str, Respondent]:
    """Every row that belongs beside a model's, by name: guessing, the commonest answer, matching, the model's nulls."""
    named = {name: choose_respondent(f"baseline:{name}", toolbox, seed=seed) for name in BASELINES}
    return named | {name: around(respondent, seed) for name, around in NULLS.items()}
