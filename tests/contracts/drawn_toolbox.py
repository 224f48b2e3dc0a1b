"""A small drawn corpus with boxes, and how the contract suites build toolboxes from it."""

from dataclasses import replace

from babyvlm.records import BoxedFrame, Recording
from babyvlm.toolbox import CropConfig, ToolboxConfig
from tests.toolbox.drawn_corpus import FPS, HEIGHT, WIDTH, DrawnCorpus, boxes_of, draw_scene, film, scene

SECONDS, RECORDINGS = 12, 4


def draw_corpus(folder):
    """Films recordings in which things stand, come in several and leave."""
    recordings, boxes = [], {}
    for number in range(RECORDINGS):
        name = f"R{number}"
        scenes = [scene(number, index) for index in range(SECONDS * FPS)]
        film(folder / f"{name}.mp4", [draw_scene(objects) for objects in scenes])
        recordings.append(
            Recording(id=name, child="R", media=f"{name}.mp4", duration_s=SECONDS, split="test", licence="CC0")
        )
        boxes[name] = tuple(
            BoxedFrame(source=name, time_s=index / FPS, width=WIDTH, height=HEIGHT, boxes=boxes_of(scenes[index]))
            for index in range(0, SECONDS * FPS, 2)
        )
    return DrawnCorpus(folder, tuple(recordings), boxes)


def without_boxes(corpus):
    """The same frames with nothing boxed in them."""
    bare = {
        name: tuple(frame.model_copy(update={"boxes": ()}) for frame in frames)
        for name, frames in corpus.frames_of.items()
    }
    return replace(corpus, frames_of=bare)


def config_of(tasks, **changes):
    # Flags of a category have one colour: only their tracks tell them apart.
    settings = {"items_per_task": 8, "max_crops": 200, "crops": CropConfig(min_other_colours=0.0)}
    return ToolboxConfig(tasks=tuple(tasks), **settings | changes)
