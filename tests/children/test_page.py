"""The page: stored scores and graded runs side by side, words, abilities, and what cannot be shown said."""

import csv
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest

import babyvlm
from babyvlm.children import ChildrenConfig
from babyvlm.children import runs as runs_module
from babyvlm.children.comparison import beside_children
from babyvlm.children.divergence import DivergenceConfig
from babyvlm.children.runs import option_scores, read_people, read_runs, scores_on
from babyvlm.children.trials import read_set
from babyvlm.cli import main
from babyvlm.curation.sets import KIND as SET_KIND
from babyvlm.curation.sets import UTTERANCE_SCHEMA, RowWriter
from babyvlm.errors import BabyVLMError, ConfigError, InputError, OutputExistsError
from babyvlm.evaluation import evaluate
from babyvlm.evaluation.baselines import RandomGuess
from babyvlm.evaluation.runs import Run
from babyvlm.folders import Manifest
from babyvlm.records import Reply, Response, write_jsonl
from babyvlm.toolbox.batteries import REGISTRY
from babyvlm.toolbox.devbench import read_place
from babyvlm.toolbox.folder import toolbox_hash
from babyvlm.toolbox.published import ImportConfig
from tests.children.test_acquisition import curve, write
from tests.children.test_divergence import shares_csv
from tests.pages import PHONE, chromium, serious_findings
from tests.toolbox.test_field_batteries import picture

QUICK = ChildrenConfig(divergence=DivergenceConfig(resamples=100, splits=10))
TRIALS = 24


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Data with a set of trials, its children and two stored models, a table of words, and a toolbox of the set."""
    root = tmp_path_factory.mktemp("world")
    folder = root / "data" / "lex-viz_vocab"
    rng = np.random.default_rng(0)
    rows = ["text1,image1,image2,image3,image4"]
    for number in range(1, TRIALS + 1):
        for place in range(1, 5):
            picture(folder / f"images/{number}-{place}.png", 10 * number + place)
        rows.append(",".join([f"word{number}", *(f"images/{number}-{place}.png" for place in range(1, 5))]))
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    stored = rng.normal(0, 1, (TRIALS, 4)) + 1.5 * np.eye(4)[0]
    chosen = np.exp(stored) / np.exp(stored).sum(axis=1, keepdims=True)
    (folder / "human.csv").write_text(shares_csv(chosen.tolist(), extra=",40"))
    np.save(folder / "vv_like.npy", stored)
    np.save(folder / "vv_noise.npy", rng.normal(0, 1, (TRIALS, 4, 1)))
    write(root / "data" / "words.csv", *(curve(f"word{n}", 17 + n / 2, 0.5) for n in range(1, TRIALS + 1)))
    toolbox = REGISTRY.get("devbench")(root / "data", root / "toolbox", ImportConfig(licence="CC0")).toolbox
    return SimpleNamespace(root=root, data=root / "data", toolbox=toolbox, stored=stored, shares=chosen)


def run_of(world, out, name, text_of, *, family="open-source", participants=("",)):
    """A run folder as evaluate and a study's export write it."""
    out.mkdir(parents=True)
    items = world.toolbox.items
    write_jsonl(
        out / "responses.jsonl",
        [
            Response(item=item.id, replies=(Reply(text=text_of(item, who)),), participant=who)
            for item in items
            for who in participants
        ],
    )
    run = Run(
        respondent=name,
        family=family,
        model=name,
        toolbox=str(world.toolbox.folder),
        toolbox_hash=toolbox_hash(world.toolbox),
        tasks=list(world.toolbox.tasks),
    )
    (out / "run.json").write_text(run.model_dump_json())
    return out


@pytest.fixture
def graded(world, tmp_path, monkeypatch):
    """A run whose replies carry the stored scores, each option's with its own picture."""
    by_item = {}
    for item in world.toolbox.items:
        places = [read_place(origin.source) for origin in item.turns[0].origins]
        by_item[item.id] = tuple(world.stored[place.number - 1, place.picture - 1] for place in places)
    folder = run_of(world, tmp_path / "graded", "graded", lambda item, who: item.id)
    monkeypatch.setattr(runs_module, "option_scores", lambda reply: by_item[reply.text])
    return folder


def test_a_graded_run_is_compared_picture_by_picture(world, graded):
    (run,) = read_runs([graded])
    trial_set = read_set(world.data / "lex-viz_vocab")
    assert scores_on(run, trial_set) == pytest.approx(world.stored)
    found = beside_children([graded], world.data, QUICK)
    by_model = {row.model: row for row in found.sets[0].rows}
    assert set(by_model) == {"like", "noise", "graded"} and found.sets[0].runs == {"graded"}
    assert by_model["graded"].fit == by_model["like"].fit
    assert by_model["like"].fit.divergence == pytest.approx(0, abs=1e-9) and by_model["like"].fit.beta == pytest.approx(
        1
    )
    assert found.sets[0].models[-1] == "noise"


def test_people_and_graded_models_are_compared_on_items_of_ones_own(world, graded, tmp_path):
    """Forty children who choose as often as the stored scores say are near to whoever has these scores, at beta 1."""
    rng = np.random.default_rng(6)
    places = {item.id: [read_place(o.source) for o in item.turns[0].origins] for item in world.toolbox.items}

    def text(item, who):
        shares = [world.shares[place.number - 1, place.picture - 1] for place in places[item.id]]
        return item.turns[0].options[rng.choice(4, p=np.array(shares) / sum(shares))]

    names = tuple(f"c{n}" for n in range(80))
    people = run_of(world, tmp_path / "s" / "pooled", "80 children", text, family="human", participants=names)
    ages = "\n".join(f"{who},{30 if at < 77 else 60}" for at, who in enumerate(names))
    (tmp_path / "s" / "participants.csv").write_text(f"participant,age_months\n{ages}\n")
    (own,) = beside_children([people, graded], None, QUICK).sets
    assert own.trial_set.name == "own-items" and own.runs == {"graded"}
    (dropped,) = own.trial_set.left_out
    assert (dropped.age, dropped.reason, len(dropped.trials)) == ("5", "fewer than 4 people", TRIALS)
    (row,) = own.rows
    assert row.group.age == "2" and row.fit.beta == pytest.approx(1, abs=0.2) and len(row.numbers_T) == TRIALS
    ((_, ceiling),), ((_, guessing),) = own.ceilings, own.guessing
    assert not ceiling.simulated and ceiling.children == 77
    assert row.fit.divergence < ceiling.value < guessing
    page = babyvlm.compare_with_children([people, graded], tmp_path / "page.html", QUICK).read_text()
    assert "Items of your own" in page and "divergence_own_items" in page


def test_scores_of_a_reply_are_read_where_there_are_any():
    assert option_scores(Reply(text="A")) is None
    assert option_scores(SimpleNamespace(scores=None)) is None
    assert option_scores(SimpleNamespace(scores=SimpleNamespace(sums=(-1, -2.5)))) == (-1.0, -2.5)


def test_a_run_without_scores_is_named_with_what_to_do(world, tmp_path):
    evaluate(RandomGuess(), world.toolbox, tmp_path / "run", model="baseline:random")
    found = beside_children([tmp_path / "run"], world.data, QUICK)
    ((name, reason),) = found.sets[0].absent
    assert name == "random" and "evaluate it with --answer likelihood" in reason


@pytest.fixture
def study(world, tmp_path):
    """Sixty children of 20 to 60 months who grow, pooled, with their table of ages; and two models."""
    rng = np.random.default_rng(4)
    hard = {item.id: rng.normal(0, 1) for item in world.toolbox.items}
    ages = {f"c{n:02}": 20 + 2 * (n % 21) for n in range(60)}

    def answers(able):
        def text(item, who):
            right = rng.random() < 1 / (1 + np.exp(hard[item.id] - able(who)))
            return item.turns[0].gold if right else next(o for o in item.turns[0].options if o != item.turns[0].gold)

        return text

    people = run_of(
        world, tmp_path / "study" / "pooled", "60 children", answers(lambda who: 0.08 * (ages[who] - 40)),
        family="human", participants=tuple(ages),
    )  # fmt: skip
    (tmp_path / "study" / "participants.csv").write_text(
        "participant,group,age_months\n"
        + "\n".join(f"{who},child,{age}" for who, age in ages.items())
        + "\nc99,child,\n"
    )
    middling = run_of(world, tmp_path / "middling", "middling", answers(lambda who: 0.8))
    perfect = run_of(world, tmp_path / "perfect", "perfect", lambda item, who: item.turns[0].gold)
    return people, middling, perfect


def test_the_page_and_its_files(world, study, tmp_path, capsys):
    evaluate(RandomGuess(), world.toolbox, tmp_path / "random", model="baseline:random")
    ratings = tmp_path / "concreteness.csv"
    ratings.write_text("word,concreteness\n" + "\n".join(f"word{n},{1 + n / 10}" for n in range(1, TRIALS + 1)) + "\n")
    out = tmp_path / "page.html"
    runs = [*map(str, study), str(tmp_path / "random")]
    main(["children", *runs, "--data", str(world.data), "--concreteness", str(ratings), "--out", str(out),
          "--divergence.resamples", "100", "--divergence.splits", "10"])  # fmt: skip
    assert "open " in capsys.readouterr().err
    page, beside = out.read_text(), tmp_path / "page_files"
    assert not re.search(r"(?:src|href)=[\"']?(?:https?:)?//", page) and "<script" not in page
    for words in (
        "Visual vocabulary",
        "halves of the children are",
        "every picture alike",
        "60 people",
        "concreteness",
    ):
        assert words in page, words

    def rows(name):
        with (beside / f"{name}.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    divergence = {row["model"]: row for row in rows("divergence")}
    assert set(divergence) == {"like", "noise", "every picture alike"} and divergence["like"]["trials"] == str(TRIALS)
    assert len(rows("divergence_by_trial")) == 2 * TRIALS and rows("ceiling")[0]["simulated"] == "1"
    words = {row["word"]: row for row in rows("words")}
    assert float(words["word6"]["acquired_months"]) == pytest.approx(20, abs=0.2)
    assert words["word6"]["score of perfect"] == "1.0" and words["word6"]["concreteness"] == "1.6"
    assert {row["regression"] for row in rows("what_predicts_age")} >= {"no model", "middling"}
    placed = {row["respondent"]: row for row in rows("abilities")}
    assert len(placed) == 63 and placed["c03"]["age_months"] == "26.0" and placed["random"]["kind"] == "baseline"
    assert 36 < float(placed["middling"]["like_months"]) < 60
    assert "right in all" in placed["perfect"]["no_age_because"] and placed["perfect"]["like_months"] == ""
    assert len(rows("difficulties")) == TRIALS
    assert (beside / "divergence.tex").read_text().startswith(r"\begin{tabular}")
    assert json.loads((beside / "manifest.json").read_text())["kind"] == "children"
    for figure in re.findall(r'href="page_files/([^"]+)"', page):
        assert (beside / figure).is_file()
    with pytest.raises(OutputExistsError):
        babyvlm.compare_with_children(study, out, data=world.data)
    out.unlink()
    (beside / "notes.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match=r"notes\.txt"):
        babyvlm.compare_with_children(study, out, data=world.data)


def test_frequency_in_a_training_set_is_among_the_predictors(world, study, tmp_path):
    """A set in which a word is said the more often, the earlier it is acquired; its test split is not counted."""
    folder = tmp_path / "set"
    (folder / "images").mkdir(parents=True)
    with RowWriter(folder / "utterances.parquet", UTTERANCE_SCHEMA) as writer:
        for number in range(1, TRIALS + 1):
            for at in range(2 * (TRIALS - number)):
                said = f"look, word{number}!"
                row = {"recording": "R", "start_s": float(at), "end_s": at + 1.0, "speaker": "", "text": said}
                writer.add({**row, "language": "", "split": "test" if at % 2 else "train"})
    Manifest(kind=SET_KIND, configuration={}).write(folder)
    found = beside_children([study[1]], world.data, QUICK, training=folder).words
    assert found.frequency["word3"] == TRIALS - 3 and found.frequency[f"word{TRIALS}"] == 0
    ((_, alone), (name, both)) = found.predictions
    assert name == "middling" and [one.name for one in both.coefficients] == ["frequency", "model"]
    (frequency,) = alone.coefficients
    assert frequency.high < 0 and alone.r_squared > 0.7


def test_the_same_input_gives_the_same_page(world, study, tmp_path):
    pages = []
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
        pages.append(babyvlm.compare_with_children(study, tmp_path / name / "p.html", QUICK, data=world.data))
    assert pages[0].read_bytes() == pages[1].read_bytes()
    for path in sorted((tmp_path / "1" / "p_files").iterdir()):
        assert path.read_bytes() == (tmp_path / "2" / "p_files" / path.name).read_bytes(), path.name


def test_what_cannot_be_shown_is_said(world, study, tmp_path):
    found = beside_children([study[1]], world.data, QUICK)
    assert found.ability is None and any("fewer than two respondents" in line for line in found.not_shown)
    only = beside_children(list(study), None, QUICK)
    assert only.ability is not None and len(only.not_shown) == 3
    assert any("no run gives scores for the options" in line for line in only.not_shown)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no set of trials in it, and no table of words"):
        beside_children([], tmp_path / "empty", QUICK)
    with pytest.raises(InputError, match="there is no such folder"):
        beside_children([], tmp_path / "nowhere", QUICK)
    assert beside_children([], world.data / "words.csv", QUICK).words is not None
    few = babyvlm.compare_with_children(study[1:], tmp_path / "few.html", QUICK)
    assert "2 respondents are few" in few.read_text()
    with pytest.raises(InputError, match="nothing can be compared"):
        beside_children([study[1]], None, QUICK)
    with pytest.raises(ConfigError, match="the same run is given twice"):
        beside_children([study[1], study[1]], world.data, QUICK)


def test_people_without_ages_give_no_age_and_a_table_gives_them(world, study, tmp_path):
    (study[0].parent / "participants.csv").unlink()
    found = beside_children(list(study), None, QUICK)
    assert found.ability.growth == "0 children with an age have answered; 20 are needed"
    people = tmp_path / "people.csv"
    people.write_text("participant,age_months\n" + "\n".join(f"c{n:02},{20 + 2 * (n % 21)}" for n in range(60)) + "\n")
    assert not isinstance(beside_children(list(study), None, QUICK, people=people).ability.growth, str)
    for text, message in (("who,age\na,3\n", "It needs participant"), ("participant,age_months\na,x\n", "line 2: 'x'")):
        people.write_text(text)
        with pytest.raises(InputError, match=message):
            read_people(people)


def test_devbench_data_make_a_page(shared_data, tmp_path):
    out = babyvlm.compare_with_children([], tmp_path / "page.html", QUICK, data=shared_data)
    with (tmp_path / "page_files" / "divergence.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["model"] != "every picture alike"]
    assert len(rows) == 152 and "how many children are behind them" in out.read_text()


def test_every_refusal_is_ours(world, tmp_path):
    with pytest.raises(BabyVLMError):
        babyvlm.compare_with_children([tmp_path / "no-run"], tmp_path / "p.html", data=world.data)
    assert not (tmp_path / "p.html").exists()


def test_the_page_fits_a_phone_and_axe_finds_nothing_serious(world, study, tmp_path):
    out = babyvlm.compare_with_children(study, tmp_path / "page.html", QUICK, data=world.data)
    with chromium() as browser:
        page = browser.new_page(viewport={"width": PHONE[0], "height": PHONE[1]})
        requests = []
        page.on("request", lambda request: requests.append(request.url))
        page.goto(out.as_uri())
        page.click("summary")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        assert serious_findings(page) == [] and requests == [out.as_uri()]
