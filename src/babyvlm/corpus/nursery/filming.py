"""One recording: directed, spoken, painted frame by frame, encoded, and written with its transcript and boxes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import skia

from babyvlm.corpus.nursery.configuration import NurseryConfig, RecordingPlan
from babyvlm.corpus.nursery.episodes import Director
from babyvlm.corpus.nursery.exemplars import exemplar
from babyvlm.corpus.nursery.pen import BROWN, SKIN, argb, darker
from babyvlm.corpus.nursery.rooms import MARGIN, draw_room
from babyvlm.corpus.nursery.scenes import Episode, Prop, compose, visible_boxes
from babyvlm.corpus.nursery.speech import converse
from babyvlm.corpus.nursery.voice import sound_track
from babyvlm.corpus.nursery.writer import BoxedMoment, write_boxes, write_movie, write_transcript

_SAMPLING = skia.SamplingOptions(skia.FilterMode.kLinear, skia.MipmapMode.kNearest)
_FAST_SAMPLING = skia.SamplingOptions(skia.FilterMode.kLinear)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordingCounts:
    """What one recording came to, for the manifest."""

    frames: int
    utterances: int
    boxes: int
    departures: int


def render_recording(config: NurseryConfig, plan: RecordingPlan, folder: Path, engine: str) -> RecordingCounts:
    """Renders one recording: its movie, transcript and boxes.

    Args:
        config: The nursery's.
        plan: Which recording.
        folder: The corpus folder, with a folder for the child in it.
        engine: What speaks, as ``choose_engine`` gives it.
    """
    episodes = Director(config, plan).episodes()
    spoken = converse(config, plan, episodes)
    stem = folder / plan.child / plan.id
    samples = sound_track(spoken, config.recording_frames / config.fps, engine)
    moments: list[BoxedMoment] = []
    write_movie(
        stem.with_suffix(".mp4"),
        _pictures(config, episodes, moments),
        samples,
        width=config.width,
        height=config.height,
        fps=config.fps,
    )
    write_transcript(stem.with_suffix(".vtt"), spoken)
    write_boxes(stem.with_suffix(".boxes.json"), f"{plan.id}.mp4", moments, width=config.width, height=config.height)
    return RecordingCounts(
        frames=config.recording_frames,
        utterances=len(spoken),
        boxes=sum(len(moment.boxes) for moment in moments),
        departures=sum(len(episode.departures) for episode in episodes),
    )


def _pictures(config: NurseryConfig, episodes: list[Episode], moments: list[BoxedMoment]) -> Iterator[np.ndarray]:
    """Paints frame after frame into one buffer; the boxes of annotated frames are added to ``moments``."""
    buffer = np.zeros((config.height, config.width, 4), dtype=np.uint8)
    # BGRA without transparency, as the backdrop is: Skia has a quick path for that, as long as nothing is rolled.
    info = skia.ImageInfo.Make(
        config.width, config.height, skia.ColorType.kBGRA_8888_ColorType, skia.AlphaType.kOpaque_AlphaType
    )
    surface = skia.Surface.MakeRasterDirect(info, buffer)
    canvas = surface.getCanvas()
    every = config.fps // config.annotation_fps
    for episode in episodes:
        backdrop = draw_room(episode.room, config.aspect, config.height)
        lens_F23 = episode.camera.matrices(config.width, config.height)
        matrices = [compose(lens_F23, prop.matrices()) for prop in episode.props]
        for frame in range(episode.num_frames):
            canvas.setMatrix(_skia_matrix(lens_F23[frame]))
            canvas.scale(1 / config.height, 1 / config.height)
            canvas.drawImage(backdrop, -MARGIN * config.height, -MARGIN * config.height, _FAST_SAMPLING)
            for prop, matrices_F23 in zip(episode.props, matrices, strict=True):
                if prop.size_F[frame] > 0:
                    if prop.held_F is not None and prop.held_F[frame]:
                        canvas.setMatrix(_skia_matrix(lens_F23[frame]))
                        _draw_arm(canvas, prop, frame)
                    canvas.setMatrix(_skia_matrix(matrices_F23[frame]))
                    _draw_prop(canvas, prop, config.seed)
            if frame % every == 0:
                boxes = visible_boxes(episode.props, matrices, config.seed, frame, config.width, config.height)
                time_s = (episode.start_frame + frame) / config.fps
                moments.append(BoxedMoment(time_s=time_s, boxes=tuple(boxes)))
            yield buffer


def _skia_matrix(matrix_23: np.ndarray) -> skia.Matrix:
    (a, b, c), (d, e, f) = matrix_23.tolist()
    return skia.Matrix.MakeAll(a, b, c, d, e, f, 0, 0, 1)


def _draw_prop(canvas: skia.Canvas, prop: Prop, seed: int) -> None:
    drawn = exemplar(seed, prop.category, prop.number)
    half_width, half_height = drawn.width / 2, drawn.height / 2
    if prop.shelf:
        canvas.drawRect(
            skia.Rect.MakeLTRB(-half_width - 0.25, half_height - 0.02, half_width + 0.25, half_height + 0.1),
            skia.Paint(Color=argb(darker(BROWN, 0.2)), AntiAlias=True),
        )
    elif prop.shadow:
        shade = skia.Rect.MakeLTRB(-half_width, half_height - 0.08, half_width, half_height + 0.05)
        canvas.drawOval(shade, skia.Paint(Color=skia.Color(0, 0, 0, 60), AntiAlias=True))
    rect = skia.Rect.MakeLTRB(-half_width, -half_height, half_width, half_height)
    canvas.drawImageRect(drawn.picture, rect, _SAMPLING)


def _draw_arm(canvas: skia.Canvas, prop: Prop, frame: int) -> None:
    """The arm of whoever holds it, behind it, from below and to one side."""
    x, y, size = float(prop.x_F[frame]), float(prop.y_F[frame]), float(prop.size_F[frame])
    side = 1.0 if prop.track % 2 else -1.0
    skin = (SKIN, BROWN, (206, 158, 122))[prop.track % 3]
    for colour, extra in ((darker(skin, 0.5), 0.012), (skin, 0.0)):
        arm = skia.Paint(
            Color=argb(colour),
            AntiAlias=True,
            Style=skia.Paint.kStroke_Style,
            StrokeWidth=0.1 + extra,
            StrokeCap=skia.Paint.kRound_Cap,
        )
        canvas.drawLine(x + side * 0.5, y + 1.1, x + side * size * 0.12, y + size * 0.3, arm)
