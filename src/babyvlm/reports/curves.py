"""What a training run left behind, read without torch: the log of each stage, its recipe, its parameters.

training/recipe.json, training/<stage>/metrics.jsonl, training/<stage>/*.safetensors -> StageLog
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from babyvlm.errors import DataFolderError
from babyvlm.folders import MANIFEST, Manifest
from babyvlm.records import read_record

_STAGES = ("vision", "language", "contrastive", "alignment", "joint", "instruction")
_PRECISIONS = {"bf16": "bfloat16 (autocast)", "bf16_weights": "bfloat16 with float32 weights", "no": "float32"}
_TRAINED_ALONE = {"vision": ("vision",), "language": ("language",)}


class LogLine(BaseModel):
    """One line of ``metrics.jsonl``; figures that only some stages log are left aside."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    step: int
    loss: float
    seconds: float
    """Training time so far."""
    learning_rate: float | None = None
    validation_loss: float | None = None
    """On held-out samples; where they were measured."""
    samples_per_s: float
    tokens_per_s: float


@dataclass(frozen=True, kw_only=True)
class StageLog:
    """One stage of a training run."""

    name: str
    lines: tuple[LogLine, ...]
    trains: tuple[str, ...]
    """Parts that learned; empty where the recipe does not say."""
    data: str
    """What it learned from."""
    batch_size: int | None
    learning_rate: float | None
    """Peak."""
    parameters: dict[str, int]
    """Size of each part of the model it left."""

    @property
    def steps(self) -> int:
        return self.lines[-1].step

    @property
    def final_loss(self) -> float:
        """Mean over the last tenth of the log, because one step's loss is noisy."""
        tail = self.lines[-max(1, math.ceil(len(self.lines) / 10)) :]
        return sum(line.loss for line in tail) / len(tail)

    @property
    def validated(self) -> tuple[tuple[int, float], ...]:
        """Steps at which held-out samples were measured, and their loss."""
        return tuple((line.step, line.validation_loss) for line in self.lines if line.validation_loss is not None)

    @property
    def tokens_per_s(self) -> float:
        """Median over the log."""
        return median(line.tokens_per_s for line in self.lines)

    @property
    def seconds(self) -> float:
        return self.lines[-1].seconds


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """A training run, as far as it went."""

    recipe: str
    seed: int | None
    precision: str
    stages: tuple[StageLog, ...]

    @property
    def parameters(self) -> dict[str, int]:
        """Size of each part of the last model that is whole."""
        whole = [stage.parameters for stage in self.stages if len(stage.parameters) > 1]
        return whole[-1] if whole else {}


def read_training(folder: Path) -> TrainingRun:
    """Reads a folder written by ``babyvlm train``.

    Raises:
        DataFolderError: No stage has left a log there, or a file does not parse.
    """
    names = [path.parent.name for path in sorted(folder.glob("*/metrics.jsonl"))]
    if not names:
        raise DataFolderError(
            "no stage has left a metrics.jsonl here", path=folder, remedy="Give the --out of babyvlm train"
        )
    names.sort(key=lambda name: (_STAGES.index(name) if name in _STAGES else len(_STAGES), name))
    recipe = _read_recipe(folder / "recipe.json")
    return TrainingRun(
        recipe=str(recipe.get("name", "")),
        seed=recipe.get("seed"),
        precision=_PRECISIONS.get(_computed_in(folder / names[-1]) or recipe.get("precision", ""), ""),
        stages=tuple(_read_stage(folder / name, recipe.get(name, {})) for name in names),
    )


def _computed_in(stage: Path) -> str:
    """What a stage says it was computed in, which may differ from what the recipe asks for; empty where it does not."""
    path = stage / MANIFEST
    return str(read_record(path, Manifest).configuration.get("precision", "")) if path.is_file() else ""


def _read_recipe(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        recipe: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataFolderError(f"does not parse as JSON: {error}", path=path) from error
    if not isinstance(recipe, dict):
        raise DataFolderError(f"no recipe, but a {type(recipe).__name__}", path=path)
    return recipe


def _read_stage(folder: Path, knobs: dict[str, Any]) -> StageLog:
    path = folder / "metrics.jsonl"
    lines = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            lines.append(LogLine.model_validate_json(text))
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(map(str, problem["loc"]))
            raise DataFolderError(
                f"not a line of a training log: {where} {problem['msg']}", path=path, place=f"line {number}"
            ) from error
    optimisation = knobs.get("optimisation", {})
    formats = knobs.get("formats", ())
    data = {"vision": "frames", "language": "utterances"}.get(folder.name, ", ".join(formats))
    return StageLog(
        name=folder.name,
        lines=tuple(lines),
        trains=tuple(knobs.get("trains", _TRAINED_ALONE.get(folder.name, ()))),
        data=data,
        batch_size=optimisation.get("batch_size"),
        learning_rate=optimisation.get("learning_rate"),
        parameters=count_parameters(folder),
    )


def count_parameters(folder: Path) -> dict[str, int]:
    """Numbers in the weights of a checkpoint by part, from the headers of its safetensors files.

    Raises:
        DataFolderError: A header does not parse.
    """
    counts: dict[str, int] = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with path.open("rb") as file:
                tensors = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        except ValueError as error:
            raise DataFolderError(f"the header does not parse ({error})", path=path) from error
        for name, tensor in tensors.items():
            if name != "__metadata__":
                part = _part_of(name, folder.name)
                counts[part] = counts.get(part, 0) + math.prod(tensor["shape"])
    return counts


def _part_of(name: str, stage: str) -> str:
    if stage == "vision" or "vision_tower" in name:
        return "vision"
    return "connector" if "projector" in name else "language"
