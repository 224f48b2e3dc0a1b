"""Input that nobody here made: every case ends in the right value or in a sentence (claim: none is silently wrong).

Two kinds of case stand in one table. Ours are the tests marked `case` (inputs that the tests make themselves); public
ones are files of other programs, under the folder given, tried by `benchmarks/public_cases`.

    python benchmarks/robustness.py --cases FOLDER
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import datetime
import json
import sys
import tempfile
import traceback
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from public_cases import public_cases

ROOT = Path(__file__).resolve().parents[1]


@dataclasses.dataclass(frozen=True)
class Row:
    kind: str
    case: str
    held: bool | None
    """None where it was not tried."""
    seen: str = ""


class Collector:
    """A plugin of pytest that keeps the outcome of every test marked `case`."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self._kinds: dict[str, str] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            mark = item.get_closest_marker("case")
            if mark:
                self._kinds[item.nodeid] = mark.args[0]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.outcome == "passed":
            return
        held = None if report.outcome == "skipped" else report.outcome == "passed"
        skipped = report.longrepr[2] if isinstance(report.longrepr, tuple) else None  # after the file and the line
        seen = "" if held else str(skipped or report.longrepr).strip().splitlines()[-1].replace(f"{ROOT}/", "")
        self.rows.append(Row(self._kinds[report.nodeid], report.nodeid, held, seen))


def own_cases() -> list[Row]:
    collector = Collector()
    pytest.main(["-m", "case", "-q", "--no-header", "-p", "no:cacheprovider", str(ROOT / "tests")], plugins=[collector])
    return collector.rows


def cases_of_others(folder: Path) -> list[Row]:
    rows = []
    known = public_cases()
    for case in sorted(path for path in folder.iterdir() if path.is_dir()):
        if case.name not in known:
            rows.append(Row("public", case.name, None, "no function tries it"))
            continue
        with tempfile.TemporaryDirectory() as work:
            try:
                rows.append(Row("public", case.name, True, known[case.name](case, Path(work))))
            except Exception:  # whatever it is, the case did not hold
                rows.append(Row("public", case.name, False, traceback.format_exc().strip().splitlines()[-1]))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=Path, help="folder of public cases; left out without one")
    folder = parser.parse_args().cases
    rows = (cases_of_others(folder) if folder else []) + own_cases()
    kinds = collections.defaultdict(collections.Counter)
    for row in rows:
        kinds[row.kind]["not tried" if row.held is None else "held" if row.held else "failed"] += 1
    for row in rows:
        print(f"{'-' if row.held is None else 'ok' if row.held else 'FAILED':7}{row.kind:14}{row.case}: {row.seen}")
    print("\n| kind | held | failed | not tried |\n|---|---|---|---|")
    for kind, counts in sorted(kinds.items()):
        print(f"| {kind} | {counts['held']} | {counts['failed']} | {counts['not tried']} |")
    out = Path(__file__).parent / "results" / f"robustness-{datetime.date.today()}.json"
    out.write_text(json.dumps([dataclasses.asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")
    sys.exit(any(row.held is False for row in rows))


if __name__ == "__main__":
    main()
