"""The page and the files beside it."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from babyvlm.curation.sets import UTTERANCE_SCHEMA, RowWriter
from babyvlm.errors import ConfigError, DataFolderError, OutputExistsError
from babyvlm.evaluation import AskConfig, choose_respondent, evaluate
from babyvlm.evaluation.respondents import Family, ImageReader, Respondent
from babyvlm.folders import Manifest
from babyvlm.images import ImageStoreWriter
from babyvlm.records import Question, Recording, Response, write_jsonl
from babyvlm.reports import write_report
from babyvlm.reports.corpus import read_corpus
from babyvlm.reports.examples import choose_examples
from babyvlm.reports.exposure import WordsMet, read_words_met
from babyvlm.reports.published import PUBLISHED, PUBLISHED_SIZES
from babyvlm.reports.results import read_results
from babyvlm.reports.tables import exposure_table
from babyvlm.toolbox import TASKS, Toolbox
from tests.reports.report_inputs import DISJOINT, ITEMS_PER_TASK, RESTRICTED, Scripted

OUTCOMES = ("right", "wrong", "unparsed", "refused", "failed")


class Requests(HTMLParser):
    """Everything a browser would fetch, every id, and whether tags close."""

    VOID = frozenset({"meta", "img", "br", "link", "input", "hr", "col"})

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.images_without_words = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in self.VOID:
            self.open.append(tag)
        if "id" in given:
            self.ids.append(given["id"] or "")
        for name in ("src", "href", "xlink:href", "data", "srcset"):
            if given.get(name):
                (self.links if tag == "a" else self.fetched).append(given[name] or "")
        self.images_without_words += tag == "img" and not given.get("alt")

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()


def read_page(page: Path) -> tuple[str, Requests]:
    text = page.read_text(encoding="utf-8")
    requests = Requests()
    requests.feed(text)
    assert requests.open == []
    return text, requests


@pytest.fixture
def curated(tmp_path: Path) -> Path:
    """The smallest curated set: two children, no boxes."""
    folder = tmp_path / "data"
    folder.mkdir()
    recordings = [
        Recording(id="A_1", child="A", age_months=8.0, media="A/1.mp4", duration_s=1800),
        Recording(id="A_2", child="A", age_months=20.5, media="A/2.mp4", duration_s=900, split="test"),
        Recording(id="S_1", child="S", media="S/1.mp4", duration_s=900),
    ]
    write_jsonl(folder / "recordings.jsonl", recordings)
    with RowWriter(folder / "utterances.parquet", UTTERANCE_SCHEMA) as writer:
        for text in ("Look, a ball!", "the ball is gone"):
            row = {"recording": "A_1", "start_s": 0.0, "end_s": 1.0, "speaker": "", "text": text, "split": "train"}
            writer.add(row)
    with ImageStoreWriter(folder / "images"):
        pass
    counts = {"image/train": 1234, "image/validation": 0, "image/test": 7}
    Manifest(kind="pretraining-set", counts=counts, skipped={"too blurred": 4321}).write(folder)
    return folder


def test_every_cell_equals_the_saved_scores(runs: dict[str, Path], tmp_path: Path) -> None:
    write_report(list(runs.values()), tmp_path / "page.html")
    with (tmp_path / "page_files" / "results.csv").open() as file:
        rows = {(row["respondent"], row["task"]): row for row in csv.DictReader(file)}
    assert len(rows) == len(runs) * (len(TASKS) + 1)
    page = (tmp_path / "page.html").read_text()
    for folder in runs.values():
        name = json.loads((folder / "run.json").read_text())["respondent"]
        saved = json.loads((folder / "scores.json").read_text())["babyvlm"]
        assert float(rows[name, "mean"]["value"]) == saved["overall"]
        assert f'<td class="mean">{100 * saved["overall"]:.1f}<span class="interval">' in page
        for task in saved["tasks"]:
            row = rows[name, task["task"]]
            for column in ("value", "low", "high", "chance"):
                assert float(row[column]) == task[column]
            assert (int(row["items"]), int(row["scored"])) == (task["items"], task["scored"])
            assert [int(row[f"rounds_{outcome}"]) for outcome in OUTCOMES] == [task["outcomes"][o] for o in OUTCOMES]
            cell = f"{100 * task['low']:.1f}–{100 * task['high']:.1f}"
            marked = r"</span>(<span class=.vh.> above chance( and controls)?</span>)?<span class=.interval.>"
            assert re.search(rf">{100 * task['value']:.1f}{marked}{cell}<", page)


def test_above_chance_needs_both_the_level_and_the_random_run(runs: dict[str, Path]) -> None:
    results = read_results(list(runs.values()))
    random, model = results.random, results.main
    assert model.name == "tiny <baby>" and random is not None
    for task in TASKS:
        score, guesses = model.by_task[task], random.by_task[task]
        assert results.is_above_chance(model, task) == (score.low > score.chance and score.low > guesses.high)
    assert results.above_chance(model)
    assert results.above_chance(random) == ()
    alone = read_results([runs["model"]])
    assert set(results.above_chance(model)) <= set(alone.above_chance(alone.main))


def test_the_page_says_what_was_found_on_what_and_asks_the_network_for_nothing(
    runs: dict[str, Path], toolbox: Toolbox, training: Path, curated: Path, tmp_path: Path
) -> None:
    times = tmp_path / "times.json"
    times.write_text(json.dumps({"render": 65.0, "train joint": 3600}))
    page = tmp_path / "page.html"
    write_report(list(runs.values()), page, training=training, data=curated, times=times)
    text, requests = read_page(page)
    main = read_results(list(runs.values())).main
    for words in (
        "tiny &lt;baby&gt;",
        f"scores {100 * main.scores.overall:.1f}% on average over 12 sub-tasks",
        DISJOINT[1:],
        f"{len(toolbox.items):,} items of 12 sub-tasks",
        "1,234",  # pairs of the curated set
        "too blurred",
        "4,321",
        "7 words, 6 of them different",
        "8.0–20.5",
        "1 h 1 min",
        "Recipe <code>nursery</code>, seed 5, bfloat16 (autocast)",
        "Apache-2.0",
        "Dashed, with dots: loss on held-out samples, at the end alignment 3.46.",
    ):
        assert words in text, words
    assert f"{main.outcomes['unparsed']:,}</strong>" in text
    assert [address[:30] for address in requests.fetched if not address.startswith(("data:image/jpeg;", "#"))] == []
    assert [link for link in requests.links if ":" in link] == ["https://arxiv.org/abs/2512.10932"]
    assert not re.search(r"@import|url\((?!#)|<script", text)
    assert requests.images_without_words == 0
    assert len(requests.ids) == len(set(requests.ids)), "ids repeat"
    assert {link[1:] for link in requests.links if link.startswith("#")} <= set(requests.ids)
    navigation = text.split('<nav aria-label="Sections">')[1].split("</nav>")[0]
    assert re.fullmatch(r"(\s*<a href=\"#[\w-]+\">[^<]+</a>)+\s*", navigation), "more than links between the links"
    sections = re.findall(r'<section id="([\w-]+)"', text)
    assert re.findall(r'href="#([\w-]+)"', navigation) == sections, "a link for each section, in their order"
    assert "<td>0.0015</td>" in text, "a peak rate of 1.5e-3 in full"
    beside = {link for link in requests.links if link.startswith("page_files/")}
    assert beside and all((tmp_path / link).is_file() for link in beside)
    with (tmp_path / "page_files" / "training_stages.csv").open() as file:
        assert [(row["stage"], float(row["final_loss"])) for row in csv.DictReader(file)] == [
            ("vision", 5.25),
            ("alignment", 3.0),
        ]
    with (tmp_path / "page_files" / "training_log.csv").open() as file:
        assert [row["validation_loss"] for row in csv.DictReader(file)] == ["", "", "", "3.456"]


def test_same_input_same_bytes(runs: dict[str, Path], training: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_report([runs["model"], runs["random"]], tmp_path / name / "page.html", training=training)
    one, two = ({p.name: p.read_bytes() for p in (tmp_path / n).rglob("*") if p.is_file()} for n in ("one", "two"))
    assert {path.rsplit(".")[-1] for path in one} >= {"html", "svg", "pdf", "csv", "tex", "json"}
    assert one == two


def test_restricted_pictures_stay_out_unless_asked_for(runs: dict[str, Path], tmp_path: Path) -> None:
    results = read_results([runs["model"]])
    shared = {e.task: e for e in choose_examples(results, share_restricted=True)}
    pictures = [p.data for item in shared["localization"].items for r in item.rounds for p in r.pictures]
    others = [
        p.data
        for task in ("left_right", "memory")
        for item in shared[task].items
        for r in item.rounds
        for p in r.pictures
    ]
    assert len(pictures) == 3 and all(pictures)

    write_report([runs["model"]], tmp_path / "kept.html")
    write_report([runs["model"]], tmp_path / "shared.html", share_restricted=True)
    kept, given = (tmp_path / "kept.html").read_text(), (tmp_path / "shared.html").read_text()
    assert all(data in given for data in pictures)
    assert not any(data in kept for data in pictures)
    assert all(data in kept for data in others)
    assert f"The pictures of 24 items are not shown: their licence is “{RESTRICTED}”" in kept
    assert "are not shown" not in given


def test_examples_show_right_and_wrong(runs: dict[str, Path]) -> None:
    results = read_results(list(runs.values()))
    examples = choose_examples(results)
    assert [example.task for example in examples] == list(TASKS)
    for example in examples:
        assert len({item.id for item in example.items}) == 3
        if example.task != "memory":
            outcomes = [item.rounds[0].of["tiny <baby>"].outcome == "right" for item in example.items]
            assert outcomes[:2] == [True, False]
            assert all(len(item.rounds[0].replies) == len(runs) for item in example.items)


def test_published_figures_are_the_published_ones() -> None:
    rows = {(row.name, "Ego4D" in row.items): row for row in PUBLISHED}
    overall = {key: row.overall.percent for key, row in rows.items()}
    assert overall == {
        ("Human adults", False): 93.0,
        ("Gemini-2.5-flash", False): 72.7,
        ("BabyLLaVA-V2", False): 55.2,
        ("BabyLLaVA-V2", True): 41.1,
        ("Random guessing", False): 31.8,
    }
    cells = {
        name: {task: figure.percent for task, figure in row.tasks.items()}
        for (name, out), row in rows.items()
        if not out
    }
    assert cells["Human adults"] == {
        "object_counting": 99.1,
        "picture_vocabulary": 91.8,
        "memory": 97.9,
        "left_right": 94.5,
        "spatial_details": 100.0,
        "localization": 87.3,
        "visual_delayed_response_binary": 98.2,
        "who_has_more_synthetic": 98.2,
        "who_has_more_naturalistic": 96.4,
    }
    assert cells["Gemini-2.5-flash"] == {"object_counting": 71.1, "picture_vocabulary": 91.2, "left_right": 34.9}
    assert cells["BabyLLaVA-V2"] == {
        "left_right": 96.4,
        "spatial_details": 92.8,
        "memory": 90.8,
        "who_has_more_synthetic": 99.7,
        "who_has_more_naturalistic": 60.5,
        "visual_delayed_response_binary": 54.6,
        "picture_vocabulary": 32.4,
        "localization": 37.8,
    }
    assert all(figure.is_reported for row in PUBLISHED for figure in row.tasks.values())
    assert not any(row.overall.is_reported for row in PUBLISHED)
    assert PUBLISHED_SIZES["SAYCam, test"]["object_counting"] == 3019
    assert PUBLISHED_SIZES["Ego4D, test"]["who_has_more_naturalistic"] == 939


class Copier:
    """Gives another respondent's answers: as good as it, item by item."""

    family: Family = "baby model"
    sends_data_out = False

    def __init__(self, name: str, inner: Respondent) -> None:
        self.name, self._inner = name, inner

    def answer(self, questions: Sequence[Question], images: ImageReader) -> Iterator[Response]:
        return self._inner.answer(questions, images)


def test_what_a_control_earns_too_is_not_called_learned(toolbox: Toolbox, tmp_path: Path) -> None:
    """A model that does as blind matching does in one task, and better than every control in another."""
    tasks = ("left_right", "picture_vocabulary")
    good = Scripted("good", toolbox.items, 0.95)
    other = [item for item in toolbox.items if item.task != "left_right"]
    weak = Scripted("weak", other, 0.0)

    class Matcher:
        name, family, sends_data_out = "blind match", "baseline", False

        def answer(self, questions: Sequence[Question], images: ImageReader) -> Iterator[Response]:
            matched = [one for one in questions if one.task == "left_right"]
            yield from good.answer(matched, images)
            yield from weak.answer([one for one in questions if one.task != "left_right"], images)

    evaluate(good, toolbox, tmp_path / "good", tasks=tasks)
    evaluate(Matcher(), toolbox, tmp_path / "blind", model="baseline:blind-match", tasks=tasks)
    shuffled = Copier("good, shuffled options", good)
    shuffled.family = "baseline"
    evaluate(shuffled, toolbox, tmp_path / "shuffled", model="baseline:shuffled-options:good", tasks=tasks)
    results = read_results([tmp_path / name for name in ("good", "blind", "shuffled")])
    assert set(results.above_chance(results.main)) == set(tasks)
    assert [run.name for run in results.controls] == ["blind match"]  # options in another order are no control
    assert results.learned(results.main) == ("picture_vocabulary",)
    best = results.best_controls(results.main)
    same = best["left_right"].difference
    assert (same.value, same.low, same.high) == (0, 0, 0) and best["picture_vocabulary"].difference.low > 0.3
    assert results.best_controls(results.controls[0]) == {}

    write_report([tmp_path / name for name in ("good", "blind", "shuffled")], tmp_path / "page.html")
    text, _ = read_page(tmp_path / "page.html")
    assert (
        "It is above chance in 2 of 2, and above the best control as well in <strong>1 of 2</strong>: only there"
        in text
    )
    share = 100 * best["left_right"].value
    assert f"Not above a control: Left/Right (blind match: {share:.1f})." in text
    with (tmp_path / "page_files" / "results.csv").open() as file:
        rows = {(row["respondent"], row["task"]): row for row in csv.DictReader(file)}
    assert rows["good", "left_right"]["above_chance"] == "1" and rows["good", "left_right"]["above_controls"] == "0"
    assert rows["good", "picture_vocabulary"]["best_control"] == "blind match"
    latex = (tmp_path / "page_files" / "results.tex").read_text()
    assert latex.count("mathbf") == 2  # the model's and its shuffled self's

    write_report([tmp_path / "good"], tmp_path / "alone.html")
    text, _ = read_page(tmp_path / "alone.html")
    assert "It is above chance in 2 of 2." in text and "nothing here shows what was learned" in text


def test_the_page_shows_baby_winoground(toolbox: Toolbox, tmp_path: Path) -> None:
    class Judge(Scripted):
        def phrase_loss(self, picture: Image.Image, phrase: str) -> float:
            return float(len(phrase))

    items = list(toolbox.items)
    evaluate(Judge("judge", items, 0.5), toolbox, tmp_path / "run", tasks=["looking_while_listening"])
    saved = json.loads((tmp_path / "run" / "scores.json").read_text())["babyvlm"]
    assert saved["winoground"] is None  # both pictures of these items are of one thing
    changed = saved | {
        "winoground": {
            "text_score": 0.25, "image_score": 0.5, "group_score": 0.125, "positive_context_group_score": 0.375,
            "negative_context_group_score": 0.625, "pairs": 8,
        }
    }  # fmt: skip
    (tmp_path / "run" / "scores.json").write_text(json.dumps({"results": {}, "babyvlm": changed}))
    write_report([tmp_path / "run"], tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    row = "<td>8</td><td>25.0</td><td>50.0</td><td>12.5</td><td>37.5</td><td>62.5</td>"
    assert "Baby Winoground" in page and row in page.replace("\n", "")


def evaluated_alone(toolbox: Toolbox, folder: Path, ask: AskConfig) -> str:
    """The page of a run of guesses, whatever else it was told."""
    guesses = choose_respondent("baseline:random", toolbox)
    evaluate(guesses, toolbox, folder / "guesses", model="baseline:random", tasks=["left_right"], limit=5, ask=ask)
    write_report([folder / "guesses"], folder / "guesses.html")
    return read_page(folder / "guesses.html")[0]


def test_a_single_partial_run_is_enough(toolbox: Toolbox, tmp_path: Path) -> None:
    respondent = Scripted("tiny", toolbox.items, 0.8)
    ask = AskConfig(answer="published", history="gold", max_new_tokens=9)
    evaluate(respondent, toolbox, tmp_path / "run", tasks=["left_right"], limit=5, ask=ask)
    write_report([tmp_path / "run"], tmp_path / "page.html")
    text, _ = read_page(tmp_path / "page.html")
    assert "in Looking While Listening the likelier option taken for its reply, shown the right replies" in text
    assert "replies of at most 9 tokens" in text
    guessing = evaluated_alone(toolbox, tmp_path, ask)
    assert "likelier option" not in guessing
    assert "average over 1 sub-task (95% interval" in text and "the first 5 items of each sub-task" in text
    assert "No run of random guesses" in text


def test_nothing_that_exists_is_overwritten(runs: dict[str, Path], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("mine")
    with pytest.raises(OutputExistsError, match=r"page\.html"):
        write_report([runs["random"]], page)
    assert page.read_text() == "mine" and list(tmp_path.iterdir()) == [page]

    page.unlink()
    (tmp_path / "page_files").mkdir()
    (tmp_path / "page_files" / "notes.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match=r"notes\.txt"):
        write_report([runs["random"]], page)

    # What a page left behind that was removed may be written anew, but not what somebody put beside it.
    shutil.rmtree(tmp_path / "page_files")
    write_report([runs["random"]], page)
    page.unlink()
    write_report([runs["random"]], page)
    page.unlink()
    (tmp_path / "page_files" / "notes.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match=r"notes\.txt"):
        write_report([runs["random"]], page)


def test_bad_input_names_the_file_and_leaves_nothing(runs: dict[str, Path], training: Path, tmp_path: Path) -> None:
    page = tmp_path / "out" / "page.html"
    with pytest.raises(ConfigError, match="given twice"):
        write_report([runs["random"], runs["random"]], page)
    unscored = runs["random"].parent / "unscored"
    shutil.copytree(runs["random"], unscored)
    try:
        (unscored / "scores.json").unlink()
        with pytest.raises(DataFolderError, match="has not been scored"):
            write_report([unscored], page)
    finally:
        shutil.rmtree(unscored)
    log = training / "vision" / "metrics.jsonl"
    log.write_text(log.read_text() + '{"step": 30}\n')
    with pytest.raises(DataFolderError, match=r"metrics\.jsonl, line 3: .*loss"):
        write_report([runs["random"]], page, training=training)
    (tmp_path / "times.json").write_text('{"render": "long"}')
    with pytest.raises(DataFolderError, match=r"times\.json"):
        write_report([runs["random"]], page, times=tmp_path / "times.json")
    assert not page.parent.exists()


def test_runs_on_other_items_are_refused(runs: dict[str, Path], toolbox: Toolbox, tmp_path: Path) -> None:
    other = runs["random"].parent / "elsewhere"
    shutil.copytree(runs["random"], other)
    try:
        run = json.loads((other / "run.json").read_text())
        (other / "run.json").write_text(json.dumps(run | {"toolbox_hash": "0" * 16}))
        with pytest.raises(ConfigError, match="another toolbox"):
            write_report([runs["model"], other], tmp_path / "page.html")
    finally:
        shutil.rmtree(other)


def test_needs_neither_torch_nor_transformers() -> None:
    code = "import babyvlm.reports, sys; print([m for m in ('torch', 'transformers') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_words_met_are_read_from_a_set_and_shown(runs: dict[str, Path], curated: Path, tmp_path: Path) -> None:
    assert read_words_met(curated) == WordsMet(
        heard=frozenset(["look", "a", "ball", "the", "is", "gone"]), taught=frozenset()
    )
    instruction = curated / "instruction"
    instruction.mkdir()
    Manifest(kind="instruction-set").write(instruction)
    assert read_words_met(curated) is None  # an earlier version's: it does not say what it teaches
    taught = ["ball", "thing 1"]
    Manifest(kind="instruction-set", configuration={"categories_taught": taught}).write(instruction)
    met = read_words_met(curated)
    assert met is not None and met.taught == frozenset(taught) and met.exposure("thing 1") == "taught"
    table = exposure_table(read_results([runs["model"]]), met)
    assert {row[2] for row in table.rows} == {"taught", "never met"}
    assert sum(row[7] for row in table.rows if row[1] == "picture_vocabulary") <= ITEMS_PER_TASK


def test_corpus_statistics(curated: Path) -> None:
    statistics = read_corpus(curated)
    assert statistics.total("train").hours == 0.75
    assert statistics.total().recordings == 3 and statistics.vocabulary == 6
    assert statistics.counts["image-utterance pairs"] == {"train": 1234, "validation": 0, "test": 7}


def test_the_page_compares_the_main_run_and_puts_seeds_together(runs: dict[str, Path], tmp_path: Path) -> None:
    again = tmp_path / "again"
    shutil.copytree(runs["model"], again)
    meta = json.loads((again / "run.json").read_text())
    toolbox = os.path.normpath(runs["model"].resolve() / meta["toolbox"])
    (again / "run.json").write_text(json.dumps(meta | {"toolbox": os.path.relpath(toolbox, again)}))
    write_report([*runs.values(), again], tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "against the others, item by item" in page and "2 runs together" in page
    with (tmp_path / "page_files" / "comparisons.csv").open() as file:
        rows = list(csv.DictReader(file))
    same = [row for row in rows if row["first"].endswith("(again)") and row["p"]]
    assert len(same) == len(TASKS) and all(float(row["p"]) == 1 and float(row["difference"]) == 0 for row in same)
    adults = [row for row in rows if row["first"] == "adults" and row["p"]]
    assert all(float(row["difference"]) <= 0 for row in adults)
    with (tmp_path / "page_files" / "seeds.csv").open() as file:
        assert {float(row["standard_deviation"]) for row in csv.DictReader(file)} == {0.0}
