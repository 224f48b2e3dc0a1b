"""The drawn corpus, filmed once, and the toolboxes built from its test split."""

import pytest

from babyvlm.records import BoxedFrame, Recording
from babyvlm.toolbox import CorpusSource, CropConfig, ToolboxConfig, build_toolbox
from tests.toolbox.drawn_corpus import FPS, HEIGHT, WIDTH, DrawnCorpus, boxes_of, draw_scene, film, scene

# Flags of a category have one colour: only their tracks tell them apart.
PUBLISHED = ToolboxConfig(items_per_task=24, max_crops=300, crops=CropConfig(min_other_colours=0.0))


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    recordings, boxes = [], {}
    for number, split in enumerate(("test",) * 4 + ("train",) * 4 + ("validation",)):
        name = f"R{number}"
        scenes = [scene(number, index) for index in range(12 * FPS)]
        film(folder / f"{name}.mp4", [draw_scene(objects) for objects in scenes])
        recordings.append(Recording(id=name, child="R", media=f"{name}.mp4", duration_s=12, split=split, licence="CC0"))
        boxes[name] = tuple(
            BoxedFrame(source=name, time_s=index / FPS, width=WIDTH, height=HEIGHT, boxes=boxes_of(scenes[index]))
            for index in range(0, 12 * FPS, 2)
        )
    return DrawnCorpus(folder, tuple(recordings), boxes)


@pytest.fixture(scope="session")
def toolbox(corpus, tmp_path_factory):
    out = tmp_path_factory.mktemp("toolbox") / "built"
    return build_toolbox(CorpusSource(corpus, "test"), out, PUBLISHED)


@pytest.fixture(scope="session")
def balanced(corpus, tmp_path_factory):
    out = tmp_path_factory.mktemp("balanced") / "built"
    config = ToolboxConfig(construction="balanced", items_per_task=24, max_crops=300)
    return build_toolbox(CorpusSource(corpus, "test"), out, config)
