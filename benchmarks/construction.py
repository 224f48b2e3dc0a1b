"""The toolbox is constructed as the published one (claim: no measured statistic lies outside its published margin).

Builds toolboxes from photographs of rooms with one-line boxes (``--rooms``, a folder with images/ and ground-truth/)
and from the nursery (``--nursery``, a rendered corpus; without it one is rendered), measures every statistic of their
items from records and pictures, and prints each beside the value of the published samples. ``of the source`` marks
statistics that follow from what a corpus shows, such as how large its objects are, where they lie outside.

    python benchmarks/construction.py [--rooms DIR] [--nursery DIR] [--items 60] [--seed 0]
"""

from __future__ import annotations

import argparse
import datetime
import json
import tempfile
from collections import Counter
from pathlib import Path

from babyvlm.cli import main as babyvlm
from babyvlm.corpus import open_corpus
from babyvlm.toolbox import CorpusSource, FrameSource, PhotoSource, ToolboxConfig, build_toolbox
from constructed.tasks import measure
from constructed.verdicts import Line

ROOT = Path(__file__).resolve().parents[1]


def table(name: str, lines: list[Line]) -> str:
    """The statistics as text."""
    rows = [f"\n{name}", f"{'task':32} {'statistic':46} {'published':26} {'here':44} verdict"]
    rows += [f"{x.task:32} {x.statistic:46} {x.published[:26]:26} {x.here[:44]:44} {x.verdict}" for x in lines]
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rooms", type=Path, default=ROOT / "../shared/data/rooms")
    parser.add_argument("--nursery", type=Path)
    parser.add_argument("--hours", type=float, default=0.6, help="of the nursery, where it is rendered")
    parser.add_argument("--items", type=int, default=60, help="of each task")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    found: dict[str, list[Line]] = {}
    with tempfile.TemporaryDirectory() as folder:
        nursery = options.nursery or Path(folder) / "nursery"
        if options.nursery is None:
            babyvlm(["corpus", "render", "--out", str(nursery), "--hours", str(options.hours)])
        sources: dict[str, FrameSource] = {
            "rooms": PhotoSource(options.rooms / "images", options.rooms / "ground-truth"),
            "nursery": CorpusSource(open_corpus(nursery), "test"),
        }
        for name, source in sources.items():
            config = ToolboxConfig(items_per_task=options.items, seed=options.seed)
            found[name] = measure(build_toolbox(source, Path(folder) / name, config, workers=2))
    for name, lines in found.items():
        print(table(name, lines))
    verdicts = {name: dict(Counter(line.verdict for line in lines)) for name, lines in found.items()}
    print(json.dumps(verdicts))
    result = {
        "date": str(datetime.date.today()),
        "items_per_task": options.items,
        "seed": options.seed,
        "verdicts": verdicts,
        "statistics": {name: [line.as_dict() for line in lines] for name, lines in found.items()},
    }
    out = Path(__file__).parent / "results" / f"construction-{datetime.date.today()}.json"
    out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
