"""Probes of a language model: sentences by the definition of log-likelihoods, measures by hand, BabyLM's format."""

import csv
import json
import math
import shutil

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from babyvlm.cli import main
from babyvlm.errors import CheckpointError, DataFolderError, InputError, OutputExistsError
from babyvlm.evaluation import choose_respondent, evaluate
from babyvlm.evaluation.babylm import predictions_of_run, write_predictions
from babyvlm.model import BabyLlavaForConditionalGeneration
from babyvlm.model.tokenizer import SOS, train_tokenizer
from babyvlm.probing import SentenceProbeConfig
from babyvlm.probing.language import probe_sentences
from babyvlm.probing.language_models import sentence_likelihoods, unigram_likelihoods
from babyvlm.probing.sentences import read_sentence_pairs
from babyvlm.toolbox.batteries import REGISTRY
from tests.evaluation.open_models import gpt2

ZORRO = ["the dogs is here .", "the dogs are here .", "the cat are big .", "the cat is big ."]
BLIMP = [
    {"sentence_good": "who sees them", "sentence_bad": "who see them", "UID": "questions", "field": "syntax"},
    {"sentence_good": "she sees him", "sentence_bad": "she see him", "UID": "questions", "field": "syntax"},
    {"sentence_good": "who sees them", "sentence_bad": "who see them", "UID": "questions", "field": "syntax"},
]
SWAPS = {
    "inflswap_pairs.txt": ["1|NOUN|dog|The dog barks.|4|dogs|Two dogs bark.|4"],
    "agrswap_pairs_10M.txt": ["0|AGR_LONG_X|he|He saw himself.|0|she|She saw herself.|0", "2|AGR_DET|a|a b|0|c|c d|0"],
    "wordswap_pairs.txt": ["3|VERB_1|ran|We ran.|3|They ran home.|1|ate|I ate.|2|She ate pie.|1", "3|NOUN|x|y"],
    "vp_swap_color_pairs.txt": ["5|VISUAL_c|crow|A black crow.|8|swan|A white swan.|8"],
}


@pytest.fixture
def pairs(tmp_path):
    folder = tmp_path / "pairs"
    (folder / "swaps").mkdir(parents=True)
    (folder / "agreement.txt").write_text("\n".join(ZORRO) + "\n")
    (folder / "questions.jsonl").write_text("\n".join(map(json.dumps, BLIMP)) + "\n")
    for name, lines in SWAPS.items():
        (folder / "swaps" / name).write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def lm(tmp_path_factory):
    made = tmp_path_factory.mktemp("lm") / "tiny-gpt2"
    gpt2(made)
    return made


@pytest.fixture(scope="module")
def ours(stages, tmp_path_factory):
    """A whole model of ours with its tokenizer."""
    folder = tmp_path_factory.mktemp("ours") / "language"
    shutil.copytree(stages["instruction"], folder)
    train_tokenizer([*ZORRO, "who sees them"], vocabulary=300, context=64).save_pretrained(folder)
    return folder


def test_pairs_are_read_from_every_layout(pairs):
    found = read_sentence_pairs(pairs)
    by_measure = {}
    for pair in found.pairs:
        by_measure.setdefault(pair.measure, []).append((pair.part, pair.rule, pair.good, pair.bad))
    assert by_measure["minimal pairs"][0] == ("agreement", "", "the dogs are here .", "the dogs is here .")
    assert [one[0] for one in by_measure["minimal pairs"]] == ["agreement"] * 2 + ["questions"] * 3
    assert by_measure["inflection"] == [
        ("1", "NOUN", "The dog barks.", "The dogs barks."), ("1", "NOUN", "Two dogs bark.", "Two dog bark.")
    ]  # fmt: skip
    assert by_measure["agreement"][:2] == [
        ("0", "LONG", "He saw himself.", "She saw himself."), ("0", "LONG", "She saw herself.", "He saw herself.")
    ]  # fmt: skip
    assert by_measure["agreement"][2:] == [("2", "SHORT", "a b", "c b"), ("2", "SHORT", "c d", "a d")]
    assert by_measure["word"] == [
        ("3", "VERB", "They ran home.", "They ate home."), ("3", "VERB", "She ate pie.", "She ran pie.")
    ]  # fmt: skip
    assert by_measure["visual property"][0] == ("5", "VISUAL", "A black crow.", "A black swan.")
    assert found.problems == {"word: a line of another form": 1}


def test_sentences_of_a_model_of_transformers_are_as_likely_as_defined(lm):
    tokenizer, model = AutoTokenizer.from_pretrained(lm), AutoModelForCausalLM.from_pretrained(lm).eval()
    likely = sentence_likelihoods(str(lm), 0, 2)
    for sentence, found in zip(ZORRO, likely["model"](ZORRO), strict=True):
        ids = [tokenizer.bos_token_id, *tokenizer.encode(sentence)]
        with torch.no_grad():
            logs = model(torch.tensor([ids])).logits[0].log_softmax(-1)
        assert found == pytest.approx(sum(float(logs[at - 1, ids[at]]) for at in range(1, len(ids))), abs=1e-4)
    assert likely["model as drawn"](ZORRO) != pytest.approx(likely["model"](ZORRO))


@pytest.mark.parametrize("batch_size", [1, 3])
def test_sentences_of_a_model_of_ours_are_as_likely_as_defined(batch_size, ours):
    tokenizer = AutoTokenizer.from_pretrained(ours)
    model = BabyLlavaForConditionalGeneration.from_pretrained(ours).eval()
    found = sentence_likelihoods(str(ours), 0, batch_size)["model"](ZORRO)
    for sentence, one in zip(ZORRO, found, strict=True):
        ids = [SOS, *tokenizer.encode(sentence, add_special_tokens=False)]
        with torch.no_grad():
            logs = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
        assert one == pytest.approx(sum(float(logs[at - 1, ids[at]]) for at in range(1, len(ids))), abs=1e-4)


def test_word_counts_alone_are_smoothed_by_one(tmp_path):
    (tmp_path / "said.tsv").write_text("word\tcount\nthe\t3\ndog\t1\n")
    (known, unknown) = unigram_likelihoods(tmp_path / "said.tsv")(["The dog!", "a dog"])
    total = 3 + 1 + 2 + 1
    assert known == pytest.approx(math.log(4 / total) + math.log(2 / total))
    assert unknown == pytest.approx(math.log(1 / total) + math.log(2 / total))


def test_measures_are_means_over_paradigms_and_bins(pairs, lm, tmp_path):
    (tmp_path / "said.tsv").write_text("word\tcount\nis\t9\nare\t3\nsee\t2\nsees\t1\nran\t5\n")
    found = probe_sentences(str(lm), pairs, tmp_path / "out", data=tmp_path / "said.tsv")
    rows = {(row.likelihoods, row.measure, row.part): row for row in found.rows}
    # "is" is said more than "are": wrong for the dogs, right for the cat; "see" more than "sees": wrong three times.
    assert rows["unigram", "minimal pairs", "agreement"].value == 0.5
    assert rows["unigram", "minimal pairs", "questions"].value == 0.0
    assert rows["unigram", "minimal pairs", "all"].value == 0.25
    assert rows["unigram", "word", "all"].value == 0.5 and rows["unigram", "visual property", "all"].value == 0.5
    figures = found.figures["unigram"]
    others = [rows["unigram", measure, "all"].value for measure in ("inflection", "agreement")]
    assert figures.syntax == pytest.approx((0.25 + sum(others)) / 3) and figures.semantics == 0.5
    assert figures.overall == pytest.approx((figures.syntax + figures.semantics) / 2)
    assert set(found.figures) == {"model", "model as drawn", "unigram"} and found.missing == ()
    assert all(0 <= row.low <= row.value <= row.high <= 1 for row in found.rows)
    assert json.loads((tmp_path / "out" / "probe.json").read_text()) == json.loads(found.model_dump_json())
    with (tmp_path / "out" / "probe.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(found.rows)
    again = probe_sentences(str(lm), pairs, tmp_path / "again", data=tmp_path / "said.tsv")
    assert again == found
    with pytest.raises(OutputExistsError):
        probe_sentences(str(lm), pairs, tmp_path / "out")


def test_what_is_missing_is_named(ours, tmp_path, capsys):
    (tmp_path / "only.txt").write_text("\n".join(ZORRO))
    main(["probe", "language", str(ours), str(tmp_path / "only.txt"), "--out", str(tmp_path / "typed")])
    printed = capsys.readouterr().out
    assert "no pairs of inflection, agreement, word, visual property" in printed and "model as drawn" in printed
    assert "no row of word counts" in printed
    saved = json.loads((tmp_path / "typed" / "probe.json").read_text())
    assert saved["figures"]["model"]["semantics"] is None and saved["figures"]["model"]["overall"] is None


def test_bad_input_is_named(stages, pairs, lm, tmp_path):
    with pytest.raises(CheckpointError, match="no language model"):
        probe_sentences(str(stages["vision"]), pairs, tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no file of pairs"):
        probe_sentences(str(lm), tmp_path / "empty", tmp_path / "out")
    (pairs / "odd.txt").write_text("one sentence\n")
    with pytest.raises(InputError, match=r"odd\.txt"):
        probe_sentences(str(lm), pairs, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(Exception, match="--batch-size"):
        SentenceProbeConfig(batch_size=0)


# Predictions in BabyLM's format.


def is_babylms(found, files):
    """As the pipeline reads them: by subtask, in the order of its file, each an id and a sentence of its pair."""
    assert set(found) == set(files)
    for subtask, pairs_of_file in files.items():
        assert set(found[subtask]) == {"predictions"}
        listed = found[subtask]["predictions"]
        assert [one["id"] for one in listed] == [f"{subtask}_{number}" for number in range(len(pairs_of_file))]
        assert all(set(one) == {"id", "pred"} for one in listed)
        assert all(one["pred"] in pair for one, pair in zip(listed, pairs_of_file, strict=True))


FILES = {
    "agreement": [ZORRO[:2], ZORRO[2:]],
    "questions": [(one["sentence_good"], one["sentence_bad"]) for one in BLIMP],
}


def test_a_probe_leaves_predictions_that_babylm_takes(pairs, lm, tmp_path):
    found = probe_sentences(str(lm), pairs, tmp_path / "out")
    predictions = json.loads((tmp_path / "out" / "predictions.json").read_text())
    is_babylms(predictions, FILES)
    right = {row.part: row.value for row in found.rows if row.likelihoods == "model" and row.measure == "minimal pairs"}
    for subtask, goods in (("agreement", ZORRO[1::2]), ("questions", [one["sentence_good"] for one in BLIMP])):
        listed = predictions[subtask]["predictions"]
        assert sum(one["pred"] == good for one, good in zip(listed, goods, strict=True)) / len(goods) == pytest.approx(
            right[subtask]
        )


def test_a_run_on_minimal_pairs_leaves_the_same(pairs, lm, tmp_path):
    source = tmp_path / "minimal"
    source.mkdir()
    for name in ("agreement.txt", "questions.jsonl"):
        shutil.copy(pairs / name, source / name)
    toolbox = REGISTRY.get("minimal-pairs")(source, tmp_path / "toolbox").toolbox
    evaluate(choose_respondent(f"lm:{lm}", toolbox), toolbox, tmp_path / "run", model=f"lm:{lm}")
    found = predictions_of_run(tmp_path / "run", source)
    is_babylms(found, FILES)
    probe_sentences(str(lm), source, tmp_path / "probed")
    assert found == json.loads((tmp_path / "probed" / "predictions.json").read_text())
    words = ["predictions", str(tmp_path / "run"), "--pairs", str(source), "--out", str(tmp_path / "p.json")]
    main([*words, "--task", "blimp"])
    assert json.loads((tmp_path / "p.json").read_text()) == {"blimp": found}
    with pytest.raises(OutputExistsError):
        write_predictions(found, tmp_path / "p.json")
    (source / "more.txt").write_text("a b\nb a\n")
    with pytest.raises(InputError, match=r"more\.txt, line 1"):
        predictions_of_run(tmp_path / "run", source)


def test_a_reply_that_names_no_sentence_is_refused(pairs, tmp_path):
    toolbox = REGISTRY.get("minimal-pairs")(pairs / "agreement.txt", tmp_path / "toolbox").toolbox
    evaluate(choose_respondent("baseline:random", toolbox), toolbox, tmp_path / "run", model="baseline:random")
    path = tmp_path / "run" / "responses.jsonl"
    first, *rest = path.read_text().splitlines()
    record = json.loads(first)
    record["replies"][0]["text"] = "neither"
    path.write_text("\n".join([json.dumps(record), *rest]) + "\n")
    with pytest.raises(DataFolderError, match="names neither"):
        predictions_of_run(tmp_path / "run", pairs / "agreement.txt")
