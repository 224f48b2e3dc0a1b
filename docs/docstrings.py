"""Docstrings as Sphinx reads them: drawings of how data flow become literal blocks."""

from __future__ import annotations

import re


def as_restructured_text(app, what, name, obj, options, lines: list[str]) -> None:
    """Rewrites a docstring in place.

    A module's docstring is prose with drawings of how data flow: every paragraph with a drawn line, and every indented
    one, is shown as it stands. Elsewhere the text is Google style, which napoleon reads.
    """
    if what == "module":
        lines[:] = _with_drawings(lines)
    elif what == "data" and type(obj).__doc__ and lines and lines[0] in type(obj).__doc__:
        lines.clear()  # what Python says of every dictionary


def _with_drawings(lines: list[str]) -> list[str]:
    paragraphs: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            paragraphs[-1].append(line)
        elif paragraphs[-1]:
            paragraphs.append([])
    made: list[str] = []
    for paragraph in filter(None, paragraphs):
        drawn = any(re.search(r"[│├└─┬┴┼▼]|  +\S.*  +|^\s|\|.*\||^>>>|^[A-Z]{2,}/?$", line) for line in paragraph)
        made += ["::", "", *(f"    {line}" for line in paragraph), ""] if drawn else [*paragraph, ""]
    return made
