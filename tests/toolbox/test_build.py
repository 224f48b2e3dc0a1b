"""The balanced construction is right about its pictures, gives nothing away, and is the same every time."""

import filecmp
import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from babyvlm.errors import AnnotationError, ConfigError, DataFolderError, InputError, OutputExistsError
from babyvlm.records import Reply, Response
from babyvlm.toolbox import (
    TASKS,
    CorpusSource,
    PhotoSource,
    ToolboxConfig,
    build_toolbox,
    open_toolbox,
    score,
)
from babyvlm.toolbox.directions import opposite
from tests.toolbox.drawn_corpus import FPS, LABELS, colour, exit_of

ROOMS = Path(__file__).parents[2] / "../shared/data/rooms"


def items_of(toolbox, task):
    found = [item for item in toolbox.items if item.task == task]
    assert found, task
    return found


def share_of(image: Image.Image, label: str) -> np.ndarray:
    """Where a picture has the colour of a category."""
    return np.abs(np.asarray(image, int) - colour(label)).sum(axis=2) < 45


def test_every_task_is_built_and_read_back(balanced):
    counts = Counter(item.task for item in balanced.items)
    assert balanced.tasks == tuple(TASKS)
    assert counts == balanced.manifest.counts
    full = {task for task in TASKS if counts[task] == 24}
    # Four recordings hold eight exits; every other task has supply for all.
    assert set(TASKS) - full == {"visual_delayed_response_binary", "visual_delayed_response_open"}
    assert any(note.startswith("visual_delayed_response_open: 8 of 24") for note in balanced.manifest.notes)
    assert {item.split for item in balanced.items} == {"test"} and {item.licence for item in balanced.items} == {"CC0"}


@pytest.mark.parametrize("task", ["looking_while_listening", "picture_vocabulary"])
def test_the_word_is_in_the_right_picture_and_in_no_other(balanced, task):
    for item in items_of(balanced, task):
        turn = item.turns[0]
        shown = [share_of(balanced.image(name), item.category).mean() for name in turn.images]
        right = shown.pop(turn.options.index(turn.gold))
        assert right > 0.15 and max(shown) < 0.02
        assert f"'{item.category}'" in turn.prompt


def test_the_object_to_point_at_is_in_its_quadrant(balanced):
    for item in items_of(balanced, "localization"):
        places = np.nonzero(share_of(balanced.image(item.turns[0].images[0]), item.category))
        down, right = (
            np.percentile(along, (3, 97)).mean() > middle for along, middle in zip(places, (120, 160), strict=True)
        )
        assert item.turns[0].gold == "ABCD"[2 * down + right]


def test_left_right_shows_the_same_its_mirror_image_and_another(balanced):
    for item in items_of(balanced, "left_right"):
        turn = item.turns[0]
        target, *options = turn.images
        assert options["ABC".index(turn.gold)] == target and options.count(target) == 1
        mirrored = balanced.image(options[turn.labels[1:].index("mirrored")])
        difference = np.abs(np.asarray(ImageOps.mirror(mirrored), int) - np.asarray(balanced.image(target), int))
        assert difference.mean() < 3
        other = next(label for label in turn.labels[1:] if label not in ("mirrored", item.category))
        assert other in LABELS


def test_spatial_details_foils_are_of_the_category_and_differ(balanced):
    for item in items_of(balanced, "spatial_details"):
        turn = item.turns[0]
        target, *options = turn.images
        assert options["ABC".index(turn.gold)] == target and len(set(options)) == 3
        assert all(label.startswith(item.category) for label in turn.labels)


def test_exits_are_those_that_were_filmed(balanced):
    for task in ("visual_delayed_response_open", "visual_delayed_response_binary"):
        for item in items_of(balanced, task):
            turn = item.turns[0]
            last = turn.origins[-1]
            assert turn.gold == exit_of(int(last.source[1:]), int(last.time_s) // 2 * 2)
            assert 5 <= len(turn.images) <= 10
            assert share_of(balanced.image(turn.images[0]), item.category).any()
            assert not share_of(balanced.image(turn.images[-1]), item.category).any()
            if task.endswith("binary"):
                assert set(turn.options) == {turn.gold, opposite(turn.gold)}
    assert len({item.turns[0].gold for item in items_of(balanced, "visual_delayed_response_open")}) == 8


def number_of(image: Image.Image, label: str) -> int:
    """How many separate things of a category's colour a picture shows, specks aside."""
    left = {(int(y), int(x)) for y, x in np.argwhere(share_of(image, label))}
    number = 0
    while left:
        edge, size = [left.pop()], 1
        while edge:
            y, x = edge.pop()
            near = {(y + down, x + right) for down in (-1, 0, 1) for right in (-1, 0, 1)} & left
            left -= near
            edge += near
            size += len(near)
        number += size > 60
    return number


def test_counts_agree_with_pixels(balanced, corpus):
    windows = 0
    for item in items_of(balanced, "object_counting"):
        turn = item.turns[0]
        assert number_of(balanced.image(turn.images[0]), turn.labels[0]) == int(turn.gold)
        frame = corpus.frames_of[turn.origins[0].source][round(turn.origins[0].time_s * FPS / 2)]
        in_frame = sum(box.label == turn.labels[0] for box in frame.boxes)
        assert int(turn.gold) <= in_frame
        windows += int(turn.gold) < in_frame
    assert windows > 0  # some items show a part of their frame
    for item in items_of(balanced, "who_has_more_naturalistic"):
        turn = item.turns[0]
        label = turn.labels[0].split()[1]
        numbers = [number_of(balanced.image(name), label) for name in turn.images]
        assert numbers == [int(text.split()[0]) for text in turn.labels]
        assert turn.gold == ("A" if numbers[0] > numbers[1] else "B")


def test_memory_items_have_the_published_structure(balanced):
    for item in items_of(balanced, "memory"):
        assert len(item.turns) == 15 and sum(len(turn.images) for turn in item.turns) == 29
        assert item.turns[0].prompt == "Touch the new image. (A) <image>"
        seen, learned, tested = set(), set(), Counter()
        for index, turn in enumerate(item.turns):
            new = turn.images["AB".index(turn.gold)]
            assert new not in seen
            if index:
                (old,) = set(turn.images) - {new}
                assert old in learned
                tested[old] += index >= 5
            if index < 5:
                learned.add(new)
            seen.add(new)
        assert len(learned) == 5 and set(tested.values()) == {2}
        assert len({label for turn in item.turns for label in turn.labels}) == 15


@pytest.mark.parametrize("task", [task for task in TASKS if TASKS[task].answers == "letter"])
def test_letters_are_balanced(balanced, task):
    golds = Counter(
        turn.gold for item in items_of(balanced, task) for turn in item.turns[1 if task == "memory" else 0 :]
    )
    assert max(golds.values()) - min(golds.values()) <= 1 and len(golds) == len(TASKS[task].options)


def test_numbers_are_balanced_as_far_as_supply_allows(balanced):
    subitizing = Counter(item.turns[0].gold for item in items_of(balanced, "subitizing"))
    assert subitizing == {"1": 6, "2": 6, "3": 6, "4": 6}
    counting = Counter(item.turns[0].gold for item in items_of(balanced, "object_counting"))
    assert set(counting.values()) == {2}


def test_nothing_but_the_pictures_tells_options_apart(balanced):
    for item in balanced.items:
        for turn in item.turns:
            sizes = {balanced.image(name).size for name in turn.images}
            assert len(sizes) == 1, item.task
    for path in (balanced.folder / "images").iterdir():
        data = path.read_bytes()
        assert path.name == hashlib.sha256(data).hexdigest()[:20] + ".jpg"
        with Image.open(path) as image:
            assert not image.getexif() and "comment" not in image.info


def test_same_seed_same_bytes_for_any_number_of_workers(balanced, corpus, tmp_path):
    again = build_toolbox(
        CorpusSource(corpus, "test"),
        tmp_path / "again",
        ToolboxConfig(construction="balanced", items_per_task=24, max_crops=300),
        workers=2,
    )
    names = [
        "items.jsonl",
        "manifest.json",
        *sorted(f"images/{path.name}" for path in balanced.folder.glob("images/*")),
    ]
    assert len(list(again.folder.glob("images/*"))) == len(names) - 2
    same, different, missing = filecmp.cmpfiles(balanced.folder, again.folder, names, shallow=False)
    assert len(same) == len(names) and not different and not missing
    other = build_toolbox(
        CorpusSource(corpus, "test"),
        tmp_path / "other",
        ToolboxConfig(construction="balanced", items_per_task=24, items={"memory": 3}, max_crops=300, seed=1),
    )
    assert sum(item.task == "memory" for item in other.items) == 3
    assert {item.id for item in other.items} != {item.id for item in again.items}


def test_bad_folders_and_settings_are_refused_by_name(balanced, corpus, tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'memory'"):
        ToolboxConfig(tasks=("memroy",))
    with pytest.raises(ConfigError, match="memory must get at least 1 item"):
        ToolboxConfig(items={"memory": 0})
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "note.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match=r"note\.txt"):
        build_toolbox(CorpusSource(corpus, "test"), tmp_path / "kept")
    broken = tmp_path / "broken"
    (broken / "images").mkdir(parents=True)
    for name in ("manifest.json", "items.jsonl"):
        (broken / name).write_bytes((balanced.folder / name).read_bytes())
    with pytest.raises(DataFolderError, match=r"line 1.*not in images/"):
        open_toolbox(broken)


@pytest.mark.skipif(not ROOMS.is_dir(), reason="the photographs of ../shared/data/rooms are not here")
def test_photographs_of_real_rooms_through_to_a_score(tmp_path):
    source = PhotoSource(ROOMS / "images", ROOMS / "ground-truth", licence="Apache-2.0")
    built = build_toolbox(source, tmp_path / "rooms", ToolboxConfig(items_per_task=30))
    tracked = {"visual_delayed_response_binary", "visual_delayed_response_open"}  # photographs have no tracks
    assert set(built.tasks) == set(TASKS) - tracked
    assert {note.split(":")[0] for note in built.manifest.notes} >= tracked
    responses = [
        Response(item=item.id, replies=tuple(Reply(text=turn.gold) for turn in item.turns)) for item in built.items
    ]
    scores = score(built.items, responses)
    assert scores.overall == 1.0 and scores.not_asked == 0
    assert score(built.items, responses[::2]).not_asked == len(responses) // 2


def test_photographs_and_boxes_that_cannot_be_used_are_counted_and_the_rest_is_built(tmp_path, capsys):
    images, boxes = tmp_path / "images", tmp_path / "boxes"
    images.mkdir(), boxes.mkdir()
    rng = np.random.default_rng(0)
    for number in range(8):
        Image.fromarray(rng.integers(0, 255, (240, 320, 3), dtype=np.uint8)).save(images / f"{number}.jpg")
        (boxes / f"{number}.txt").write_text(f"cup {20 + number} 30 120 130\nball 180 60 270 150\n")
    whole = (images / "0.jpg").read_bytes()
    (images / "0.jpg").write_bytes(whole[: len(whole) // 2])  # opens, and does not decode
    (images / "1.jpg").unlink()
    for number, line in ((2, "cup 400 30 500 90"), (3, "cup ten 30 500 90"), (4, "hat 180 60 270 150")):
        (boxes / f"{number}.txt").write_text((boxes / f"{number}.txt").read_text() + line + "\n")
    source = PhotoSource(images, boxes)
    assert source.skipped == {
        "photograph: missing, damaged or ambiguous": 2,
        "box: does not parse, is empty or leaves its photograph": 2,
        "box: in the very place of one of another category": 2,
    }
    said = capsys.readouterr().err
    assert "0.jpg" in said and "2.txt, line 3" in said and "2 passed over: photograph" in said
    (boxes / "7.txt").write_text((boxes / "7.txt").read_text() + "pea 5 200 12 208\n")
    source = PhotoSource(images, boxes)
    built = build_toolbox(
        source,
        tmp_path / "out",
        ToolboxConfig(construction="balanced", tasks=("localization", "left_right"), items_per_task=8),
    )
    assert any("1 of 3 categories have no box that can be shown alone" in note for note in built.manifest.notes)
    assert any("pea (1)" in note for note in built.manifest.notes)
    assert sum(item.task == "localization" for item in built.items) == 8
    assert built.manifest.skipped["photograph: missing, damaged or ambiguous"] == 2


def test_a_source_of_which_most_cannot_be_used_is_refused(tmp_path):
    images, boxes = tmp_path / "images", tmp_path / "boxes"
    images.mkdir(), boxes.mkdir()
    for number in range(3):
        (boxes / f"{number}.txt").write_text("cup 20 30 120 130\n")
    Image.new("RGB", (240, 320)).save(images / "0.jpg")
    with pytest.raises(InputError, match="2 of 3 photographs"):
        PhotoSource(images, boxes)


@pytest.mark.case("accounting")
def test_what_a_recordings_boxes_cannot_give_is_counted(corpus, capsys):
    problem = AnnotationError("there is no image 9", path="R8.boxes.json", place="annotations[3]")
    source = CorpusSource(replace(corpus, problems=(problem,)), "test")
    assert set(source.skipped.values()) == {len(source.recordings)}
    assert "R8.boxes.json, annotations[3]: there is no image 9" in capsys.readouterr().err
