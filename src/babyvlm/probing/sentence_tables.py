"""What the probe of a language model finds, as rows, and how the rows are written."""

from __future__ import annotations

import csv
import io

from pydantic import BaseModel, ConfigDict

SENTENCE_COLUMNS = ("likelihoods", "measure", "part", "pairs", "value", "low", "high", "chance")


class SentenceRow(BaseModel):
    """One figure: the share of pairs of which the right sentence is likelier."""

    model_config = ConfigDict(extra="forbid")

    likelihoods: str
    """``model``, ``model as drawn`` or ``unigram``."""
    measure: str
    """``minimal pairs``, ``inflection``, ``agreement``, ``word`` or ``visual property``."""
    part: str
    """A paradigm, or a bin of frequency; ``all`` for their mean."""
    pairs: int
    value: float
    low: float
    """Of the 95% bootstrap interval: over parts for ``all``, over pairs for a part."""
    high: float
    chance: float = 0.5


class LanguageFigures(BaseModel):
    """The figures of one kind of likelihoods, 0 to 1, put together."""

    model_config = ConfigDict(extra="forbid")

    syntax: float | None
    """Mean of minimal pairs, inflection and agreement, of those that there are."""
    semantics: float | None
    """Mean of words and visual properties, of those that there are."""
    overall: float | None
    """Mean of both; None where one is missing."""


class SentencesProbed(BaseModel):
    """The content of ``probe.json``."""

    model_config = ConfigDict(extra="forbid")

    checkpoint: str
    pairs: int
    missing: tuple[str, ...]
    """Measures of which there is no pair."""
    problems: dict[str, int]
    """Lines of which no pair could be made, by reason."""
    figures: dict[str, LanguageFigures]
    """By ``model``, ``model as drawn`` and ``unigram``."""
    rows: tuple[SentenceRow, ...]

    def csv(self) -> str:
        """The rows, with all their digits."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(SENTENCE_COLUMNS)
        writer.writerows([getattr(row, name) for name in SENTENCE_COLUMNS] for row in self.rows)
        return buffer.getvalue()

    def text(self) -> str:
        """The measures as a table to read, in percent."""
        lines = [f"{'likelihoods':16}{'measure':18}{'pairs':>7}{'%':>7}{'95% interval':>16}{'chance':>8}"]
        for row in self.rows:
            if row.part == "all":
                interval = f"{100 * row.low:.1f} to {100 * row.high:.1f}"
                lines.append(
                    f"{row.likelihoods:16}{row.measure:18}{row.pairs:7}{100 * row.value:7.1f}{interval:>16}"
                    f"{100 * row.chance:8.1f}"
                )
        for name, figures in self.figures.items():
            shown = ", ".join(
                f"{what} {'-' if value is None else f'{100 * value:.1f}'}"
                for what, value in figures.model_dump().items()
            )
            lines.append(f"{name}: {shown}")
        return "\n".join(lines)
