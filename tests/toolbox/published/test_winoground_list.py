"""Baby Winoground's list of pairs in, as items that make its pairs, and out again byte for byte."""

import csv
import io

import pytest
from PIL import Image

from babyvlm.cli import main
from babyvlm.errors import InputError
from babyvlm.toolbox import open_toolbox
from babyvlm.toolbox.published import ImportConfig, export_items, import_items
from babyvlm.toolbox.winoground import winoground_pairs

HEAD = ["instance_id", "positive_phrase", "negative_phrase", "image", "image_tag"]
PAIRS = [("see person", "touch pillow"), ("red cup", "blue cup"), ("big, round ball", "small ball")]


def rows():
    found = []
    for number, phrases in enumerate(PAIRS):
        name = f"S_20140420_1803_01_082_{number:02}"
        found += [[str(number), *phrases, f"{name}.jpg", "positive"]]
        found += [[str(number), *phrases, f"{name}_neg.jpeg", "negative"]]
    return found


def write(folder, head, lines, newline="\n", beside=False):
    """A list of pairs with its pictures."""
    folder.mkdir()
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator=newline).writerows([head, *lines])
    (folder / "baby_winoground.csv").write_bytes(file.getvalue().encode())
    for place, row in enumerate(rows()):
        path = folder / (row[3] if beside else f"{row[4]}_images/{row[3]}")
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (30, 20), (place * 30, 90, 10)).save(path)
    return folder


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("beside", [False, True])
def test_a_list_becomes_items_that_make_its_pairs(tmp_path, newline, beside):
    source = write(tmp_path / "source", HEAD, rows(), newline, beside)
    toolbox = import_items(source, tmp_path / "toolbox").toolbox
    assert len(toolbox.items) == 6 and {item.split for item in toolbox.items} == {"unknown"}
    assert {item.task for item in toolbox.items} == {"looking_while_listening"}
    pairs = winoground_pairs(toolbox.items)
    assert {pair.phrases for pair in pairs} == set(PAIRS)
    for pair in pairs:
        number = PAIRS.index(pair.phrases)
        shown = [toolbox.image(name).getpixel((0, 0))[0] for name in pair.images]
        assert all(
            abs(found - 30 * place) < 8 for found, place in zip(shown, (2 * number, 2 * number + 1), strict=True)
        )
    for item in toolbox.items:  # each asks for the picture of its own phrase
        turn = item.turns[0]
        assert turn.labels["AB".index(turn.gold)] == item.category and f"'{item.category}'" in turn.prompt
    export_items(toolbox, tmp_path / "out")
    kept = {str(path.relative_to(source)): path.read_bytes() for path in source.rglob("*") if path.is_file()}
    out = tmp_path / "out"
    assert {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()} == kept


def test_a_list_given_itself_with_an_image_root_and_a_split(tmp_path):
    source = write(tmp_path / "source", HEAD, rows())
    path = (source / "baby_winoground.csv").rename(tmp_path / "pairs.csv")
    toolbox = import_items(path, tmp_path / "toolbox", ImportConfig(split="test"), image_root=source).toolbox
    assert {item.split for item in toolbox.items} == {"test"} and len(toolbox.items) == 6
    export_items(toolbox, tmp_path / "tree", "tree")
    again = import_items(tmp_path / "tree", tmp_path / "again").toolbox
    assert winoground_pairs(again.items) == winoground_pairs(toolbox.items)


@pytest.mark.parametrize(
    "head",
    [
        ["Instance ID", "Positive Phrase", "Negative Phrase", "Image", "Image Tag"],
        ["pair_id", "positive", "negative", "filename", "type"],
        ["id", "pos_phrase", "neg_phrase", "image_path", "label"],
    ],
)
def test_other_spellings_of_its_columns_are_read(tmp_path, head):
    toolbox = import_items(write(tmp_path / "source", head, rows()), tmp_path / "toolbox").toolbox
    assert {pair.phrases for pair in winoground_pairs(toolbox.items)} == set(PAIRS)


@pytest.mark.parametrize("left_out", range(5))
def test_missing_columns_are_named(tmp_path, left_out):
    lines = [[*row[:left_out], *row[left_out + 1 :]] for row in rows()]
    source = write(tmp_path / "source", [*HEAD[:left_out], *HEAD[left_out + 1 :]], lines)
    with pytest.raises(InputError, match=rf"baby_winoground\.csv: has no column {HEAD[left_out]}; its columns are"):
        import_items(source, tmp_path / "toolbox")


def test_rows_that_do_not_read_and_lists_without_pairs_are_refused(tmp_path):
    source = write(tmp_path / "source", HEAD, [*rows(), ["9", "a"]])
    with pytest.raises(InputError, match="line 8: has another number of fields than the head, 5"):
        import_items(source, tmp_path / "toolbox")
    (source / "baby_winoground.csv").write_text(",".join(HEAD) + "\n")
    with pytest.raises(InputError, match="holds no pair"):
        import_items(source, tmp_path / "toolbox")


def test_one_bad_pair_costs_itself_and_is_named(tmp_path, capsys):
    lines = rows()
    lines[2][4] = "positiv"
    lines += [["7", "lone phrase", "other", "S_x.jpg", "positive"]]
    source = write(tmp_path / "source", HEAD, lines)
    (source / "negative_images" / "S_20140420_1803_01_082_02_neg.jpeg").unlink()
    main(["toolbox", "import", str(source), "--out", str(tmp_path / "toolbox"), "--max-unusable", "0.9"])
    shown = capsys.readouterr().err
    assert "baby_winoground.csv[3] (id '1')" in shown and "image: missing" in shown
    toolbox = open_toolbox(tmp_path / "toolbox")
    assert {pair.phrases for pair in winoground_pairs(toolbox.items)} == {PAIRS[0]}
    assert sum(toolbox.manifest.skipped.values()) == 5
