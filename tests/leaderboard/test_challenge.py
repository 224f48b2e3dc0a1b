"""A submission to the EgoBabyVLM challenge: its shape, its figures over seeds, and what it refuses."""

import json
import re
from statistics import fmean, stdev

import pytest

from babyvlm.cli import main
from babyvlm.errors import ConfigError, DataFolderError, OutputExistsError
from babyvlm.evaluation import evaluate
from babyvlm.evaluation.baselines import RandomGuess
from babyvlm.leaderboard import ChallengeConfig, ChallengeParts, write_challenge
from babyvlm.probing import LanguageFigures, Probed, ProbeRow, SentencesProbed
from babyvlm.toolbox.contrasts import ContrastConfig
from babyvlm.toolbox.contrasts.build import build_contrasts
from babyvlm.toolbox.contrasts.configuration import KINDS
from tests.toolbox.test_contrasts import SAID, table

CONFIG = ChallengeConfig(model="Tiny", team="Us", architecture="generative", training_data="nursery")
FIGURE = re.compile(r"\d+\.\d ± \d+\.\d")


@pytest.fixture(scope="module")
def contrasts(tmp_path_factory):
    pytest.importorskip("skia", reason="nothing can be drawn: the extra render is not installed")
    folder = tmp_path_factory.mktemp("contrasts")
    said = table(folder / "said.tsv", dict.fromkeys(SAID, 5))
    return build_contrasts(said, folder / "out", ContrastConfig(per_word=1, per_kind=2, side=32)).toolbox


@pytest.fixture(scope="module")
def runs(contrasts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for seed in range(3):
        evaluate(RandomGuess(seed), contrasts, folder / f"s{seed}", model="baseline:random", seed=seed)
    return [folder / f"s{seed}" for seed in range(3)]


def probes(folder, found):
    for seed, one in enumerate(found):
        (folder / f"s{seed}").mkdir(parents=True)
        (folder / f"s{seed}" / "probe.json").write_text(one.model_dump_json())
    return [folder / f"s{seed}" for seed in range(len(found))]


def tower(nearest, linear, abx):
    values = {"nearest": (nearest, 0.1), "linear": (linear, 0.1), "abx": (abx, 0.5)}
    rows = [
        ProbeRow(features=features, pictures="whole", probe=name, value=value if features == "tower" else 0.0,
                 low=0, high=1, chance=chance)
        for features in ("tower", "pixels")
        for name, (value, chance) in values.items()
    ]  # fmt: skip
    return Probed(
        checkpoint="x", pictures=1, objects=1, labels=2, left_out=(), without_plain_ground=0, rows=tuple(rows)
    )


def language(syntax, semantics, missing=()):
    overall = None if semantics is None else (syntax + semantics) / 2
    figures = {"model": LanguageFigures(syntax=syntax, semantics=semantics, overall=overall)}
    return SentencesProbed(checkpoint="x", pairs=1, missing=missing, problems={}, figures=figures, rows=())


def test_a_whole_submission_has_the_shape_of_the_challenge(runs, tmp_path):
    spoken = probes(tmp_path / "language", [language(0.7, 0.6), language(0.72, 0.62), language(0.74, 0.58)])
    made = write_challenge(ChallengeParts(runs=runs, language=spoken), tmp_path / "tiny.json", CONFIG)
    text = (tmp_path / "tiny.json").read_text(encoding="utf-8")
    written = json.loads(text)
    assert list(written) == [
        "id", "model", "team", "architecture", "training_data", "category", "n_seeds", "multimodal", "language"
    ]  # fmt: skip
    assert written["id"] == "tiny" and written["n_seeds"] == 3 and written["category"] == "baseline"
    assert set(written["multimodal"]) == {"lexical", "grammatical", "overall"} and "±" in text
    assert all(FIGURE.fullmatch(value) for value in written["multimodal"].values())
    assert written["language"] == [
        {"encoder": "Tiny", "ft": "Tiny", "syntax": "72.0 ± 2.0", "semantics": "60.0 ± 2.0", "overall": "66.0 ± 1.0"}
    ]
    assert made.left_out == ("vision",) and made.missing == ()


def test_figures_are_means_and_deviations_over_the_runs(runs, tmp_path):
    write_challenge(ChallengeParts(runs=runs), tmp_path / "tiny.json", CONFIG)
    written = json.loads((tmp_path / "tiny.json").read_text())["multimodal"]
    saved = [json.loads((run / "scores.json").read_text())["babyvlm"]["contrasts"] for run in runs]
    for name in ("lexical", "grammatical", "overall"):
        values = [100 * one[name] for one in saved]
        assert written[name] == f"{fmean(values):.1f} ± {stdev(values):.1f}"


def test_abx_counts_from_chance_and_missing_measures_are_refused_or_named(tmp_path):
    objects = probes(tmp_path / "objects", [tower(0.6, 0.6, 0.9)] * 3)
    properties = probes(tmp_path / "properties", [tower(0.1, 0.4, 0.4)] * 3)
    parts = ChallengeParts(objects=objects, properties=properties)
    with pytest.raises(ConfigError, match=r"segmentation and depth.*--incomplete"):
        write_challenge(parts, tmp_path / "tiny.json", CONFIG)
    assert not (tmp_path / "tiny.json").exists()
    incomplete = ChallengeConfig(**{**vars(CONFIG), "incomplete": True, "ft": "none"})
    made = write_challenge(parts, tmp_path / "tiny.json", incomplete)
    assert json.loads((tmp_path / "tiny.json").read_text())["vision"] == [
        {"ft": "none", "object_recognition": "66.7 ± 0.0", "visual_properties": "20.0 ± 0.0", "overall": "43.3 ± 0.0"}
    ]
    assert made.left_out == ("multimodal", "language") and "segmentation" in made.missing[0]


def test_a_part_without_its_half_has_no_overall(tmp_path):
    spoken = probes(tmp_path / "language", [language(0.7, None, missing=("word", "visual property"))] * 3)
    incomplete = ChallengeConfig(**{**vars(CONFIG), "incomplete": True})
    made = write_challenge(ChallengeParts(language=spoken), tmp_path / "tiny.json", incomplete)
    (written,) = json.loads((tmp_path / "tiny.json").read_text())["language"]
    assert set(written) == {"encoder", "ft", "syntax"}
    assert any("word, visual property" in one for one in made.missing)


def test_what_does_not_belong_together_is_refused(runs, contrasts, tmp_path):
    def refused(match, parts, out="tiny.json", error=ConfigError):
        with pytest.raises(error, match=match):
            write_challenge(parts, tmp_path / out, CONFIG)
        assert not (tmp_path / out).exists()

    refused("needs 3 seeds or more, and there are 2", ChallengeParts(runs=runs[:2]))
    refused("given twice", ChallengeParts(runs=[*runs[:2], runs[0]]))
    spoken = probes(tmp_path / "language", [language(0.7, 0.6)] * 4)
    refused("--runs 3, --language 4", ChallengeParts(runs=runs, language=spoken))
    refused("nothing to submit", ChallengeParts())
    refused("id is the file's name", ChallengeParts(runs=runs), out="my entry.json")
    refused("not a probe", ChallengeParts(language=runs), error=DataFolderError)
    evaluate(RandomGuess(5), contrasts, tmp_path / "some", model="baseline:random", limit=1)
    refused(r"more than a seed \(limit\)", ChallengeParts(runs=[*runs[:2], tmp_path / "some"]))


def test_the_command_writes_it_and_says_what_is_not_in_it(runs, tmp_path, capsys):
    words = ["challenge", "--out", str(tmp_path / "tiny.json"), "--runs", *map(str, runs)]
    about = ["--model", "Tiny", "--team", "Us", "--architecture", "generative", "--training-data", "nursery"]
    main([*words, *about, "--code-url", "https://example.org/code"])
    assert "language: not in the submission" in capsys.readouterr().out
    assert json.loads((tmp_path / "tiny.json").read_text())["code_url"] == "https://example.org/code"
    with pytest.raises(OutputExistsError):
        write_challenge(ChallengeParts(runs=runs), tmp_path / "tiny.json", CONFIG)
    assert len(KINDS) == 10
