"""The model card: ``README.md`` of a checkpoint, with the metadata head that the hub reads.

It says what the checkpoint is, how it came to be, on what, and what may not be done with it; nothing of the machine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import jinja2
from pydantic import Field

from babyvlm.licences import is_restricted
from babyvlm.records import Record

CARD = "README.md"


class StageFacts(Record):
    """What one finished stage did."""

    name: str
    steps: int
    batch_size: int | None = None
    """Samples a step; None where it is not known."""
    seconds: float
    """Training time."""
    first_loss: float
    last_loss: float


class CardFacts(Record):
    """Everything a card says."""

    stage: str
    recipe: str
    parameters: dict[str, int]
    """Of each part."""
    has_stem: bool = False
    """Whether the tower has convolutions before its patches, which transformers' own ViT has not."""
    seed: int | None = None
    data_digest: str = ""
    """Of the pretraining set's content."""
    data_counts: dict[str, int] = Field(default_factory=dict)
    """What the pretraining set holds."""
    licences: tuple[str, ...] = ()
    """Of the recordings it was trained on."""
    stages: tuple[StageFacts, ...] = ()
    began_with: str = ""
    """What its run began with, in words; empty where nothing came before it."""
    converted_from: str = ""
    """Name of the published checkpoint; empty where we trained it."""
    inputs: dict[str, str] = Field(default_factory=dict)
    """Names and SHA-256 digests of the files converted."""

    @property
    def restricted(self) -> bool:
        """Whether it was trained on recordings that nobody may pass on."""
        return any(map(is_restricted, self.licences))

    @property
    def takes_text(self) -> bool:
        """Whether this is a whole model, not a tower by itself or a dual encoder."""
        return self.stage not in ("vision", "contrastive")


def write_model_card(folder: Path, facts: CardFacts) -> None:
    """Writes the card into a checkpoint's folder."""
    (folder / CARD).write_text(model_card(facts), encoding="utf-8")


def model_card(facts: CardFacts) -> str:
    """The card, in Markdown."""
    template = resources.files(__package__).joinpath("templates", "card.md.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(template).render(facts=facts) + "\n"


def stage_facts(name: str, log: str, batch_size: int | None = None) -> StageFacts:
    """What a stage did, from its ``metrics.jsonl``.

    Args:
        name: Of the stage.
        log: The lines; at least one, since the last step always leaves one.
        batch_size: Samples a step.
    """
    lines: list[Mapping[str, float]] = [json.loads(line) for line in log.splitlines()]
    first, last = lines[0], lines[-1]
    return StageFacts(
        name=name, steps=int(last["step"]), batch_size=batch_size, seconds=last["seconds"],
        first_loss=first["loss"], last_loss=last["loss"],
    )  # fmt: skip
