"""Published items in: a folder, a JSON file or a hub data set becomes a toolbox folder.

files -> records -> pictures read and named by content -> prompts recognised -> items.jsonl
      \\-> published.jsonl   every record, as it was

A record of which no item can be made (a picture missing, an answer that is no option) is kept in ``published.jsonl``
with the reason, counted in the manifest, and exported again with the rest. A prompt of no published wording is still
asked where the file's name tells the task and the prompt its options; such items have the variant ``unrecognised``.
Pictures get the hash of their content as a name: the published sample set gives answers away in ``.jpg`` and ``.jpeg``.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from babyvlm.errors import ConfigError, InputError, MediaError
from babyvlm.folders import Manifest, fresh_folder, refuse_existing
from babyvlm.progress import progress
from babyvlm.records import Item, ItemTurn, content_id, write_jsonl
from babyvlm.shown_pictures import picture_format, show_picture
from babyvlm.toolbox.folder import IMAGES, ITEMS, Toolbox, open_toolbox
from babyvlm.toolbox.published.boxes import BoxClue, box_form, box_values
from babyvlm.toolbox.published.hub import local_folder
from babyvlm.toolbox.published.layouts import FoundFile, find_files, locate
from babyvlm.toolbox.published.prompts import guess_options, placeholders, recognise
from babyvlm.toolbox.published.records import (
    PUBLISHED,
    BoxForm,
    PublishedRecord,
    RecordImage,
    attached_paths,
    image_paths,
)
from babyvlm.toolbox.tasks import TASKS, task_named

# DEVIATION: such prompts are asked all the same, under a variant of their own.
UNRECOGNISED = "unrecognised"
_SUFFIXES = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "GIF": ".gif", "WEBP": ".webp", "BMP": ".bmp"}
_UNSTATED = "restricted: published items, licence not stated (babyvlm toolbox import --licence says otherwise)"


@dataclass(frozen=True, kw_only=True)
class ImportConfig:
    """How published items are read."""

    licence: str = _UNSTATED
    """Licence of pictures whose record does not say; one that begins with ``restricted`` keeps them on this machine
    (ours: the published sets come from gated corpora)."""
    task: str = ""
    """The sub-task of records whose file and folder names do not say (ours)."""
    split: Literal["", "train", "validation", "test"] = ""
    """The split of records whose file and folder names do not say (ours)."""
    max_unusable: float = 0.5
    """Share of records that may come to no item before the import is given up (ours)."""

    def __post_init__(self) -> None:
        if self.task:
            task_named(self.task)
        if not 0 <= self.max_unusable <= 1:
            raise ConfigError(f"max_unusable is a fraction between 0 and 1, not {self.max_unusable}")


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What came of an import."""

    toolbox: Toolbox
    records: int
    """Source records, all of them kept."""
    problems: dict[str, int]
    """Records without an item, by reason."""
    unrecognised: dict[str, int]
    """Prompts of no published wording, one example for each task (or file), with their number."""


class _UnusableError(Exception):
    """A record of which no item can be made; caught and counted by reason."""


@dataclass(kw_only=True)
class _Store:
    """Pictures by content."""

    folder: Path
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    formats: dict[str, str] = field(default_factory=dict)
    by_path: dict[Path, str] = field(default_factory=dict)

    def add(self, path: Path) -> str:
        """Keeps a file's bytes; returns the name they are kept under.

        Raises:
            _UnusableError: It is no image.
        """
        if path not in self.by_path:
            content = path.read_bytes()
            try:
                shown = show_picture(content)
                size, kind = shown.size.shown, picture_format(content)
            except MediaError as error:
                raise _UnusableError("image: does not open") from error
            # DEVIATION: not the published name, whose suffix may tell the answer.
            name = hashlib.sha256(content).hexdigest()[:20] + _SUFFIXES.get(kind, ".img")
            self.by_path[path], self.sizes[name], self.formats[name] = name, size, kind
            (self.folder / name).write_bytes(content)
        return self.by_path[path]


def import_items(
    source: str | Path, out: Path, config: ImportConfig | None = None, *, image_root: Path | None = None
) -> Imported:
    """Imports published items.

    Args:
        source: A folder in one of the published layouts, a JSON file, or the name of a hub data set (``owner/name``).
        out: The toolbox folder to write; absent or empty.
        config: How they are read.
        image_root: Where the picture paths of a bare JSON file start.

    Raises:
        InputError: No records at ``source``, or too many of them come to nothing.
        OutputExistsError: ``out`` already holds something.
    """
    config = config or ImportConfig()
    refuse_existing(out)
    folder = local_folder(source)
    found = find_files(folder, image_root=image_root, task=config.task or None, split=config.split or None)
    kept: list[PublishedRecord] = []
    items: dict[str, Item] = {}
    notes: list[str] = []
    repeats = unplaced = 0
    with fresh_folder(out) as partial:
        (partial / IMAGES).mkdir()
        store = _Store(folder=partial / IMAGES)
        total = sum(len(file.records) for file in found.files)
        with progress(description="import", total=total, unit="record") as bar:
            for file in found.files:
                read = [_read_record(record, file, store, config) for record in file.records]
                form = box_form(_clues(read, store))
                for published, item in read:
                    if item is not None and item.id in items and items[item.id].split != item.split:
                        item = item.model_copy(update={"id": content_id(item.id, item.split)})
                    if item is not None:
                        repeats += item.id in items
                        items.setdefault(item.id, item)
                    kept.append(_with_box(published, item, form, store))
                    unplaced += kept[-1].box is None and box_values(published.record) is not None
                    bar.update(1)
                if any(box_values(published.record) is not None for published, _ in read):
                    notes.append(f"{file.source.path}: bb read as {form}")
        problems = Counter(published.problem for published in kept if published.problem)
        _refuse_too_few(folder, config, kept, problems)
        order = {task: place for place, task in enumerate(TASKS)}
        in_order: list[Item] = sorted(items.values(), key=lambda item: (order[item.task], item.id))
        write_jsonl(partial / ITEMS, in_order)
        write_jsonl(partial / PUBLISHED, kept)
        unrecognised = _unrecognised(kept, items)
        notes += [f"prompt of no published wording, {count} times: {what}" for what, count in unrecognised.items()]
        notes += _warnings(items, store)
        if unplaced:
            notes.append(f"{unplaced} bb do not fit their picture or its answer, those of an uncropped frame: no box")
        if untold := sorted({file.source.path for file in found.files if not file.split_said}):
            notes.append(
                f"{', '.join(untold[:3])}{' and others' if len(untold) > 3 else ''}: no name says the split; "
                "give --split if these are not test items"
            )
        Manifest(
            kind="toolbox",
            configuration={
                **asdict(config),
                "split": config.split or ("" if all(file.split_said for file in found.files) else "unknown"),
                "source": str(source) if folder != Path(source) else folder.name,
            },
            inputs={file.source.path: hashlib.sha256(file.path.read_bytes()).hexdigest()[:16] for file in found.files},
            counts={
                **Counter(one.task for one in items.values()),
                "published records": len(kept),
                "records that repeat an item": repeats,
                "unrecognised prompts": sum(unrecognised.values()),
            },
            skipped=dict(sorted((problems + Counter({"file: holds no records": len(found.passed_over)})).items())),
            notes=notes,
        ).write(partial)
    return Imported(toolbox=open_toolbox(out), records=len(kept), problems=dict(problems), unrecognised=unrecognised)


def _read_record(
    record: dict[str, Any], file: FoundFile, store: _Store, config: ImportConfig
) -> tuple[PublishedRecord, Item | None]:
    images, problem = [], ""
    for named in [*image_paths(record), *attached_paths(record)]:
        path, location = locate(named, file)
        stored = None
        try:
            if path is None:
                raise _UnusableError("image: missing" if location else "image: outside the source folder")
            stored = store.add(path)
        except _UnusableError as reason:
            # An animation made of the frames is not shown; without it the item is as good.
            problem = problem or (str(reason) if named in image_paths(record) else "")
            if path is not None:
                stored = _keep_unread(path, store)
        images.append(RecordImage(named=named, location=location, stored=stored))
    item = None
    if not problem:
        try:
            item = _item(record, file, [str(image.stored) for image in images[: len(image_paths(record))]], config)
        except _UnusableError as reason:
            problem = str(reason)
    if item is not None and any(_options_look_alike(turn) for turn in item.turns):
        item, problem = None, "options: every one of them is the same picture"
    published = PublishedRecord(
        file=file.source,
        item=item.id if item else None,
        problem=problem,
        images=tuple(images),
        record=record,
    )
    return published, item


def _options_look_alike(turn: ItemTurn) -> bool:
    """Whether each option is a picture, and all of them one and the same."""
    shown = turn.images[-len(turn.options) :]
    return set(turn.options) <= set("ABCD") and 1 < len(turn.options) <= len(turn.images) and len(set(shown)) == 1


def _keep_unread(path: Path, store: _Store) -> str:
    """Keeps the bytes of a file that is no image, so that the export has them again."""
    name = hashlib.sha256(path.read_bytes()).hexdigest()[:20] + ".img"
    shutil.copyfile(path, store.folder / name)
    return name


def _item(record: dict[str, Any], file: FoundFile, shown: Sequence[str], config: ImportConfig) -> Item:
    """The item of a record whose pictures are all there.

    Raises:
        _UnusableError: There is none, for the reason it gives.
    """
    rounds = _rounds(record)
    understood = [recognise(prompt) for prompt, _ in rounds]
    # Most rounds of a memory item, and every other item, have one family; the last is never the odd first round.
    last = understood[-1]
    if all(understood) and last is not None:
        task = file.source.task if file.source.task in last.tasks else last.tasks[0]
        if last.task and file.source.task in (None, last.task):
            task = last.task
        variant, word = last.variant, last.word
        options = [entry.options if entry is not None else () for entry in understood]
    elif file.source.task is not None:
        task, variant, word = file.source.task, UNRECOGNISED, ""
        options = [guess_options(prompt, task) for prompt, _ in rounds]
    else:
        raise _UnusableError("prompt: of no published wording, in a file that names no task")
    spec = TASKS[str(task)]
    if len(rounds) > 1 and spec.name != "memory":
        raise _UnusableError("record: several rounds of a task that has one")
    shares = _share_out(rounds, shown)
    labels = record.get("labels")
    turns = []
    for number, ((prompt, answer), admitted, pictures) in enumerate(zip(rounds, options, shares, strict=True)):
        admitted = admitted or _numbers(spec.options, answer, variant)
        gold = _plain_answer(answer)
        if gold not in admitted:
            raise _UnusableError("answer: not among the options")
        turns.append(
            ItemTurn(
                prompt=prompt,
                images=tuple(pictures),
                options=admitted,
                gold=gold,
                labels=_labels_of(labels, number, len(rounds)),
            )
        )
    meta = record.get("meta")
    licence = meta["licence"] if isinstance(meta, dict) and isinstance(meta.get("licence"), str) else config.licence
    if isinstance(meta, dict) and meta.get("variant") == "balanced":
        variant = "balanced"  # built here, exported and imported again
    letters = set(turns[0].options) <= {"A", "B", "C", "D"}
    single = 1 / len(turns[0].options) if letters or spec.answers == "direction" else spec.chance
    content = [[turn.prompt, turn.gold, *(Path(name).stem for name in turn.images)] for turn in turns]
    return Item(
        id=content_id(spec.name, content),
        task=spec.name,
        variant=variant,
        split=file.source.split,
        turns=tuple(turns),
        chance=spec.chance if spec.name == "memory" else single,
        age_span_months=spec.age_span_months,
        category=word or (turns[0].gold if spec.answers == "number" else ""),
        licence=licence,
    )


def _rounds(record: dict[str, Any]) -> list[tuple[str, str]]:
    """Prompt and answer of each round."""
    turns = record.get("conversations")
    if not isinstance(turns, list) or not turns or len(turns) % 2:
        raise _UnusableError("record: no even number of turns")
    rounds = []
    for asked, answered in zip(turns[::2], turns[1::2], strict=True):
        if not isinstance(asked, dict) or not isinstance(answered, dict):
            raise _UnusableError("record: a turn is no object")
        if asked.get("from") not in ("human", "user") or answered.get("from") not in ("gpt", "assistant"):
            raise _UnusableError("record: turns are not by human and gpt in turn")
        rounds.append((str(asked.get("value", "")), str(answered.get("value", ""))))
    return rounds


def _share_out(rounds: Sequence[tuple[str, str]], shown: Sequence[str]) -> list[list[str]]:
    """The pictures of each round, as the placeholders say; all of them in the first round where there are none."""
    places = [placeholders(prompt) for prompt, _ in rounds]
    if sum(places) == 0:
        return [list(shown), *([] for _ in rounds[1:])]
    if sum(places) != len(shown):
        raise _UnusableError("image: not as many as the prompt has places for")
    remaining = iter(shown)
    return [[next(remaining) for _ in range(count)] for count in places]


def _numbers(options: tuple[str, ...], answer: str, variant: str) -> tuple[str, ...]:
    """The admissible numbers, which reach as far as the answer."""
    plain = answer.strip()
    if variant == UNRECOGNISED or not plain.isdigit() or not plain.isascii() or len(plain) > 3:
        return options
    return options if plain in options else tuple(str(number) for number in range(int(plain) + 1))


def _plain_answer(answer: str) -> str:
    """An answer as options spell it: ``B`` for `` (b).``, ``top left`` for ``Top-left``.

    >>> _plain_answer(" (b)."), _plain_answer("Top-left"), _plain_answer("03")
    ('B', 'top left', '3')
    """
    plain = answer.strip().strip("().'\" ")
    if len(plain) == 1 and plain.isalpha():
        return plain.upper()
    if plain.isdigit() and plain.isascii():
        return str(int(plain))
    return " ".join(plain.lower().replace("-", " ").split())


def _labels_of(labels: object, number: int, rounds: int) -> tuple[str, ...]:
    if not isinstance(labels, list):
        return ()
    if len(labels) == rounds and isinstance(labels[number], list):
        return tuple(str(label) for label in labels[number])
    return tuple(str(label) for label in labels) if rounds == 1 and all(isinstance(one, str) for one in labels) else ()


def _clues(read: Iterable[tuple[PublishedRecord, Item | None]], store: _Store) -> list[BoxClue]:
    clues = []
    for published, item in read:
        values = box_values(published.record)
        stored = published.images[0].stored if published.images else None
        if values is None or stored not in store.sizes:
            continue
        width, height = store.sizes[str(stored)]
        answer = item.turns[0].gold if item is not None and item.task == "localization" else ""
        clues.append(BoxClue(values=values, width=width, height=height, answer=answer))
    return clues


def _with_box(published: PublishedRecord, item: Item | None, form: BoxForm, store: _Store) -> PublishedRecord:
    changes: dict[str, Any] = {"item": item.id if item else None}
    if (values := box_values(published.record)) is not None:
        stored = published.images[0].stored if published.images else None
        width, height = store.sizes.get(stored or "", (0, 0))
        answer = item.turns[0].gold if item is not None and item.task == "localization" else ""
        clue = BoxClue(values=values, width=width, height=height, answer=answer)
        # In the coordinates of another picture a box would be wrong; the record keeps its numbers.
        fits = clue.fits(form) == (2 if answer else 1) or not width
        changes |= {"box": clue.as_xywh(form) if fits else None, "box_form": form}
    return published.model_copy(update=changes)


def _refuse_too_few(
    folder: Path, config: ImportConfig, kept: Sequence[PublishedRecord], problems: Counter[str]
) -> None:
    unusable = sum(problems.values())
    if kept and unusable < len(kept) and unusable <= config.max_unusable * len(kept):
        return
    reasons = "; ".join(f"{count} x {reason}" for reason, count in problems.most_common())
    raise InputError(
        f"{unusable} of {len(kept)} records come to no item ({reasons or 'there is no record'})",
        path=folder,
        remedy="Give --image-root where pictures are missing, --task where no file names one, "
        "or --max-unusable to import the rest",
    )


def _unrecognised(kept: Sequence[PublishedRecord], items: dict[str, Item]) -> dict[str, int]:
    """One example of a prompt of no published wording for each file, with how many there are."""
    examples: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for published in kept:
        unknown = published.problem.startswith("prompt:")
        if unknown or (published.item is not None and items[published.item].variant == UNRECOGNISED):
            place = published.file.path
            asked = next(prompt for prompt, _ in _rounds(published.record) if recognise(prompt) is None)
            examples.setdefault(place, f"{place}: {asked!r}")
            counts[examples[place]] += 1
    return dict(counts)


def _warnings(items: dict[str, Item], store: _Store) -> list[str]:
    mixed = sum(
        len({store.formats[name] for name in turn.images}) > 1 for item in items.values() for turn in item.turns
    )
    golds: dict[tuple[object, ...], set[tuple[str, ...]]] = {}
    for item in items.values():
        asked = (item.task, *((turn.prompt, *turn.images) for turn in item.turns))
        golds.setdefault(asked, set()).add(tuple(turn.gold for turn in item.turns))
    splits = sorted({item.split for item in items.values()})
    notes = []
    if mixed:
        notes.append(f"{mixed} rounds show pictures of different file formats, which may tell the answer")
    if contradictory := sum(len(answers) > 1 for answers in golds.values()):
        notes.append(f"{contradictory} questions occur with several right answers")
    if len(splits) > 1:
        notes.append(f"holds items of the splits {', '.join(splits)}; a result over all of them is none on a test set")
    return notes


def report_import(imported: Imported) -> str:
    """What to tell the person who imported."""
    counts = imported.toolbox.manifest.counts
    lines = [f"{task:32} {counts[task]:6} items" for task in imported.toolbox.tasks]
    return "\n".join([*lines, f"{'source records kept':32} {imported.records:6}"])


def warn_of_problems(imported: Imported) -> None:
    """Says on standard error what came to nothing, and what looked odd."""
    for reason, count in imported.problems.items():
        print(f"no item, {count} records: {reason}", file=sys.stderr)
    for note in imported.toolbox.manifest.notes:
        print(f"note: {note}", file=sys.stderr)
