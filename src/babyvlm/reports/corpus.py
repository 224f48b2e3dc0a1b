"""Statistics of a curated set, for the report: recordings, formats, language, instruction items, what was skipped."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from babyvlm.curation.sets import INSTRUCTION, PretrainingSet
from babyvlm.folders import Manifest, read_manifest
from babyvlm.records import Recording, Split
from babyvlm.toolbox import TASKS
from babyvlm.toolbox.tasks import EASY_ROWS
from babyvlm.words import words_of

SPLITS: tuple[Split, ...] = get_args(Split)
_FORMATS = {"image": "image-utterance pairs", "video": "video-utterance clips", "interleaved": "interleaved sequences"}


@dataclass(frozen=True)
class Recorded:
    """Recordings of one child in one split, or of several together."""

    recordings: int
    hours: float


@dataclass(frozen=True, kw_only=True)
class CorpusStatistics:
    """What a curated set holds."""

    children: tuple[str, ...]
    recorded: dict[tuple[str, Split], Recorded]
    """By child and split."""
    ages_months: dict[str, tuple[float, float]]
    """Youngest and oldest, by child, where known."""
    counts: dict[str, dict[Split, int]]
    """Training records by kind and split; a kind that the set does not have is absent."""
    utterances: int
    words: int
    """Spoken words, all splits."""
    vocabulary: int
    """Different words, lower-cased."""
    instruction: dict[str, dict[Split, int]]
    """Instruction items by sub-task, easy variants apart, and split; empty where the corpus had no boxes."""
    skipped: dict[str, int]
    """What was left out, by reason."""
    notes: tuple[str, ...]

    @property
    def instruction_splits(self) -> tuple[Split, ...]:
        """The splits that have instruction items."""
        return tuple(split for split in SPLITS if any(by_split[split] for by_split in self.instruction.values()))

    def total(self, split: Split | None = None) -> Recorded:
        """All children together, of one split or of all."""
        chosen = [recorded for (_, of), recorded in self.recorded.items() if split in (None, of)]
        return Recorded(sum(one.recordings for one in chosen), sum(one.hours for one in chosen))


def read_corpus(folder: Path) -> CorpusStatistics:
    """Counts what a curated set holds.

    Raises:
        DataFolderError: The folder is no whole pretraining set.
    """
    data = PretrainingSet(folder)
    children = tuple(sorted({recording.child for recording in data.recordings}))
    texts = [words_of(utterance.text) for utterance in data.utterances()]
    counts = data.manifest.counts
    kinds = {**_FORMATS, "utterances": "utterances"}
    instruction = read_manifest(folder / INSTRUCTION, "instruction-set") if data.has_instruction else None
    skipped = Counter(data.manifest.skipped)
    if instruction is not None:
        skipped.update({f"instruction, {reason}": number for reason, number in instruction.skipped.items()})
    return CorpusStatistics(
        children=children,
        recorded=_recorded(data.recordings),
        ages_months={
            child: (min(ages), max(ages))
            for child in children
            if (ages := [r.age_months for r in data.recordings if r.child == child and r.age_months is not None])
        },
        counts={
            words: {split: counts.get(f"{kind}/{split}", 0) for split in SPLITS}
            for kind, words in kinds.items()
            if any(f"{kind}/{split}" in counts for split in SPLITS)
        },
        utterances=len(texts),
        words=sum(map(len, texts)),
        vocabulary=len({word for words in texts for word in words}),
        instruction=_instruction_counts(instruction) if instruction is not None else {},
        skipped=dict(sorted(skipped.items())),
        notes=tuple(data.manifest.notes),
    )


def _recorded(recordings: tuple[Recording, ...]) -> dict[tuple[str, Split], Recorded]:
    found: dict[tuple[str, Split], Recorded] = {}
    for recording in recordings:
        key = (recording.child, recording.split)
        before = found.get(key, Recorded(0, 0.0))
        found[key] = Recorded(before.recordings + 1, before.hours + recording.duration_s / 3600)
    return found


def _instruction_counts(manifest: Manifest) -> dict[str, dict[Split, int]]:
    added = sorted({name.partition(": ")[2] for name in manifest.counts} - {*TASKS, *EASY_ROWS, ""})
    sources = [*(source for task in TASKS for source in (f"{task}.easy", task)), *added]
    table = {source: {split: manifest.counts.get(f"{split}: {source}", 0) for split in SPLITS} for source in sources}
    return {source: by_split for source, by_split in table.items() if any(by_split.values())}
