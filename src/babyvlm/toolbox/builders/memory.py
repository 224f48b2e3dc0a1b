"""Memory Task Learning and Test: fifteen rounds, in each of which the new picture is to be touched.

round  1        one picture: the first object to learn
rounds 2-5      a new object to learn beside one learned before
rounds 6-15     a learned object, each of them twice, beside one never seen
"""

from __future__ import annotations

from random import Random

from babyvlm.toolbox.builders.bench import Bench, Built
from babyvlm.toolbox.drafts import Draft, DraftTurn, balanced
from babyvlm.toolbox.survey import Sighting
from babyvlm.toolbox.tasks import LETTERS, MEMORY_BASE, memory_prompt

_NUM_OBJECTS = 3 * MEMORY_BASE  # those learned, and a new one for each test round


def memory(bench: Bench, count: int) -> Built:
    """Items of fifteen rounds; the answer is always the new picture."""
    return Built(*memory_drafts(bench, count, bench.rng("memory")))


def memory_drafts(bench: Bench, count: int, rng: Random) -> tuple[list[Draft], str]:
    """Drafts of Memory, and what kept them from being more."""
    by_label = bench.by_label
    if len({sighting.exemplar for sighting in bench.pool}) < _NUM_OBJECTS:
        return [], (f"{_NUM_OBJECTS} different objects are needed, the source shows {len(bench.pool)}")
    # Every item takes fifteen objects; reuse is counted over those.
    possible = max(1, len(bench.pool) * bench.max_reuse // _NUM_OBJECTS)
    drafts = [
        _memory_draft(_draw_objects(by_label, rng), rng, rotation=number if bench.memory_tests == "rotated" else None)
        for number in range(min(count, possible))
    ]
    return drafts, f"{len(bench.pool)} objects in the open, {_NUM_OBJECTS} to an item"


def _draw_objects(by_label: dict[str, list[Sighting]], rng: Random) -> list[Sighting]:
    """Fifteen different objects, of as many categories as there are."""
    chosen: list[Sighting] = []
    taken: set[str] = set()
    while len(chosen) < _NUM_OBJECTS:
        for label in rng.sample(list(by_label), len(by_label)):
            free = [sighting for sighting in by_label[label] if sighting.exemplar not in taken]
            if free and len(chosen) < _NUM_OBJECTS:
                chosen.append(rng.choice(free))
                taken.add(chosen[-1].exemplar)
    rng.shuffle(chosen)
    return chosen


def _memory_draft(objects: list[Sighting], rng: Random, *, rotation: int | None = None) -> Draft:
    names = _distinct_names(objects)
    learned, novel = list(range(MEMORY_BASE)), list(range(MEMORY_BASE, _NUM_OBJECTS))
    rounds = [(new, rng.randrange(new)) for new in learned[1:]]
    # Each half of the test shows every learned object once, so that both tests of one are apart.
    if rotation is None:
        tested = rng.sample(learned, MEMORY_BASE) + rng.sample(learned, MEMORY_BASE)
    else:
        start = rotation % MEMORY_BASE
        tested = (learned[start:] + learned[:start]) * 2
    rounds += list(zip(novel, tested, strict=True))
    golds = balanced(LETTERS[:2], MEMORY_BASE - 1, rng) + balanced(LETTERS[:2], 2 * MEMORY_BASE, rng)
    turns = [
        DraftTurn(prompt=memory_prompt(0), images=(objects[0].view,), options=("A",), gold="A", labels=(names[0],))
    ]
    for index, ((new, old), gold) in enumerate(zip(rounds, golds, strict=True), start=1):
        shown = (new, old) if gold == "A" else (old, new)
        turns.append(
            DraftTurn(
                prompt=memory_prompt(index),
                images=tuple(objects[which].view for which in shown),
                options=LETTERS[:2],
                gold=gold,
                labels=tuple(names[which] for which in shown),
            )
        )
    kinds = len({sighting.label for sighting in objects})
    return Draft(
        task="memory",
        turns=tuple(turns),
        category="",
        difficulty="easy" if kinds == len(objects) else "medium" if 3 * kinds >= 2 * len(objects) else "hard",
    )


def _distinct_names(objects: list[Sighting]) -> list[str]:
    """Labels, numbered where an item shows several objects of a category: scoring tells objects apart by name."""
    names: list[str] = []
    for index, sighting in enumerate(objects):
        before = sum(other.label == sighting.label for other in objects[:index])
        names.append(f"{sighting.label} ({before + 1})" if before else sighting.label)
    return names
