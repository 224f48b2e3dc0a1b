"""A task: four pictures, three of one category, and which one is of another kind?

crops of the sightings -> three objects of one category, one of another -> drafts -> babyvlm draws and saves them
"""

from __future__ import annotations

from random import Random

from babyvlm.toolbox.builders import Bench, Builder, Built
from babyvlm.toolbox.drafts import Draft, DraftTurn, balanced
from babyvlm.toolbox.sightings import Sighting
from babyvlm.toolbox.tasks import LETTERS, TaskSpec

PROMPT = "Which image shows another kind of thing? (A) <image> (B) <image> (C) <image> (D) <image>"


def build(bench: Bench, count: int) -> Built:
    """At most ``count`` items; what is random in them follows from the seed alone."""
    rng = bench.rng(ODD_ONE_OUT.name)
    groups = {label: crops for label, crops in bench.by_label.items() if len({one.exemplar for one in crops}) >= 3}
    others = [one for crops in bench.by_label.values() for one in crops]
    drafts = []
    for odd, gold in zip(bench.targets(others, count, rng), balanced(LETTERS, count, rng), strict=False):
        same = _three_of_a_kind(groups, odd, rng)
        if same:
            drafts.append(_draft(odd, same, gold, bench))
    return Built(drafts, f"{len(groups)} categories with three objects or more")


def _three_of_a_kind(groups: dict[str, list[Sighting]], odd: Sighting, rng: Random) -> list[Sighting]:
    """Three objects of a category that the odd crop does not show; empty where there is no such category."""
    labels = [label for label in groups if label != odd.label and label not in odd.labels_in_view]
    if not labels:
        return []
    by_exemplar = {one.exemplar: one for one in groups[rng.choice(labels)]}
    return [by_exemplar[exemplar] for exemplar in rng.sample(sorted(by_exemplar), 3)]


def _draft(odd: Sighting, same: list[Sighting], gold: str, bench: Bench) -> Draft:
    place = LETTERS.index(gold)
    shown = [*same[:place], odd, *same[place:]]
    turn = DraftTurn(
        prompt=PROMPT,
        images=tuple(one.view for one in shown),
        options=LETTERS,
        gold=gold,
        labels=tuple(one.label for one in shown),
    )
    return Draft(
        task=ODD_ONE_OUT.name,
        turns=(turn,),
        category=odd.label,
        from_months=max(bench.spoken_from(odd.label), bench.spoken_from(same[0].label)),
    )


ODD_ONE_OUT = TaskSpec(
    name="odd_one_out",
    title="Odd One Out",
    measure="Oddity task",
    age_span_months=(30, None),
    domain="executive function and memory",
    chance=1 / 4,
    answers="letter",
    options=LETTERS,
    builder=Builder(build=build),
)
