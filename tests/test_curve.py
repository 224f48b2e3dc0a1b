"""The page on kept checkpoints: each is asked once, words are acquired where they must be, and ages are proven."""

import csv
import json
import shutil

import pytest

import babyvlm
from babyvlm import evaluation
from babyvlm.cli import main
from babyvlm.errors import AnnotationError, CheckpointError, ConfigError, DataFolderError, OutputExistsError
from babyvlm.reports.learning import by_highest_age, rank_correlation
from babyvlm.toolbox.vocabulary.by_age import read_words_by_age
from tests.word_items import KnowsSome, kept, word_toolbox

MARKS = (
    ("001%", 100, (6.0,)),
    ("010%", 1_000, (6.0, 9.0)),
    ("020%", 2_000, (6.0, 9.0)),
    ("100%", 10_000, (6.0, 9.0, 15.0)),
)
KNOWN = {"001%": {"ball"}, "010%": {"ball", "cup"}, "020%": {"ball", "cup"}, "100%": {"ball", "cup", "dog"}}


@pytest.fixture(scope="module")
def toolbox(tmp_path_factory):
    return word_toolbox(tmp_path_factory.mktemp("words") / "toolbox")


@pytest.fixture
def run(tmp_path, toolbox, monkeypatch):
    """A run whose contrastive stage kept four checkpoints, of which each knows one word more; asked ones are noted."""
    folder = tmp_path / "run"
    for step, (mark, words, ages) in enumerate(MARKS, start=1):
        kept(folder, "contrastive", mark, words, ages, step=step)
    (folder / "recipe.json").write_text("{}")

    def choose(model, opened, **settings):
        mark = model.rpartition("/")[2]
        asked.append(mark)
        assert model.startswith("clip:")
        return KnowsSome(f"checkpoint {mark}", opened.items, KNOWN[mark])

    asked = []
    monkeypatch.setattr(evaluation, "choose_respondent", choose)
    return folder, asked


def table(folder, name):
    with (folder / name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_words_are_acquired_between_the_checkpoints_that_differ(run, toolbox, tmp_path):
    folder, _ = run
    wordbank = tmp_path / "by_age.csv"
    lines = ["form,measure,word,age_months,children,say_so"]
    for month, share in ((16, 10), (18, 50), (20, 90)):
        lines += [f"WS,produces,cup,{month},100,{share}", f"WS,understands,cup,{month},100,99"]
    wordbank.write_text("\n".join(lines) + "\n")
    page = babyvlm.curve(folder, toolbox.folder, tmp_path / "out" / "page.html", wordbank=wordbank)
    files = tmp_path / "out" / "page_files"
    words = {row["word"]: row for row in table(files, "words.csv")}
    assert {word: row["words_status"] for word, row in words.items()} == {
        "ball": "before", "cup": "within", "dog": "within", "duck": "never",
    }  # fmt: skip
    # Half way on the logarithm between the last wrong and the first right: of 100 and 1000, of 2000 and 10000.
    assert float(words["cup"]["words_value"]) == pytest.approx(316, rel=0.05)
    assert float(words["dog"]["words_value"]) == pytest.approx(4472, rel=0.05)
    assert float(words["cup"]["months_value"]) == pytest.approx(7.5, abs=0.1)
    assert float(words["dog"]["months_value"]) == pytest.approx(12.0, abs=0.2)
    assert (
        float(words["cup"]["children_months"]) == pytest.approx(18.0, abs=0.1) and not words["dog"]["children_months"]
    )
    assert words["duck"]["words_value"] == "" and all(row["items"] == "4" for row in words.values())
    accuracy = {(row["mark"], row["accuracy"]) for row in table(files, "tasks.csv")}
    assert accuracy == {("001%", "0.25"), ("010%", "0.5"), ("020%", "0.5"), ("100%", "0.75")}
    assert [row["oldest_months"] for row in table(files, "checkpoints.csv")] == ["6.0", "9.0", "9.0", "15.0"]
    text = page.read_text(encoding="utf-8")
    assert "checkpoint: 2; before the first (left arrows): 1; not by the last (right arrows): 1." in text
    assert "before the first" in text and "not by the last" in text and "up to 30.0 months" in text
    assert not [part for part in text.split('"') if part.startswith("http") and "w3.org" not in part]
    assert {path.suffix for path in files.iterdir() if path.is_file()} == {".csv", ".svg", ".pdf"}


def test_each_checkpoint_is_asked_once_and_an_interrupted_curve_resumes(run, toolbox, tmp_path):
    folder, _ = run
    out = tmp_path / "page.html"
    (folder / "ladder" / "contrastive" / ".100%.partial").mkdir()  # of a kill while it was kept
    babyvlm.curve(folder, toolbox.folder, out)
    answers = {path: path.read_bytes() for path in (tmp_path / "page_files" / "runs").rglob("responses.jsonl")}
    text = out.read_bytes()
    assert len(answers) == 4
    out.unlink()
    last = tmp_path / "page_files" / "runs" / "contrastive" / "100%" / "responses.jsonl"
    last.write_bytes(b"".join(last.read_bytes().splitlines(keepends=True)[:5]))
    before = last.parent.with_name("001%").joinpath("responses.jsonl").stat().st_mtime_ns
    babyvlm.curve(folder, toolbox.folder, out)
    assert {path: path.read_bytes() for path in answers} == answers and out.read_bytes() == text
    assert last.parent.with_name("001%").joinpath("responses.jsonl").stat().st_mtime_ns == before


def test_a_later_recording_than_claimed_is_refused_before_anything_is_asked(run, toolbox, tmp_path):
    folder, asked = run
    with pytest.raises(CheckpointError, match=r"100%.*cannot stand for 12 months: its recording \w+ is of 15 months"):
        babyvlm.curve(folder, toolbox.folder, tmp_path / "page.html", nothing_after=12)
    with pytest.raises(CheckpointError, match=r"earlier stages \(vision\) learned from has recordings up to 30 months"):
        babyvlm.curve(folder, toolbox.folder, tmp_path / "page.html", nothing_after=15, strict=True)
    with pytest.raises(ConfigError, match="--nothing-after"):
        babyvlm.curve(folder, toolbox.folder, tmp_path / "page.html", strict=True)
    assert not asked and not (tmp_path / "page.html").exists()
    page = babyvlm.curve(folder, toolbox.folder, tmp_path / "page.html", nothing_after=15)
    assert "None of these checkpoints, in its own stage, heard a recording of a child older than 15 months." in (
        page.read_text(encoding="utf-8")
    )


def test_nothing_is_drawn_against_age_where_the_stage_was_shuffled(toolbox, tmp_path, run):
    shuffled = tmp_path / "shuffled"
    found = [
        kept(shuffled, "contrastive", mark, words, ages, step=step, order="shuffled")
        for step, (mark, words, ages) in enumerate(MARKS, start=1)
    ]
    assert by_highest_age(found) == []
    in_order = [heard.model_copy(update={"order": "chronological"}) for heard in found]
    assert by_highest_age(in_order) == [(0, 6.0), (2, 9.0), (3, 15.0)]  # of two that reach 9 the later stands for it
    assert by_highest_age(in_order[:1]) == by_highest_age([in_order[1], in_order[2]]) == []
    (shuffled / "recipe.json").write_text("{}")
    page = babyvlm.curve(shuffled, toolbox.folder, tmp_path / "folder")
    assert page == tmp_path / "folder" / "curve.html" and "Nothing is drawn against age" in page.read_text()


def test_what_is_no_run_or_stands_in_the_way_is_named(run, toolbox, tmp_path):
    folder, _ = run
    with pytest.raises(DataFolderError, match="no run of babyvlm train"):
        babyvlm.curve(tmp_path, toolbox.folder, tmp_path / "page.html")
    with pytest.raises(ConfigError, match="the joint stage kept no checkpoint; there are those of contrastive"):
        babyvlm.curve(folder, toolbox.folder, tmp_path / "page.html", stages=("joint",))
    (tmp_path / "mine_files").mkdir()
    with pytest.raises(OutputExistsError):
        babyvlm.curve(folder, toolbox.folder, tmp_path / "mine.html")
    (tmp_path / "other.html").write_text("mine")
    with pytest.raises(OutputExistsError):
        babyvlm.curve(folder, toolbox.folder, tmp_path / "other.html")
    shutil.move(folder / "ladder" / "contrastive", folder / "ladder" / "language")
    with pytest.raises(ConfigError, match="has seen no picture"):
        babyvlm.curve(folder, toolbox.folder, tmp_path / "page.html")
    shutil.rmtree(folder / "ladder")
    with pytest.raises(ConfigError, match=r"Train with STAGE\.keep_at=percent"):
        babyvlm.curve(folder, toolbox.folder, tmp_path / "page.html")


def test_the_command_says_where_the_page_is(run, toolbox, tmp_path, capsys):
    folder, _ = run
    main(["curve", str(folder), "--toolbox", str(toolbox.folder), "--out", str(tmp_path / "page.html"), "--limit", "9"])
    assert f"open {tmp_path / 'page.html'} in a browser" in capsys.readouterr().err
    runs = (tmp_path / "page_files" / "runs").rglob("run.json")
    assert [json.loads(path.read_text())["limit"] for path in runs] == [9] * 4


def test_children_by_word_and_month(tmp_path):
    path = tmp_path / "by_age.csv"
    path.write_text("word,age_months,children,say_so\nteddy_bear,17,80,20\nteddy_bear,16,34,2\n")
    (word,) = read_words_by_age(path).values()
    assert (word.word, word.months, word.children, word.say_so) == ("teddy bear", (16, 17), (34, 80), (2, 20))
    for bad, said in (
        ("word,age\n", "no column 'age_months'"),
        ("word,age_months,children,say_so\nball,x,1,1\n", "line 2: a number does not parse"),
        ("word,age_months,children,say_so\nball,16,1,2\n", "2 of 1 children"),
        ("form,word,age_months,children,say_so\nWG,ball,16,2,1\n", "no row of form WS"),
    ):
        path.write_text(bad)
        with pytest.raises(AnnotationError, match=said):
            read_words_by_age(path)


def test_real_words_of_children_have_an_age(shared_data):
    words = read_words_by_age(shared_data / "wordbank" / "by_age.csv")
    assert len(words) > 300 and all(one.say_so[-1] >= one.say_so[0] * 0.5 for one in list(words.values())[:20])


def test_rank_correlation_is_spearmans():
    assert rank_correlation([(1, 1), (2, 4), (3, 9), (4, 16)]) == 1.0
    assert rank_correlation([(1, 2), (2, 2), (3, 1)]) == pytest.approx(-0.866, abs=1e-3)
    assert rank_correlation([(1, 2), (2, 2), (3, 2)]) is None and rank_correlation([(1, 1)]) is None
