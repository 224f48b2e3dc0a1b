"""The ladder: checkpoints that a stage keeps by words heard, each a whole model that says what it has heard.

    plan (a pure function of the step) ── words after each step ── marks ── steps at which one is kept ── Heard
    step done ── OUT/ladder/STAGE/MARK/, written before the state that an interrupted stage resumes from

So a kill loses none: a stage that resumes before a mark keeps it again, with the same bytes, and finds those after it
already there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from accelerate import Accelerator

from babyvlm.heard import LADDER, Heard, ages_of, recording_hash
from babyvlm.records import Recording
from babyvlm.training.distribution import HasState
from babyvlm.training.marks import KeepAt, marks_of
from babyvlm.training.nodes import decided
from babyvlm.training.order import DataOrder
from babyvlm.training.origins import Origins


class DrawsSamples(Protocol):
    """Says which samples a step takes."""

    def drawn(self, step: int) -> dict[str, np.ndarray]:
        """The samples of one step by source."""


SaveKept = Callable[[Path, HasState, str, Heard], None]
"""Writes a model: the folder, the state of the module, the log so far, what it has heard. Every process calls."""


@dataclass(frozen=True, kw_only=True)
class Course:
    """What a stage's order and ladder need to know besides its samples."""

    stage: str
    order: DataOrder
    keep_at: KeepAt
    recordings: tuple[Recording, ...]
    """Of the set."""
    earlier_stages: tuple[str, ...]
    began_elsewhere: bool
    out: Path
    """The run's folder."""
    save: SaveKept

    def ladder(
        self, plan: DrawsSamples, origins: Mapping[str, Origins], steps: int, accelerator: Accelerator
    ) -> Ladder:
        """The checkpoints that the stage will keep; every process must call."""
        kept = decided(accelerator, lambda: self._kept(plan, origins, steps)) if self.keep_at else {}
        if kept:
            names = ", ".join(heard.mark for heard in kept.values())
            accelerator.print(f"{self.stage}: keeps {len(kept)} checkpoints by words heard: {names}")
        return Ladder(self.out / LADDER / self.stage, kept, accelerator, self.save)

    def _kept(self, plan: DrawsSamples, origins: Mapping[str, Origins], steps: int) -> dict[int, Heard]:
        """What the stage will have heard after the steps, counted from 1, at which a checkpoint is kept."""
        words_S = np.zeros(steps, np.int64)
        for step in range(steps):
            words_S[step] = sum(origins[source].words_N[index].sum() for source, index in plan.drawn(step).items())
        passed_S = words_S.cumsum()
        total = int(passed_S[-1])
        marks: dict[int, str] = {}
        for mark in marks_of(self.keep_at, total, self.stage):
            last = mark.words >= total
            marks[steps if last else int(np.searchsorted(passed_S, mark.words)) + 1] = mark.name
        exposure, kept, done = Exposure(origins), dict[int, Heard](), 0
        for step in sorted(marks):
            for number in range(done, step):
                exposure.add(plan.drawn(number))
            done = step
            kept[step] = self._heard(marks[step], step, total, exposure)
        return kept

    def _heard(self, mark: str, step: int, total: int, exposure: Exposure) -> Heard:
        ages = [one.age_months for one in self.recordings if one.split == "train"]
        known = [age for age in ages if age is not None]
        met = [self.recordings[number] for number in exposure.recordings()]
        recordings = dict(sorted((recording_hash(one.id), one.age_months) for one in met))
        return Heard(
            mark=mark,
            stage=self.stage,
            step=step,
            order=self.order.kind,
            words=exposure.words,
            words_of_stage=total,
            different_words=exposure.different_words,
            samples=exposure.samples,
            different_samples=exposure.different_samples,
            samples_of_unknown_recordings=exposure.of_unknown_recordings,
            recordings=recordings,
            ages_months=ages_of(recordings, exposure.of_unknown_recordings),
            earlier_stages=self.earlier_stages,
            oldest_of_set_months=max(known) if known and len(known) == len(ages) else None,
            began_elsewhere=self.began_elsewhere,
        )


class Exposure:
    """Counts what samples have been met.

    Args:
        origins: Where the samples of each source come from.
    """

    def __init__(self, origins: Mapping[str, Origins]) -> None:
        self._origins = origins
        self._met = {source: np.zeros(len(one), bool) for source, one in origins.items()}
        self.words = self.samples = 0
        """Counted each time they pass."""

    def add(self, drawn: Mapping[str, np.ndarray]) -> None:
        """Counts the samples of one step."""
        for source, index_B in drawn.items():
            self.words += int(self._origins[source].words_N[index_B].sum())
            self.samples += len(index_B)
            self._met[source][index_B] = True

    @property
    def different_words(self) -> int:
        """Words of the different samples."""
        return sum(int(self._origins[source].words_N[met_N].sum()) for source, met_N in self._met.items())

    @property
    def different_samples(self) -> int:
        return sum(int(met_N.sum()) for met_N in self._met.values())

    @property
    def of_unknown_recordings(self) -> int:
        """Different samples that do not say which recordings they show."""
        unknown = {source: np.diff(one.first_N) == 0 for source, one in self._origins.items()}
        return sum(int((met_N & unknown[source]).sum()) for source, met_N in self._met.items())

    def recordings(self) -> Sequence[int]:
        """Places of the recordings that were shown, ascending."""
        met = [self._origins[source].recordings_met(met_N) for source, met_N in self._met.items()]
        places: list[int] = np.unique(np.concatenate([np.zeros(0, np.int32), *met])).tolist()
        return places


class Ladder:
    """Keeps a stage's checkpoints.

    Args:
        folder: Where they go.
        kept: What will have been heard, by the number of steps taken.
        accelerator: The processes.
        save: Writes one.
    """

    def __init__(self, folder: Path, kept: Mapping[int, Heard], accelerator: Accelerator, save: SaveKept) -> None:
        self._folder, self._kept, self._accelerator, self._save = folder, kept, accelerator, save

    def due(self, steps_taken: int) -> bool:
        """Whether a checkpoint is to be kept after so many steps."""
        return steps_taken in self._kept

    def keep(self, steps_taken: int, state: HasState, log: str) -> None:
        """Writes the checkpoint of this moment unless it is there; every process must call.

        Args:
            steps_taken: Steps of the stage, the last one included.
            state: Of the module, in float32.
            log: The stage's lines so far.
        """
        heard = self._kept[steps_taken]
        folder = self._folder / heard.mark
        if not decided(self._accelerator, folder.exists):
            self._save(folder, state, log, heard)
