"""Tries what ``make dist`` built: the wheel in an empty environment, and the source archive beside it.

    archive ── holds what a checkout needs to build, test and document itself
    wheel ──── pip install, pinned ── babyvlm --help, doctor, docs ── a tiny chain, from recordings to a report

Nothing is imported from the checkout: the commands run in a folder of their own, with no PYTHONPATH.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
IN_ARCHIVE = (
    "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile", "Containerfile",
    "constraints.txt", "docs/conf.py", "docs/index.md", "tests/conftest.py", "benchmarks/chain.py",
    "scripts/release.py",
    "src/babyvlm/__init__.py", "src/babyvlm/site/index.html", "src/babyvlm/py.typed",
)  # fmt: skip
STAGES = ("vision", "language", "alignment", "joint", "instruction")
TINY = (
    "cpu_processes=1 model.image_size=32 model.patch_size=16 model.vision_width=32 model.vision_layers=1 "
    "model.vision_heads=2 model.text_width=32 model.text_layers=1 model.text_heads=2 model.text_kv_heads=2 "
    "model.text_intermediate=64 model.vocabulary=300 model.context=2048 language.packed_tokens=32 "
) + " ".join(f"{stage}.optimisation.steps=2 {stage}.optimisation.batch_size=4" for stage in STAGES)
"""A model that trains in seconds."""
CHAIN = (
    "corpus render --out corpus --hours 0.0223 --recording-s 20 --speech silence "
    "--train-fraction 0.5 --validation-fraction 0 --test-fraction 0.5",
    "corpus index corpus",
    "curate corpus --out set --min-window 1 --instruction.max-crops 60 --instruction.items.memory 3",
    "toolbox build corpus --out toolbox --training set --items-per-task 4",
    f"train nursery {TINY} --data set --out model",
    "evaluate model/instruction toolbox --out runs/model",
    "evaluate baseline:random toolbox --out runs/random",
    "report runs/model runs/random --out report.html",
    "push model/instruction handed-on",
)


def only(folder: Path, pattern: str) -> Path:
    """The one file of a pattern."""
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        sys.exit(f"{folder}: {len(found)} files {pattern}, where one was expected; make dist builds them")
    return found[0].resolve()


def try_archive(archive: Path) -> None:
    """Makes sure that the source archive holds what a checkout needs."""
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    if missing := [name for name in IN_ARCHIVE if name not in names]:
        sys.exit(f"{archive.name} lacks {', '.join(missing)}")
    print(f"{archive.name}: {len(names)} files")


def try_wheel(wheel: Path, folder: Path) -> None:
    """Installs the wheel into an empty environment and walks the chain."""
    print(f"{wheel.name}: installing into an empty environment (minutes)", flush=True)
    venv.create(folder / "venv", with_pip=True)
    binaries = folder / "venv" / "bin"
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment["PATH"] = f"{binaries}{os.pathsep}{environment.get('PATH', '')}"
    work = folder / "work"
    work.mkdir()

    def run(*command: str | Path) -> str:
        done = subprocess.run(list(map(str, command)), cwd=work, env=environment, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(map(str, command))}\nended with {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    pip = (binaries / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, "-c", ROOT / "constraints.txt", f"babyvlm[render] @ {wheel.as_uri()}")
    where = run(binaries / "python", "-c", "import babyvlm; print(babyvlm.__file__)").strip()
    if not Path(where).is_relative_to(folder):
        sys.exit(f"the package came from {where}, not from the wheel")
    if "curate" not in run("babyvlm", "--help"):
        sys.exit("babyvlm --help does not list its commands")
    print(run("babyvlm", "doctor"), end="")
    if not run("babyvlm", "docs", "--no-browser").startswith("file://"):
        sys.exit("the wheel has no documentation")
    for command in CHAIN:
        print(f"babyvlm {command[:100]}", flush=True)
        run("babyvlm", *command.split())
    page = (work / "report.html").read_text(encoding="utf-8")
    if "95%" not in page or "BabyLLaVA-V2 nursery" not in page:
        sys.exit("the report of the tiny chain is not whole")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dist", type=Path, help="folder of the wheel and the source archive")
    dist = parser.parse_args().dist
    archive, wheel = only(dist, "*.tar.gz"), only(dist, "*.whl")
    try_archive(archive)
    with tempfile.TemporaryDirectory() as folder:
        try_wheel(wheel, Path(folder).resolve())
    print("both hold")


if __name__ == "__main__":
    main()
