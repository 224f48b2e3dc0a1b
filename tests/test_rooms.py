"""The order of the rooms: imports point up the list only, and heavy packages stay where they belong."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import babyvlm

SOURCE = Path(babyvlm.__file__).parent
FLOW = [
    "corpus",
    "curation",
    "weights",
    "training",
    "toolbox",
    "evaluation",
    "probing",
    "audits",
    "leaderboard",
    "reports",
    "children",
    "study",
    "explorer",
    "chat",
    "sharing",
]
OF_TORCH = {"__main__", "demo"}
"""Of the command line, the script that runs it and the demonstration, which looks at the recipes."""
MODEL_USERS = {"weights", "training", "evaluation", "probing", "chat"}


def rooms_imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        found |= {name.split(".")[1] for name in names if name.startswith("babyvlm.")}
    return found


@pytest.mark.parametrize("room", FLOW)
def test_a_room_uses_rooms_above_it_only(room):
    below = set(FLOW[FLOW.index(room) + 1 :]) | {"recipes", "chain", "cli"}
    for path in (SOURCE / room).rglob("*.py"):
        assert not rooms_imported(path) & below, path
        if room not in MODEL_USERS:
            assert "model" not in rooms_imported(path), path


def test_the_model_knows_nothing_of_data_on_disk():
    for path in (SOURCE / "model").rglob("*.py"):
        assert not rooms_imported(path) & {*FLOW, "recipes", "chain", "cli", "images", "folders", "media"}, path


def test_the_chain_knows_nothing_of_the_command_line():
    for path in (SOURCE / "chain").rglob("*.py"):
        assert "cli" not in rooms_imported(path), path


@pytest.mark.parametrize(
    "module",
    [
        "babyvlm.reports",
        "babyvlm.children.page",
        "babyvlm.curation",
        "babyvlm.toolbox",
        *(f"babyvlm.chain.{part}" for part in ("children", "data", "items", "model", "probes", "results", "sharing")),
        *(f"babyvlm.cli.{path.stem}" for path in sorted((SOURCE / "cli").glob("*.py")) if path.stem not in OF_TORCH),
    ],
)
def test_rooms_that_need_no_model_do_not_load_torch(module):
    code = f"import sys, {module}; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
