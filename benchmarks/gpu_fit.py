"""What fits on one, four and eight GPUs of 80 GB, by the count that training itself asks before it starts (claim: the
recipe saycam, as it is, needs less than 75 GiB of each, whatever their number).

    python benchmarks/gpu_fit.py

Nothing is computed: tensors have no memory. What a layer keeps for the backward pass is held to what PyTorch keeps of
full-width layers by tests/training/test_memory.py (FakeTensor), and is not counted here. **No GPU has confirmed it.**
Prints the table of docs/clusters.md.
"""

from __future__ import annotations

import datetime
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from babyvlm.recipes import saycam
from babyvlm.training import STAGES
from babyvlm.training.configuration import Recipe
from babyvlm.training.memory import needed

RESULTS = Path(__file__).parent / "results"
THERE_GIB = 79.1
GPUS = (1, 4, 8)
WAYS: dict[str, dict[str, Any]] = {
    "as shipped": {},
    "sharding=fsdp": {"sharding": "fsdp"},
    "compile=false": {"compile": False},
    "compile=false sharding=fsdp": {"compile": False, "sharding": "fsdp"},
    "gradient_checkpointing=true": {"gradient_checkpointing": True},
    "precision=bf16 compile=false": {"precision": "bf16", "compile": False},
}


def row(recipe: Recipe, gpus: int) -> dict[str, int]:
    """GiB of each stage."""
    return {stage: round(needed(recipe, stage, gpus).total_gib) for stage in STAGES}


def main() -> None:
    found = {name: {gpus: row(replace(saycam(), **settings), gpus) for gpus in GPUS} for name, settings in WAYS.items()}
    print(f"| settings | GPUs | {' | '.join(STAGES)} |\n|---|---|{'---|' * len(STAGES)}")
    for name, by_gpus in found.items():
        different: dict[str, list[str]] = {}
        for gpus, sizes in by_gpus.items():
            cells = " | ".join(f"**{gib}**" if gib > THERE_GIB else str(gib) for gib in sizes.values())
            different.setdefault(cells, []).append(str(gpus))
        for cells, numbers in different.items():
            print(f"| {name} | {', '.join(numbers)} | {cells} |")
    path = RESULTS / f"gpu_fit-{datetime.date.today()}.json"
    path.write_text(json.dumps({"GiB of a GPU": THERE_GIB, "needed GiB": found}, indent=1) + "\n", encoding="utf-8")
    sys.exit(any(gib > 75 for sizes in found["as shipped"].values() for gib in sizes.values()))


if __name__ == "__main__":
    main()
