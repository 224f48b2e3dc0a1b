"""What a kept checkpoint has heard, as its manifest says, and the proof that it has heard nothing later.

    RUN/ladder/STAGE/010%/manifest.json ── configuration.heard ── Heard ── refuse_later(age)

Recordings stand in it by a hash of their ids, each with its age: whoever has the corpus can look them up, and nobody
else learns the names of restricted files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError, model_validator

from babyvlm.errors import CheckpointError
from babyvlm.folders import read_manifest
from babyvlm.records import Record, Recording, content_id

LADDER = "ladder"
"""Folder of a run that has the kept checkpoints, by stage."""


def recording_hash(recording: str) -> str:
    """What a recording's id is replaced by.

    >>> recording_hash("S_20140320_1703_04") == recording_hash("S_20140320_1703_04")
    True
    """
    return content_id("recording", recording)


Ages = tuple[float, float]
"""Lowest and highest, months."""


def ages_of(recordings: Mapping[str, float | None], samples_of_unknown_recordings: int = 0) -> Ages | None:
    """Lowest and highest age of some recordings; None where one is not known, or there are none.

    >>> ages_of({"a": 7.0, "b": 6.5}), ages_of({"a": 7.0, "b": None})
    ((6.5, 7.0), None)
    """
    ages = [age for age in recordings.values() if age is not None]
    if not ages or len(ages) < len(recordings) or samples_of_unknown_recordings:
        return None
    return min(ages), max(ages)


class Heard(Record):
    """What a checkpoint has learned from up to the moment at which it was kept."""

    mark: str
    """The amount after which it was kept: ``010%`` of the stage's words, or ``1M`` words."""
    stage: str
    step: int = Field(ge=1)
    """Steps of the stage taken."""
    order: str
    """Kind of the stage's order."""
    words: int = Field(ge=0)
    """Words of the stage's texts, counted each time they pass."""
    words_of_stage: int = Field(ge=0)
    """The same for the whole stage."""
    different_words: int = Field(ge=0)
    """Words of the different samples, each counted once."""
    samples: int = Field(ge=0)
    """Pairs, sequences or conversations, counted each time they pass."""
    different_samples: int = Field(ge=0)
    samples_of_unknown_recordings: int = Field(ge=0)
    """Different samples that do not say which recordings they show."""
    recordings: dict[str, float | None]
    """Recordings that the stage has shown so far, by the hash of their ids, and the child's age, months."""
    ages_months: Ages | None
    """Lowest and highest age heard in this stage, those of ``recordings``; None where one is not known."""
    earlier_stages: tuple[str, ...]
    """Stages whose weights went in. They, the tokenizer and the vocabulary have heard all training recordings."""
    oldest_of_set_months: float | None
    """Highest age among the training recordings of the set; None where one's age is not known."""
    began_elsewhere: bool = False
    """Whether the run began with another run's checkpoint."""

    @model_validator(mode="after")
    def _ages_are_those_of_the_recordings(self) -> Self:
        found = ages_of(self.recordings, self.samples_of_unknown_recordings)
        if self.ages_months != found:
            raise ValueError(f"it says ages {self.ages_months}, and its recordings have {found}")
        return self


def read_heard(checkpoint: Path) -> Heard:
    """What a kept checkpoint has heard.

    Raises:
        DataFolderError: The folder is no checkpoint.
        CheckpointError: It does not say what it has heard, as other checkpoints do not.
    """
    said = read_manifest(checkpoint, "checkpoint").configuration.get("heard")
    try:
        return Heard.model_validate(said)
    except ValidationError as error:
        raise CheckpointError(
            f"its manifest does not say what it has heard ({error.errors()[0]['msg']})",
            path=checkpoint,
            remedy="Give a checkpoint that a stage kept with keep_at, RUN/ladder/STAGE/MARK",
        ) from error


def refuse_later(
    checkpoint: Path, age_months: float, *, everything: bool = False, recordings: Iterable[Recording] | None = None
) -> Heard:
    """Proves from its manifest that a checkpoint has heard nothing later than an age.

    Args:
        checkpoint: The kept checkpoint.
        age_months: The claim: no recording of a child older than this.
        everything: Whether the stages before, the tokenizer and the vocabulary must have heard nothing later either.
            They learn from all training recordings of their set, so that only a run on a selected set can pass.
        recordings: Those of the set, where it is at hand: the ages in the manifest are then held against them.

    Returns:
        What it has heard.

    Raises:
        CheckpointError: It has heard something later, or it cannot be told.
    """
    heard = read_heard(checkpoint)
    remedy = "Keep it at an earlier mark, or train on a part of the set (babyvlm corpus select --ages)"

    def refuse(problem: str) -> CheckpointError:
        return CheckpointError(f"cannot stand for {age_months:g} months: {problem}", path=checkpoint, remedy=remedy)

    if heard.samples_of_unknown_recordings:
        raise refuse(f"{heard.samples_of_unknown_recordings} samples do not say which recordings they show")
    ages = None if recordings is None else {recording_hash(one.id): one.age_months for one in recordings}
    for name, age in heard.recordings.items():
        if ages is not None and (name not in ages or ages[name] != age):
            found = f"of {ages[name]} months" if name in ages else "not there"
            raise refuse(f"its recording {name} is {found} in the set, and of {age} months in its manifest")
        if age is None:
            raise refuse(f"the age of its recording {name} is not known")
    oldest_age, name = max(((age or 0.0, name) for name, age in heard.recordings.items()), default=(0.0, ""))
    if oldest_age > age_months:
        raise refuse(f"its recording {name} is of {oldest_age:g} months")
    if everything:
        if heard.began_elsewhere:
            raise refuse("its run began with a checkpoint of another, which does not say what it has heard")
        oldest = heard.oldest_of_set_months
        if oldest is None or oldest > age_months:
            through = (
                f"has recordings up to {oldest:g} months" if oldest is not None else "has recordings of unknown age"
            )
            raise refuse(
                f"the set that its tokenizer, its vocabulary and its earlier stages "
                f"({', '.join(heard.earlier_stages) or 'none'}) learned from {through}"
            )
    return heard
