"""Review decisions: a file with one line per item, meant for version control, and their application to the items.

    babyvlm toolbox review DIR  ->  decisions.jsonl  ->  babyvlm toolbox build ... --review decisions.jsonl

Lines are sorted by item, so that a changed decision is a changed line. Items are known by their ids, which follow from
their content: the same build makes the same items, and a decision about an item that is no longer made is reported.
"""

from __future__ import annotations

import datetime
import fcntl
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from babyvlm.errors import DataFolderError
from babyvlm.folders import whole_file
from babyvlm.records import Item, Record, content_id, read_jsonl

Verdict = Literal["accept", "reject", "relabel"]
_PAST: Mapping[Verdict, str] = {"accept": "accepted", "reject": "rejected", "relabel": "relabelled"}


class Decision(Record):
    """What a reviewer decided about one item."""

    item: str
    task: str
    verdict: Verdict
    answer: str = ""
    """The right answer in the reviewer's eyes; with ``relabel`` alone."""
    note: str = ""
    reviewer: str = ""
    date: datetime.date = Field(default_factory=datetime.date.today)

    @model_validator(mode="after")
    def _answer_goes_with_relabel(self) -> Self:
        if (self.verdict == "relabel") != bool(self.answer):
            raise ValueError(
                f"a decision to {self.verdict} with answer {self.answer!r}; relabel, and it alone, needs one"
            )
        return self


@dataclass
class Decisions:
    """The decisions in a file, kept whole on disk after every change.

    Several reviewers may share a file, each from a page of their own: a change reads the file again, under a lock, and
    changes one line of it. Two who decide on the same item are not merged: the later one is refused and told so.
    """

    path: Path
    by_item: dict[str, Decision] = field(default_factory=dict)
    """As last read."""
    _as_read: object = field(default=None, repr=False, compare=False)

    def set(self, decision: Decision) -> None:
        """Records a decision in place of an earlier one about the item; on disk before this returns.

        Raises:
            DataFolderError: Somebody else has decided on the item since it was read here, or the file is damaged.
        """
        self._change(decision.item, decision)

    def clear(self, item: str) -> None:
        """Takes a decision back; nothing happens where there is none.

        Raises:
            DataFolderError: Somebody else has decided on the item since it was read here, or the file is damaged.
        """
        self._change(item, None)

    def refresh(self) -> None:
        """Reads what others have decided since.

        Raises:
            DataFolderError: The file is damaged.
        """
        if self._stamp() != self._as_read:
            with self._locked():
                self._read()

    def _change(self, item: str, decision: Decision | None) -> None:
        with self._locked():
            known = self.by_item.get(item)
            if self._stamp() != self._as_read:
                self._read()
            found = self.by_item.get(item)
            if found != known and found != decision:
                who = (found.reviewer if found else "") or "Somebody else"
                did = f"{who} has decided to {found.verdict} it" if found else f"{who} has taken the decision back"
                raise DataFolderError(
                    f"{did} in the meantime, and yours is not stored",
                    path=self.path.name,
                    place=f"item {item}",
                    remedy="Decide once more if you do not agree",
                )
            wanted = {name: kept for name, kept in self.by_item.items() if name != item}
            if decision is not None:
                wanted[item] = decision
            with whole_file(self.path) as file:
                for name in sorted(wanted):
                    file.write(wanted[name].model_dump_json() + "\n")
            self.by_item, self._as_read = wanted, self._stamp()

    def _read(self) -> None:
        """Takes over what the file holds; a file that is absent holds nothing."""
        stamp = self._stamp()
        self.by_item = _decisions_in(self.path) if stamp is not None else {}
        self._as_read = stamp

    def _stamp(self) -> object:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DataFolderError(f"the decisions do not open ({error.strerror})", path=self.path) from error
        return found.st_ino, found.st_size, found.st_mtime_ns

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Nobody else changes a file of this folder meanwhile; the lock ends with the process, however it ends."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)


def read_decisions(path: Path, *, must_exist: bool = True) -> Decisions:
    """The decisions of a file.

    Raises:
        DataFolderError: The file is missing, a line does not validate, or an item is decided on twice.
    """
    decisions = Decisions(path=path)
    if must_exist or path.exists():
        decisions._as_read = decisions._stamp()
        decisions.by_item = _decisions_in(path)
    return decisions


def _decisions_in(path: Path) -> dict[str, Decision]:
    by_item: dict[str, Decision] = {}
    for line, decision in enumerate(read_jsonl(path, Decision), start=1):
        if decision.item in by_item:
            raise DataFolderError(
                f"a second decision about item {decision.item}",
                path=path,
                place=f"line {line}",
                remedy="Keep one line per item; two reviewers' files must be merged by hand where they differ",
            )
        by_item[decision.item] = decision
    return by_item


@dataclass(frozen=True, kw_only=True)
class Reviewed:
    """Items as the decisions leave them."""

    items: tuple[Item, ...]
    counts: Mapping[str, int]
    """Items by verdict, those that nobody looked at, and decisions about items that are not here."""


def apply_decisions(items: Sequence[Item], decisions: Iterable[Decision], *, source: Path | str = "") -> Reviewed:
    """Leaves out what was rejected and corrects what was relabelled.

    A corrected item gets another id, as its content is another.

    Args:
        items: Items as built.
        decisions: At most one an item.
        source: The decisions' file, for messages.

    Raises:
        DataFolderError: A new answer is not among the item's options, or the item has several rounds.
    """
    by_item = {decision.item: decision for decision in decisions}
    kept: list[Item] = []
    counts: Counter[str] = Counter()
    for item in items:
        decision = by_item.pop(item.id, None)
        counts["not reviewed" if decision is None else _PAST[decision.verdict]] += 1
        if decision is None or decision.verdict == "accept":
            kept.append(item)
        elif decision.verdict == "relabel":
            kept.append(_relabelled(item, decision, source))
    if by_item:
        counts["decisions about items not built"] = len(by_item)
    return Reviewed(items=tuple(kept), counts=dict(sorted(counts.items())))


def _relabelled(item: Item, decision: Decision, source: Path | str) -> Item:
    if len(item.turns) > 1 or decision.answer not in item.turns[0].options:
        raise DataFolderError(
            f"{decision.answer!r} cannot be the answer to item {item.id} of {item.task}",
            path=source,
            remedy="Relabel only items of one round, with one of their options: " + ", ".join(item.turns[0].options),
        )
    turn = item.turns[0].model_copy(update={"gold": decision.answer})
    return item.model_copy(update={"turns": (turn,), "id": content_id("relabelled", item.id, decision.answer)})
