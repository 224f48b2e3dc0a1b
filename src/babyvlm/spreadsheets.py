"""Foreign text in places that obey it: a spreadsheet's cell, a terminal, a log.

Whatever somebody else wrote (a label, a note, a request) passes through here before it is written to a CSV file or
printed: a spreadsheet takes a cell that begins with ``=`` for a formula, a terminal obeys escape sequences, and a line
break in a log makes a line that nobody wrote.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

_BEGINS_FORMULA = "=+-@|%\uff1d\uff0b\uff0d\uff20"
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?%?")


def printable(text: str) -> str:
    r"""Text on one line, in which everything that is obeyed and not seen stands as an escape.

    >>> printable("fine, naïve 好")
    'fine, naïve 好'
    >>> printable("\x1b[31mred\nFORGED \u202eline")
    '\\x1b[31mred\\nFORGED \\u202eline'
    """
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


def cell(value: object) -> object:
    """A cell that no spreadsheet takes for a formula; numbers and absent values stay as they are.

    >>> [cell(value) for value in ("=1+1", "cup", "-2.5", -2.5, None, "@SUM(A1)", "- a cup")]
    ["'=1+1", 'cup', '-2.5', -2.5, None, "'@SUM(A1)", "'- a cup"]
    """
    if not isinstance(value, str):
        return value
    # Readers drop blanks and control characters before they look for a formula.
    seen = "".join(one for one in value if one.isprintable()).lstrip(" '\"")
    risky = seen[:1] in _BEGINS_FORMULA and not _NUMBER.fullmatch(value)
    return f"'{printable(value)}" if risky and seen else printable(value)


def write_table(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Writes rows, all with the keys of the first, as CSV under a header; no rows, an empty file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer: csv.DictWriter[str] | None = None
        for row in rows:
            if writer is None:
                writer = csv.DictWriter(file, list(row))
                writer.writeheader()
            writer.writerow({name: cell(value) for name, value in row.items()})
