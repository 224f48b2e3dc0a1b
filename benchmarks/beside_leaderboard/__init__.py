"""The leaderboard's environment, as near as packages still allow: lmms-eval 0.3.0, transformers 4.39, Python 3.11.

Its torch is 2.1, of which no CPU wheel for this Python is to be had; a later one is taken. ``install`` does with a
``model.py`` what the leaderboard's runner does: it copies the file beside lmms-eval's models and registers the first
class that it finds in the file's syntax tree.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

PACKAGES = (
    "torch==2.13.0", "transformers==4.39.3", "numpy==1.26.4", "safetensors", "pillow", "accelerate<1",
    "datasets==2.16.1", "fsspec<2023.11", "pyarrow<16", "evaluate", "loguru", "sqlitedict", "tqdm", "hf_transfer",
    "pytablewriter", "sacrebleu", "scikit-learn", "jsonlines", "numexpr", "tenacity==8.3.0", "pyyaml", "jinja2",
    "packaging", "openai", "ftfy", "pandas", "zstandard",
)  # fmt: skip
LMMS_EVAL = "lmms-eval==0.3.0"
REGISTERED = "sub_benchmark_model"


@dataclass(frozen=True, kw_only=True)
class AskedThere:
    """What lmms-eval logged."""

    replies: dict[str, list[str]]
    """By item id, one for each round."""
    losses: dict[tuple[int, int], list[float]]
    """Of both phrases of a pair, by the pair's number and the picture's."""


def environment(folder: Path) -> Path:
    """The Python of that environment; made where there is none."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        install = [str(python), "-m", "pip", "install", "-q"]
        subprocess.run([*install, *PACKAGES], check=True)
        subprocess.run([*install, "--no-deps", LMMS_EVAL], check=True)  # the rest of what it names is for other models
    return python


def versions(python: Path) -> dict[str, str]:
    """What the environment holds."""
    names = ("lmms-eval", "transformers", "tokenizers", "torch", "datasets")
    code = f"import json, importlib.metadata as m; print(json.dumps({{n: m.version(n) for n in {names!r}}}))"
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def install(python: Path, model_file: Path) -> None:
    """Registers a ``model.py`` as the runner does."""
    code = "import importlib.util as u; print(u.find_spec('lmms_eval').submodule_search_locations[0])"
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True)
    models = Path(done.stdout.strip()) / "models"
    tree = ast.parse(model_file.read_text(encoding="utf-8"))
    first = next((node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)), None)
    if first is None:
        sys.exit(f"no class found in {model_file}")
    shutil.copyfile(model_file, models / f"{REGISTERED}.py")
    registry = models / "__init__.py"
    text = registry.read_text(encoding="utf-8")
    if f'"{REGISTERED}"' not in text:
        text = text.replace("AVAILABLE_MODELS = {\n", f'AVAILABLE_MODELS = {{\n    "{REGISTERED}": "{first}",\n', 1)
        registry.write_text(text, encoding="utf-8")


def ask_there(python: Path, checkpoint: Path, tasks: Path, names: list[str], work: Path) -> AskedThere:
    """Lets lmms-eval ask, with the arguments of the leaderboard's runner.

    Args:
        python: Of the environment.
        checkpoint: Who is asked.
        tasks: Folder of task files.
        names: The tasks.
        work: Where it logs; absent.
    """
    shutil.copyfile(Path(__file__).with_name("task_functions.py"), tasks / "babyvlm_tasks.py")
    command = [str(python), "-m", "accelerate.commands.launch", "--num_processes=1", "-m", "lmms_eval"]
    command += ["--model", REGISTERED, "--tasks", ",".join(names), "--include_path", str(tasks)]
    command += ["--model_args", f"pretrained={checkpoint.resolve()},conv_template=baby_v1", "--batch_size", "16"]
    command += ["--output_path", str(work), "--trust_remote_code", "--log_samples"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environ = kept | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(work.with_suffix(".cache")), "WANDB_MODE": "disabled"}
    done = subprocess.run(command, env=environ, cwd=tasks, capture_output=True, text=True, check=False)
    if done.returncode or not list(work.rglob("*_results.json")):
        sys.exit(f"lmms-eval ended with code {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return _logged(work, tasks, names)


def _logged(work: Path, tasks: Path, names: list[str]) -> AskedThere:
    asked = AskedThere(replies={}, losses={})
    for name in names:
        documents = json.loads((tasks / f"{name}.json").read_text(encoding="utf-8"))
        for path in work.rglob(f"*samples_{name}.jsonl"):
            for line in path.read_text(encoding="utf-8").splitlines():
                sample = json.loads(line)
                document, found = documents[sample["doc_id"]], sample["filtered_resps"]
                if "phrases" in document:
                    place = document["instance_id"], document["image_index"]
                    asked.losses[place] = [float(loss) for loss, _ in found]
                    continue
                text = found[0] if isinstance(found, list) else found
                asked.replies[document["id"]] = json.loads(text) if len(document["pictures_by_round"]) > 1 else [text]
    return asked
