"""What happens in a recording: a sequence of episodes, each with its objects, their motions and what could be said.

naming       a caregiver holds up one thing after another; it is put down, or leaves
groups       one to twelve of a kind lie on a plain mat, rearranged now and then
departures   things leave the frame, one at a time, by all eight ways; some come in first
looking      the child looks about a busy room, where things are elsewhere now and then

Every kind draws its objects, motions and words by the same few functions, those of `staging.Staging`.
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np

from babyvlm.corpus.nursery.camera import head_camera
from babyvlm.corpus.nursery.groups import arrange
from babyvlm.corpus.nursery.motion import Exit, Pose, Stay, tween
from babyvlm.corpus.nursery.rooms import choose_room
from babyvlm.corpus.nursery.scenes import Episode, EpisodeKind, Mention, SceneDeparture
from babyvlm.corpus.nursery.staging import LARGEST_GROUP, LOTS, Staging

_SHARES: dict[EpisodeKind, float] = {"naming": 0.27, "departures": 0.455, "groups": 0.215, "looking": 0.06}
"""Share of a recording's time."""
_SPANS_S: dict[EpisodeKind, tuple[float, float]] = {
    "naming": (10.0, 12.0),
    "departures": (12.0, 14.0),
    "groups": (8.0, 10.0),
    "looking": (6.0, 9.0),
}
_LOOKED_AT_S = (2.25,)
"""How long things in a busy room stay as they are before they are otherwise, one arrangement after another."""
_LAID_OUT_S = (1.8, 0.6, 0.6, 1.8, 0.6)
"""The same for groups, most of which are only shown in passing."""
_SHORTEST_S = 5.0
_FRONT = 100.0
"""Depth of what is held or moves, in front of all that rests (whose depth is where it stands)."""


class Director(Staging):
    """Directs one recording."""

    def episodes(self) -> list[Episode]:
        """The recording from its first frame to its last."""
        every = self.config.fps // self.config.annotation_fps
        total, start, used = self.config.recording_frames, 0, dict.fromkeys(_SHARES, 0.0)
        makers = {
            "naming": self._naming,
            "departures": self._departures,
            "groups": self._groups,
            "looking": self._looking,
        }
        # Which kind is begun with varies: otherwise the first seconds of all recordings would be alike.
        owed = {kind: self.draw.uniform(0, 8) for kind in _SHARES}
        episodes = []
        while start < total:
            due = {kind: owed[kind] + share * start / self.config.fps - used[kind] for kind, share in _SHARES.items()}
            kind = max(due, key=lambda name: due[name])
            left_s = (total - start) / self.config.fps
            span_s = self.draw.uniform(*_SPANS_S[kind])
            if left_s - span_s < _SHORTEST_S:
                span_s = left_s if left_s <= 12 else left_s / 2
            num_frames = min(total - start, round(span_s * self.config.fps / every) * every)
            episodes.append(makers[kind](start, num_frames))
            used[kind] += num_frames / self.config.fps
            start += num_frames
        return episodes

    def _naming(self, start: int, num_frames: int) -> Episode:
        draw, fps, aspect = self.draw, self.config.fps, self.config.aspect
        begin_s, span_s = start / fps, num_frames / fps
        room = choose_room(draw, "mat", "mat", "mat", "room", "surface", "garden")
        shows = 1 if span_s < 7.6 else 2
        names = [self._named.take() for _ in range(shows)]
        stands = [
            self._resting(name, stay, num_frames, room)
            for name, stay in zip(
                self._others(draw.choice((0, 1, 1, 2)), *names), self._stays(room, 2, (0.18, 0.3), 1.1), strict=False
            )
        ]
        props, mentions, departures, calm_s = list(stands), [], [], []
        for turn, name in enumerate(names):
            from_s, to_s = span_s * turn / shows, span_s * (turn + 1) / shows
            number, flip = self._number_of(name), draw.random() < 0.5
            size = draw.uniform(0.46, 0.68)
            x, y = aspect / 2 + draw.uniform(-0.16, 0.16), draw.uniform(0.42, 0.54)
            tilt = draw.uniform(-8, 8)
            rest = Pose(
                time_s=0,
                x=aspect / 2 + draw.uniform(-0.3, 0.3),
                y=draw.uniform(0.4, 0.62),
                size=draw.uniform(0.28, 0.4),
                turn=draw.uniform(-8, 8),
            )
            leaving = self._leave(name, number, flip, rest) if draw.random() < 0.95 else None
            leaves_s = leaving[1].duration_s if leaving is not None else 0.0
            shown_s, until_s = from_s + draw.uniform(0.3, 0.5), to_s - leaves_s - 0.55
            down_s = self._tick(until_s + 0.35)
            rest = dataclasses.replace(rest, time_s=down_s)
            if draw.random() < 0.5:  # it comes in by a side or from below
                side = draw.choice((-0.4, aspect + 0.4))
                enters = (side, draw.uniform(0.5, 0.9)) if draw.random() < 0.6 else (x, 1.45)
                poses = [Pose(time_s=from_s, x=enters[0], y=enters[1], size=size * 0.8)]
            else:  # it stood there already
                stay = self._stays(room, 1, (0.22, 0.3), 1)[0]
                poses = [Pose(time_s=from_s, x=stay.x, y=stay.y, size=stay.size)]
            poses += [Pose(time_s=shown_s, x=x, y=y, size=size, turn=tilt)]
            middle_s = (shown_s + until_s) / 2
            poses += [
                Pose(
                    time_s=middle_s,
                    x=x + draw.uniform(-0.05, 0.05),
                    y=y + draw.uniform(-0.04, 0.04),
                    size=size * draw.uniform(0.92, 1.1),
                    turn=draw.uniform(-12, 12),
                )
            ]
            poses += [Pose(time_s=until_s, x=x, y=y, size=size, turn=tilt)]
            track = tween([*poses, rest], num_frames, fps)
            time_F = np.arange(num_frames) / fps
            if leaving is not None:
                self._ways.take()
                track = self._out(track, leaving[1], down_s)
                calm_s.append((down_s - 0.2, to_s))
            track = track.only(time_F >= from_s)
            held_F = (time_F >= from_s) & (time_F <= down_s)
            prop = self._prop(name, track, depth=_FRONT + turn, number=number, flip=flip, shadow=False, held_F=held_F)
            props.append(prop)
            mentions.append(
                Mention(start_s=begin_s + shown_s - 0.1, end_s=begin_s + down_s, kind="name", category=name)
            )
            if leaving is not None:
                departures.append(SceneDeparture(tracks=(prop.track,), direction=leaving[0], start_s=begin_s + down_s))
                mentions.append(
                    Mention(
                        start_s=begin_s + down_s,
                        end_s=begin_s + down_s + leaving[1].duration_s,
                        kind="departure",
                        category=name,
                        where=leaving[0],
                    )
                )
        camera = head_camera(draw, num_frames, fps, draw.uniform(0.5, 1.0), calm_s)
        return self._finish("naming", start, num_frames, room, camera, props, mentions, departures)

    def _departures(self, start: int, num_frames: int) -> Episode:
        draw, fps, aspect = self.draw, self.config.fps, self.config.aspect
        begin_s, span_s = start / fps, num_frames / fps
        room = choose_room(draw, "mat") if draw.random() < 0.8 else choose_room(draw, "room", "surface", "garden")
        props, mentions, departures = [], [], []
        now_s = draw.uniform(0.2, 0.5)
        turn = 0
        while now_s < span_s - 1.7:
            category = self._moved.take()
            number, flip = self._number_of(category), draw.random() < 0.5
            members = draw.choice((2, 3)) if draw.random() < 0.1 else 1
            size = draw.uniform(0.2, 0.24) if members > 1 else draw.uniform(0.3, 0.48)
            leaving = None
            enters = draw.random() < 0.15
            leave_s = self._tick(now_s + (0.9 if enters else 0.1))
            for _ in range(60):
                half = size * 0.6
                pose = Pose(
                    time_s=leave_s,
                    x=draw.uniform(max(half, aspect * 0.2), min(aspect - half, aspect * 0.8)),
                    y=draw.uniform(max(half, 0.25), min(1 - half, 0.75)),
                    size=size,
                    turn=draw.uniform(-10, 10),
                )
                leaving = self._leave(category, number, flip, pose)
                if leaving is not None:
                    break
            if leaving is None:
                break
            way, out = leaving
            step = max(out.speed / self.config.annotation_fps, 1e-6)
            gap = step * np.ceil(size * 1.05 / step)
            if members > 1 and not self._fits(pose, out, gap, members, size):
                members = 1
            delay_s = gap / out.speed * (members - 1)
            if leave_s + out.duration_s + delay_s > span_s - 0.05:
                break
            tracks = []
            for member in range(members):
                x, y = pose.x - out.way[0] * gap * member, pose.y - out.way[1] * gap * member
                stand = Pose(time_s=leave_s, x=x, y=y, size=size, turn=pose.turn)
                poses = [stand]
                if enters:
                    side = draw.choice(((-0.35, y), (aspect + 0.35, y), (x, 1.35), (x, -0.35)))
                    away = Pose(time_s=now_s, x=side[0], y=side[1], size=size, turn=pose.turn)
                    poses = [away, Pose(time_s=leave_s - 0.15, x=x, y=y, size=size, turn=pose.turn), stand]
                track = tween(poses, num_frames, fps)
                later = Exit(way=out.way, speed=out.speed, duration_s=out.duration_s + gap * member / out.speed)
                track = self._out(track, later, leave_s)
                time_F = np.arange(num_frames) / fps
                track = track.only(time_F >= now_s)  # put down, or uncovered, when its turn has come
                # What leaves first stands in front, so that nothing hides a departure.
                prop = self._prop(category, track, depth=_FRONT - turn, number=number, flip=flip, shadow=False)
                props.append(prop)
                tracks.append(prop.track)
            self._ways.take()
            end_s = leave_s + out.duration_s + delay_s
            departures.append(SceneDeparture(tracks=tuple(tracks), direction=way, start_s=begin_s + leave_s))
            mentions.append(
                Mention(
                    start_s=begin_s + leave_s - 0.6,
                    end_s=begin_s + end_s - 0.2,
                    kind="departure",
                    category=category,
                    number=members,
                    where=way,
                )
            )
            now_s, turn = end_s + draw.uniform(0.0, 0.15), turn + 1
        names = [prop.category for prop in props]
        if draw.random() < 0.2:
            for name, stay in zip(self._others(1, *names), self._stays(room, 1, (0.16, 0.26), 1), strict=True):
                props.append(self._resting(name, stay, num_frames, room))
        camera = head_camera(draw, num_frames, fps, 0.0)
        return self._finish("departures", start, num_frames, room, camera, props, mentions, departures)

    def _fits(self, pose: Pose, out: Exit, gap: float, members: int, size: float) -> bool:
        """Whether the last of a file of objects still stands inside the frame."""
        back = gap * (members - 1)
        x, y = pose.x - out.way[0] * back, pose.y - out.way[1] * back
        return size / 2 < x < self.config.aspect - size / 2 and size / 2 < y < 1 - size / 2

    def _groups(self, start: int, num_frames: int) -> Episode:
        draw, fps = self.draw, self.config.fps
        room = choose_room(draw, "mat")
        category = self._grouped.take()
        beside = self._others(1, category)[0]
        props, mentions = [], []
        for first, last in self._arrangements(num_frames, _LAID_OUT_S):
            number = self._numbers.take()
            extra = draw.choice((0, 0, 0, 0, 0, 1, 2)) if number < LARGEST_GROUP else 0
            extra = min(extra, 14 - number)
            lot = (self._lots.take() + draw.random()) / LOTS
            stays = arrange(draw, number, extra, lot, self.config.aspect)
            alike = self._number_of(category) if draw.random() < 0.5 else None
            there_F = _from_to(first, last, num_frames)
            for k, stay in enumerate(stays):
                pose = Pose(time_s=0, x=stay.x, y=stay.y, size=stay.size, turn=draw.gauss(0, 7))
                track = tween([pose], num_frames, fps).only(there_F)
                name = category if k < number else beside
                props.append(self._prop(name, track, depth=stay.y, number=alike if k < number else None))
            from_s, to_s = (start + first) / fps, (start + last) / fps
            mentions.append(Mention(start_s=from_s, end_s=to_s, kind="group", category=category, number=number))
        camera = head_camera(draw, num_frames, fps, 0.0)
        return self._finish("groups", start, num_frames, room, camera, props, mentions)

    def _looking(self, start: int, num_frames: int) -> Episode:
        draw, fps = self.draw, self.config.fps
        room = choose_room(draw, "mat", "mat", "mat", "room", "surface", "garden")
        props, mentions = [], []
        for first, last in self._arrangements(num_frames, _LOOKED_AT_S):
            stays = self._about(draw.randint(4, 8))
            name = self._named.take()
            names = [name, *self._others(len(stays) - 1, name)]
            there_F = _from_to(first, last, num_frames)
            props += [
                self._resting(name, stay, num_frames, room, there_F) for name, stay in zip(names, stays, strict=True)
            ]
            from_s, to_s = (start + first) / fps, (start + last) / fps
            mentions += [
                Mention(start_s=from_s, end_s=to_s, kind="place", category=name, where=self._where(stay))
                for name, stay in zip(names[:4], stays[:4], strict=True)
            ]
        camera = head_camera(draw, num_frames, fps, draw.uniform(0.4, 0.9))
        return self._finish("looking", start, num_frames, room, camera, props, mentions)

    def _about(self, count: int) -> list[Stay]:
        """Places all about the frame: a large thing near each corner, smaller ones anywhere."""
        draw, aspect = self.draw, self.config.aspect
        corners = [(0.25, 0.27), (0.75, 0.27), (0.25, 0.75), (0.75, 0.75)]
        draw.shuffle(corners)
        stays = [
            Stay(
                x=(x + draw.uniform(-0.08, 0.08)) * aspect,
                y=y + draw.uniform(-0.07, 0.07),
                size=draw.uniform(0.2, 0.36),
            )
            for x, y in corners
        ]
        stays += [
            Stay(x=draw.uniform(0.12, 0.88) * aspect, y=draw.uniform(0.15, 0.85), size=draw.uniform(0.15, 0.24))
            for _ in range(count - len(corners))
        ]
        return stays

    def _arrangements(self, num_frames: int, lasting_s: tuple[float, ...]) -> list[tuple[int, int]]:
        """The first frame of each arrangement of an episode, and the first that is not of it."""
        every = self.config.fps // self.config.annotation_fps
        steps = itertools.cycle([max(1, round(length * self.config.annotation_fps)) * every for length in lasting_s])
        bounds = [0]
        while num_frames - bounds[-1] > (step := next(steps)):
            bounds.append(bounds[-1] + step)
        return list(itertools.pairwise([*bounds, num_frames]))


def _from_to(first: int, last: int, num_frames: int) -> np.ndarray:
    frames_F = np.arange(num_frames)
    return (frames_F >= first) & (frames_F < last)
