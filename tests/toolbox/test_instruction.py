"""The instruction set keeps away from test recordings and held-out tasks, and agrees with the toolbox's rules."""

import filecmp
import json
import re
from collections import Counter

import pytest

from babyvlm.curation.sets import read_conversations
from babyvlm.errors import ConfigError, InputError
from babyvlm.images import ImageStore
from babyvlm.plurals import plural
from babyvlm.toolbox import (
    TASKS,
    CropConfig,
    Fingerprints,
    InstructionConfig,
    TrainingSet,
    prove_disjoint,
    published_proportions,
    write_instruction_set,
)
from babyvlm.toolbox.sources import CorpusSource

CONFIG = InstructionConfig(
    items=published_proportions(300), validation_share=0.1, max_crops=200, crops=CropConfig(min_other_colours=0.0)
)


@pytest.fixture(scope="module")
def instruction(corpus, tmp_path_factory):
    out = tmp_path_factory.mktemp("instruction") / "set"
    write_instruction_set(corpus, out, CONFIG)
    return out


def test_samples_are_whole_and_held_out_tasks_absent(instruction):
    samples = read_conversations(instruction / "instruction.parquet")
    store = ImageStore(instruction / "images")
    counts = Counter((sample.split, sample.task) for sample in samples)
    trained = {task for task in TASKS if not TASKS[task].held_out}
    assert {task for split, task in counts if split == "train"} == trained
    assert counts["train", "picture_vocabulary"] == CONFIG.items["picture_vocabulary"]
    assert {name for sample in samples for name in sample.images} == set(store.ids)
    for sample in samples:
        assert sample.format == "instruction" and len(sample.turns) == (15 if sample.task == "memory" else 1)
        assert all(turn.answer in TASKS[sample.task].options for turn in sample.turns)
        assert sample.recording in {"", "R4", "R5", "R6", "R7", "R8"}  # no recording of the test split
        assert (sample.recording == "R8") <= (sample.split == "validation")
    manifest = json.loads((instruction / "manifest.json").read_text())
    assert (
        manifest["counts"]["images"] == len(store) and manifest["counts"]["train: memory"] == counts["train", "memory"]
    )


def test_same_seed_same_bytes_for_any_number_of_workers(corpus, instruction, tmp_path):
    write_instruction_set(corpus, tmp_path / "again", CONFIG, workers=2)
    names = ["instruction.parquet", "manifest.json", "images/images-00000.arrow"]
    same, _, _ = filecmp.cmpfiles(instruction, tmp_path / "again", names, shallow=False)
    assert same == names


def test_easy_matching_shows_other_things_and_is_a_source_of_its_own(corpus, tmp_path):
    write_instruction_set(corpus, tmp_path / "set", InstructionConfig(items={"left_right": 8}, easy_matching=12))
    samples = read_conversations(tmp_path / "set" / "instruction.parquet", "train")
    assert Counter(sample.source for sample in samples) == {
        "left_right": 8, "left_right.easy": 12, "spatial_details.easy": 12,
    }  # fmt: skip
    comparing = [sample for sample in samples if sample.source == "left_right.easy"]
    assert Counter((len(sample.images) - 1, sample.turns[0].answer) for sample in comparing) == {
        (3, "A"): 2, (3, "B"): 2, (3, "C"): 2, (2, "A"): 3, (2, "B"): 3,
    }  # fmt: skip
    for sample in samples:
        target, *options = sample.images
        assert sample.turns[0].prompt.count("(") == len(options)
        right = [letter == sample.turns[0].answer for letter in "ABC"[: len(options)]]
        if sample.task == "left_right":
            assert [image == target for image in options] == right
        else:  # frames, of which one holds the crop
            store = ImageStore(tmp_path / "set" / "images")
            assert len({target, *options}) == 4 and all(store.read(image).size == (320, 240) for image in options)
    with pytest.raises(ConfigError, match="easy_matching"):
        InstructionConfig(easy_matching=-1)


def test_easy_words_show_few_categories_most_of_the_time(corpus, tmp_path):
    write_instruction_set(corpus, tmp_path / "set", InstructionConfig(items={}, easy_words=400))
    samples = read_conversations(tmp_path / "set" / "instruction.parquet", "train")
    assert {sample.source for sample in samples} == {"picture_vocabulary.easy"}
    asked = Counter(sample.turns[0].prompt.split("'")[1] for sample in samples)
    assert len(samples) > 300 and len(asked) > 4
    ranked = [count for _, count in asked.most_common()]
    assert sum(ranked[:4]) > 0.5 * len(samples)
    letters = Counter(sample.turns[0].answer for sample in samples)
    assert min(letters.values()) > 0.8 * max(letters.values())


def test_easy_memory_has_one_or_two_objects_to_learn(corpus, tmp_path):
    write_instruction_set(corpus, tmp_path / "set", InstructionConfig(items={}, easy_memory=40))
    samples = read_conversations(tmp_path / "set" / "instruction.parquet", "train")
    assert {sample.source for sample in samples} == {"memory.easy"}
    assert Counter(len(sample.turns) for sample in samples) == {3: 20, 6: 20}
    for sample in samples:
        seen, place = set(), 0
        for turn in sample.turns:
            shown = sample.images[place : place + turn.prompt.count("<image>")]
            place += len(shown)
            assert [image not in seen for image in shown] == [letter == turn.answer for letter in "AB"[: len(shown)]]
            seen.update(shown)


def test_held_out_tasks_cannot_be_asked_for():
    with pytest.raises(ConfigError, match="subitizing is held out"):
        InstructionConfig(items={"subitizing": 10})


def test_the_proof_finds_shared_recordings_and_near_duplicates(toolbox, instruction):
    images = toolbox.folder / "images"
    store = ImageStore(instruction / "images")
    training = TrainingSet(
        recordings=frozenset({"R4", "R5"}), prints=Fingerprints.of(store.read(name) for name in store.ids)
    )
    assert prove_disjoint(toolbox.items, images, training).recordings == 4
    with pytest.raises(InputError, match="'R2'"):
        prove_disjoint(toolbox.items, images, TrainingSet(recordings=frozenset({"R2"}), prints=training.prints))
    item = next(item for item in toolbox.items if item.task == "who_has_more_naturalistic")
    picture = toolbox.image(item.turns[0].images[0])
    none = TrainingSet(recordings=frozenset(), prints=Fingerprints.of([]))
    assert prove_disjoint([item], images, none).near_duplicates == 0
    rescaled = TrainingSet(recordings=frozenset(), prints=Fingerprints.of([picture.resize((200, 150))]))
    assert prove_disjoint([item], images, rescaled).near_duplicates == 1


def test_words_to_be_heard_only_stand_in_no_item(corpus, tmp_path):
    config = InstructionConfig(items=published_proportions(200), easy_words=40, heard_only=0.3, max_crops=200)
    write_instruction_set(corpus, tmp_path / "set", config)
    settings = json.loads((tmp_path / "set" / "manifest.json").read_text())["configuration"]
    withheld, taught = settings["categories_heard_only"], settings["categories_taught"]
    labels = {box.label for frame in CorpusSource(corpus, "train").frames for box in frame.boxes}
    assert set(withheld) < labels and len(withheld) == round(0.3 * len(labels))
    assert taught and not set(withheld) & set(taught)
    for sample in read_conversations(tmp_path / "set" / "instruction.parquet"):
        for turn in sample.turns:
            asked = re.findall(r"\w+", turn.prompt.lower())
            assert not {word for name in withheld for word in (name, plural(name)) if word in asked}, turn.prompt
    write_instruction_set(corpus, tmp_path / "again", config)
    assert filecmp.cmp(tmp_path / "set" / "manifest.json", tmp_path / "again" / "manifest.json", shallow=False)
    with pytest.raises(ConfigError, match="heard_only"):
        InstructionConfig(heard_only=1.0)
