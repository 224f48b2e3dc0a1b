"""An audit as one self-contained page, readable on a phone and in print."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from babyvlm.audits.records import Audit
from babyvlm.templates import page_environment
from babyvlm.toolbox.tasks import row_title


def render_page(audit: Audit) -> str:
    """The page's HTML."""
    environment = page_environment("babyvlm.audits")
    environment.filters |= {"percent": _percent, "p": _p, "title": row_title}
    style = (Path(__file__).parent / "templates" / "audit.css").read_text(encoding="utf-8")
    verdicts = {name: [row for row in audit.rows if row.verdict == name] for name in _VERDICTS}
    return environment.get_template("audit.html.j2").render(audit=audit, verdicts=verdicts, style=Markup(style))


_VERDICTS = ("shortcut", "clean", "too few items")


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
