"""The page: models beside children, self-contained, with its tables and figures in the folder ``<stem>_files``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from markupsafe import Markup

from babyvlm.children.ceiling import NoiseCeiling
from babyvlm.children.comparison import ChildrenComparison, SetComparison
from babyvlm.children.figures import comparison_figures
from babyvlm.children.like_age import LikeAge
from babyvlm.children.prediction import Prediction
from babyvlm.children.tables import comparison_tables
from babyvlm.errors import OutputExistsError
from babyvlm.folders import (
    MANIFEST,
    Manifest,
    code_revision,
    fresh_folder,
    package_versions,
    read_manifest,
    remove_folder,
    whole_file,
)
from babyvlm.reports.style import inline_svg, pdf_of, svg_of
from babyvlm.templates import page_environment

_KIND = "children"


def write_page(found: ChildrenComparison, out: Path) -> None:
    """Writes the page, and tables and figures beside it.

    Args:
        found: What it shows.
        out: An .html file; absent.

    Raises:
        OutputExistsError: The page, or something else than a page's files, is there already.
    """
    beside = refuse_other(out)
    files: dict[str, bytes] = {}
    for table in comparison_tables(found):
        files[f"{table.name}.csv"], files[f"{table.name}.tex"] = table.csv().encode(), table.latex().encode()
    inline: dict[str, Markup] = {}
    captions: dict[str, str] = {}
    for drawn in comparison_figures(found):
        svg = svg_of(drawn.figure, drawn.name)
        files[f"{drawn.name}.svg"], files[f"{drawn.name}.pdf"] = svg.encode(), pdf_of(drawn.figure)
        width_in = drawn.figure.get_figwidth()
        inline[drawn.name] = Markup(inline_svg(svg, drawn.name, drawn.description, width_in))
        captions[drawn.name] = drawn.description
    page = _render(found, inline, captions, beside.name, sorted(files))
    remove_folder(beside)
    with fresh_folder(beside) as partial:
        for name, content in sorted(files.items()):
            (partial / name).write_bytes(content)
        Manifest(
            kind=_KIND,
            configuration={"files": sorted(files), **dataclasses.asdict(found.config)},
            inputs={run.name: run.run.toolbox_hash for run in found.runs},
            notes=list(found.not_shown),
        ).write(partial)
    with whole_file(out) as file:
        file.write(page)


def refuse_other(out: Path) -> Path:
    """The folder beside a page to write; a page that is there, or a folder of something else, is refused.

    Raises:
        OutputExistsError: One of them is there.
    """
    if out.exists():
        raise OutputExistsError(out, "a page" if out.is_file() else "a folder")
    beside = out.with_name(f"{out.stem}_files")
    there = {path.name for path in beside.iterdir()} if beside.is_dir() else set()
    ours: set[str] = set()
    if MANIFEST in there:
        ours = {MANIFEST, *read_manifest(beside, _KIND).configuration.get("files", ())}
    if foreign := sorted(there - ours):
        raise OutputExistsError(beside, ", ".join(foreign[:3]))
    return beside


def _render(
    found: ChildrenComparison,
    inline: Mapping[str, Markup],
    captions: Mapping[str, str],
    beside: str,
    files: list[str],
) -> str:
    environment = page_environment("babyvlm.children")
    environment.filters |= {"share": lambda value: f"{100 * value:.1f}", "months": _months}
    environment.tests |= {"ceiling": lambda one: isinstance(one, NoiseCeiling)}
    environment.tests |= {"prediction": lambda one: isinstance(one, Prediction)}
    environment.tests |= {"like": lambda one: isinstance(one, LikeAge), "text": lambda one: isinstance(one, str)}
    style = resources.files("babyvlm.reports").joinpath("templates/report.css").read_text(encoding="utf-8")
    return environment.get_template("children.html.j2").render(
        found=found,
        nearest=[(one, *_nearest(one)) for one in found.sets if one.rows],
        by_model={one.trial_set.name: _by_model(one) for one in found.sets},
        figures=inline,
        captions=captions,
        beside=beside,
        files=files,
        style=Markup(style),
        packages=package_versions(),
        revision=code_revision(),
    )


def _nearest(one: SetComparison) -> tuple[str, str, float]:
    """Model, age and divergence of the closest agreement."""
    best = min(one.rows, key=lambda row: row.fit.divergence)
    return best.model, best.group.people, best.fit.divergence


def _by_model(one: SetComparison) -> list[tuple[str, list[object]]]:
    """Rows of the table: a model with what it has at each age."""
    ages = [group.age for group, _ in one.ceilings]
    cells = {(row.model, row.group.age): row for row in one.rows}
    return [(model, [cells.get((model, age)) for age in ages]) for model in one.models]


def _months(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"
