"""What the commands do, as functions: one for each step from recordings to a report.

    make_corpus ── index_corpus ── transcribe ── curate ── select, export_set, write_card          data.py
                                                   └── train ── load            convert ── load    model.py
    detect_boxes ── build_toolbox, import_toolbox ── audit, export_toolbox, write_lmms_tasks       items.py
                          └── evaluate ── score, compare, compare_seeds, power                     results.py
                                 └── report, submit, push, export_study                            sharing.py

The command line parses, calls one of these and prints; a notebook calls them as ``babyvlm.curate`` and so on, and gets
the same files. Paths may be strings. Nothing heavy is imported before a function is called. What they report while
they work goes to standard error; ``--quiet`` and a notebook's own redirection silence it.
"""

from __future__ import annotations

import os
from pathlib import Path

Place = Path | str
"""A file or folder."""


def maybe_path(place: Place | None) -> Path | None:
    """The path of a place that may be missing."""
    return None if place is None else Path(place)


def usable_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0))
