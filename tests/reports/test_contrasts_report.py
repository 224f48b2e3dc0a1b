"""The report's section on contrasts: figures of the run, intervals over words, and what was not answered."""

import csv
import re
from collections import defaultdict
from statistics import fmean

import pytest

from babyvlm.evaluation import choose_respondent, evaluate
from babyvlm.evaluation.statistics import over_clusters
from babyvlm.records import Reply, Response, read_jsonl
from babyvlm.reports import write_report
from babyvlm.toolbox.contrasts import ContrastConfig
from babyvlm.toolbox.contrasts.build import build_contrasts
from babyvlm.words import words_of

SAID = words_of(
    "a an the is are and not this that red yellow green blue pink big little jumping chasing on under to left right of "
    "bigger smaller than one two three four near dog dogs cat cats duck ducks pig apple apples moon lamp cup star"
)


class Forgetful:
    """Says the first option, nothing to questions about a dog, and what nobody can read to those about a cat."""

    name, sends_data_out, family = "forgetful", False, "open-source"

    def answer(self, questions, images):
        for question in questions:
            silent = "dog" in question.turns[0].prompt
            said = "mumble" if "cat" in question.turns[0].prompt else question.turns[0].options[0]
            reply = Reply(text=None, problem="asleep") if silent else Reply(text=said)
            yield Response(item=question.id, replies=(reply,))


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    pytest.importorskip("skia", reason="nothing can be drawn: the extra render is not installed")
    folder = tmp_path_factory.mktemp("contrasts")
    counts = [f"{word}\t{number}\n" for number, word in enumerate(SAID, start=1)]
    (folder / "said.tsv").write_text("word\tcount\n" + "".join(counts))
    toolbox = build_contrasts(folder / "said.tsv", folder / "made", ContrastConfig(per_word=2, per_kind=6)).toolbox
    counted = choose_respondent(f"frequency:{folder / 'said.tsv'}", toolbox)
    scores = {one.name: evaluate(one, toolbox, folder / one.name, model=one.name) for one in (Forgetful(), counted)}
    return folder, toolbox, scores


def rows(folder, name):
    with (folder / f"{name}.csv").open() as file:
        return list(csv.DictReader(file))


def test_tables_hold_what_the_run_says_and_what_failed(asked):
    folder, toolbox, scores = asked
    write_report([folder / name for name in scores], folder / "page.html")
    page, files = (folder / "page.html").read_text(), folder / "page_files"
    means = {row["respondent"]: row for row in rows(files, "contrasts_means")}
    failed = sum("dog" in item.turns[0].prompt for item in toolbox.items)
    assert failed and int(means["forgetful"]["failed"]) == failed and int(means["frequency alone"]["failed"]) == 0
    for name, found in scores.items():
        assert int(means[name]["questions"]) == len(toolbox.items)
        assert float(means[name]["overall"]) == pytest.approx(found.contrasts.overall)
        own = [row for row in rows(files, "contrasts") if row["respondent"] == name]
        for kind in found.contrasts.kinds:
            of_kind = [row for row in own if row["kind"] == kind.kind]
            assert [row["bin"] for row in of_kind] == (list(kind.bins) or [""])
            assert fmean(float(row["value"]) for row in of_kind) == pytest.approx(kind.value)
            assert sum(int(row["questions"]) for row in of_kind) == kind.trials
    assert "Contrasts in a training set" in page and "contrasts.svg" in page and (files / "contrasts.tex").is_file()
    unread = sum("cat" in one.turns[0].prompt and "dog" not in one.turns[0].prompt for one in toolbox.items)
    assert unread and int(means["forgetful"]["unread"]) == unread
    assert f"<td>{len(toolbox.items)}</td><td>{unread}</td><td>{failed}</td>" in page


def test_a_page_about_nothing_that_counts_in_the_mean_says_so(asked):
    folder, toolbox, scores = asked
    write_report([folder / name for name in scores], folder / "outside.html")
    page = (folder / "outside.html").read_text()
    assert f"was asked {len(toolbox.items)} rounds of" in page and "that count in no mean" in page
    assert "answered no item" not in page and "Every reply could be read" not in page
    assert "Published results" not in page and "of 0 sub-tasks, besides those that count in no mean" in page
    assert not (folder / "outside_files" / "accuracy_by_task.svg").exists()
    assert re.search(r"<li>forgetful: .*\d unparsed", page) and re.search(r"<li>forgetful: .*\d failed", page)


def test_a_bin_is_counted_by_its_words(asked):
    folder, toolbox, _ = asked
    worth = defaultdict(list)
    replied = {one.item: one.replies[0].text for one in read_jsonl(folder / "forgetful/responses.jsonl", Response)}
    for item in toolbox.items:
        if item.task == "contrast_nouns" and replied[item.id] is not None:
            place = item.turns[0].origins[0].source.split("/")[1]
            worth[place].append((item.category, replied[item.id] == item.turns[0].gold))
    write_report([folder / "forgetful"], folder / "alone.html")
    found = [row for row in rows(folder / "alone_files", "contrasts") if row["kind"] == "nouns"]
    assert {row["bin"] for row in found} == worth.keys()
    for row in found:
        assert int(row["words"]) == len({word for word, _ in worth[row["bin"]]})
        assert float(row["value"]) == pytest.approx(fmean(right for _, right in worth[row["bin"]]))
        assert float(row["low"]) <= float(row["value"]) <= float(row["high"])


def test_no_section_without_contrasts(runs, tmp_path):
    write_report([runs["model"]], tmp_path / "page.html", browse=0)
    assert "Contrasts in a training set" not in (tmp_path / "page.html").read_text()
    assert not (tmp_path / "page_files" / "contrasts.csv").exists()


def test_an_interval_over_clusters_ignores_how_often_a_cluster_was_seen():
    once = over_clusters([1, 0], ["dog", "cat"])
    often = over_clusters([1] * 50 + [0] * 50, ["dog"] * 50 + ["cat"] * 50)
    assert (once.value, once.low, once.high) == (often.value, often.low, often.high) == (0.5, 0, 1)
    assert over_clusters([1, 0, 1], ["dog"] * 3) is None
