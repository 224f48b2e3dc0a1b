"""How many children say, or understand, each word at each age: Wordbank's data by word and month.

word,age_months,children,say_so[,form,measure] ──> WordByAge
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from babyvlm.errors import AnnotationError
from babyvlm.records import Record
from babyvlm.regular_files import read_regular
from babyvlm.spreadsheets import TableReader

_NEEDED = ("word", "age_months", "children", "say_so")


class WordByAge(Record):
    """One word."""

    word: str
    months: tuple[int, ...]
    """Ages, ascending."""
    children: tuple[int, ...]
    """Children asked at each age."""
    say_so: tuple[int, ...]
    """Of whom so many say the word."""


def read_words_by_age(path: Path, *, measure: str = "produces", form: str = "WS") -> Mapping[str, WordByAge]:
    """Reads a table with a row for each word and month of age.

    Args:
        path: CSV file with the columns ``word``, ``age_months``, ``children`` and ``say_so``.
        measure: Which rows, where there is a column ``measure``.
        form: Which rows, where there is a column ``form``.

    Returns:
        Words by their spelling, with blanks in place of underscores.

    Raises:
        AnnotationError: A column is missing, no row is left, or a number does not parse; the line is named.
    """
    try:
        text = read_regular(path).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise AnnotationError(f"does not read as text ({error})", path=path) from error
    table = TableReader(text, path)
    if missing := [name for name in _NEEDED if name not in table.columns]:
        raise AnnotationError(
            f"no column {missing[0]!r}; the columns are {', '.join(table.columns) or 'none'}",
            path=path,
            remedy=f"Give a CSV file with the columns {', '.join(_NEEDED)}",
        )
    rows: dict[str, dict[int, tuple[int, int]]] = {}
    for line, row in table:
        if row.get("measure", measure) != measure or row.get("form", form) != form:
            continue
        try:
            months, children, say_so = (int(row[name]) for name in _NEEDED[1:])
        except (TypeError, ValueError) as error:
            raise AnnotationError(f"a number does not parse ({error})", path=path, place=f"line {line}") from error
        if not 0 <= say_so <= children:
            problem = f"{say_so} of {children} children cannot say a word"
            raise AnnotationError(problem, path=path, place=f"line {line}")
        rows.setdefault(row["word"].replace("_", " ").lower(), {})[months] = (children, say_so)
    if not rows:
        raise AnnotationError(f"no row of form {form} and measure {measure}", path=path)
    return {
        word: WordByAge(
            word=word,
            months=tuple(sorted(found)),
            children=tuple(found[month][0] for month in sorted(found)),
            say_so=tuple(found[month][1] for month in sorted(found)),
        )
        for word, found in rows.items()
    }
