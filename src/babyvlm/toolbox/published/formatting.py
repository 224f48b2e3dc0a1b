"""The formatting of a source file, recorded so that an export reproduces it byte for byte."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Sequence
from typing import Any

from babyvlm.records import Record


class Formatting(Record):
    """How a file of records is written. The defaults are those of an export in another layout."""

    indent: int | str | None = 2
    """JSON: spaces per level, or the characters themselves; None for everything on one line."""
    compact: bool = False
    """JSON: without spaces after commas and colons."""
    ascii: bool = False
    """JSON: non-ASCII characters as escapes."""
    end: str = "\n"
    """JSON: the text after the last bracket."""
    newline: str = "\n"
    """Table: line separator."""
    quoted: bool = False
    """Table: every field in quotation marks."""


def json_formatting(content: bytes, records: Sequence[Any]) -> Formatting | None:
    """How records are written in a JSON file; None where they cannot be written again byte for byte.

    >>> json_formatting(b'[\\n    1\\n]', [1])
    Formatting(indent=4, compact=False, ascii=False, end='', newline='\\n', quoted=False)
    """
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    body = text.rstrip()
    second = body.partition("\n")[2]
    blanks = second[: len(second) - len(second.lstrip(" \t"))]
    indent = None if "\n" not in body else len(blanks) if set(blanks) <= {" "} else blanks
    for escaped, compact in itertools.product((False, True), repeat=2):
        found = Formatting(indent=indent, compact=compact, ascii=escaped, end=text[len(body) :])
        # The first of the records tells most of the forms apart, and files may be large.
        if written_json(records[:1], found).strip("[]\n") in text and written_json(records, found) == text:
            return found
    return None


def written_json(records: Sequence[Any], formatting: Formatting) -> str:
    """Records as JSON."""
    blank = "" if formatting.compact else " "
    comma = "," + (blank if formatting.indent is None else "")
    separators = (comma, ":" + blank)
    text = json.dumps(list(records), indent=formatting.indent, separators=separators, ensure_ascii=formatting.ascii)
    return text + formatting.end


def table_formatting(content: bytes, rows: Sequence[dict[str, str]]) -> Formatting | None:
    """How rows are written in a CSV file; None where they cannot be written again byte for byte."""
    for newline, quoted in itertools.product(("\n", "\r\n"), (False, True)):
        found = Formatting(newline=newline, quoted=quoted)
        if written_table(rows, found).encode() == content:
            return found
    return None


def written_table(rows: Sequence[dict[str, str]], formatting: Formatting) -> str:
    """Rows as CSV, with a head of their names."""
    file = io.StringIO(newline="")
    writer = csv.DictWriter(
        file,
        list(rows[0]) if rows else [],
        lineterminator=formatting.newline,
        quoting=csv.QUOTE_ALL if formatting.quoted else csv.QUOTE_MINIMAL,
    )
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()
