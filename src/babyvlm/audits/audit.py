"""One audit: every strategy in every row, one family of tests, a verdict for each row, and what occurs twice."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from babyvlm.audits.pictures import PictureFacts, picture_facts
from babyvlm.audits.records import Audit, Copies, Duplicates, RowAudit, StrategyScore, Verdict
from babyvlm.audits.statistics import answer_balance, chance_of_as_much
from babyvlm.audits.strategies import STRATEGIES, Facts, option_pictures
from babyvlm.errors import ConfigError
from babyvlm.evaluation.statistics import holm
from babyvlm.folders import code_revision, package_versions
from babyvlm.records import Item, Reply, Response
from babyvlm.toolbox import (
    Fingerprints,
    Toolbox,
    TrainingSet,
    near_duplicates,
    score,
    score_item,
    wilson_interval,
)
from babyvlm.toolbox.folder import toolbox_hash
from babyvlm.toolbox.scoring import effective_size, memory_base
from babyvlm.toolbox.tasks import in_table_order, row_name

MEMORY = "memory"
_EXAMPLES = 5


@dataclass(frozen=True, kw_only=True)
class AuditConfig:
    """How an audit judges."""

    level: float = 0.05
    """Chance of finding any shortcut where there is none, over the whole audit (ours)."""
    min_items: int = 50
    """Fewer items of a row than this, and nothing found, means nothing (ours)."""

    def __post_init__(self) -> None:
        if not 0 < self.level < 0.5:
            raise ConfigError(f"level is a probability between 0 and 0.5, not {self.level}")
        if self.min_items < 1:
            raise ConfigError(f"min_items must be at least 1, not {self.min_items}")


def audit_toolbox(
    toolbox: Toolbox,
    *,
    against: Sequence[Toolbox] = (),
    training: TrainingSet | None = None,
    config: AuditConfig | None = None,
) -> Audit:
    """Audits a toolbox.

    Args:
        toolbox: The items, with answers.
        against: Other toolboxes that must not share items or pictures with it.
        training: What a model was trained on.
        config: How it is judged.

    Raises:
        DataFolderError: A picture is missing or damaged.
    """
    config = config or AuditConfig()
    facts = picture_facts(_shown(toolbox.items), toolbox.image_path)
    return Audit(
        toolbox=toolbox.folder.name,
        toolbox_hash=toolbox_hash(toolbox),
        items=len(toolbox.items),
        level=config.level,
        rows=audit_items(toolbox.items, facts, config),
        duplicates=Duplicates(
            repeated_items=_repeats([_content(item, facts) for item in toolbox.items]),
            repeated_questions=_repeats([_content(item, facts, ordered=False) for item in toolbox.items]),
            same_bytes=_repeats([picture.sha256 for picture in facts.values()]),
            alike_options=tuple(item.id for item in toolbox.items if _alike_options(item, facts)),
            elsewhere=(*_across_splits(toolbox, facts), *_copies(toolbox, facts, against, training)),
        ),
        packages=package_versions(),
        code_revision=code_revision(),
    )


@dataclass(frozen=True, kw_only=True)
class _Earned:
    """What a strategy earned in a row."""

    value: float
    chance: float
    size: float
    """Number of independent trials it is worth."""

    @property
    def interval(self) -> tuple[float, float]:
        return wilson_interval(self.value, self.size)


def _earned(items: Sequence[Item], responses: Sequence[Response]) -> _Earned:
    """The primary metric; for Memory the share of test rounds.

    A strategy that merely prefers some objects gets both tests of an object right more often than chance has it, and
    yet no more rounds.
    """
    if items[0].task != MEMORY:
        (one,) = score(items, responses).tasks
        return _Earned(value=one.value or 0.0, chance=one.chance, size=one.effective_size)
    shares = [
        score_item(item, response).metrics["acc_testing_raw"] for item, response in zip(items, responses, strict=True)
    ]
    tests = float(np.mean([len(item.turns) - memory_base(item) for item in items]))
    return _Earned(value=float(np.mean(shares)), chance=0.5, size=effective_size(shares, tests))


def audit_items(items: Sequence[Item], facts: Facts, config: AuditConfig) -> tuple[RowAudit, ...]:
    """Tries every strategy on every row.

    Args:
        items: The items, in the order of their file.
        facts: What was measured of their pictures.
        config: How it is judged.
    """
    by_row: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        by_row[row_name(item.task, item.variant)].append(item)
    scores: dict[tuple[str, ...], _Earned] = {}
    for row in in_table_order(by_row):
        for strategy in STRATEGIES:
            answers = strategy.answers(by_row[row], facts)
            if answers is not None:
                replies = [
                    Response(item=item.id, replies=tuple(Reply(text=text) for text in texts))
                    for item, texts in zip(by_row[row], answers, strict=True)
                ]
                scores[row, strategy.name] = _earned(by_row[row], replies)
    ps = {key: chance_of_as_much(one.value, one.size, one.chance) for key, one in scores.items()}
    corrected = dict(zip(ps, holm(list(ps.values())), strict=True))
    balances = {(row,): answer_balance(by_row[row]) for row in in_table_order(by_row)}
    balances_corrected = dict(zip(balances, holm([balance.p for balance in balances.values()]), strict=True))
    audits = []
    for (row,), balance in balances.items():
        tried = [
            StrategyScore(
                strategy=name,
                value=one.value,
                low=one.interval[0],
                high=one.interval[1],
                p=ps[of_row, name],
                p_corrected=corrected[of_row, name],
                above_chance=one.interval[0] > one.chance and corrected[of_row, name] < config.level,
            )
            for (of_row, name), one in scores.items()
            if of_row == row
        ]
        tried.sort(key=lambda one: -one.value)
        shortcuts = tuple(one.strategy for one in tried if one.above_chance)
        few: Verdict = "too few items" if len(by_row[row]) < config.min_items else "clean"
        audits.append(
            RowAudit(
                row=row,
                items=len(by_row[row]),
                chance=next(one.chance for (of_row, _), one in scores.items() if of_row == row),
                balance=balance,
                balance_p_corrected=balances_corrected[row,],
                strategies=tuple(tried),
                verdict="shortcut" if shortcuts else few,
                shortcuts=shortcuts,
            )
        )
    return tuple(audits)


def _shown(items: Sequence[Item]) -> list[str]:
    return list(dict.fromkeys(name for item in items for turn in item.turns for name in turn.images))


def _content(item: Item, facts: Facts, *, ordered: bool = True) -> Hashable:
    """What an item asks and shows, by the bytes of its pictures."""
    rounds = []
    for turn in item.turns:
        shown = [facts[name].sha256 for name in turn.images]
        rounds.append((turn.prompt, *(shown if ordered else sorted(shown))))
    return row_name(item.task, item.variant), tuple(rounds)


def _repeats(things: Sequence[Hashable]) -> int:
    return sum(count - 1 for count in Counter(things).values())


def _alike_options(item: Item, facts: Facts) -> bool:
    for turn in item.turns:
        options = [facts[name].prints for name in option_pictures(turn)]
        for place, prints in enumerate(options):
            if any((near_duplicates(prints, other) >= 0).any() for other in options[:place]):
                return True
    return False


def _joined(pictures: Sequence[PictureFacts]) -> Fingerprints:
    return Fingerprints.joined([picture.prints for picture in pictures])


def _across_splits(toolbox: Toolbox, facts: Facts) -> list[Copies]:
    splits: dict[str, list[Item]] = defaultdict(list)
    for item in toolbox.items:
        splits[item.split].append(item)
    names = sorted(splits)
    return [
        _compare(f"split {second} (from split {first})", splits[first], facts, splits[second], facts)
        for place, first in enumerate(names)
        for second in names[place + 1 :]
    ]


def _copies(toolbox: Toolbox, facts: Facts, against: Sequence[Toolbox], training: TrainingSet | None) -> list[Copies]:
    found = []
    for other in against:
        there = picture_facts(_shown(other.items), other.image_path)
        found.append(_compare(f"toolbox {other.folder.name}", toolbox.items, facts, other.items, there))
    if training is not None:
        pictures = [facts[name] for name in _shown(toolbox.items)]
        near = near_duplicates(_joined(pictures), training.prints)
        sources = {origin.source for item in toolbox.items for turn in item.turns for origin in turn.origins}
        copied = [picture.name for picture, place in zip(pictures, near, strict=True) if place >= 0]
        found.append(
            Copies(
                elsewhere="training set",
                images=len(pictures),
                near_duplicates=len(copied),
                shared_recordings=tuple(sorted((sources - {"synthetic"}) & training.recordings)),
                examples=tuple(copied[:_EXAMPLES]),
            )
        )
    return found


def _compare(elsewhere: str, items: Sequence[Item], facts: Facts, others: Sequence[Item], there: Facts) -> Copies:
    pictures, theirs = [facts[name] for name in _shown(items)], [there[name] for name in _shown(others)]
    near = near_duplicates(_joined(pictures), _joined(theirs))
    pairs = [
        f"{picture.name} = {theirs[place].name}" for picture, place in zip(pictures, near, strict=True) if place >= 0
    ]
    known = {_content(item, there) for item in others}
    return Copies(
        elsewhere=elsewhere,
        images=len(pictures),
        near_duplicates=len(pairs),
        repeated_items=sum(_content(item, facts) in known for item in items),
        examples=tuple(pairs[:_EXAMPLES]),
    )


def write_audit(audit: Audit, folder: Path) -> None:
    """Writes ``audit.json`` into a folder that is there."""
    (folder / "audit.json").write_text(audit.model_dump_json(indent=2) + "\n", encoding="utf-8")
