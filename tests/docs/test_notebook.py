"""The notebook for a course runs from its first cell to its last, and shows what its text speaks of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import babyvlm

BOOK = Path(__file__).parents[2] / "docs" / "notebooks" / "nursery.ipynb"


def test_it_is_a_valid_notebook_without_outputs():
    nbformat = pytest.importorskip("nbformat", reason="the extra docs is not installed")
    book = nbformat.read(BOOK, as_version=4)
    nbformat.validate(book)
    assert all(not cell.get("outputs") and not cell.get("execution_count") for cell in book.cells)
    assert BOOK.stat().st_size < 50_000


@pytest.mark.slow
def test_it_runs_and_shows_what_it_speaks_of(tmp_path, monkeypatch):
    nbformat = pytest.importorskip("nbformat", reason="the extra docs is not installed")
    client = pytest.importorskip("nbclient", reason="the extra docs is not installed")
    pytest.importorskip("ipykernel", reason="the extra docs is not installed")
    pytest.importorskip("skia", reason="the extra render is not installed")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(Path(babyvlm.__file__).parents[1]))  # the copy under test, from any folder
    book = nbformat.read(BOOK, as_version=4)
    client.NotebookClient(book, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in book.cells for output in cell.get("outputs", ())]
    said = "".join(output.get("text", "") for output in outputs)
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 4  # what is said, a frame, an item, the intervals
    assert re.search(r"image \d+ for training", said) and "none of the 2 recordings of the items is in training" in said
    assert "10 points: 388 items" in said and "hours" in said
