"""Notes of an import: contradictory answers, prompts of no published wording, cues that give answers away."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from babyvlm.records import Item
from babyvlm.toolbox.published.items import UNRECOGNISED, rounds_of
from babyvlm.toolbox.published.prompts import recognise
from babyvlm.toolbox.published.records import PublishedRecord

CONTRADICTED = "answer: another record has another one to the same question about the same pictures"


def contradicted(items: Iterable[Item]) -> set[str]:
    """Ids of items that show and ask the same as another, with another answer. Which is right, nothing tells."""
    golds: dict[tuple[object, ...], dict[tuple[str, ...], list[str]]] = defaultdict(lambda: defaultdict(list))
    for item in items:
        asked = (item.task, *((turn.prompt, *turn.images) for turn in item.turns))
        golds[asked][tuple(turn.gold for turn in item.turns)].append(item.id)
    return {name for answers in golds.values() if len(answers) > 1 for names in answers.values() for name in names}


def unrecognised_prompts(kept: Sequence[PublishedRecord], items: Mapping[str, Item]) -> dict[str, int]:
    """One example of a prompt of no published wording for each file, with how many there are."""
    examples: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for published in kept:
        unknown = published.problem.startswith("prompt:")
        if unknown or (published.item is not None and items[published.item].variant == UNRECOGNISED):
            place = published.file.path
            asked = next(prompt for prompt, _ in rounds_of(published.record) if recognise(prompt) is None)
            examples.setdefault(place, f"{place}: {asked!r}")
            counts[examples[place]] += 1
    return dict(counts)


def giveaways(items: Mapping[str, Item], formats: Mapping[str, str]) -> list[str]:
    """What tells answers apart, and what keeps a result from being one on a test set.

    Args:
        items: By id.
        formats: File format of each stored picture.
    """
    turns = [turn for item in items.values() for turn in item.turns]
    notes = []
    if mixed := sum(len({formats[name] for name in turn.images}) > 1 for turn in turns):
        notes.append(f"{mixed} rounds show pictures of different file formats, which may tell the answer")
    spatial = [item.turns[0] for item in items.values() if item.task == "spatial_details"]
    shown = [turn for turn in spatial if len(turn.images) == len(turn.options) + 1]
    if same := sum(turn.images[0] == turn.images[1 + turn.options.index(turn.gold)] for turn in shown):
        notes.append(
            f"{same} of {len(spatial)} items of spatial_details ask for the very file that is the right option"
        )
    splits = sorted({item.split for item in items.values()})
    if len(splits) > 1:
        notes.append(f"holds items of the splits {', '.join(splits)}; a result over all of them is none on a test set")
    return notes
