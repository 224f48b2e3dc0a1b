"""A folder that the public leaderboard takes: a scored run and its checkpoint in, three files out.

OUT/
├── submission.json   name, checkpoint, wrapper and metadata
├── model.py          the wrapper for lmms-eval 0.3.0 that the organisers run on the held-out items; it stands alone
└── scores.json       this run's figures, fractions of 1, by the leaderboard's keys

The organisers run the published wrapper's scoring, so the figures are those of ``--scoring leaderboard``.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from babyvlm.errors import CheckpointError, ConfigError
from babyvlm.evaluation.runs import Run, read_run, run_scores
from babyvlm.folders import fresh_folder, refuse_existing
from babyvlm.toolbox import TASKS, leaderboard_results
from babyvlm.toolbox.winoground import TASK as BY_LIKELIHOOD

REGISTERED_MODEL = "babyvlm"
CONV_TEMPLATE = "baby_v1"
LEADERBOARD_KEYS = tuple(spec.leaderboard_key for name, spec in TASKS.items() if name != "subitizing")
"""The eleven the leaderboard knows."""


@dataclass(frozen=True, kw_only=True)
class SubmissionConfig:
    """What the leaderboard shows of a submission, apart from its figures."""

    model_name: str = ""
    """Name of its row; the respondent's name in the run when empty."""
    checkpoint: str = ""
    """Where the organisers get the weights: a hub name (owner/name) or a public address."""
    hf_model_url: str = ""
    """Page of the model, linked from its row."""
    training_data: str = ""
    """What the model was trained on, in words."""
    main_contributions: str = ""
    """What is new, in a sentence."""
    model_description: str = ""
    """The model, in a few sentences."""


def standalone_model_file() -> Path:
    """The file that a submission has as ``model.py``."""
    return Path(__file__).with_name("standalone_model.py")


def write_submission(run: Path, model: Path, out: Path, config: SubmissionConfig | None = None) -> list[str]:
    """Writes a submission.

    Args:
        run: Folder written by ``babyvlm evaluate``.
        model: The checkpoint that answered in it.
        out: The folder to write; absent or empty.
        config: What the leaderboard shows.

    Returns:
        Benchmarks of the leaderboard that the run does not have; they count as 0 there.

    Raises:
        DataFolderError: The run is none, or unfinished.
        CheckpointError: There is no checkpoint at ``model``.
        ConfigError: Another respondent than ``model`` answered, or the run has no task that the leaderboard knows.
    """
    config = config or SubmissionConfig()
    refuse_existing(out)
    described = read_run(run)
    _check_model(run, described, model)
    results = leaderboard_results(run_scores(run, "leaderboard"))["results"]
    if not results:
        raise ConfigError(f"{run}: no task of this run is on the leaderboard, which has {', '.join(LEADERBOARD_KEYS)}")
    if described.limit is not None:
        print(f"note: this run asked {described.limit} items a task only", file=sys.stderr)
    if not config.checkpoint:
        print("note: --checkpoint is not given; fill it in before you submit", file=sys.stderr)
    with fresh_folder(out) as partial:
        submission = {
            "model_name": config.model_name or described.respondent,
            "checkpoint": config.checkpoint,
            "registered_model": REGISTERED_MODEL,
            "conv_template": CONV_TEMPLATE,
            "hf_model_url": config.hf_model_url,
            "metadata": _metadata(model, config),
        }
        (partial / "submission.json").write_text(json.dumps(submission, indent=2) + "\n", encoding="utf-8")
        shutil.copyfile(standalone_model_file(), partial / "model.py")
        (partial / "scores.json").write_text(json.dumps({"results": results}, indent=2) + "\n", encoding="utf-8")
    return [key for key in LEADERBOARD_KEYS if key not in results]


def why_missing(key: str) -> str:
    """Why a run may lack a benchmark."""
    if key == TASKS[BY_LIKELIHOOD].leaderboard_key:
        return "no pairs were judged: ask items of Looking While Listening, with a model of ours"
    return "not asked in this run"


def _check_model(run: Path, described: Run, model: Path) -> None:
    if not (model / "config.json").is_file():
        raise CheckpointError("no checkpoint here", path=model, remedy="Give the folder that answered in the run")
    answered = Path(described.model)
    if answered.is_dir() and answered.resolve() != model.resolve():
        raise ConfigError(f"{run}: {described.model} answered in this run, not {model}")
    if described.model.startswith("baseline:"):
        raise ConfigError(f"{run}: {described.model} answered in this run, which is no model")


def _metadata(model: Path, config: SubmissionConfig) -> dict[str, Any]:
    shape = json.loads((model / "config.json").read_text(encoding="utf-8"))
    vision, text = shape.get("vision_config", {}), shape.get("text_config", {})
    metadata = {
        "model_type": "LLaVA-style",
        "vision_encoder": f"ViT, {vision.get('num_hidden_layers')} layers of {vision.get('hidden_size')}, "
        f"{vision.get('patch_size')} px patches at {vision.get('image_size')} px",
        "language_model": f"LLaMA, {text.get('num_hidden_layers')} layers of {text.get('hidden_size')}",
        "num_parameters": _parameters(model),
    }
    shown = ("training_data", "main_contributions", "model_description")
    return metadata | {key: value for key, value in asdict(config).items() if key in shown}


def _parameters(model: Path) -> int:
    """Number of parameters, from the weights' headers alone."""
    from safetensors import safe_open

    total = 0
    for path in sorted(model.glob("*.safetensors")):
        with safe_open(path, framework="numpy") as weights:
            for name in weights.keys():  # noqa: SIM118 - not a mapping
                size = 1
                for side in weights.get_slice(name).get_shape():
                    size *= side
                total += size
    return total
