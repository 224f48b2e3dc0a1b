"""Items before their pictures exist: builders write drafts, which become items of the benchmark or training samples.

draft (views, composed pictures) + pictures -> Item (file names)  |  Conversation (ids in an image store)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, TypeVar

from babyvlm.licences import joint_licence
from babyvlm.records import Conversation, Difficulty, Item, ItemTurn, Split, Turn, content_id
from babyvlm.toolbox.compose import Composed
from babyvlm.toolbox.paste import Pasted
from babyvlm.toolbox.pictures import Picture
from babyvlm.toolbox.rephotographs import Rephotograph
from babyvlm.toolbox.tasks import LETTERS, Variant, row_name, task_named
from babyvlm.toolbox.views import View

Made = Composed | Pasted | Rephotograph
"""What is made of crops."""
Shown = View | Made


@dataclass(frozen=True, kw_only=True)
class DraftTurn:
    """A round: what is asked and shown, and the answer."""

    prompt: str
    images: tuple[Shown, ...]
    options: tuple[str, ...]
    gold: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Draft:
    """An item whose pictures are yet to be made."""

    task: str
    turns: tuple[DraftTurn, ...]
    category: str
    variant: Variant | Literal["balanced", "easy"] = "published"
    difficulty: Difficulty = "unknown"
    from_months: float = 0.0
    """Age before which the item's word is hardly said, months; 0 where it turns on no word."""

    @property
    def images(self) -> Iterable[Shown]:
        return (image for turn in self.turns for image in turn.images)

    @property
    def views(self) -> Iterable[View]:
        """Everything to be cut from frames for this draft."""
        for image in self.images:
            yield from (image,) if isinstance(image, View) else image.views

    @property
    def sources(self) -> tuple[str, ...]:
        """Recordings or photographs that it shows, in alphabetical order."""
        return tuple(sorted({view.source for view in self.views}))

    def item(self, pictures: Mapping[Shown, Picture], licence: Callable[[str], str], split: Split) -> Item:
        """The benchmark item.

        Args:
            pictures: At least those of `images`.
            licence: The licence of a recording or photograph.
            split: The split of all that is shown.
        """
        spec = task_named(self.task)
        turns = tuple(
            ItemTurn(
                prompt=turn.prompt,
                images=tuple(pictures[image].name for image in turn.images),
                options=turn.options,
                gold=turn.gold,
                labels=turn.labels,
                origins=tuple(image.origin for image in turn.images),
            )
            for turn in self.turns
        )
        return Item(
            id=self.content_id(pictures),
            task=self.task,
            variant=self.variant,
            split=split,
            turns=turns,
            chance=spec.chance,
            age_span_months=_later_start(spec.age_span_months, self.from_months),
            difficulty=self.difficulty,
            category=self.category,
            licence=joint_licence(licence(view.source) for view in self.views),
        )

    def conversation(self, pictures: Mapping[Shown, Picture], split: Split) -> Conversation:
        """The training sample, with the right answers."""
        sources = self.sources
        return Conversation(
            id=self.content_id(pictures),
            format="instruction",
            images=tuple(pictures[image].id for image in self.images),
            turns=tuple(Turn(prompt=turn.prompt, answer=turn.gold) for turn in self.turns),
            split=split,
            recording=sources[0] if len(sources) == 1 else "",
            task=self.task,
            variant=self.variant,
        )

    def content_id(self, pictures: Mapping[Shown, Picture]) -> str:
        """The id of the item or sample: it depends on what is asked, shown and answered."""
        content = [[turn.prompt, turn.gold, *(pictures[image].id for image in turn.images)] for turn in self.turns]
        return content_id(row_name(self.task, self.variant), content)


def _later_start(span: tuple[float, float | None], from_months: float) -> tuple[float, float | None]:
    """The span, begun no earlier than ``from_months``, but never emptied.

    >>> _later_start((6, 24), 14), _later_start((6, 24), 30)
    ((14, 24), (24, 24))
    """
    start, end = span
    later = max(start, from_months)
    return (later if end is None else min(later, end)), end


ThingT = TypeVar("ThingT")
KeyT = TypeVar("KeyT", bound=Hashable)


def balanced(choices: Sequence[ThingT], count: int, rng: Random) -> list[ThingT]:
    """``count`` choices in random order, each as often as any other, give or take one.

    >>> sorted(balanced("AB", 4, Random(0)))
    ['A', 'A', 'B', 'B']
    """
    order = rng.sample(list(choices), len(choices))
    dealt = [order[index % len(order)] for index in range(count)]
    rng.shuffle(dealt)
    return dealt


def options_in_turn(numbers: Sequence[int], count: int, rng: Random) -> list[tuple[tuple[str, ...], str]]:
    """Options and the right one of ``count`` items that have so many options one after another; of the items with as
    many, each is right as often as any other, give or take one.

    >>> [options for options, _ in options_in_turn((3, 2), 3, Random(0))]
    [('A', 'B', 'C'), ('A', 'B'), ('A', 'B', 'C')]
    """
    golds = [
        iter(balanced(LETTERS[:number], len(range(place, count, len(numbers))), rng))
        for place, number in enumerate(numbers)
    ]
    places = [item % len(numbers) for item in range(count)]
    return [(LETTERS[: numbers[place]], next(golds[place])) for place in places]


def even_quotas(supply: Mapping[KeyT, int], total: int) -> dict[KeyT, int]:
    """Shares of ``total`` as even as the supply allows, adding up to as much of it as there is.

    >>> even_quotas({"left": 1, "right": 9, "top": 9}, 9)
    {'left': 1, 'right': 4, 'top': 4}
    """
    quotas = dict.fromkeys(supply, 0)
    while sum(quotas.values()) < total and (open_keys := [key for key in supply if quotas[key] < supply[key]]):
        quotas[min(open_keys, key=lambda key: quotas[key])] += 1
    return quotas


def spread_out(things: Iterable[ThingT], key: Callable[[ThingT], Hashable], rng: Random) -> list[ThingT]:
    """All things in random order, those with the same key as far apart as can be."""
    shuffled = list(things)
    rng.shuffle(shuffled)
    seen: Counter[Hashable] = Counter()
    turns = []
    for thing in shuffled:
        turns.append(seen[key(thing)])
        seen[key(thing)] += 1
    return [shuffled[index] for index in sorted(range(len(shuffled)), key=lambda index: turns[index])]
