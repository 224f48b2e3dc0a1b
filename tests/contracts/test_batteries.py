"""What every battery holds: a source becomes a toolbox, every record accounted for, by its content alone."""

import re

import pytest

from babyvlm.errors import BabyVLMError, ConfigError
from babyvlm.evaluation.baselines import RandomGuess
from babyvlm.records import Item
from babyvlm.toolbox import score
from babyvlm.toolbox.batteries import REGISTRY, Battery, BatteryRecord, BatteryTurn
from babyvlm.toolbox.published import ImportConfig, export_items
from tests.extensions import example_names, names_of

NAMES = names_of(REGISTRY)


@pytest.fixture
def source(name, toolbox, tmp_path):
    """A small source: the battery's own example, and for published items those of the toolbox."""
    folder = tmp_path / "source"
    if name == "published":
        export_items(toolbox, folder)
    else:
        folder.mkdir()
        REGISTRY.get(name).write_example(folder)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_a_source_becomes_a_toolbox(name, source, tmp_path):
    imported = REGISTRY.get(name)(source, tmp_path / "one", ImportConfig(licence="restricted: test"))
    toolbox = imported.toolbox
    assert toolbox.items and toolbox.construction == "published"
    for item in toolbox.items:
        assert Item.model_validate_json(item.model_dump_json()) == item
        assert item.licence == ("CC0" if name == "published" else "restricted: test")  # published records may say
        assert all(toolbox.image(shown).size for turn in item.turns for shown in turn.images)
    responses = RandomGuess().answer([item.question() for item in toolbox.items], toolbox.image)
    scores = score(toolbox.items, responses)
    assert sum(task.items for task in scores.tasks) == len(toolbox.items) and scores.not_asked == 0
    assert sum(toolbox.manifest.counts[task] for task in toolbox.tasks) == len(toolbox.items)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_source_gives_the_same_bytes(name, source, tmp_path):
    one, two = (REGISTRY.get(name)(source, tmp_path / out).toolbox for out in ("one", "two"))
    for kept in ("items.jsonl", "manifest.json"):
        assert (one.folder / kept).read_bytes() == (two.folder / kept).read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_that_is_missing_or_none_costs_its_records(name, source, tmp_path):
    whole = REGISTRY.get(name)(source, tmp_path / "whole")
    pictures = sorted(path for path in source.rglob("*") if path.suffix in (".png", ".jpg"))
    if not pictures:
        assert all(turn.images == () for item in whole.toolbox.items for turn in item.turns)
        return
    pictures[0].write_bytes(b"no picture")
    config = ImportConfig(max_unusable=1.0)
    try:
        part = REGISTRY.get(name)(source, tmp_path / "part", config)
    except BabyVLMError as error:  # every record of a small source may show it
        assert str(source) in str(error) and "image: does not open" in str(error)
        return
    assert part.records == whole.records and sum(part.problems.values()) > 0
    assert len(part.toolbox.items) < len(whole.toolbox.items)
    assert part.toolbox.manifest.skipped["image: does not open"] == part.problems["image: does not open"]
    assert part.examples["image: does not open"]


@pytest.mark.parametrize("name", NAMES)
def test_bad_sources_are_named_and_nothing_is_written(name, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.csv").write_text("hello,world\n1,2\n")
    for place in ("nowhere", "empty", "text.csv"):
        with pytest.raises(BabyVLMError, match=place):
            REGISTRY.get(name)(tmp_path / place, tmp_path / "out")
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", NAMES)
def test_a_full_folder_is_refused(name, source, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(BabyVLMError, match="already holds"):
        REGISTRY.get(name)(source, tmp_path / "out")
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", example_names(REGISTRY.group))
def test_a_battery_of_another_package_is_recorded(name, source, tmp_path):
    toolbox = REGISTRY.get(name)(source, tmp_path / "out").toolbox
    assert toolbox.manifest.extensions == {f"battery {name}": REGISTRY.extension(name).release}
    with pytest.raises(ConfigError, match=f"not for {name}"):
        REGISTRY.get(name)(source, tmp_path / "other", ImportConfig(task="memory"))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"gold": "Z"}, "record: .*'Z' is not among the options"),
        ({"options": ("A", "G"), "gold": "A"}, "options: some are none of the task"),
        ({"prompt": "<image> Which?"}, "record: .*2 images for 1 placeholders"),
        ({"images": "outside"}, "image: outside the source folder"),
        ({"images": "missing"}, "image: missing"),
    ],
)
def test_records_of_which_no_item_can_be_made_are_counted_by_reason(changes, reason, toolbox, tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    shown = [toolbox.image_path(name) for name in toolbox.items[0].turns[0].images[:2]]
    inside = []
    for number, path in enumerate(shown):
        inside.append(folder / f"{number}.img")
        inside[-1].write_bytes(path.read_bytes())
    places = {"outside": tuple(shown), "missing": (folder / "no.png", folder / "such.png")}
    good = {"prompt": "Which? (A) <image> (B) <image>", "images": tuple(inside), "options": ("A", "B"), "gold": "A"}
    bad = good | {key: places.get(value, value) if key == "images" else value for key, value in changes.items()}

    def read(source):
        for number, turn in enumerate((good, bad)):
            yield BatteryRecord(place=f"row {number}", task="memory", turns=(BatteryTurn(**turn),))

    battery = Battery(name="own", read=read, write_example=lambda folder: None)
    imported = battery(folder, tmp_path / "out")
    assert len(imported.toolbox.items) == 1 and imported.records == 2
    (problem,) = imported.problems
    assert re.match(reason, problem) and imported.examples[problem] == ["row 1"]
