"""Published layouts, spellings and prompts in, and the same files out again, whatever is odd about them."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from babyvlm.cli import main
from babyvlm.errors import ConfigError, InputError, OutputExistsError
from babyvlm.records import Reply, Response
from babyvlm.toolbox import TASKS, open_toolbox, score
from babyvlm.toolbox.directions import DIRECTIONS
from babyvlm.toolbox.published import ImportConfig, export_items, import_items, published_records, recognise
from babyvlm.toolbox.published.boxes import BoxClue, box_reading
from babyvlm.toolbox.published.layouts import read_stem, task_spelled

I = "<image>"  # noqa: E741
OPEN = "which part of the frame {} leave from? respond ONLY with one of: 'top', 'bottom', 'left', 'right', "
OPEN += "'top right', 'top left', 'bottom right', or 'bottom left'."
LOCALIZE = (
    "Point at the {}. Is it in the (A) top left or (B) top right or (C) bottom left or (D) bottom right of the image?"
)

# Wording, pictures, answer -> task, options, word.
PROMPTS = [
    (f"{I} How many of cup do you see?", 1, "3", "object_counting", TASKS["object_counting"].options, "cup"),
    (f"{I} How many offices do you see?", 1, "12", "object_counting", TASKS["object_counting"].options, "offices"),
    (f"Which image has more of cup? (A) {I} (B) {I}", 2, "A", "who_has_more_naturalistic", "AB", "cup"),
    (f"Which image has more umbrellas? (A) {I} (B) {I}", 2, "B", "who_has_more_naturalistic", "AB", "umbrellas"),
    (f"Which image has more of cup? Answer (A) {I} (B) {I}", 2, "B", "who_has_more_synthetic", "AB", "cup"),
    (f"{I} {LOCALIZE.format('baby bottle')}", 1, "D", "localization", "ABCD", "baby bottle"),
    (f"{I} Which of the following is the same as this? (A) {I} (B) {I} (C) {I}", 4, "C", "left_right", "ABC", ""),
    (
        f"{I} Which of the following is the same as this? Answer with a number. (A) {I} (B) {I} (C) {I}",
        4, "B", "left_right", "ABC", "",
    ),
    (
        f"{I} Which of the following contains exactly this object? (A) {I} (B) {I} (C) {I}. "
        "Pay attention to details and give only a letter A-C.",
        4, "A", "spatial_details", "ABC", "",
    ),
    (
        f"{I} Which of the following contains exactly this object? (A) {I} (B) {I} (C) {I}. "
        "Pay attention to details and give a letter A-C.",
        4, "A", "spatial_details", "ABC", "",
    ),
    (
        f"{I} Which of the following contains exactly this object? (A) {I} (B) {I} (C) {I} (D) {I}. "
        "Pay attention to details and give a letter A-D.",
        5, "D", "spatial_details", "ABCD", "",
    ),
    (
        f"{I * 4}\n Touch the image of 'street' (A) the first image (B) the second image (C) the third image "
        "(D) the fourth image.",
        4, "C", "picture_vocabulary", "ABCD", "street",
    ),
    (f"Touch the image of 'hen' (A){I} (B){I} (C){I} (D){I}", 4, "C", "picture_vocabulary", "ABCD", "hen"),
    (
        f"{I} Touch the image of 'Carry' (A) top left image (B) top right image (C) bottom left image "
        "(D) bottom right image.",
        1, "B", "picture_vocabulary", "ABCD", "Carry",
    ),
    (f"Touch the image of 'hen' (A){I} (B){I}", 2, "B", "looking_while_listening", "AB", "hen"),
    (
        f"{I * 8} does the lamp leave the frame through the right side of the frame or the left side of the frame? "
        "respond ONLY with 'right' or 'left'.",
        8, "left", "visual_delayed_response_binary", ("right", "left"), "lamp",
    ),
    (
        f"{I * 5} do the cups collectively leave the frame through the top left corner of the frame or the "
        "bottom right corner of the frame? respond ONLY with 'top left' or 'bottom right'.",
        5, "top left", "visual_delayed_response_binary", ("top left", "bottom right"), "cups",
    ),
    (f"{I * 50}\nWhere does it hide? (A) left (B) right", 50, "B", "visual_delayed_response_binary", "AB", ""),
    (f"{I * 5} {OPEN.format('does the cup')}", 5, "top right", "visual_delayed_response_open", DIRECTIONS, "cup"),
    (
        f"{I * 9} {OPEN.format('do the chairs collectively')}",
        9, "left", "visual_delayed_response_open", DIRECTIONS, "chairs",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("prompt", "pictures", "answer", "task", "options", "word"), PROMPTS)
def test_every_published_wording_is_read(prompt, pictures, answer, task, options, word):
    read = recognise(prompt)
    assert read is not None and read.tasks[0] == task and read.word == word
    assert (read.options or TASKS[task].options) == tuple(options)
    assert prompt.count(I) == pictures and answer in options
    without = recognise(prompt.replace(I, "").strip())  # some files show the pictures first and leave the places out
    assert without is not None and (without.tasks, without.options) == (read.tasks, read.options)


@pytest.mark.parametrize(
    "prompt", ["", "How are you?", f"{I} Pick one (A) {I}", f"{I} How many of cup do you see? Why?"]
)
def test_other_wordings_are_not(prompt):
    assert recognise(prompt) is None


def test_spellings_of_tasks_and_splits():
    for name in ("pv", "picture_vocab", "picture_vocab_selected_task", "baby_pv", "Picture-Vocabulary"):
        assert task_spelled(name) == "picture_vocabulary"
    assert task_spelled("vdr-binary") == task_spelled("vdr_binary") == "visual_delayed_response_binary"
    assert task_spelled("who_has_more") == task_spelled("compare_real") == "who_has_more_naturalistic"
    assert task_spelled("whohasmore_synthetic") == "who_has_more_synthetic" and task_spelled("images") is None
    assert read_stem("vdr_open_test") == ("visual_delayed_response_open", "test")
    assert read_stem("count-val") == ("object_counting", "validation") and read_stem("spatial") == (
        "spatial_details",
        None,
    )


def test_bb_is_told_apart_by_where_it_fits():
    babyview = [BoxClue(values=(931, 858, 1078, 1026), width=1080, height=1920, answer="B")]
    saycam = [BoxClue(values=(372, 269, 266, 211), width=640, height=480, answer="D")]
    assert (str(box_reading(babyview)), str(box_reading(saycam))) == ("xyxy", "xywh")
    undecided = BoxClue(values=(10, 10, 20, 20), width=100, height=100, answer="A")
    assert str(box_reading([undecided])) == "xywh" and str(box_reading([undecided, *babyview])) == "xyxy"


FRAME = (640, 480)
IN_FRAME = {"A": (60, 40, 200, 150), "B": (380, 50, 190, 140), "C": (90, 260, 180, 160), "D": (330, 250, 250, 170)}
"""A box in each quadrant of a frame."""


def cropped(answer: str) -> tuple[tuple[int, int], tuple[int, int, int, int]]:
    """The published crop: the box in the corner that the answer names. Its size, and the box in it."""
    x, y, width, height = IN_FRAME[answer]
    left, right = (x, FRAME[0]) if answer in "AC" else (0, x + width)
    top, bottom = (y, FRAME[1]) if answer in "AB" else (0, y + height)
    return (right - left, bottom - top), (x - left, y - top, width, height)


@pytest.mark.parametrize("form", ["xywh", "xyxy"])
@pytest.mark.parametrize("answers", ["ABCD", "BC", "D", "AADCB"])
def test_bb_of_the_uncropped_frame_is_moved_to_the_corner(form, answers):
    clues = []
    for answer in answers:
        x, y, width, height = IN_FRAME[answer]
        values = (x, y, width, height) if form == "xywh" else (x, y, x + width, y + height)
        (wide, high), _ = cropped(answer)
        clues.append(BoxClue(values=values, width=wide, height=high, answer=answer))
    reading = box_reading(clues)
    assert [clue.box(reading) for clue in clues] == [cropped(answer)[1] for answer in answers]
    assert reading.form == form and (answers == "D" or reading.space == "frame")


class Sample:
    """Writes published records with pictures, each of its own colour."""

    def __init__(self, root: Path) -> None:
        self.root, self.made = root, 0

    def picture(self, path: Path, size=(640, 480)) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.made += 1
        colour = (self.made * 7 % 256, self.made // 36, 90)
        Image.new("RGB", size, colour).save(path, format="PNG" if path.suffix.lower() == ".png" else None)

    def record(self, folder: Path, names: list[str], *turns: str, name: str = "x_0", **more) -> dict:
        for image in names:
            self.picture(folder / image)
        says = ("human", "gpt")
        spoken = [{"from": says[index % 2], "value": text} for index, text in enumerate(turns)]
        return {"id": name, "conversations": spoken, "image": names, **more}


def memory_turns(rounds: int, thing: str = "image") -> list[str]:
    turns = [f"Touch the new {thing}. (A) {I}", "A"]
    for number in range(1, rounds):
        turns += [f"Let's try more. Touch the new {thing}. (A) {I}  (B) {I}", "AB"[number % 2]]
    return turns


def memory_labels(rounds: int) -> list[list[str]]:
    return [["a"], *([f"n{number}", "a"] for number in range(1, rounds))]


def write(path: Path, records: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(records, indent=1), encoding="utf-8")


def picture_bytes(folder: Path) -> dict[str, bytes]:
    kinds = {".jpg", ".jpeg", ".png", ".gif"}
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.suffix.lower() in kinds}


def records_of(folder: Path) -> dict[str, str]:
    """Every JSON file, key order and all."""
    return {str(p.relative_to(folder)): json.dumps(json.loads(p.read_text())) for p in folder.rglob("*.json")}


@pytest.fixture
def tree(tmp_path):
    """With and without splits, upper-case suffixes, an animation, unknown keys, a repeated id and a repeated record."""
    root = tmp_path / "tree"
    sample = Sample(root)
    count = root / "test" / "count"
    same = sample.record(count, ["images/c1.jpeg"], f"{I} How many of cup do you see?", "3", notes="", split="test")
    other = sample.record(count, ["images/c2.jpeg"], f"{I} How many keys do you see?", "13", meta={"by": ["x", 1.0]})
    write(count / "data.json", [same, other, same])
    options = ["images/l0.jpg", "images/l1.jpeg", "images/l2.jpg", "images/l3.jpeg"]
    match = f"{I} Which of the following is the same as this? (A) {I} (B) {I} (C) {I}"
    write(root / "leftright" / "data.json", [sample.record(root / "leftright", options, match, "B")])
    frames = [f"images/v_{number}.png" for number in range(50)]
    hides = sample.record(root / "vdr", frames, f"{I * 50}\nWhere does it hide? (A) left (B) right", "B")
    (root / "vdr" / "images" / "v.gif").write_bytes(b"GIF89a, or nearly")
    write(root / "vdr" / "data.json", [{**hides, "gif": "images/v.gif"}])
    asked = f"{I} {LOCALIZE.format('fork')}"
    box = sample.record(root / "train" / "localize", ["images/p.PNG"], asked, "D", bb=[372.0, 269.0, 266.0, 211.0])
    write(root / "train" / "localize" / "data.json", [box])
    remembered = [f"images/m_{number}.png" for number in range(59)]
    thirty = sample.record(root / "memory", remembered, *memory_turns(30, "animal"), labels=memory_labels(30))
    write(root / "memory" / "data.json", [thirty])
    write(root / "val" / "subitize" / "data.json", [])
    return root


def test_a_tree_comes_back_record_by_record_and_byte_by_byte(tree, tmp_path):
    imported = import_items(tree, tmp_path / "toolbox")
    assert imported.records == 7 and imported.problems == {} and imported.unrecognised == {}
    toolbox = imported.toolbox
    assert toolbox.manifest.counts["records that repeat an item"] == 1 and len(toolbox.items) == 6
    assert export_items(toolbox, tmp_path / "out")["test/count/data.json"] == 3
    assert records_of(tmp_path / "out") == records_of(tree)
    assert picture_bytes(tmp_path / "out") == picture_bytes(tree)


def test_what_items_a_tree_makes(tree, tmp_path):
    toolbox = import_items(tree, tmp_path / "toolbox", ImportConfig(licence="CC0")).toolbox
    items = {item.task: item for item in toolbox.items}
    hides = items["visual_delayed_response_binary"]
    assert hides.turns[0].options == ("A", "B") and hides.turns[0].gold == "B" and len(hides.turns[0].images) == 50
    memory = items["memory"]
    assert len(memory.turns) == 30 and memory.turns[7].labels == ("n7", "a") and len(memory.turns[7].images) == 2
    assert items["localization"].split == "train" and items["left_right"].split == "unknown"
    keys = next(item for item in toolbox.items if item.category == "keys")
    assert keys.turns[0].gold == "13" in keys.turns[0].options and keys.licence == "CC0"
    # The name of a picture is told by its content, never by what it was called.
    assert all(re.fullmatch(r"[0-9a-f]{20}\.(jpg|png)", name) for name in toolbox_images(toolbox))
    published = {record.file.path: record for record in published_records(toolbox.folder)}
    box = published["train/localize/data.json"]
    assert (box.box_form, box.box) == ("xywh", (372, 269, 266, 211))
    assert any("splits test, train" in note for note in toolbox.manifest.notes)


def toolbox_images(toolbox):
    return [name for item in toolbox.items for turn in item.turns for name in turn.images]


def test_letters_of_a_direction_task_are_scored_as_letters(tree, tmp_path):
    item = next(item for item in import_items(tree, tmp_path / "toolbox").toolbox.items if "binary" in item.task)
    for scoring, text in (("default", "(B)"), ("reference", "b")):
        right = score([item], [Response(item=item.id, replies=(Reply(text=text),))], scoring=scoring)
        assert right.tasks[0].value == 1.0


def test_a_flat_folder_comes_back(tmp_path):
    root = tmp_path / "flat"
    sample = Sample(root)
    first = sample.record(root, ["images/pv/a.png", "images/pv/b.png"], f"Touch the image of 'hen' (A){I} (B){I}", "A")
    words = "(A) the first image (B) the second image (C) the third image (D) the fourth image."
    led = sample.record(
        root, [f"images/pv/{n}.png" for n in range(4)], f"{I * 4}\n Touch the image of 'cow' {words}", "D"
    )
    write(root / "lwl_test.json", [first])
    write(root / "pv_val.json", [led])
    # Paths relative to the task's own folder of pictures, and no placeholders at all.
    short = sample.record(
        root / "images" / "compare_synthetic", ["a.jpg", "b.jpg"], "Which image has more TVs? (A)  (B) ", "A"
    )
    write(root / "compare_synthetic_test.json", [short])
    toolbox = import_items(root, tmp_path / "toolbox").toolbox
    assert {item.task: item.split for item in toolbox.items} == {
        "looking_while_listening": "test", "picture_vocabulary": "validation", "who_has_more_synthetic": "test",
    }  # fmt: skip
    assert next(item for item in toolbox.items if item.task == "who_has_more_synthetic").turns[0].prompt.count(I) == 0
    export_items(toolbox, tmp_path / "out")
    assert records_of(tmp_path / "out") == records_of(root) and picture_bytes(tmp_path / "out") == picture_bytes(root)


def test_a_bare_file_with_an_image_root(tmp_path):
    root, pictures = tmp_path / "json", tmp_path / "pictures"
    sample = Sample(root)
    record = sample.record(pictures, ["deep/a.jpg"], f"{I} How many of cup do you see?", "2", name=7)
    write(root / "abc.json", [record])
    with pytest.raises(InputError, match=r"1 x image: missing.*--image-root"):
        import_items(root / "abc.json", tmp_path / "none")
    assert not (tmp_path / "none").exists()
    toolbox = import_items(root / "abc.json", tmp_path / "toolbox", image_root=pictures).toolbox
    assert toolbox.items[0].task == "object_counting"
    export_items(toolbox, tmp_path / "out")
    assert records_of(tmp_path / "out") == records_of(root) and picture_bytes(tmp_path / "out") == picture_bytes(
        pictures
    )
    task = import_items(root / "abc.json", tmp_path / "sub", ImportConfig(task="subitizing"), image_root=pictures)
    assert task.toolbox.items[0].task == "subitizing"


def test_what_cannot_be_read_is_kept_counted_and_exported(tmp_path, capsys):
    root = tmp_path / "odd"
    sample = Sample(root)
    folder = root / "count"
    good = [sample.record(folder, [f"images/{n}.jpg"], f"{I} How many of cup do you see?", "2") for n in range(6)]
    new = sample.record(folder, ["images/new.jpg"], f"{I} Count the cups, please.", "4")
    gone = {**good[0], "image": ["images/gone.jpg"]}
    outside = {**good[0], "image": ["../../../etc/passwd"]}
    answer = {**good[0], "conversations": [good[0]["conversations"][0], {"from": "gpt", "value": "a few"}]}
    places = {**good[0], "image": ["images/0.jpg", "images/1.jpg"]}
    (folder / "images" / "text.jpg").write_text("no picture")
    damaged = {**good[0], "image": "images/text.jpg"}
    write(folder / "data.json", [*good, new, gone, outside, answer, places, damaged])
    write(root / "MANIFEST.json", {"seed": 42})
    main(["toolbox", "import", str(root), "--out", str(tmp_path / "toolbox"), "--max-unusable", "0.6"])
    shown = capsys.readouterr()
    assert "Count the cups, please." in shown.err and "image: outside the source folder" in shown.err
    toolbox = open_toolbox(tmp_path / "toolbox")
    assert toolbox.manifest.skipped == {
        "answer: not among the options": 1, "file: holds no records": 1, "image: does not open": 1, "image: missing": 1,
        "image: not as many as the prompt has places for": 1, "image: outside the source folder": 1,
    }  # fmt: skip
    assert {item.variant for item in toolbox.items} == {"published: of", "unrecognised"}
    main(["toolbox", "export", str(toolbox.folder), "--out", str(tmp_path / "out")])
    (root / "MANIFEST.json").unlink()
    assert records_of(tmp_path / "out") == records_of(root) and picture_bytes(tmp_path / "out") == picture_bytes(root)


@pytest.mark.parametrize("layout", ["tree", "flat", "bare"])
def test_another_layout_holds_the_same_items(tree, tmp_path, layout):
    first = import_items(tree, tmp_path / "first").toolbox
    export_items(first, tmp_path / "out", layout)
    second = import_items(tmp_path / "out", tmp_path / "second").toolbox
    assert [item.model_dump() for item in second.items] == [item.model_dump() for item in first.items]


def test_built_items_go_out_and_come_back(toolbox, tmp_path):
    export_items(toolbox, tmp_path / "out")
    again = import_items(tmp_path / "out", tmp_path / "again").toolbox
    same = {"id", "task", "split", "chance", "licence"}
    assert [item.model_dump(include=same) for item in again.items] == [
        item.model_dump(include=same) for item in toolbox.items
    ]
    for item, before in zip(again.items, toolbox.items, strict=True):
        for turn, asked in zip(item.turns, before.turns, strict=True):
            assert (turn.prompt, turn.options, turn.gold, turn.labels) == (
                asked.prompt, asked.options, asked.gold, asked.labels,
            )  # fmt: skip
            # Names lose the suffix that tells crops from frames.
            assert [Path(name).stem for name in turn.images] == [Path(name).stem for name in asked.images]


def test_built_items_go_out_with_ids_and_boxes_as_published(toolbox, tmp_path):
    export_items(toolbox, tmp_path / "out")
    forms = {
        "localize": r"count_\d+", "leftright": r"leftright_\d+", "vdr_open": r"R\d_clip_\d{3}", "memory": r"memory_\d+",
    }  # fmt: skip
    by_id = {item.id: item for item in toolbox.items}
    for task, form in forms.items():
        records = json.loads((tmp_path / "out" / "test" / task / "data.json").read_text())
        assert len({record["id"] for record in records}) == len(records) > 0
        assert all(re.fullmatch(form, record["id"]) for record in records)
        for record in records:
            box = by_id[record["meta"]["item"]].turns[0].origins[0].box
            assert record.get("bb") == (None if box is None else list(box))
            assert (box is not None) == (task == "localize")


def test_built_items_have_no_source_layout(toolbox, tmp_path):
    export_items(toolbox, tmp_path / "out")
    with pytest.raises(ConfigError, match="built, not imported"):
        export_items(toolbox, tmp_path / "other", "source")
    with pytest.raises(OutputExistsError):
        export_items(toolbox, tmp_path / "out")


def test_a_hub_name_works_like_a_folder(tree, tmp_path, monkeypatch):
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    asked = []
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *a, **k: asked.append((a, k)) or str(tree))
    assert import_items("someone/devcv", tmp_path / "toolbox").records == 7
    assert asked == [(("someone/devcv",), {"repo_type": "dataset", "allow_patterns": None})]

    def offline(*_, **__):
        raise LocalEntryNotFoundError("no connection")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(InputError, match=r"someone/other: there is no such folder, and the hub .*no connection"):
        import_items("someone/other", tmp_path / "none")


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "is not JSON"), ('{"a": 1}', "no list of conversation records"), ('[{"conversations": []}, 3]', r"\[1\]")],
)
def test_files_that_hold_no_records_are_named(tmp_path, content, message):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(InputError, match=message):
        import_items(tmp_path / "x.json", tmp_path / "out")
    with pytest.raises(InputError, match="no such folder"):
        import_items(tmp_path / "absent", tmp_path / "out")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    more=st.dictionaries(st.sampled_from(["meta", "notes", "labels", "bb", "split", "gif", "video", "z"]), json_values)
)
def test_whatever_else_a_record_says_survives(tmp_path_factory, more):
    root = tmp_path_factory.mktemp("any")
    sample = Sample(root)
    kept = sample.record(root / "in" / "count", ["images/a.jpg"], f"{I} How many of cup do you see?", "2")
    write(root / "in" / "count" / "data.json", [{**kept, **more}])
    export_items(import_items(root / "in", root / "toolbox").toolbox, root / "out")
    assert records_of(root / "out") == records_of(root / "in")


def counting(folder: Path, name: str) -> Path:
    """One record, in a file of this name below the folder."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 48), "red").save(path.parent / "a.jpg")
    turns = [{"from": "human", "value": f"{I} How many of cup do you see?"}, {"from": "gpt", "value": "3"}]
    path.write_text(json.dumps([{"image": "a.jpg", "conversations": turns}]))
    return folder


@pytest.mark.case("promises")
@pytest.mark.parametrize(
    ("name", "source", "stated", "split", "told"),
    [
        ("train/object_counting/data.json", ".", "", "train", True),
        ("train/object_counting/data.json", "train", "", "train", True),
        ("val/object_counting/data.json", "val", "", "validation", True),
        ("validation/object_counting/data.json", ".", "", "validation", True),
        ("test/object_counting/data.json", "test", "", "test", True),
        ("object_counting_train.json", ".", "", "train", True),
        ("object_counting_val.json", "object_counting_val.json", "", "validation", True),
        ("train/object_counting.json", "train", "", "train", True),
        ("object_counting/data.json", ".", "train", "train", True),
        ("object_counting.json", "object_counting.json", "validation", "validation", True),
        ("object_counting_test.json", ".", "train", "test", True),
        ("object_counting/data.json", ".", "", "unknown", False),
        ("object_counting.json", "object_counting.json", "", "unknown", False),
    ],
)
def test_items_say_the_split_they_come_from(tmp_path, name, source, stated, split, told):
    folder = counting(tmp_path / "source", name)
    toolbox = import_items(folder / source, tmp_path / "out", ImportConfig(split=stated)).toolbox
    assert [item.split for item in toolbox.items] == [split]
    assert any("--split" in note for note in toolbox.manifest.notes) is not told
    assert (toolbox.manifest.configuration["split"] == "unknown") is not told


@pytest.mark.case("promises")
@pytest.mark.parametrize("layout", ["tree", "flat", "bare"])
@pytest.mark.parametrize("split", ["train", "val", "test", "."])
def test_an_export_keeps_the_split(tmp_path, split, layout):
    folder = counting(tmp_path / "source", f"{split}/object_counting/data.json")
    first = import_items(folder, tmp_path / "first").toolbox
    export_items(first, tmp_path / "out", layout)
    again = import_items(tmp_path / "out", tmp_path / "again").toolbox
    assert [item.split for item in again.items] == [item.split for item in first.items]


@pytest.mark.case("one datum")
@pytest.mark.parametrize(("options", "kept"), [("aaa", 0), ("aab", 0), ("abb", 1), ("abc", 1)])
def test_options_that_are_one_picture_are_no_item(tmp_path, options, kept):
    folder = counting(tmp_path / "source", "test/object_counting/data.json")
    task = folder / "test" / "left_right"
    task.mkdir()
    for name, colour in zip("abc", ("red", "blue", "green"), strict=True):
        Image.new("RGB", (64, 48), colour).save(task / f"{name}.png")
    question = f"{I} Which of the following is the same as this? (A) {I} (B) {I} (C) {I}"
    turns = [{"from": "human", "value": question}, {"from": "gpt", "value": "A"}]
    record = {"image": ["a.png", *(f"{name}.png" for name in options)], "conversations": turns}
    (task / "data.json").write_text(json.dumps([record]))
    imported = import_items(folder, tmp_path / "out")
    assert sum(item.task == "left_right" for item in imported.toolbox.items) == kept
    assert sum("same picture" in reason for reason in imported.problems) == 1 - kept


def test_an_imported_box_lies_in_the_picture_and_the_note_says_so(tmp_path):
    root = tmp_path / "saycam"
    sample = Sample(root)
    folder, records = root / "test" / "localize", []
    for answer, box in IN_FRAME.items():
        record = sample.record(folder, [], f"{I} {LOCALIZE.format('fork')}", answer, bb=[*map(float, box)])
        sample.picture(folder / f"images/{answer}.png", cropped(answer)[0])
        records.append({**record, "image": [f"images/{answer}.png"]})
    write(folder / "data.json", records)
    toolbox = import_items(root, tmp_path / "toolbox").toolbox
    found = {one.record["conversations"][1]["value"]: one for one in published_records(toolbox.folder)}
    assert {answer: one.box for answer, one in found.items()} == {answer: cropped(answer)[1] for answer in "ABCD"}
    assert {one.box_space for one in found.values()} == {"frame"}
    (note,) = [note for note in toolbox.manifest.notes if "bb read as" in note]
    assert note.startswith("test/localize/data.json: bb read as xywh in the frame")


def test_contradictory_items_are_left_out_and_named(tmp_path, capsys):
    root = tmp_path / "odd"
    sample = Sample(root)
    folder = root / "test" / "leftright"
    match = f"{I} Which of the following is the same as this? (A) {I} (B) {I} (C) {I}"
    names = [f"images/{number}.png" for number in range(4)]
    first = sample.record(folder, names, match, "A", name="first")
    other = {**sample.record(folder, [f"images/o{n}.png" for n in range(4)], match, "B"), "id": "sound"}
    second = json.loads(json.dumps({**first, "id": "second"}))
    second["conversations"][1]["value"] = "C"
    write(folder / "data.json", [first, other, second, second])
    main(["toolbox", "import", str(root), "--out", str(tmp_path / "toolbox"), "--max-unusable", "0.8"])
    shown = capsys.readouterr().err
    assert "no item, 3 records: answer: another record has another one" in shown
    for place, name in ((0, "first"), (2, "second"), (3, "second")):
        assert f"test/leftright/data.json[{place}] (id '{name}')" in shown
    toolbox = open_toolbox(tmp_path / "toolbox")
    assert [item.turns[0].gold for item in toolbox.items] == ["B"]
    assert sum(toolbox.manifest.skipped.values()) == 3
    main(["toolbox", "export", str(toolbox.folder), "--out", str(tmp_path / "out")])
    assert records_of(tmp_path / "out") == records_of(root)


def test_a_query_that_is_the_right_options_file_is_noted(tmp_path):
    root = tmp_path / "odd"
    sample = Sample(root)
    folder = root / "test" / "spatialdetails"
    asked = PROMPTS[8][0]
    records = [sample.record(folder, [f"images/{n}{i}.png" for i in range(4)], asked, "A") for n in range(2)]
    records[0]["image"][0] = records[0]["image"][1]
    write(folder / "data.json", records)
    notes = import_items(root, tmp_path / "toolbox").toolbox.manifest.notes
    assert any(note.startswith("1 of 2 items of spatial_details ask for the very file") for note in notes)


RECORDS = [{"id": "é 1", "image": ["a.jpg"], "conversations": [], "n": 1.5, "deep": {"x": [1, {"y": None}]}}]


@pytest.mark.parametrize("indent", [None, 1, 2, 4, "\t"])
@pytest.mark.parametrize("escapes", [False, True])
@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize("separators", [None, (",", ":")])
def test_json_comes_back_byte_for_byte(tmp_path, indent, escapes, end, separators):
    folder = counting(tmp_path / "source", "object_counting_test.json")
    path = folder / "object_counting_test.json"
    records = [*json.loads(path.read_text()), *RECORDS]
    text = json.dumps(records, indent=indent, ensure_ascii=escapes, separators=separators) + end
    path.write_bytes(text.encode())
    toolbox = import_items(folder, tmp_path / "toolbox", ImportConfig(max_unusable=0.9)).toolbox
    export_items(toolbox, tmp_path / "out")
    assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()


def test_json_in_a_form_of_its_own_is_noted_and_has_equal_records(tmp_path):
    folder = counting(tmp_path / "source", "object_counting_test.json")
    path = folder / "object_counting_test.json"
    path.write_text(path.read_text().replace('"image":', '"image"  :'))
    toolbox = import_items(folder, tmp_path / "toolbox").toolbox
    assert any("object_counting_test.json: written in a way of its own" in note for note in toolbox.manifest.notes)
    export_items(toolbox, tmp_path / "out")
    assert records_of(tmp_path / "out") == records_of(folder)
