"""What episodes are made of: objects that rest, move or leave, places for them, and decks of what comes next."""

from __future__ import annotations

import collections
import itertools
import random
from collections.abc import Iterable
from typing import Generic, TypeVar

import numpy as np

from babyvlm.corpus.nursery.camera import Camera
from babyvlm.corpus.nursery.configuration import NurseryConfig, RecordingPlan
from babyvlm.corpus.nursery.exemplars import exemplar, exemplars_of
from babyvlm.corpus.nursery.lexicon import CATEGORIES, copies
from babyvlm.corpus.nursery.motion import Exit, Pose, Stay, Track, plan_exit, tween
from babyvlm.corpus.nursery.rooms import Room
from babyvlm.corpus.nursery.scenes import DIRECTIONS, Episode, EpisodeKind, Mention, Prop, SceneDeparture

CardT = TypeVar("CardT")

LARGEST_GROUP = 12
LOTS = 11
"""Steps from the smallest to the largest groups; has no divisor in common with the numbers, so that each meets each."""


class Deck(Generic[CardT]):
    """Cards in an order fixed by ``seed``, dealt round and round, starting ``by`` cards on."""

    def __init__(self, seed: str, cards: Iterable[CardT], by: int) -> None:
        shuffled = list(cards)
        random.Random(seed).shuffle(shuffled)
        self._cards = collections.deque(shuffled)
        self._cards.rotate(-by)

    def top(self) -> CardT:
        return self._cards[0]

    def take(self) -> CardT:
        self._cards.rotate(-1)
        return self._cards[-1]


class Staging:
    """Objects and places of one recording.

    What a split should hold evenly (numbers, ways out, things named) comes from decks that its recordings deal on from;
    everything else from the recording's own source of chance.
    """

    def __init__(self, config: NurseryConfig, plan: RecordingPlan) -> None:
        self.config, self.plan = config, plan
        self.draw = random.Random(f"{config.seed}/{plan.id}/scenes")
        deck = f"{config.seed}/{plan.split}"
        self._numbers = Deck(f"{deck}/numbers", range(1, LARGEST_GROUP + 1), 7 * plan.ordinal)
        self._lots = Deck(f"{deck}/lots", range(LOTS), 3 * plan.ordinal)
        self._ways = Deck(f"{deck}/ways", tuple(DIRECTIONS), 5 * plan.ordinal)
        things = copies(config, plan)
        self._named = Deck(f"{deck}/named", things, 7 * plan.ordinal)
        self._grouped = Deck(f"{deck}/grouped", things, 3 * plan.ordinal)
        self._moved = Deck(f"{deck}/moved", things, 11 * plan.ordinal)
        self._exemplars = exemplars_of(config, plan)
        self._tracks = itertools.count(1)

    def _number_of(self, category: str) -> int:
        return self.draw.choice(self._exemplars)

    def _others(self, count: int, *taken: str) -> list[str]:
        """Categories for what stands about, each equally often, none of them taken."""
        return self.draw.sample([name for name in CATEGORIES if name not in taken], count)

    def _prop(
        self,
        category: str,
        track: Track,
        *,
        depth: float,
        number: int | None = None,
        flip: bool | None = None,
        shadow: bool = True,
        shelf: bool = False,
        held_F: np.ndarray | None = None,
    ) -> Prop:
        return Prop(
            track=next(self._tracks),
            category=category,
            number=self._number_of(category) if number is None else number,
            flip=self.draw.random() < 0.5 if flip is None else flip,
            depth=depth,
            x_F=track.x_F,
            y_F=track.y_F,
            size_F=track.size_F,
            turn_F=track.turn_F,
            shadow=shadow,
            shelf=shelf,
            held_F=held_F,
        )

    def _resting(
        self, category: str, stay: Stay, num_frames: int, room: Room, there_F: np.ndarray | None = None
    ) -> Prop:
        shelf = stay.y + stay.size / 2 < room.horizon
        turn = 0.0 if shelf else self.draw.gauss(0, 5)
        pose = Pose(time_s=0, x=stay.x, y=stay.y, size=stay.size, turn=turn)
        track = tween([pose], num_frames, self.config.fps)
        if there_F is not None:
            track = track.only(there_F)
        return self._prop(category, track, depth=stay.y + stay.size / 2, shelf=shelf)

    def _stays(self, room: Room, count: int, sizes: tuple[float, float], spacing: float) -> list[Stay]:
        """Places on the floor or table, apart from one another as far as there is room."""
        stays: list[Stay] = []
        for _ in range(count):
            size = self.draw.uniform(*sizes)
            best, best_gap = None, -1e9
            for _ in range(30):
                x = self.draw.uniform(size * 0.55, self.config.aspect - size * 0.55)
                y = self.draw.uniform(max(size * 0.55, room.horizon + 0.1 - size * 0.3), 0.98 - size * 0.5)
                gap = min(
                    (np.hypot(x - other.x, y - other.y) - spacing * (size + other.size) / 2 for other in stays),
                    default=1,
                )
                if gap > best_gap:
                    best, best_gap = Stay(x=x, y=y, size=size), gap
                if gap > 0:
                    break
            assert best is not None
            stays.append(best)
        return stays

    def _where(self, stay: Stay) -> str:
        """The part of the frame that something is in."""
        side = "left" if stay.x < self.config.aspect * 0.4 else "right" if stay.x > self.config.aspect * 0.6 else ""
        level = "top" if stay.y < 0.4 else "bottom" if stay.y > 0.6 else ""
        return f"{level} {side}".strip() or "middle"

    def _leave(self, category: str, number: int, flip: bool, pose: Pose) -> tuple[str, Exit] | None:
        """The way out on top of the deck, if the object can take it; the card stays until the departure is sure."""
        way = self._ways.top()
        drawn = exemplar(self.config.seed, category, number)
        out = plan_exit(self.draw, drawn, flip, pose, way, self.config.aspect, self.config.annotation_fps)
        return None if out is None else (way, out)

    def _tick(self, time_s: float) -> float:
        """The next moment at which boxes are annotated."""
        return float(np.ceil(time_s * self.config.annotation_fps - 1e-6) / self.config.annotation_fps)

    def _out(self, track: Track, out: Exit, start_s: float) -> Track:
        """The track with its end replaced by the exit; the object is not there once it is gone."""
        since_F = np.arange(len(track.x_F)) / self.config.fps - start_s
        gone_F = out.travelled(since_F)
        return Track(
            x_F=track.x_F + out.way[0] * gone_F,
            y_F=track.y_F + out.way[1] * gone_F,
            size_F=np.where(since_F > out.duration_s + 0.2, 0.0, track.size_F),
            turn_F=track.turn_F,
        )

    def _finish(
        self,
        kind: EpisodeKind,
        start: int,
        num_frames: int,
        room: Room,
        camera: Camera,
        props: list[Prop],
        mentions: list[Mention],
        departures: list[SceneDeparture] | None = None,
    ) -> Episode:
        return Episode(
            kind=kind,
            start_frame=start,
            num_frames=num_frames,
            room=room,
            camera=camera,
            props=tuple(sorted(props, key=lambda prop: prop.depth)),
            mentions=tuple(mentions),
            departures=tuple(departures or ()),
        )
