"""Hard variants cannot be matched (claim: blind-match's 95% interval covers chance on every one of them).

Built from real photographs of rooms with boxes (``--photographs``, by default those of ../shared/data/rooms): every
sub-task that they allow, with its number of items; what blind matching earns on the published style and on the hard
variants, side by side; what stronger matchers earn; and how number goes with area, size, contour and hull.

    python benchmarks/toolbox_rooms.py [--photographs DIR] [--items 300]
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import tempfile
from pathlib import Path
from random import Random

import numpy as np

from babyvlm.audits import audit_toolbox
from babyvlm.evaluation import evaluate
from babyvlm.evaluation.baselines import BlindMatch
from babyvlm.toolbox import PhotoSource, ToolboxConfig, build_toolbox
from babyvlm.toolbox.magnitude_control import COUNT_KINDS, Magnitudes, plan_count
from babyvlm.toolbox.tasks import is_hard
from babyvlm.toolbox.views import View

ROOT = Path(__file__).resolve().parents[1]
MAGNITUDES = ("item_area", "total_area", "contour", "hull_area")


def correlations(most: int) -> dict[str, float]:
    """How the logarithms of number and of each magnitude correlate in pictures to count in."""
    rng, view = Random(0), View(source="", window=(0, 0, 8, 8), size=(64, 64))
    found = [
        Magnitudes.of(plan_count([view], number, most, kind, rng))
        for number in range(1, most + 1)
        for kind in COUNT_KINDS
        for _ in range(40)
    ]
    numbers = np.log([one.number for one in found])
    return {
        name: round(float(np.corrcoef(numbers, np.log([getattr(one, name) for one in found]))[0, 1]), 3)
        for name in MAGNITUDES
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=Path, default=ROOT / "../shared/data/rooms")
    parser.add_argument("--items", type=int, default=300)
    options = parser.parse_args()
    photographs = PhotoSource(options.photographs / "images", options.photographs / "ground-truth")
    with tempfile.TemporaryDirectory() as folder:
        config = ToolboxConfig(items_per_task=options.items, variants=("published", "hard"))
        built = build_toolbox(photographs, Path(folder) / "rooms", config, workers=os.cpu_count() or 1)
        blind = {score.task: score for score in evaluate(BlindMatch(), built, Path(folder) / "run").tasks}
        audit = audit_toolbox(built)
    result = {
        "date": str(datetime.date.today()),
        "items": {row: score.items for row, score in blind.items()},
        "blind_match": {
            row: {
                "value": round(score.value, 4),
                "interval": [round(score.low, 4), round(score.high, 4)],
                "chance": round(score.chance, 4),
            }
            for row, score in blind.items()
        },
        "hard_rows_not_at_chance": [
            row for row, score in blind.items() if is_hard(row) and not score.low <= score.chance <= score.high
        ],
        "shortcuts": {
            row.row: {
                one.strategy: [round(one.value, 4), round(one.low, 4), round(one.high, 4)]
                for one in row.strategies
                if one.above_chance
            }
            for row in audit.rows
        },
        "number_goes_with": {"subitizing.hard": correlations(4), "object_counting.hard": correlations(12)},
    }
    out = Path(__file__).parent / "results" / f"toolbox-rooms-{datetime.date.today()}.json"
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
