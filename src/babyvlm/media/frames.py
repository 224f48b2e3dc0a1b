"""The frame on screen at each of many moments: what none of them needs is not decoded.

Left out are groups of pictures that hold no moment, and within a group the pictures that no moment asks for and that no
other picture refers to (``disposable.py``), about half of a usual H.264 film. When a picture is shown is known from its
packet; should a moment fall on one that was left out all the same, the rest of the film is decoded in full.
"""

from __future__ import annotations

import bisect
import contextlib
import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.error
from av.container import InputContainer
from av.video.reformatter import VideoReformatter
from PIL import Image

from babyvlm.errors import MediaError
from babyvlm.media.clock import clock_end_s, clock_start_s, has_presentation_times, open_media, picture_of, read_packets
from babyvlm.media.damage import Damage
from babyvlm.media.disposable import DisposablePackets
from babyvlm.media.shown import PixelAspect, as_shown

FIRST_FRAME_TOLERANCE_S = 0.5
"""The first frame stands for the moments before it, where it begins no later than so much after the file (ours)."""
_LONGEST_HELD_GROUP = 600
"""Packets of one group of pictures that are held at most; a longer group is decoded as it comes."""


def frames_at(
    path: Path,
    times_s: Sequence[float],
    *,
    shorter_side: int | None = None,
    threads: int = 0,
    damage: Damage | None = None,
) -> Iterator[tuple[float, Image.Image]]:
    """Yields the frame on screen at each of the given moments, reading the file once.

    A packet that does not decode costs the picture up to the next key frame: what is predicted from it would be wrong.
    One that is not needed, for no moment and no other picture, is not decoded, and costs nothing where it is damaged.

    Args:
        path: A video file.
        times_s: Moments from the start of the file, ascending.
        shorter_side: Pixels to which larger frames are scaled down while they are converted; None leaves them.
        threads: Threads to decode with; 0 for one a core.
        damage: Where stretches that do not decode are noted, and moments lost in them; None refuses to lose any.

    Yields:
        Each moment with its frame as a player shows it: RGB, square pixels, upright. Moments before the first frame,
        past the last, or in a damaged stretch are not yielded.

    Raises:
        MediaError: The file is missing, nothing of its picture decodes, or a moment is lost to damage and ``damage``
            was not given.
    """
    wanted = list(times_s)
    if wanted != sorted(wanted):
        raise ValueError("times_s must ascend")
    if not wanted:
        return
    try:
        yield from _frames_at(path, wanted, shorter_side, threads, damage, sparing=True)
    except _MissingFrameError as missing:
        yield from _frames_at(path, wanted[missing.position :], shorter_side, threads, damage, sparing=False)


class _MissingFrameError(Exception):
    """A moment falls on a frame that was left out.

    Args:
        position: The moment's place among those asked for.
    """

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


@dataclass(frozen=True)
class _LeftOut:
    """Stands for a frame that was not decoded."""


_Shown = av.VideoFrame | _LeftOut | None
"""A frame, decoded or left out; None where a damaged stretch begins."""


def _frames_at(
    path: Path, wanted: list[float], shorter_side: int | None, threads: int, damage: Damage | None, *, sparing: bool
) -> Iterator[tuple[float, Image.Image]]:
    """As `frames_at`.

    Raises:
        _MissingFrameError: With ``sparing``, a moment falls on a frame that was left out.
    """
    noted = damage if damage is not None else Damage()
    with open_media(path) as container:
        decoder = _Decoder(container, picture_of(container, path), threads, noted, wanted if sparing else None)
        converter = VideoReformatter()
        decoder.due_s = wanted[0]
        position, last_end_s, is_first, lost = 0, 0.0, True, False
        previous: tuple[av.VideoFrame | _LeftOut, Fraction] | None = None

        def show(shown: tuple[av.VideoFrame | _LeftOut, Fraction]) -> tuple[float, Image.Image]:
            frame, aspect = shown
            if isinstance(frame, _LeftOut):
                raise _MissingFrameError(position)
            return wanted[position], as_shown(frame, aspect, converter, shorter_side)

        for frame, now_s in decoder.frames():
            aspect = decoder.aspect.of(frame.pts if isinstance(frame, av.VideoFrame) else None)
            shown = previous
            if is_first and frame is not None and now_s <= FIRST_FRAME_TOLERANCE_S:
                shown = frame, aspect
            while position < len(wanted) and wanted[position] < now_s - 1e-6:
                if shown is not None:
                    yield show(shown)
                elif lost:
                    _lose(wanted[position], path, damage)
                position += 1
            if position == len(wanted):
                decoder.close(now_s)
                return
            decoder.due_s = wanted[position]
            is_first, lost, previous = False, frame is None, None
            if frame is not None:
                previous = frame, aspect
                last_end_s = decoder.shown_until_s
        while previous is not None and position < len(wanted) and wanted[position] <= last_end_s:
            yield show(previous)
            position += 1
        end_s = clock_end_s(container)
        decoder.close(end_s)
        for time_s in wanted[position:] if lost else ():
            if time_s <= end_s:
                _lose(time_s, path, damage)
        if position < len(wanted) and not lost and damage is not None:
            damage.end_early(last_end_s, end_s)
        if is_first or (lost and last_end_s == 0.0):
            raise MediaError("nothing of the picture decodes", path=path, remedy="Copy the file again")


def _lose(time_s: float, path: Path, damage: Damage | None) -> None:
    if damage is None:
        raise MediaError(f"the picture does not decode at {time_s:.1f} s", path=path, remedy="Copy the file again")
    damage.lost_moments += 1


def find_damage(path: Path) -> Damage:
    """Decodes a whole picture and says what of it does not decode.

    Raises:
        MediaError: The file is missing or holds no picture.
    """
    damage = Damage()
    with open_media(path) as container:
        decoder = _Decoder(container, picture_of(container, path), 1, damage, None)
        decoder.due_s = -math.inf
        for _ in decoder.frames():
            pass
        decoder.close(clock_end_s(container))
    return damage


class _Decoder:
    """Decodes the groups of pictures that hold moments asked for, and passes the others by.

    A group is the packets from one key frame to the next. Its packets are held until the next key frame tells when it
    ends: from key frame to key frame nothing depends on what was left out. Frames shown before their key frame (an open
    group) may come out damaged after a jump, but none of them is ever on screen at a moment asked for: the jump is made
    only where the moment is no earlier than the key frame.

    Within a group, disposable packets that show no moment are not given to the decoder. All are after the first damage,
    in groups too long to be held, where time stamps are missing, twice there or not later than those of the groups
    before, and where a packet is shown earlier than the decoder yet expects: this is what tells it to wait longer.

    Args:
        container: The opened file.
        stream: Its picture.
        threads: Threads to decode with; 0 for one a core.
        damage: Where stretches that do not decode are noted.
        moments_s: All moments asked for, ascending; None decodes every picture of a group.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: av.VideoStream,
        threads: int,
        damage: Damage,
        moments_s: list[float] | None,
    ) -> None:
        self._container, self._stream, self._damage = container, stream, damage
        self._codec = self._stream.codec_context
        self._codec.thread_type = "SLICE"  # threads by frame report damage frames later, and not always alike
        self._codec.thread_count = threads
        self._start_s = clock_start_s(container) if has_presentation_times(container) else None
        self._jumped = self._waits_for_key = False
        self._key_pts: int | None = None
        """Of the last key frame given to the decoder."""
        self._resumed_pts: int | None = None
        """Of the key frame from which decoding began again: frames shown before it are not whole, and no loss."""
        self._moments_s = moments_s if self._start_s is not None else None
        self._disposable = DisposablePackets(self._codec)
        self._latest_pts: int | None = None
        """Of all packets up to the group at hand."""
        self._left_out: list[tuple[int, int]] = []
        """Time stamp and duration of pictures that were left out and whose turn has not come; a heap."""
        self.shown_until_s = 0.0
        """When the last frame ends."""
        self.aspect = PixelAspect(self._stream)
        self.due_s = 0.0
        """The next moment asked for; whoever reads the frames moves it on."""

    def frames(self) -> Iterator[tuple[_Shown, float]]:
        """Frames as they are shown, each with its time from the start of the file."""
        held: list[av.Packet] = []
        holding = True
        for packet in read_packets(self._container, self._stream):
            if (key_s := self._key_s(packet)) is not None:
                if key_s <= self.due_s:
                    self._jumped |= bool(held)
                    self._pass_by(held)
                    if held and self._damage.open:
                        self._damage.end(key_s)
                else:
                    yield from self._decode(held, key_s)
                held, holding = [], True
            held.append(packet)
            if not holding or len(held) > _LONGEST_HELD_GROUP or self._start_s is None:
                yield from self._decode(held, math.inf, whole=False)
                held, holding = [], False
        yield from self._decode(held, math.inf, whole=holding)
        yield from self._left_out_before(None)

    def close(self, end_s: float) -> None:
        """Ends a damaged stretch that reaches to where reading stopped."""
        if self._damage.open:
            self._damage.end(end_s)

    def _key_s(self, packet: av.Packet) -> float | None:
        """When a packet's key frame is shown; None for all other packets, and before the clock has begun."""
        if not packet.is_keyframe or packet.pts is None or packet.time_base is None or self._start_s is None:
            return None
        return float(packet.pts * packet.time_base) - self._start_s

    def _decode(self, packets: list[av.Packet], end_s: float, *, whole: bool = True) -> Iterator[tuple[_Shown, float]]:
        """Decodes packets in a row, up to the moment at which nothing more of them is asked for.

        Args:
            packets: The packets.
            end_s: When the next group begins.
            whole: Whether they are a whole group.
        """
        if self._jumped and packets:
            yield from self._restart(None)
            self._jumped = False
        spared, last = self._spared(packets, end_s) if whole else ({}, len(packets))
        self._pass_by(packets)
        for number, packet in enumerate(packets, start=1):
            if self._waits_for_key:
                if not packet.is_keyframe or packet.is_corrupt:
                    continue
                self._waits_for_key = False
                self._resumed_pts = packet.pts
                self._codec.flush_buffers()  # what it still holds was predicted from what is damaged
            if packet.is_keyframe:
                self._key_pts = packet.pts
            if number in spared and spared[number] <= self._codec.reorder_depth:
                self._leave_out(packet)
                continue
            try:
                frames = self._codec.decode(packet)
            except av.error.FFmpegError:
                if not self._before_resumption(packet.pts):
                    yield from self._restart(packet)
                continue
            self.aspect.update(self._key_pts)
            yield from self._timed(frames)
            if self.due_s >= end_s and number < len(packets):
                self._jumped = True
                return
            if number == last < len(packets) and not self._damage.open:
                for rest in packets[number:]:
                    self._leave_out(rest)
                yield from self._restart(None)
                return

    def _restart(self, damaged: av.Packet | None) -> Iterator[tuple[_Shown, float]]:
        """Takes out what the decoder still holds, and makes it ready for a key frame."""
        with contextlib.suppress(av.error.FFmpegError):  # what it held was damaged as well
            held = self._codec.decode(None)
            if damaged is not None and damaged.pts is not None:
                held = [frame for frame in held if frame.pts is not None and frame.pts < damaged.pts]
            yield from self._timed(held)
        yield from self._left_out_before(damaged.pts if damaged is not None else None)
        self._left_out.clear()
        self._codec.flush_buffers()
        self._waits_for_key = True
        if damaged is not None:
            yield from self._mark_damaged()

    def _before_resumption(self, pts: int | None) -> bool:
        return self._resumed_pts is not None and pts is not None and pts < self._resumed_pts

    def _timed(self, frames: list[av.VideoFrame]) -> Iterator[tuple[_Shown, float]]:
        for frame in frames:
            if frame.pts is None or self._stream.time_base is None:
                continue
            yield from self._left_out_before(frame.pts)
            if self._before_resumption(frame.pts) or (self._waits_for_key and self._damage.open):
                continue  # predicted from what was left out, or is damaged
            if frame.is_corrupt:
                if self._key_pts is not None and frame.pts < self._key_pts:
                    self._resumed_pts = self._key_pts  # the decoder has the next key frame already
                else:
                    self._waits_for_key = True
                yield from self._mark_damaged()
                continue
            time_s = float(frame.pts * self._stream.time_base)  # frames drained from a decoder lack a time base
            if self._start_s is None:
                self._start_s = time_s
            now_s = time_s - self._start_s
            self._damage.end(now_s)
            self.shown_until_s = now_s + self._lasts_s(frame)
            yield frame, now_s

    def _lasts_s(self, frame: av.VideoFrame) -> float:
        return float(frame.duration * (self._stream.time_base or 0)) if frame.duration else 0.0

    def _pass_by(self, packets: list[av.Packet]) -> None:
        """Notes how late packets are shown that are decoded now or never."""
        times = [packet.pts for packet in packets if packet.pts is not None]
        self._latest_pts = max(times if self._latest_pts is None else [*times, self._latest_pts], default=None)

    def _leave_out(self, packet: av.Packet) -> None:
        if packet.pts is not None and not packet.is_discard:
            heapq.heappush(self._left_out, (packet.pts, packet.duration or 0))

    def _spared(self, packets: list[av.Packet], end_s: float) -> tuple[dict[int, int], int]:
        """Packets of a group that need not be decoded.

        Returns:
            Their numbers from 1, each with how many packets before it are shown after it; and the number of the packet
            after which none is needed.
        """
        if self._moments_s is None:
            return {}, len(packets)
        full = [packet for packet in packets if packet.size]  # what ends a file is empty
        times = [packet.pts for packet in full if packet.pts is not None]
        if len(set(times)) < len(full) or (self._latest_pts is not None and min(times, default=0) <= self._latest_pts):
            return {}, len(packets)
        shown = [packet.pts for packet in full if packet.pts is not None and not packet.is_discard]
        needed = self._needed(shown, end_s)
        spared: dict[int, int] = {}
        earlier: list[int] = []
        for number, packet in enumerate(packets, start=1):
            disposable = self._disposable.is_disposable(packet)
            if packet.pts is None:
                continue
            if disposable and packet.pts not in needed and not packet.is_corrupt:
                spared[number] = len(earlier) - bisect.bisect(earlier, packet.pts)
            bisect.insort(earlier, packet.pts)
        if not self._disposable.certain or not needed:
            return spared, len(packets)
        if max(shown) in needed:  # a frame behind the next key frame may be the one that is shown then
            return spared, len(packets)
        return spared, max(number for number, packet in enumerate(packets, start=1) if packet.pts in needed)

    def _needed(self, times: list[int], end_s: float) -> set[int]:
        """Time stamps of the pictures on screen at the moments that are still due and come before the group's end."""
        assert self._moments_s is not None and self._start_s is not None
        unit_s, start_s = self._stream.time_base or Fraction(0), self._start_s
        shown_s = [float(pts * unit_s) - start_s for pts in sorted(times)]
        first = bisect.bisect_left(self._moments_s, self.due_s)
        last = bisect.bisect_left(self._moments_s, end_s, first)
        places = {max(0, bisect.bisect(shown_s, time_s + 1e-6) - 1) for time_s in self._moments_s[first:last]}
        return {pts for place, pts in enumerate(sorted(times)) if place in places}

    def _left_out_before(self, pts: int | None) -> Iterator[tuple[_Shown, float]]:
        """The pictures left out that are shown before a time stamp; all of them where it is None."""
        unit_s = self._stream.time_base or Fraction(0)
        while self._left_out and (pts is None or self._left_out[0][0] < pts):
            own_pts, lasts = heapq.heappop(self._left_out)
            if self._before_resumption(own_pts) or (self._waits_for_key and self._damage.open):
                continue
            now_s = float(own_pts * unit_s) - (self._start_s or 0.0)
            self.shown_until_s = now_s + float(lasts * unit_s)
            yield _LeftOut(), now_s

    def _mark_damaged(self) -> Iterator[tuple[None, float]]:
        self._moments_s = None  # from here on every picture is decoded
        if not self._damage.open:
            self._damage.begin(self.shown_until_s)
            yield None, self.shown_until_s
