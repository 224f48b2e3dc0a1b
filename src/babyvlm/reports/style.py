"""How every figure looks: one accent for the respondent the page is about, greys and markers for the others.

Figures come out as SVG, with text as text, and as PDF; the same input gives the same bytes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

ACCENT = "#0b5d77"
INK = "#1d2226"
MUTED = "#5c666d"
RULE = "#d4d9dc"
CHANCE = "#a8571b"
"""Chance lines: always dashed too, so that colour is not alone in telling them."""
_OTHERS = ("#5c666d", "#8a949b", "#30383d", "#a3adb3")
_MARKERS = ("s", "^", "D", "v", "P", "X", "<", ">")
_LINES = ("--", ":", "-.", (0, (5, 1)))
WIDTH_IN = 6.8

_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
}
# Fonts of the reader's machine in the browser; matplotlib lays the text out with its own sans serif.
_WEB_FONTS = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"


@dataclass(frozen=True)
class RespondentStyle:
    """How one respondent is drawn."""

    colour: str
    marker: str
    line: Any
    filled: bool
    order: int
    """Above the others where higher."""

    @property
    def keywords(self) -> dict[str, Any]:
        """Arguments of ``Axes.plot`` and ``Axes.errorbar``."""
        return {
            "color": self.colour,
            "marker": self.marker,
            "linestyle": self.line,
            "markerfacecolor": self.colour if self.filled else "white",
            "markeredgecolor": self.colour,
            "zorder": self.order,
        }


def respondent_styles(names: Sequence[str], main: str) -> dict[str, RespondentStyle]:
    """A look for each respondent: the main one in the accent colour, the others told apart by marker and line."""
    chosen = {main: RespondentStyle(ACCENT, "o", "-", True, 10)}
    for number, name in enumerate(name for name in names if name != main):
        chosen[name] = RespondentStyle(
            _OTHERS[number % len(_OTHERS)],
            _MARKERS[number % len(_MARKERS)],
            _LINES[number % len(_LINES)],
            number >= len(_MARKERS),
            3,
        )
    return chosen


def style_context() -> Any:
    """The style, as a context manager; it leaves the caller's own settings alone."""
    return matplotlib.rc_context(_STYLE)  # type: ignore[arg-type]  # its keys are literals to mypy


def new_figure(height_in: float, width_in: float = WIDTH_IN) -> Figure:
    """An empty figure; its size is in inches."""
    return Figure(figsize=(width_in, height_in), layout="constrained")


def light_grid(axes: Axes, which: str = "y") -> None:
    """Faint rules behind the data."""
    axes.set_axisbelow(True)
    axes.grid(True, axis=which, color=RULE, linewidth=0.5)  # type: ignore[arg-type]


def svg_of(figure: Figure, name: str) -> str:
    """The figure as a complete SVG file, without any date."""
    buffer = io.BytesIO()
    with style_context(), matplotlib.rc_context({"svg.hashsalt": name}):
        blank = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        FigureCanvasSVG(figure).print_svg(buffer, metadata=blank)
    # Laid out once: the PDF is to look the same, and the layout takes longer than the drawing.
    figure.set_layout_engine("none")
    return re.sub(r"font-family: ?[^;\"]+|(?<=px )'DejaVu Sans'[^;\"]*", _font, buffer.getvalue().decode())


def _font(found: re.Match[str]) -> str:
    return _WEB_FONTS if found[0].startswith("font-family") else _WEB_FONTS.removeprefix("font-family:")


def pdf_of(figure: Figure) -> bytes:
    """The figure as a PDF, without any date."""
    buffer = io.BytesIO()
    with style_context():
        FigureCanvasPdf(figure).print_pdf(buffer, metadata=dict.fromkeys(("CreationDate", "Creator", "Producer")))
    return buffer.getvalue()


def inline_svg(svg: str, name: str, description: str, width_in: float = WIDTH_IN) -> str:
    """An SVG file as an element of a page: no prologue, ids of its own, and words for those who cannot see it.

    The width in inches goes along as ``--width-in``, so that the page can draw all figures at one scale.
    """
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', body)
    body = re.sub(r'(xlink:href="|href="|url\()#', rf"\1#{name}-", body)
    label = description.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return re.sub(r"<svg ", f'<svg role="img" aria-label="{label}" style="--width-in:{width_in:g}" ', body, count=1)
