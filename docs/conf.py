"""How the documentation is built: ``make docs``. Pages are Markdown; the reference is generated from the program."""

from __future__ import annotations

import re
import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS), str(DOCS.parent / "src")]

import generate  # noqa: E402
from docstrings import as_restructured_text  # noqa: E402

import babyvlm  # noqa: E402

project = "babyvlm"
author = copyright = "The babyvlm authors"
version = release = babyvlm.__version__
language = "en"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "**.ipynb_checkpoints"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
napoleon_numpy_docstring = False
napoleon_use_rtype = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100

smartquotes = False  # options begin with two hyphens

html_theme = "furo"
html_title = f"babyvlm {version}"
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_permalinks_icon = "#"

OPTIONAL_PAGES = ("extending",)
"""Pages that are linked where they exist."""


def leave_out_missing_pages(app, docname, source):
    """Turns links to optional pages that do not exist into their text, and drops their lines in tables of contents."""
    for page in OPTIONAL_PAGES:
        if not (DOCS / f"{page}.md").is_file():
            source[0] = re.sub(rf"^{page}\n", "", source[0], flags=re.M)
            source[0] = re.sub(rf"\[([^\]]*)\]\([./]*{page}\.md\)", r"\1", source[0])


def setup(app):
    """Generates the pages of the reference before Sphinx looks for pages."""
    generate.write_pages(DOCS / "generated")
    app.connect("source-read", leave_out_missing_pages)
    app.connect("autodoc-process-docstring", as_restructured_text, priority=400)  # before napoleon
