"""What an audit finds, as ``audit.json`` holds it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from babyvlm.records import SCHEMA_VERSION, Record

Verdict = Literal["clean", "shortcut", "too few items"]
"""``shortcut``: some strategy that never looks at what is asked does better than chance. ``too few items``: none does,
but so few items could hide one."""


class AnswerBalance(Record):
    """How evenly the right answers are spread over the options."""

    counts: dict[str, int]
    """Rounds by right answer."""
    expected: dict[str, float]
    """The same, were every option of a round as likely."""
    chi_square: float
    p: float
    """Share of even spreads that are as uneven, by simulation."""


class StrategyScore(Record):
    """What one strategy earns in one row."""

    strategy: str
    value: float
    """The sub-task's primary metric, 0 to 1; for Memory, the share of its test rounds."""
    low: float
    """Lower end of the 95% Wilson interval of ``value``."""
    high: float
    p: float
    """How likely guessing is to do as well."""
    p_corrected: float
    """``p`` after Holm's correction for every strategy in every row of the audit."""
    above_chance: bool
    """Whether the interval lies above chance and ``p_corrected`` is below the level of the audit."""


class RowAudit(Record):
    """One sub-task, or hard variant of one."""

    row: str
    items: int
    chance: float
    balance: AnswerBalance
    balance_p_corrected: float
    """The balance's ``p`` after Holm's correction over rows."""
    strategies: tuple[StrategyScore, ...]
    """Those that apply, best first."""
    verdict: Verdict
    shortcuts: tuple[str, ...]
    """Strategies above chance, best first."""


class Copies(Record):
    """Pictures of the toolbox that are near duplicates of pictures elsewhere."""

    elsewhere: str
    """``split train``, another toolbox, or the training set."""
    images: int
    """Pictures of the toolbox that were compared."""
    near_duplicates: int
    repeated_items: int | None = None
    """Items that are there as well, with the same words and pictures; None where there are no items."""
    shared_recordings: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    """Some of the pictures, with what they are duplicates of."""


class Duplicates(Record):
    """What occurs more than once."""

    repeated_items: int
    """Items whose words and pictures, by content, are those of an earlier item of the same row."""
    repeated_questions: int
    """Items whose words and pictures are those of an earlier one in another order of options."""
    same_bytes: int
    """Picture files that are, byte by byte, another file."""
    alike_options: tuple[str, ...]
    """Items two of whose options are near duplicates, so that either could be meant."""
    elsewhere: tuple[Copies, ...]


class Audit(Record):
    """One audit."""

    schema_version: int = SCHEMA_VERSION
    toolbox: str
    toolbox_hash: str
    items: int
    level: float
    """Family-wise level of the tests."""
    rows: tuple[RowAudit, ...]
    duplicates: Duplicates
    packages: dict[str, str] = Field(default_factory=dict)
    code_revision: str = ""
