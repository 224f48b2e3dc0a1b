"""How long `make test` takes, in an environment that is set up (claim: at most 8 minutes on two cores)."""

from __future__ import annotations

import datetime
import os
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    subprocess.run(["make", "setup"], cwd=ROOT, check=True)
    began_s = time.monotonic()
    done = subprocess.run(["make", "test"], cwd=ROOT, capture_output=True, text=True, check=False)
    minutes = (time.monotonic() - began_s) / 60
    last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr.strip()[-200:]
    text = (
        f"# `make test`, {datetime.date.today()}\n\n{os.cpu_count()} cores: {minutes:.1f} minutes (bound 8); {last}\n"
    )
    (Path(__file__).parent / "results").mkdir(exist_ok=True)
    (Path(__file__).parent / "results" / f"suite-{datetime.date.today()}.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
