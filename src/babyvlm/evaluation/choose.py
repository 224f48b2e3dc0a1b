"""From ``MODEL`` on the command line to a respondent.

NAME:REST             RESPONDENTS    hf, clip, lm, frequency, python, openai, anthropic, gemini, and other packages'
baseline:NAME[:REST]  BASELINE_KINDS controls and baselines, and those of other packages
FOLDER                               one of our checkpoints, or any model of transformers
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from babyvlm.errors import CheckpointError, ConfigError
from babyvlm.evaluation.apis import APIS, open_api
from babyvlm.evaluation.baselines import BlindMatch, Majority, RandomGuess
from babyvlm.evaluation.configuration import AskConfig
from babyvlm.evaluation.controls import CONTROLS
from babyvlm.evaluation.python_class import open_python
from babyvlm.evaluation.respondents import Opening, Respondent, RespondentKind
from babyvlm.folders import MANIFEST, read_manifest
from babyvlm.registry import Registry, instance_of
from babyvlm.toolbox import Toolbox

if TYPE_CHECKING:  # which loads torch
    from babyvlm.evaluation.dual_encoder import PictureTextEncoder

BASELINES = ("random", "majority", "blind-match")
"""The baselines to report beside every result, as ``--nulls`` runs them."""
_BASELINE = "baseline"


def _control(name: str) -> RespondentKind:
    def around(model: str, opening: Opening) -> Respondent:
        inner = choose_respondent(model, opening.toolbox, seed=opening.seed, ask=opening.ask)
        return CONTROLS[name](inner, opening.seed)

    return RespondentKind(open=around, rest="MODEL", example="baseline:random")


BASELINE_KINDS: Registry[RespondentKind] = Registry(
    "babyvlm.baselines",
    {
        "random": RespondentKind(open=lambda _, opening: RandomGuess(opening.seed)),
        "majority": RespondentKind(open=lambda _, opening: Majority(opening.toolbox.items)),
        "blind-match": RespondentKind(open=lambda _, opening: BlindMatch()),
        **{name: _control(name) for name in CONTROLS},
    },
    instance_of(RespondentKind),
)
"""What may stand after ``baseline:``."""


def _open_baseline(named: str, opening: Opening) -> Respondent:
    name, _, rest = named.partition(":")
    if name not in BASELINE_KINDS:
        raise ConfigError(f"unknown baseline {name!r}. There are: {', '.join(BASELINE_KINDS.names())}")
    kind = BASELINE_KINDS.get(name)
    if kind.rest and not rest:
        needs = f"{name} needs a {kind.rest.lower()}: {_BASELINE}:{name}:{kind.rest}"
        raise ConfigError(f"unknown baseline {name!r}. {needs}. There are: {', '.join(BASELINE_KINDS.names())}")
    return kind.open(rest, opening)


def _open_hub(name: str, opening: Opening) -> Respondent:
    from babyvlm.evaluation.hub import HubModel  # torch takes seconds to import, and the others need none of it

    return HubModel(name, ask=opening.ask)


def open_pair_encoder(name: str, ask: AskConfig = AskConfig()) -> PictureTextEncoder:  # noqa: B008
    """A contrastive checkpoint of ours, CVCL, or a model of transformers, told apart by what the folder holds.

    Args:
        name: A folder, or a name on the hub.
        ask: In which precision a model of transformers runs.

    Raises:
        CheckpointError: It is none of these, or not whole.
    """
    from babyvlm.evaluation.clip_encoder import TransformersDualEncoder
    from babyvlm.evaluation.contrastive import ContrastiveCheckpoint
    from babyvlm.evaluation.cvcl import CvclEncoder, is_cvcl

    folder = Path(name)
    if is_cvcl(folder):
        return CvclEncoder(folder)
    if (folder / MANIFEST).is_file() or (folder.exists() and not (folder / "config.json").is_file()):
        return ContrastiveCheckpoint(folder)
    return TransformersDualEncoder(name, ask=ask)


def _open_dual_encoder(name: str, opening: Opening) -> Respondent:
    from babyvlm.evaluation.dual_encoder import DualEncoderModel

    return DualEncoderModel(open_pair_encoder(name, opening.ask), seed=opening.seed)


def _open_language_model(name: str, opening: Opening) -> Respondent:
    from babyvlm.evaluation.language_model import LanguageModel

    return LanguageModel(name, ask=opening.ask)


def _open_frequency(rest: str, opening: Opening) -> Respondent:
    from babyvlm.evaluation.frequency import open_frequency

    return open_frequency(rest, opening)


def _api(provider: str) -> RespondentKind:
    return RespondentKind(open=lambda name, opening: open_api(f"{provider}:{name}", opening.ask), rest="NAME")


RESPONDENTS: Registry[RespondentKind] = Registry(
    "babyvlm.respondents",
    {
        "hf": RespondentKind(open=_open_hub, rest="NAME"),
        "clip": RespondentKind(open=_open_dual_encoder, rest="NAME"),
        "lm": RespondentKind(open=_open_language_model, rest="NAME"),
        "frequency": RespondentKind(open=_open_frequency, rest="DATASET"),
        "python": RespondentKind(open=lambda rest, opening: open_python(rest, opening.seed), rest="FILE.py:CLASS"),
        **{provider: _api(provider) for provider in APIS},
        _BASELINE: RespondentKind(open=_open_baseline, rest="NAME", example="random"),
    },
    instance_of(RespondentKind),
)
"""What may stand before the first colon."""


_IN_WORDS = ("hf", "clip", "lm", _BASELINE)


def _kinds() -> str:
    """What ``MODEL`` may be, in words."""
    others = {name: RESPONDENTS.get(name).rest or "NAME" for name in RESPONDENTS.builtin if name not in _IN_WORDS}
    others |= {one.name: "NAME" for one in RESPONDENTS.extensions}
    baselines = [f"{name}:MODEL" if name in CONTROLS else name for name in BASELINE_KINDS.names()]
    return (
        "a checkpoint folder, hf:NAME of a model on the hub, clip:NAME of a dual encoder, lm:NAME of a language model, "
        + ", ".join(f"{name}:{rest}" for name, rest in others.items())
        + ", or baseline: and one of "
        + ", ".join(baselines)
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
            the other controls, ``openai:NAME``, ``anthropic:NAME``, ``gemini:NAME``, ``hf:NAME``, ``clip:NAME``,
            ``lm:NAME``, ``python:FILE.py:CLASS``, ``NAME:REST`` of another package, or a folder: one of our
            checkpoints, or any model of transformers.
        toolbox: What it will be asked; the majority baseline counts its answers.
        seed: Seed of the random baseline and of shuffled options.
        ask: How it is asked.

    Raises:
        ConfigError: An unknown kind of respondent, or one that cannot be asked so.
        CheckpointError: The folder is no checkpoint.
        MissingExtraError: A provider's client is not installed.
        ExtensionError: It is of another package, and does not load.
    """
    kind, colon, rest = model.partition(":")
    opening = Opening(toolbox=toolbox, seed=seed, ask=ask)
    if colon and kind in RESPONDENTS and (rest or kind != "hf"):
        return RESPONDENTS.get(kind).open(rest, opening)
    if colon and kind != "hf" and not Path(model).exists():
        raise ConfigError(f"unknown respondent {model!r}. Give {_kinds()}")
    folder = Path(model)
    if (folder / "config.json").is_file() and not (folder / MANIFEST).is_file():
        return _open_hub(model, opening)
    if not folder.exists() and model.count("/") == 1 and not model.startswith((".", "/", "~")):
        raise CheckpointError("no such folder", path=model, remedy=f"For a model on the hub, write hf:{model}")
    known = read_manifest(folder, "checkpoint").configuration if (folder / MANIFEST).is_file() else {}
    if known.get("stage") == "contrastive":
        return _open_dual_encoder(model, opening)
    from babyvlm.evaluation.local import LocalModel

    return LocalModel(
        folder, batch_size=ask.batch_size, max_new_tokens=ask.max_new_tokens or 8, answer=ask.answer,
        max_images=ask.max_images, too_long=ask.too_long,
    )  # fmt: skip


def choose_controls(respondent: Respondent, toolbox: Toolbox, *, seed: int = 0) -> dict[str, Respondent]:
    """Every row to report beside a model's, by name: guessing, the commonest answer, matching, the model's controls."""
    named = {name: choose_respondent(f"{_BASELINE}:{name}", toolbox, seed=seed) for name in BASELINES}
    return named | {name: around(respondent, seed) for name, around in CONTROLS.items()}


def extensions_in(model: str) -> dict[str, str]:
    """The extensions that ``MODEL`` names, with the package each is of.

    >>> extensions_in("baseline:text-only:baseline:random")
    {}
    """
    kind, colon, rest = model.partition(":")
    if not colon:
        return {}
    if kind != _BASELINE:
        return RESPONDENTS.used([kind])
    name, _, inner = rest.partition(":")
    return BASELINE_KINDS.used([name]) | extensions_in(inner)
