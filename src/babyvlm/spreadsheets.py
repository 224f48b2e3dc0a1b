"""Foreign text in places that obey it: a spreadsheet's cell, a terminal, a log.

Whatever somebody else wrote (a label, a note, a request) passes through here before it is written to a CSV file or
printed: a spreadsheet takes a cell that begins with ``=`` for a formula, a terminal obeys escape sequences, and a line
break in a log makes a line that nobody wrote. Tables that somebody else wrote are read here, too.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from babyvlm.errors import InputError
from babyvlm.regular_files import read_regular

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


class TableReader:
    """Rows of a CSV file with a heading, each with all of its cells.

    Args:
        text: The file's content.
        path: The file, for errors.
        delimiter: What stands between two cells.

    Raises:
        InputError: The heading does not parse, or names a column twice; and while rows are read, naming the line: a
            quotation mark that is never closed, which would swallow the rows after it, a cell of more than 131,072
            characters, or more cells than the heading has.
    """

    def __init__(self, text: str, path: Path, *, delimiter: str = ",") -> None:
        self._path = path
        self._reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        self.columns = [name.strip() for name in self._next(1) or []]
        twice = {name for name in self.columns if name and self.columns.count(name) > 1}
        if twice:
            raise InputError(f"the heading has {sorted(twice)[0]!r} twice", path=path, place="line 1")

    def _next(self, line: int) -> list[str] | None:
        try:
            return next(self._reader, None)
        except csv.Error as error:
            remedy = "Is a quotation mark left open?"
            raise InputError(
                f"does not parse ({error})", path=self._path, place=f"line {line}", remedy=remedy
            ) from error

    def __iter__(self) -> Iterator[tuple[int, dict[str, str]]]:
        """The line at which each row begins, and its cells by column; what a short row lacks is empty."""
        while True:
            line = self._reader.line_num + 1
            row = self._next(line)
            if row is None:
                return
            if not any(cell.strip() for cell in row):
                continue
            if any(cell.strip() for cell in row[len(self.columns) :]):
                problem = f"{len(row)} cells, where the heading has {len(self.columns)}"
                raise InputError(problem, path=self._path, place=f"line {line}")
            yield line, dict(zip(self.columns, row + [""] * (len(self.columns) - len(row)), strict=False))


def open_table(path: Path, *, delimiter: str = ",") -> TableReader:
    """The rows of a file.

    Raises:
        InputError: It is missing or no text, or its heading does not parse.
    """
    try:
        return TableReader(read_regular(path).decode("utf-8-sig"), path, delimiter=delimiter)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"does not read as text ({error})", path=path) from error
