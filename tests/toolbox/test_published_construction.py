"""The published construction, held against its rules: what each task shows, at which size, in which form and order."""

import io
import json
import shutil
from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageOps

from babyvlm.errors import ConfigError, DataFolderError
from babyvlm.records import Box, BoxedFrame
from babyvlm.toolbox import TASKS, CorpusSource, CropConfig, PhotoSource, ToolboxConfig, build_toolbox, open_toolbox
from babyvlm.toolbox.builders.published.material import published_sightings
from babyvlm.toolbox.directions import is_corner, opposite
from tests.toolbox.drawn_corpus import FPS, HEIGHT, WIDTH, colour, exit_of

MARGIN, SIDE = 30 / 640 * WIDTH, 150 / 640 * WIDTH


def items_of(toolbox, task):
    found = [item for item in toolbox.items if item.task == task]
    assert found, task
    return found


def quality_of(path):
    """The quality whose standard tables a JPEG has."""
    tables = Image.open(path).quantization
    for quality in (75, 90, 95):
        buffer = io.BytesIO()
        Image.new("RGB", (8, 8)).save(buffer, format="JPEG", quality=quality)
        if Image.open(buffer).quantization == tables:
            return quality
    return None


def coloured(image, label):
    return np.abs(np.asarray(image, int) - colour(label)).sum(axis=2) < 45


def frame_of(corpus, origin):
    """The boxed frame that a picture was cut from."""
    return corpus.frames_of[origin.source][round(origin.time_s * FPS / 2)]


def box_of(corpus, origin, label):
    """The box of the tracked object, from the corpus."""
    return next(box for box in frame_of(corpus, origin).boxes if box.track == origin.track and box.label == label)


def padded(box):
    """The box with its surroundings, clipped at the frame."""
    left, top = max(0, box.x - MARGIN), max(0, box.y - MARGIN)
    return left, top, min(WIDTH, box.x + box.width + MARGIN), min(HEIGHT, box.y + box.height + MARGIN)


def patches_on_black(image):
    """Separate things on black, specks aside, by flooding."""
    left = {(int(y), int(x)) for y, x in np.argwhere(np.asarray(image).max(axis=2) > 30)}
    sizes = []
    while left:
        edge, size = [left.pop()], 1
        while edge:
            y, x = edge.pop()
            near = {(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)} & left
            left -= near
            edge += near
            size += len(near)
        sizes.append(size)
    return sum(size > 60 for size in sizes)


def test_every_task_is_built_and_says_of_which_construction(toolbox, balanced):
    assert set(toolbox.tasks) == set(TASKS) and toolbox.construction == "published"
    assert {item.variant for item in toolbox.items} == {"published"}
    assert balanced.construction == "balanced" and {item.variant for item in balanced.items} == {"balanced"}
    assert toolbox.manifest.configuration["construction"] == "published"


def test_forms_are_the_published_ones(toolbox):
    quality = {
        "localization": {75}, "left_right": {75}, "memory": {75}, "object_counting": {75}, "subitizing": {75},
        "who_has_more_synthetic": {75}, "who_has_more_naturalistic": {95}, "spatial_details": {75, 95},
        "visual_delayed_response_open": {90}, "visual_delayed_response_binary": {90},
    }  # fmt: skip
    for task, expected in quality.items():
        names = {name for item in items_of(toolbox, task)[:4] for turn in item.turns for name in turn.images}
        assert {quality_of(toolbox.image_path(name)) for name in names} == expected, task
    for item in items_of(toolbox, "picture_vocabulary"):
        assert all(name.endswith(".png") for name in item.turns[0].images)
        assert Image.open(toolbox.image_path(item.turns[0].images[0])).format == "PNG"
    for item in toolbox.items:  # no suffix tells one option from another
        for turn in item.turns:
            options = turn.images[-len(turn.options) :] if TASKS[item.task].answers == "letter" else turn.images
            assert len({name.rpartition(".")[2] for name in options}) == 1


@pytest.mark.parametrize("task", [task for task in TASKS if TASKS[task].answers == "letter"])
def test_letters_are_balanced(toolbox, task):
    golds = Counter(
        turn.gold for item in items_of(toolbox, task) for turn in item.turns[1 if task == "memory" else 0 :]
    )
    assert max(golds.values()) - min(golds.values()) <= 1 and len(golds) == len(TASKS[task].options)


def test_crops_are_native_rectangles_with_their_surroundings(toolbox, corpus):
    for task in ("memory", "picture_vocabulary"):
        for item in items_of(toolbox, task):
            for turn in item.turns:
                for name, label, origin in zip(turn.images, turn.labels, turn.origins, strict=True):
                    size = toolbox.image(name).size
                    expected = padded(box_of(corpus, origin, label))
                    assert np.abs(np.subtract(origin.window, expected)).max() <= 1
                    assert size == (origin.window[2] - origin.window[0], origin.window[3] - origin.window[1])
                    assert min(size) >= SIDE and origin.frame == (WIDTH, HEIGHT)


@pytest.mark.parametrize("task", ["looking_while_listening", "picture_vocabulary"])
def test_the_word_is_in_the_right_picture_and_in_no_other(toolbox, task):
    for item in items_of(toolbox, task):
        turn = item.turns[0]
        shown = [coloured(toolbox.image(name), item.category).mean() for name in turn.images]
        assert shown.pop(turn.options.index(turn.gold)) > 0.1 and max(shown) < 0.02


def test_the_number_of_copies_is_the_answer(toolbox):
    for task, most in (("object_counting", 12), ("subitizing", 4)):
        golds = Counter(item.turns[0].gold for item in items_of(toolbox, task))
        assert golds == {str(number): 24 // most for number in range(1, most + 1)}
        for item in items_of(toolbox, task)[:12]:
            turn = item.turns[0]
            image = toolbox.image(turn.images[0])
            assert image.size == (WIDTH, HEIGHT) and patches_on_black(image) == int(turn.gold)
            assert turn.origins[0].source != "synthetic"  # the exemplar is told
            assert turn.prompt == f"<image> How many {item.turns[0].labels[0]}s do you see?"


def test_pairs_show_one_layout_with_copies_taken_away(toolbox):
    differences = []
    for item in items_of(toolbox, "who_has_more_synthetic"):
        turn = item.turns[0]
        more, fewer = (int(text) for text in item.category.split(":"))
        assert [text.split()[0] for text in turn.labels] == [
            str(number) for number in ((more, fewer) if turn.gold == "A" else (fewer, more))
        ]
        larger, smaller = (
            np.asarray(toolbox.image(turn.images[place]), int)
            for place in (("AB".index(turn.gold)), 1 - "AB".index(turn.gold))
        )
        lit_more, lit_fewer = larger.max(axis=2) > 60, smaller.max(axis=2) > 60
        assert not (lit_fewer & ~lit_more).any()  # nothing is added or moved
        assert fewer == 0 or np.abs(larger - smaller)[lit_fewer].mean() < 12
        assert lit_fewer.sum() == pytest.approx(lit_more.sum() * fewer / more, rel=0.1, abs=60)
        assert 0 <= fewer < more <= 10
        differences.append(more - fewer)
        assert turn.prompt == f"Which image has more {turn.labels[0].split()[1]}s? Answer (A) <image> (B) <image>"
    zeros = sum(item.category.endswith(":0") for item in items_of(toolbox, "who_has_more_synthetic"))
    assert 1 <= zeros <= 4 and differences.count(1) >= 8 and max(differences) <= 6


def test_naturalistic_pairs_are_whole_frames_of_two_recordings(toolbox, corpus):
    for item in items_of(toolbox, "who_has_more_naturalistic"):
        turn = item.turns[0]
        assert len({origin.source for origin in turn.origins}) == 2
        numbers = []
        for name, origin, label in zip(turn.images, turn.origins, turn.labels, strict=True):
            assert toolbox.image(name).size == origin.frame == (WIDTH, HEIGHT)
            boxes = [box for box in frame_of(corpus, origin).boxes if box.label == label.split()[1]]
            assert len(boxes) == int(label.split()[0])
            numbers.append(len(boxes))
        thing = turn.labels[0].split()[1]
        assert turn.prompt == f"Which image has more {thing}s? (A) <image> (B) <image>"
        assert turn.gold == "AB"[numbers[1] > numbers[0]] and 1 <= min(numbers) < max(numbers) <= 7


def test_the_frame_is_cut_at_the_box_in_the_corner_of_the_answer(toolbox, corpus):
    for item in items_of(toolbox, "localization"):
        turn = item.turns[0]
        origin, image = turn.origins[0], toolbox.image(turn.images[0])
        box = box_of(corpus, origin, item.category)
        left, top, right, bottom = (round(edge) for edge in padded(box))
        across, down = (left + right) / 2 >= WIDTH / 2, (top + bottom) / 2 >= HEIGHT / 2
        assert turn.gold == "ABCD"[2 * down + across]
        assert abs(image.width - (right if across else WIDTH - left)) <= 1
        assert abs(image.height - (bottom if down else HEIGHT - top)) <= 1
        assert np.abs(np.subtract(origin.box, (left, top, right - left, bottom - top))).max() <= 1
        assert (right - left) * (bottom - top) <= 0.225 * WIDTH * HEIGHT
        assert sum(other.label == item.category for other in frame_of(corpus, origin).boxes) == 1


def test_left_right_shows_the_mirror_image_twice_on_a_canvas_of_the_frame(toolbox):
    for item in items_of(toolbox, "left_right"):
        turn = item.turns[0]
        query, *options = turn.images
        assert options.pop("ABC".index(turn.gold)) == query
        assert options[0] == options[1] != query
        shown, mirrored = (toolbox.image(name) for name in (query, options[0]))
        assert shown.size == mirrored.size == (WIDTH, HEIGHT)
        turned = np.asarray(ImageOps.mirror(mirrored), int)
        apart = min(np.abs(np.roll(turned, step, axis=1) - np.asarray(shown, int)).mean() for step in (-1, 0, 1))
        assert apart < 4 < np.abs(np.asarray(mirrored, int) - np.asarray(shown, int)).mean()
        left, top, right, bottom = turn.origins[0].window
        scale = min(WIDTH / (right - left), HEIGHT / (bottom - top))
        width, height = (right - left) * scale, (bottom - top) * scale
        lit = np.asarray(shown).max(axis=2) > 60
        columns, rows = np.flatnonzero(lit.any(axis=0)), np.flatnonzero(lit.any(axis=1))
        assert abs(columns[0] - (WIDTH - width) / 2) <= 3 and abs(WIDTH - 1 - columns[-1] - (WIDTH - width) / 2) <= 3
        assert abs(rows[0] - (HEIGHT - height) / 2) <= 3 and abs(HEIGHT - 1 - rows[-1] - (HEIGHT - height) / 2) <= 3


def test_spatial_details_asks_for_the_frame_that_the_query_is_a_window_of(toolbox, corpus):
    for item in items_of(toolbox, "spatial_details"):
        turn = item.turns[0]
        query, window = np.asarray(toolbox.image(turn.images[0]), float), turn.origins[0].window
        assert len(set(turn.images)) == 4
        for letter, name, origin in zip("ABC", turn.images[1:], turn.origins[1:], strict=True):
            frame = toolbox.image(name)
            assert frame.size == (WIDTH, HEIGHT) and origin.window == (0, 0, WIDTH, HEIGHT)
            apart = np.abs(np.asarray(frame.crop(window), float) - query).mean()
            assert (apart < 5) == (letter == turn.gold)
            assert item.category in {box.label for box in frame_of(corpus, origin).boxes}
            if letter != turn.gold:
                assert origin.source != turn.origins[0].source


def test_exits_are_shown_by_an_early_frame_and_a_burst(toolbox, corpus):
    for task in ("visual_delayed_response_open", "visual_delayed_response_binary"):
        for item in items_of(toolbox, task):
            turn = item.turns[0]
            times = [origin.time_s for origin in turn.origins]
            assert turn.gold == exit_of(int(turn.origins[0].source[1:]), int(times[0]) // 2 * 2)
            assert 5 <= len(times) <= 9
            steps = np.diff(times)
            assert steps[1:] == pytest.approx(0.2, abs=0.002) and 0.399 <= steps[0] <= 2.001
            first = box_of(corpus, turn.origins[0], item.category)
            assert first.x > 1 and first.y > 1 and first.x + first.width < WIDTH - 1
            assert not coloured(toolbox.image(turn.images[-1]), item.category).any()
            if task.endswith("binary"):
                assert set(turn.options) == {turn.gold, opposite(turn.gold)} and not is_corner(turn.gold)
    open_golds = [item.turns[0].gold for item in items_of(toolbox, "visual_delayed_response_open")]
    assert sum(map(is_corner, open_golds)) <= len(open_golds) / 4


def test_memory_shows_the_new_picture_beside_the_one_before(toolbox):
    for item in items_of(toolbox, "memory"):
        news = [turn.images["AB".index(turn.gold)] for turn in item.turns]
        olds = [[name for name in turn.images if name != new] for turn, new in zip(item.turns, news, strict=True)]
        assert len(set(news)) == 15 and olds[0] == [] and olds[1:5] == [[name] for name in news[:4]]
        for half in (olds[5:10], olds[10:15]):
            assert sorted(name for (name,) in half) == sorted(news[:5])
        assert len({label for turn in item.turns for label in turn.labels}) == 15


def test_hard_items_stand_beside_published_ones(corpus, tmp_path):
    config = ToolboxConfig(tasks=("left_right", "subitizing"), variants=("published", "hard"), items_per_task=4)
    built = build_toolbox(CorpusSource(corpus, "test"), tmp_path / "both", config)
    assert built.tasks == ("left_right", "subitizing", "left_right.hard", "subitizing.hard")
    assert built.construction == "published"


@pytest.fixture
def photographs(tmp_path):
    """Four photographs of 640 x 480 with boxes: a bright cup, a dark hat, a symmetrical ball, a wall that fills."""
    images, boxes = tmp_path / "images", tmp_path / "boxes"
    images.mkdir(), boxes.mkdir()
    rng = np.random.default_rng(0)
    for number in range(4):
        pixels = np.full((480, 640, 3), 200, np.uint8)
        pixels[20:180, 20:200] = rng.integers(60, 255, (160, 180, 3))
        pixels[240:480, 0:260] = 3
        half = rng.integers(0, 255, (200, 100, 3), np.uint8)
        pixels[250:450, 400:500], pixels[250:450, 500:600] = half, half[:, ::-1]
        Image.fromarray(pixels).save(images / f"{number}.png")
        lines = ["cup 20 20 200 180", "hat 30 270 230 450", "ball 400 250 600 450"]
        (boxes / f"{number}.txt").write_text("\n".join([*lines, *(["wall 0 0 640 480"] if number == 0 else [])]) + "\n")
    return PhotoSource(images, boxes)


def test_what_cannot_be_answered_is_left_out_and_counted(photographs, tmp_path, capsys):
    tasks = ("object_counting", "left_right", "localization", "memory")
    built = build_toolbox(photographs, tmp_path / "out", ToolboxConfig(tasks=tasks, items_per_task=8))
    skipped, labels = built.manifest.skipped, defaultdict(set)
    for item in built.items:
        labels[item.task] |= set(item.turns[0].labels)
    assert "hat" not in labels["object_counting"] and "cup" in labels["object_counting"]
    assert skipped["object_counting: a crop too dark to be told from black"] > 0
    assert "ball" not in labels["left_right"] and skipped["left_right: cannot be told from its mirror image"] > 0
    assert "wall" not in labels["localization"] and skipped["localization: the box fills its frame"] == 1
    missing = next(note for note in built.manifest.notes if note.startswith("memory"))
    assert "15 categories" in missing and "the source shows 4: ball, cup, hat, wall" in missing
    assert missing in capsys.readouterr().err


def frames_with(*boxes, width=640, height=480):
    made = tuple(Box(label=label, x=x, y=y, width=w, height=h) for label, x, y, w, h in boxes)
    frame = BoxedFrame(source="room.jpg", width=width, height=height, boxes=made)

    class Source:
        frames = (frame,)

    return Source()


@pytest.mark.parametrize("width", [320, 640, 1920])
@pytest.mark.parametrize(("side", "shown"), [(92, True), (86, False)])
def test_bounds_go_with_the_size_of_the_frame(width, side, shown):
    """A box of 90 pixels of 640 has a crop of 150: 30 pixels on either side."""
    scale = width / 640
    source = frames_with(
        ("cup", 200 * scale, 150 * scale, side * scale, side * scale), width=width, height=round(480 * scale)
    )
    found = published_sightings(source, CropConfig(min_composed_side=150 / 640))
    assert bool(found.sightings) is shown


def test_relaxed_bounds_are_named_in_the_manifest(photographs, tmp_path):
    config = ToolboxConfig(tasks=("left_right",), items_per_task=2, crops=CropConfig(min_side=0.1))
    built = build_toolbox(photographs, tmp_path / "out", config)
    assert any("min_side 0.1, published 0.234375" in note for note in built.manifest.notes)
    with pytest.raises(ConfigError, match="min_side is a fraction"):
        CropConfig(min_side=1.5)
    with pytest.raises(ConfigError, match="least_quadrant_margin"):
        CropConfig(quadrant_margin=0.05)
    with pytest.raises(ConfigError, match="choose one of published, balanced"):
        ToolboxConfig(construction="balancd")


def test_toolboxes_of_before_are_balanced_and_mixed_ones_are_refused(balanced, toolbox, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(balanced.folder, old)
    manifest = json.loads((old / "manifest.json").read_text())
    del manifest["configuration"]["construction"]
    (old / "manifest.json").write_text(json.dumps(manifest))
    lines = (old / "items.jsonl").read_text().replace('"variant":"balanced"', '"variant":"published"')
    (old / "items.jsonl").write_text(lines)
    opened = open_toolbox(old)
    assert opened.construction == "balanced" and len(opened.items) == len(balanced.items)
    (old / "items.jsonl").write_text(lines.replace('"variant":"published"', '"variant":"balanced"', 1))
    with pytest.raises(DataFolderError, match="one mean has one construction"):
        open_toolbox(old)


def test_the_same_bytes_for_any_number_of_workers(toolbox, corpus, tmp_path):
    config = ToolboxConfig(items_per_task=24, max_crops=300, crops=CropConfig(min_other_colours=0.0))
    again = build_toolbox(CorpusSource(corpus, "test"), tmp_path / "again", config, workers=2)
    assert again.items == toolbox.items
    for path in toolbox.folder.glob("images/*"):
        assert (again.folder / "images" / path.name).read_bytes() == path.read_bytes()
    other = build_toolbox(CorpusSource(corpus, "test"), tmp_path / "other", replace(config, seed=1, items_per_task=4))
    assert len({item.id for item in other.items} & {item.id for item in toolbox.items}) < 0.2 * len(other.items)
