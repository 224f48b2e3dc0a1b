"""Foreign text in cells and at the terminal: kept to be read, and obeyed by nothing."""

import csv

import pytest

from babyvlm.corpus.recordings import read_recordings_csv
from babyvlm.errors import InputError
from babyvlm.spreadsheets import TableReader, cell, printable, write_table
from babyvlm.toolbox.vocabulary.words import read_wordbank


@pytest.mark.case("pages")
@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0"),
        ("@SUM(1,1)", "'@SUM(1,1)"),
        ("  =1+1", "'  =1+1"),
        ("\t=1+1", "'\\t=1+1"),
        ("\r\n=1+1", "'\\r\\n=1+1"),
        ("\u200b=1+1", "'\\u200b=1+1"),
        ('"=1+1', "'\"=1+1"),
        ("＝1+1", "'＝1+1"),
        ("|calc", "'|calc"),
        ("%0A=1", "'%0A=1"),
        ("- a cup", "'- a cup"),
        ("-5", "-5"),
        ("+5.5e-3", "+5.5e-3"),
        (-5, -5),
        (0.25, 0.25),
        (None, None),
        ("", ""),
        ("a = b", "a = b"),
        ("naïve 好 👶", "naïve 好 👶"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("a\nb", "a\\nb"),
        ("cup\u202egnp.exe", "cup\\u202egnp.exe"),
        ("\ud800", "\\ud800"),
        ("\x00", "\\x00"),
    ],
)
def test_a_cell_is_text_whatever_it_says(value, written):
    assert cell(value) == written


def test_a_table_reads_back_as_one_line_per_row(tmp_path):
    write_table(tmp_path / "t.csv", [{"a": "=1", "b": 1.5, "c": None}, {"a": 'x,\n"y"', "b": -2, "c": "@"}])
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["a", "b", "c"], ["'=1", "1.5", ""], ['x,\\n"y"', "-2", "'@"]]
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 3


def test_what_is_printed_is_one_line():
    assert printable("a\x85b\u2028c\x9b31m") == "a\\x85b\\u2028c\\x9b31m"


def test_a_table_keeps_every_row_with_its_line(tmp_path):
    text = 'recording, child,\r\na,"S, the\nfirst",\r\n\r\nb,"say ""so"""\r\n'
    rows = list(TableReader(text, tmp_path / "t.csv"))
    assert [(line, row["recording"], row["child"]) for line, row in rows] == [
        (2, "a", "S, the\nfirst"),
        (5, "b", 'say "so"'),
    ]


BROKEN = {
    "an open quotation mark": ('a,x\nb,"12\nc,13\nd,14\n', "line 3"),
    "text after a quotation": ('a,x\nb,"1"2\n', "line 3"),
    "a cell without an end": ("a,x\nb," + "1" * 140_000 + "\n", "line 3"),
    "a cell too many": ("a,x\nb,1,2\n", "line 3"),
}


@pytest.mark.case("formats")
@pytest.mark.parametrize("reader", [read_recordings_csv, read_wordbank])
@pytest.mark.parametrize("name", BROKEN)
def test_a_row_that_would_take_others_with_it_is_refused_by_its_line(tmp_path, name, reader):
    body, line = BROKEN[name]
    heading = "recording,child\n" if reader is read_recordings_csv else "item_definition,category\n"
    (tmp_path / "t.csv").write_text(heading + body)
    with pytest.raises(InputError, match=rf"t\.csv, {line}: "):
        reader(tmp_path / "t.csv")


@pytest.mark.case("formats")
def test_a_column_named_twice_is_refused(tmp_path):
    with pytest.raises(InputError, match="'child' twice"):
        TableReader("recording,child,child\n", tmp_path / "t.csv")
