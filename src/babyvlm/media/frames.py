"""The frame on screen at each of many moments: groups of pictures that hold none of them are not decoded."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
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
    noted = damage if damage is not None else Damage()
    with open_media(path) as container:
        decoder = _Decoder(container, picture_of(container, path), threads, noted)
        converter = VideoReformatter()
        decoder.due_s = wanted[0]
        position, last_end_s, is_first, lost = 0, 0.0, True, False
        previous: tuple[av.VideoFrame, Fraction] | None = None
        for frame, now_s in decoder.frames():
            shown = previous
            if is_first and frame is not None and now_s <= FIRST_FRAME_TOLERANCE_S:
                shown = frame, decoder.aspect.of(frame.pts)
            while position < len(wanted) and wanted[position] < now_s - 1e-6:
                if shown is not None:
                    yield wanted[position], as_shown(*shown, converter, shorter_side)
                elif lost:
                    _lose(wanted[position], path, damage)
                position += 1
            if position == len(wanted):
                decoder.close(now_s)
                return
            decoder.due_s = wanted[position]
            is_first, lost, previous = False, frame is None, None
            if frame is not None:
                previous = frame, decoder.aspect.of(frame.pts)
                last_end_s = decoder.shown_until_s
        while previous is not None and position < len(wanted) and wanted[position] <= last_end_s:
            yield wanted[position], as_shown(*previous, converter, shorter_side)
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
        decoder = _Decoder(container, picture_of(container, path), 1, damage)
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
    """

    def __init__(self, container: InputContainer, stream: av.VideoStream, threads: int, damage: Damage) -> None:
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
        self.shown_until_s = 0.0
        """When the last frame ends."""
        self.aspect = PixelAspect(self._stream)
        self.due_s = 0.0
        """The next moment asked for; whoever reads the frames moves it on."""

    def frames(self) -> Iterator[tuple[av.VideoFrame | None, float]]:
        """Decoded frames, each with its time from the start of the file; None where a damaged stretch begins."""
        held: list[av.Packet] = []
        holding = True
        for packet in read_packets(self._container, self._stream):
            if (key_s := self._key_s(packet)) is not None:
                if key_s <= self.due_s:
                    self._jumped |= bool(held)
                    if held and self._damage.open:
                        self._damage.end(key_s)
                else:
                    yield from self._decode(held, key_s)
                held, holding = [], True
            held.append(packet)
            if not holding or len(held) > _LONGEST_HELD_GROUP or self._start_s is None:
                yield from self._decode(held, math.inf)
                held, holding = [], False
        yield from self._decode(held, math.inf)

    def close(self, end_s: float) -> None:
        """Ends a damaged stretch that reaches to where reading stopped."""
        if self._damage.open:
            self._damage.end(end_s)

    def _key_s(self, packet: av.Packet) -> float | None:
        """When a packet's key frame is shown; None for all other packets, and before the clock has begun."""
        if not packet.is_keyframe or packet.pts is None or packet.time_base is None or self._start_s is None:
            return None
        return float(packet.pts * packet.time_base) - self._start_s

    def _decode(self, packets: list[av.Packet], end_s: float) -> Iterator[tuple[av.VideoFrame | None, float]]:
        """Decodes packets in a row, up to the moment at which nothing more of them is asked for."""
        if self._jumped and packets:
            yield from self._restart(None)
            self._jumped = False
        for number, packet in enumerate(packets, start=1):
            if self._waits_for_key:
                if not packet.is_keyframe or packet.is_corrupt:
                    continue
                self._waits_for_key = False
                self._resumed_pts = packet.pts
                self._codec.flush_buffers()  # what it still holds was predicted from what is damaged
            if packet.is_keyframe:
                self._key_pts = packet.pts
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

    def _restart(self, damaged: av.Packet | None) -> Iterator[tuple[av.VideoFrame | None, float]]:
        """Takes out what the decoder still holds, and makes it ready for a key frame."""
        with contextlib.suppress(av.error.FFmpegError):  # what it held was damaged as well
            held = self._codec.decode(None)
            if damaged is not None and damaged.pts is not None:
                held = [frame for frame in held if frame.pts is not None and frame.pts < damaged.pts]
            yield from self._timed(held)
        self._codec.flush_buffers()
        self._waits_for_key = True
        if damaged is not None:
            yield from self._mark_damaged()

    def _before_resumption(self, pts: int | None) -> bool:
        return self._resumed_pts is not None and pts is not None and pts < self._resumed_pts

    def _timed(self, frames: list[av.VideoFrame]) -> Iterator[tuple[av.VideoFrame | None, float]]:
        for frame in frames:
            if frame.pts is None or self._stream.time_base is None:
                continue
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

    def _mark_damaged(self) -> Iterator[tuple[None, float]]:
        if not self._damage.open:
            self._damage.begin(self.shown_until_s)
            yield None, self.shown_until_s
