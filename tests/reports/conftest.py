"""A small toolbox, runs on it, and what training leaves: all in the formats on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from babyvlm.evaluation import evaluate
from babyvlm.evaluation.baselines import Majority, RandomGuess
from babyvlm.folders import Manifest
from babyvlm.records import write_jsonl
from babyvlm.toolbox import TASKS, Toolbox, open_toolbox
from tests.reports.report_inputs import DISJOINT, ITEMS_PER_TASK, Scripted, make_items


@pytest.fixture(scope="session")
def toolbox(tmp_path_factory: pytest.TempPathFactory) -> Toolbox:
    folder = tmp_path_factory.mktemp("report") / "toolbox"
    items = make_items(folder / "images", "localization")
    write_jsonl(folder / "items.jsonl", items)
    counts = dict.fromkeys(TASKS, ITEMS_PER_TASK)
    Manifest(kind="toolbox", counts=counts, notes=[DISJOINT], configuration={"seed": 3}).write(folder)
    return open_toolbox(folder)


@pytest.fixture(scope="session")
def runs(toolbox: Toolbox) -> dict[str, Path]:
    """Run folders by name; the model comes first."""
    respondents = {
        "model": Scripted("tiny <baby>", toolbox.items, 0.7),
        "adults": Scripted("adults", toolbox.items, 0.97, "human"),
        "majority": Majority(toolbox.items),
        "random": RandomGuess(),
    }
    folders = {}
    for name, respondent in respondents.items():
        folders[name] = toolbox.folder.parent / "runs" / name
        model = f"baseline:{name}" if name in ("majority", "random") else name
        evaluate(respondent, toolbox, folders[name], model=model)
    return folders


@pytest.fixture
def training(tmp_path: Path) -> Path:
    """A training folder with two finished stages."""
    folder = tmp_path / "model"
    settings = {
        "optimisation": {"batch_size": 8, "learning_rate": 15e-4},
        "trains": ["connector"],
        "formats": ["image"],
    }
    recipe = {"name": "nursery", "seed": 5, "precision": "bf16", "alignment": settings}
    for stage, losses in (("vision", (6.5, 5.25)), ("alignment", (4.0, 3.0))):
        (folder / stage).mkdir(parents=True)
        lines = [
            {"step": 10 * n, "loss": loss, "learning_rate": 1e-3, "gradient_norm": 1.0, "seconds": 2.0 * n}
            | {"samples_per_s": 40.0, "tokens_per_s": 1000 * n}
            for n, loss in enumerate(losses, start=1)
        ]
        if stage == "alignment":
            lines[-1]["validation_loss"] = 3.456
        (folder / stage / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "recipe.json").write_text(json.dumps(recipe))
    return folder
