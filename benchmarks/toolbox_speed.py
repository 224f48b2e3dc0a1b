"""Building is fast and repeatable (claim: 12,000 items of mixed sub-tasks from the nursery in at most 2 minutes on two
cores, with the same bytes for one, two and three workers).

    python benchmarks/toolbox_speed.py [CORPUS] [--items 1000] [--workers 2 1 3] [--variants published]

CORPUS is a rendered nursery (``babyvlm corpus render``), by default that of the demonstration. Wall clock and CPU
seconds of every build are noted: the first depends on what else the machine does.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import os
import resource
import tempfile
import time
from pathlib import Path

from babyvlm.corpus import open_corpus
from babyvlm.toolbox import CorpusSource, ToolboxConfig, build_toolbox

ROOT = Path(__file__).resolve().parents[1]


def cpu_s() -> float:
    """CPU seconds of this process and those it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in used)


def digest(folder: Path) -> str:
    """One hash of every file's name and bytes."""
    whole = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        whole.update(str(path.relative_to(folder)).encode() + hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, nargs="?", default=ROOT / "demo/corpus")
    parser.add_argument("--items", type=int, default=1150, help="items of each sub-task; some allow fewer")
    parser.add_argument("--split", default="train", help="the largest split has most to build from")
    parser.add_argument("--workers", type=int, nargs="+", default=[2, 1, 3])
    parser.add_argument("--variants", nargs="+", default=["published"])
    options = parser.parse_args()
    config = ToolboxConfig(items_per_task=options.items, variants=tuple(options.variants))
    builds = []
    for workers in options.workers:
        with tempfile.TemporaryDirectory() as folder:
            began_s, used_s = time.monotonic(), cpu_s()
            source = CorpusSource(open_corpus(options.corpus), options.split)
            built = build_toolbox(source, Path(folder) / "toolbox", config, workers=workers)
            builds.append(
                {
                    "workers": workers,
                    "items": len(built.items),
                    "wall_s": round(time.monotonic() - began_s, 1),
                    "cpu_s": round(cpu_s() - used_s, 1),
                    "digest": digest(built.folder),
                }
            )
            print(builds[-1], flush=True)
    result = {
        "date": str(datetime.date.today()),
        "cores": os.cpu_count(),
        "variants": options.variants,
        "builds": builds,
        "same_bytes": len({build["digest"] for build in builds}) == 1,
    }
    out = Path(__file__).parent / "results" / f"toolbox-speed-{'-'.join(options.variants)}-{datetime.date.today()}.json"
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
