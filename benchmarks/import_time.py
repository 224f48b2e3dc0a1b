"""The program answers at once (claims: ``import babyvlm`` under 0.1 s, ``babyvlm --help`` under 0.3 s).

    python benchmarks/import_time.py [--rounds 20]

Each is a process of its own, timed from its start to its end; an interpreter that does nothing stands beside them. They
take turns, so that a busy machine burdens all alike, after one round that is not counted, which fills the disk's cache.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
COMMANDS = {
    "nothing": [sys.executable, "-c", "pass"],
    "import babyvlm": [sys.executable, "-c", "import babyvlm"],
    "babyvlm --help": [str(Path(sys.executable).with_name("babyvlm")), "--help"],
    "babyvlm evaluate --help": [str(Path(sys.executable).with_name("babyvlm")), "evaluate", "--help"],
}
MOST_S = {"import babyvlm": 0.1, "babyvlm --help": 0.3}


def seconds(command: list[str]) -> float:
    began_s = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for number in range(options.rounds + 1):
        for name, command in COMMANDS.items():
            taken_s = seconds(command)
            if number:
                taken[name].append(taken_s)
    result = {
        "date": str(datetime.date.today()),
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}",
        "rounds": options.rounds,
        "seconds": {
            name: {"median": round(statistics.median(times), 3), "fastest": round(min(times), 3)}
            for name, times in taken.items()
        },
        "claims_hold": {name: statistics.median(taken[name]) < most_s for name, most_s in MOST_S.items()},
    }
    RESULTS.mkdir(exist_ok=True)
    out = RESULTS / f"import_time-{result['date']}.json"
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
