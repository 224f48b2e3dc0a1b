"""A study's answers as run folders and tidy CSV files.

OUT/
├── manifest.json         the frozen design, consent versions, counts, who was left out and why
├── pooled/               a run: everybody who is not left out, each reply with its participant
├── pooled-children/      a run, where there are both adults and children (``pooled`` then holds the adults)
├── participants/CODE/    a run for each of them
├── participants.csv      one line each, those left out too
├── trials.csv            one line for every trial shown
└── events.csv            what was refused

A run asks the items that were answered in full; an item broken off, by a caregiver's skip or by the end, keeps its
place where at least one of its rounds was reached, and its missing rounds count as failed.
"""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from babyvlm.errors import DataFolderError
from babyvlm.evaluation.runs import Run, score_run
from babyvlm.folders import Manifest, code_revision, fresh_folder, package_versions
from babyvlm.records import Item, Reply, Response, write_jsonl
from babyvlm.spreadsheets import write_table
from babyvlm.study.databases import damage_named
from babyvlm.study.exclusion import Conduct, conduct
from babyvlm.study.presentation import ATTENTION_OPTIONS
from babyvlm.study.records import Event, Participant, StoredAnswer, StoredTrial
from babyvlm.study.store import Store
from babyvlm.toolbox import Toolbox, open_toolbox
from babyvlm.toolbox.folder import toolbox_hash
from babyvlm.toolbox.tasks import in_table_order, row_name

_NOT_REACHED = "the session ended before"


@dataclass(frozen=True)
class ParticipantSession:
    """What one participant did."""

    who: Participant
    trials: tuple[StoredTrial, ...]
    answers: Mapping[int, StoredAnswer]
    conduct: Conduct
    left_out: tuple[str, ...]
    """Why the rules leave them out; empty where they do not."""
    responses: tuple[Response, ...]
    """To the test items reached."""


def export_study(store: Store, out: Path, *, toolbox: Path | None = None) -> dict[str, int]:
    """Writes the export.

    Args:
        store: The study.
        out: Folder to write.
        toolbox: The toolbox, where it is not where the study was begun.

    Returns:
        Sessions by what became of them.

    Raises:
        DataFolderError: Nobody has answered anything, the toolbox has changed, or the database is damaged.
    """
    with damage_named(store.address):
        return _export(store, out, toolbox)


def _export(store: Store, out: Path, toolbox: Path | None) -> dict[str, int]:
    opened = open_toolbox(toolbox or Path(store.row.toolbox))
    if toolbox_hash(opened) != store.row.toolbox_hash:
        raise DataFolderError(
            "not the toolbox of this study", path=opened.folder, remedy="Give the one it was begun with as --toolbox"
        )
    sessions = [_session(store, who) for who in store.participants()]
    kept = [session for session in sessions if not session.left_out]
    if not any(session.responses for session in sessions):
        raise DataFolderError("nobody has answered an item yet", path=store.address)
    counts = Counter("kept" if not session.left_out else "left out" for session in sessions if session.who.planned)
    counts["not begun"] = sum(not session.who.planned for session in sessions)
    counts["withdrawn"] = store.withdrawn()
    with fresh_folder(out) as partial:
        write_table(partial / "participants.csv", map(_participant_row, sessions))
        items = {item.id: item for item in opened.items}
        write_table(partial / "trials.csv", (row for session in sessions for row in _trial_rows(session, items)))
        write_table(partial / "events.csv", map(_event_row, store.events(limit=1_000_000)))
        for session in kept:
            if session.responses:
                place = Path("participants", session.who.code)
                _write_run(partial, out, place, opened, store, f"Participant {session.who.code}", [session])
        for name, title, pool in _pools(kept):
            _write_run(partial, out, Path(name), opened, store, title, pool)
        Manifest(
            kind="study-export",
            configuration={"design": json.loads(store.row.design)},
            inputs={"toolbox": store.row.toolbox_hash}
            | {f"consent {version}": text for version, text in store.consent_texts().items()},
            counts=dict(counts),
            skipped=Counter(f"left out: {reason}" for session in sessions for reason in session.left_out),
            extensions=opened.extensions,
        ).write(partial)
    return dict(counts)


def describe_export(counts: Mapping[str, int]) -> str:
    """What was exported, for the terminal."""
    return "\n".join(f"{name:12} {count:6} sessions" for name, count in counts.items())


def _session(store: Store, who: Participant) -> ParticipantSession:
    trials, answers = tuple(store.trials(who.code)), store.answers(who.code)
    rules = store.config.rules_for(who.group)
    acted = conduct(trials, answers, rules)
    left_out = acted.reasons(rules) if who.planned else ("not begun",)
    if who.pilot:
        left_out = ("pilot", *left_out)
    return ParticipantSession(who, trials, answers, acted, left_out, tuple(_responses(who.code, trials, answers)))


def _responses(code: str, trials: Sequence[StoredTrial], answers: Mapping[int, StoredAnswer]) -> Iterable[Response]:
    by_item: dict[str, list[StoredTrial]] = defaultdict(list)
    for trial in trials:
        if trial.plan.kind == "test":
            by_item[trial.plan.item].append(trial)
    for item, rounds in by_item.items():
        if rounds[0].plan.position in answers:
            replies = tuple(_reply(answers.get(trial.plan.position)) for trial in rounds)
            yield Response(item=item, replies=replies, participant=code)


def _reply(answer: StoredAnswer | None) -> Reply:
    if answer is None:
        return Reply(text=None, problem=_NOT_REACHED)
    if answer.answer is None:
        return Reply(text=None, problem=answer.skipped)
    return Reply(text=answer.answer, latency_s=round((answer.reaction_ms or 0.0) / 1000, 6))


def _pools(kept: Sequence[ParticipantSession]) -> list[tuple[str, str, list[ParticipantSession]]]:
    """Folder, name and sessions of each pooled run. Adults and children are never put together."""
    adults = [session for session in kept if session.who.group == "adult" and session.responses]
    children = [session for session in kept if session.who.group == "child" and session.responses]
    pools = []
    if adults:
        pools.append(("pooled", _pool_name("adult", adults), adults))
    if children:
        pools.append(("pooled-children" if adults else "pooled", _pool_name("child", children), children))
    return pools


def _pool_name(kind: str, sessions: Sequence[ParticipantSession]) -> str:
    ages = sorted({session.who.age_months for session in sessions if session.who.age_months is not None})
    plural = {"adult": "adults", "child": "children"}[kind] if len(sessions) != 1 else kind
    span = f", {' to '.join(f'{age:g}' for age in dict.fromkeys((ages[0], ages[-1])))} months" if ages else ""
    return f"{len(sessions)} {plural}{span}"


def _write_run(
    partial: Path,
    out: Path,
    place: Path,
    toolbox: Toolbox,
    store: Store,
    name: str,
    sessions: Sequence[ParticipantSession],
) -> None:
    """Writes a run into ``partial``, which is about to become ``out``."""
    folder = partial / place
    folder.mkdir(parents=True)
    order = {item.id: place for place, item in enumerate(toolbox.items)}
    rows = {item.id: row_name(item.task, item.variant) for item in toolbox.items}
    responses = [response for session in sessions for response in session.responses]
    if len(sessions) == 1:
        responses = [response.model_copy(update={"participant": ""}) for response in responses]
    asked = sorted({response.item for response in responses}, key=order.__getitem__)
    times = [answer.stored for session in sessions for answer in session.answers.values()]
    run = Run(
        respondent=name,
        family="human",
        model="people",
        toolbox=os.path.relpath(toolbox.folder.resolve(), out.resolve() / place),
        toolbox_hash=store.row.toolbox_hash,
        tasks=list(in_table_order({rows[item] for item in asked})),
        items=asked,
        options={"participants": len(sessions)},
        seed=store.config.seed,
        packages=package_versions(),
        code_revision=code_revision(),
        started=min(times).isoformat(timespec="seconds") + "+00:00",
        finished=max(times).isoformat(timespec="seconds") + "+00:00",
        extensions=toolbox.extensions,
    )
    (folder / "run.json").write_text(run.model_dump_json(indent=2) + "\n", encoding="utf-8")
    responses.sort(key=lambda one: (order[one.item], one.participant))
    write_jsonl(folder / "responses.jsonl", responses)
    score_run(folder, toolbox=toolbox)


def _participant_row(session: ParticipantSession) -> dict[str, object]:
    who, acted = session.who, session.conduct
    return {
        "participant": who.code,
        "site": who.site,
        "group": who.group,
        "age_months": who.age_months,
        "list": who.list_number,
        "consent_version": who.consent_version,
        "consented": who.consented,
        "finished": who.finished,
        "trials_planned": who.planned,
        "trials_answered": len(session.answers),
        "attention": acted.attention,
        "hasty": acted.hasty,
        "left_out": "; ".join(session.left_out),
        "clock_resolution_ms": who.clock_resolution_ms,
        "screen": who.screen,
    }


def _trial_rows(session: ParticipantSession, items: Mapping[str, Item]) -> Iterable[dict[str, object]]:
    for trial in session.trials:
        if trial.shown is None:
            continue
        plan, answer = trial.plan, session.answers.get(trial.plan.position)
        item = items.get(plan.item)
        gold = ATTENTION_OPTIONS[plan.target] if item is None else item.turns[plan.turn].gold
        given = answer.answer if answer is not None else None
        yield {
            "participant": session.who.code,
            "site": session.who.site,
            "group": session.who.group,
            "age_months": session.who.age_months,
            "left_out": "; ".join(session.left_out),
            "position": plan.position,
            "kind": plan.kind,
            "task": plan.task,
            "item": plan.item,
            "category": "" if item is None else item.category,
            "round": plan.turn + 1,
            "gold": gold,
            "answer": given,
            "right": None if given is None else int(given == gold),
            "skipped": answer.skipped if answer is not None else "",
            "reaction_ms": answer.reaction_ms if answer is not None else None,
            "open_ms": answer.open_ms if answer is not None else None,
            "early": answer.early if answer is not None else None,
            "pointer": answer.pointer if answer is not None else "",
            "hidden": int(answer.hidden) if answer is not None else None,
            "shown": trial.shown,
            "times_shown": trial.times_shown,
            "stored": answer.stored if answer is not None else None,
        }


def _event_row(event: Event) -> dict[str, object]:
    return {"time": event.time, "participant": event.code, "kind": event.kind, "detail": event.detail}
