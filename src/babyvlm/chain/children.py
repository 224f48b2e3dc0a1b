"""Models beside children.

stored scores, graded runs, runs of people + children's data ──> page, tables, figures
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from babyvlm.chain import Place, maybe_path

if TYPE_CHECKING:
    from babyvlm.children import ChildrenConfig


def compare_with_children(
    runs: Sequence[Place],
    out: Place,
    config: ChildrenConfig | None = None,
    *,
    data: Place | None = None,
    people: Place | None = None,
    training: Place | None = None,
    concreteness: Place | None = None,
) -> Path:
    """Writes the page that puts models beside children, with its tables and figures beside it.

    Args:
        runs: Folders written by `evaluate` or `export_study`; may be none where the data hold models' scores.
        out: The page, an .html file; tables and figures go to the folder ``<stem>_files`` beside it.
        config: How they are compared.
        data: Folder of children's choices in DevBench's layout, of a table of words by month, or of both.
        people: CSV file of people's ages (``participant``, ``age_months``), where none lies beside their runs.
        training: Curated set whose utterances tell how often a word is said.
        concreteness: CSV file of words with a rating.

    Returns:
        The page.

    Raises:
        InputError: The data cannot be used, or nothing can be compared.
        OutputExistsError: The page, or something else than a page's files, is there already.
        DataFolderError: A run or the training set is missing or does not parse.
        ConfigError: One run is given twice.
    """
    from babyvlm.children.comparison import beside_children
    from babyvlm.children.page import refuse_other, write_page

    out = Path(out)
    refuse_other(out)
    found = beside_children(
        [Path(run) for run in runs],
        maybe_path(data),
        config,
        people=maybe_path(people),
        training=maybe_path(training),
        ratings=maybe_path(concreteness),
    )
    write_page(found, out)
    return out
