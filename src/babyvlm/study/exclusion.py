"""Who is left out of the pooled result: the rules of the design, applied to what one participant did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from babyvlm.records import Record
from babyvlm.study.configuration import ExclusionRules
from babyvlm.study.presentation import ATTENTION_OPTIONS
from babyvlm.study.records import StoredAnswer, StoredTrial


class Conduct(Record):
    """How somebody took part, in the figures that the rules look at."""

    attention: float | None
    """Share of the attention checks met that was answered rightly; None where none was met."""
    hasty: float | None
    """Share of test answers that came too fast to be one; None where no reaction time is known."""
    answered: float
    """Share of the planned test trials that was answered."""

    def reasons(self, rules: ExclusionRules) -> tuple[str, ...]:
        """Why the participant is left out; empty where they are not."""
        found = []
        if self.answered < rules.min_answered:
            found.append("too little answered")
        if self.attention is not None and self.attention < rules.min_attention:
            found.append("attention checks")
        if self.hasty is not None and self.hasty > rules.max_hasty:
            found.append("hasty answers")
        return tuple(found)


def conduct(trials: Sequence[StoredTrial], answers: Mapping[int, StoredAnswer], rules: ExclusionRules) -> Conduct:
    """How a participant took part."""
    checks, fast, tested, done = [], [], 0, 0
    for trial in trials:
        answer = answers.get(trial.plan.position)
        if trial.plan.kind == "test":
            tested += 1
            done += answer is not None and answer.answer is not None
            if answer is not None and answer.reaction_ms is not None and not answer.hidden:
                fast.append(answer.reaction_ms - (answer.open_ms or 0.0) < rules.hasty_ms)
        elif trial.plan.kind == "attention" and answer is not None:
            checks.append(answer.answer == ATTENTION_OPTIONS[trial.plan.target])
    return Conduct(
        attention=fmean(checks) if checks else None,
        hasty=fmean(fast) if fast else None,
        answered=done / tested if tested else 0.0,
    )
