"""Checkpoints kept by words heard: what they have heard, that each loads alone, and that kills lose none."""

import itertools
import json
import multiprocessing
import os
import random
import shutil
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState

import babyvlm
from babyvlm.curation.recording_choice import RecordingChoice
from babyvlm.errors import CheckpointError, ConfigError
from babyvlm.folders import read_manifest
from babyvlm.heard import Heard, read_heard, recording_hash, refuse_later
from babyvlm.model.dual_encoder import load_dual_encoder
from babyvlm.model.loading import load_exactly, load_tokenizer
from babyvlm.model.modeling import BabyLlavaForConditionalGeneration
from babyvlm.training import Trainer, ladder, outputs, run_in_processes, train_in_process
from babyvlm.training import checkpoints as training_checkpoints
from babyvlm.training.ladder import Course, Exposure
from babyvlm.training.marks import marks_of
from babyvlm.training.order import DataOrder
from babyvlm.training.origins import Origins, SampleOrigin, origin_reader
from babyvlm.training.samples import pack_utterances, packed_utterances
from tests.training.aged import AGES, aged_set, recordings_of_ages
from tests.training.ranks import start_ranks
from tests.training.tiny import fork, tiny_recipe, weights
from tests.word_items import word_toolbox

STEPS = 8


def laddered(kind="chronological", keep_at=("25%", "50%", "100%"), **changes):
    """A recipe whose later stages are ordered, take eight steps, and keep checkpoints."""
    recipe = tiny_recipe(**changes)
    stages = {}
    for name in ("language", "contrastive", "joint", "instruction"):
        settings = getattr(recipe, name)
        stages[name] = replace(
            settings, order=DataOrder(kind=kind), keep_at=keep_at,
            optimisation=replace(settings.optimisation, steps=STEPS),
        )  # fmt: skip
    return replace(recipe, **stages)


@pytest.fixture(scope="module")
def aged(make_video, tmp_path_factory):
    return aged_set(tmp_path_factory.mktemp("aged"), make_video)


@pytest.fixture(scope="module")
def climbed(aged, tmp_path_factory):
    AcceleratorState._reset_state()  # a test before may have left another precision
    out = tmp_path_factory.mktemp("climbed") / "model"
    Trainer(laddered(), aged, out).run()
    Trainer(laddered(), aged, out).run(["contrastive"])
    return out


def test_marks_are_shares_and_amounts_of_the_stages_words():
    ten = [*range(1, 11), *range(20, 101, 10)]
    assert [mark.name for mark in marks_of("percent", 5000)] == [f"{percent:03d}%" for percent in ten]
    assert [mark.words for mark in marks_of("percent", 5000)] == [50 * percent for percent in ten]
    assert [mark.words for mark in marks_of("percent", 7)][:3] == [1, 1, 1]  # rounded up, so that something was heard
    small = [(mark.name, mark.words) for mark in marks_of("words", 2_500_000)]
    assert small == [("1M", 10**6), ("2M", 2 * 10**6), ("100%", 2_500_000)]
    names = [mark.name for mark in marks_of("words", 10**9 + 1)]
    assert [*names[:2], *names[9:11], *names[18:20], names[-1]] == ["1M", "2M", "10M", "20M", "100M", "200M", "100%"]
    assert [mark.name for mark in marks_of(("2.5%", "1.5k", "300", "100%"), 2000)] == ["02.5%", "300", "1.5k", "100%"]


@pytest.mark.parametrize("bad", ["", "0%", "101%", "ten", "5 %", "-1", "1m"])
def test_bad_marks_are_refused(bad):
    with pytest.raises(ConfigError, match="is no mark"):
        laddered(keep_at=(bad,))


def test_what_has_been_heard_worked_by_hand(tmp_path):
    recordings = recordings_of_ages(7.0, 6.0, None)
    sources = {
        "image": Origins.of([SampleOrigin(recordings=(0,), words=5), SampleOrigin(recordings=(1,), words=3)]),
        "task": Origins.of([SampleOrigin(recordings=(0, 2), words=10), SampleOrigin(words=2)]),
    }

    class Plan:
        steps = ({"image": [1, 1]}, {"image": [0], "task": [1]}, {"image": [1], "task": [0]}, {"task": [1]})

        def drawn(self, step):
            return {source: np.array(index) for source, index in self.steps[step].items()}

    # Words of the steps: 6, 7, 13, 2; in all 28.
    course = Course(
        stage="joint", order=DataOrder(), keep_at=("20%", "25%", "14", "100%"), recordings=recordings,
        earlier_stages=("vision",), began_elsewhere=False, out=tmp_path, save=lambda *_: None,
    )  # fmt: skip
    kept = course._kept(Plan(), sources, 4)
    assert {step: heard.mark for step, heard in kept.items()} == {1: "020%", 2: "025%", 3: "14", 4: "100%"}
    first, second, third, last = kept.values()
    assert (first.words, first.different_words, first.samples, first.different_samples) == (6, 3, 2, 1)
    assert first.recordings == {recording_hash("r1"): 6.0} and first.ages_months == (6.0, 6.0)
    assert (second.words, second.different_words, second.samples_of_unknown_recordings) == (13, 10, 1)
    assert second.ages_months is None  # of one sample the recordings are not known
    assert (third.words, third.different_words, third.samples, third.different_samples) == (26, 20, 6, 4)
    assert third.recordings == {recording_hash(f"r{n}"): age for n, age in enumerate((7.0, 6.0, None))}
    assert (last.words, last.words_of_stage, last.different_samples) == (28, 28, 4)
    assert first.oldest_of_set_months is None  # the age of a training recording is not known


def test_of_two_marks_that_fall_into_one_step_the_later_is_kept():
    course = Course(
        stage="joint", order=DataOrder(), keep_at="percent", recordings=recordings_of_ages(6.0), earlier_stages=(),
        began_elsewhere=False, out=None, save=lambda *_: None,
    )  # fmt: skip
    origins = {"a": Origins.of([SampleOrigin(recordings=(0,), words=1)])}
    plan = type("Plan", (), {"drawn": lambda self, step: {"a": np.array([0])}})()
    kept = course._kept(plan, origins, 4)
    assert {step: heard.mark for step, heard in kept.items()} == {1: "020%", 2: "050%", 3: "070%", 4: "100%"}


def test_packed_utterances_know_their_recordings_and_count_each_word_once(aged, climbed):
    tokenizer = load_tokenizer(climbed / "tokenizer")
    numbers = {recording.id: number for number, recording in enumerate(aged.recordings)}
    spoken = aged.utterances("train")
    packed = packed_utterances(spoken, tokenizer, 16, numbers)
    assert [sample.ids.tolist() for sample, _ in packed] == [
        sample.ids.tolist() for sample in pack_utterances(spoken, tokenizer, 16)
    ]
    assert sum(origin.words for _, origin in packed) == sum(len(one.text.split()) for one in spoken)
    met = [set(origin.recordings) for _, origin in packed]
    assert set().union(*met) == set(numbers.values()) and any(len(one) == 2 for one in met)
    assert all(max(one) - min(one) <= 1 for one in met)


def test_a_conversation_knows_its_recordings(aged):
    origin_of = origin_reader(aged)
    ids = [recording.id for recording in aged.recordings]
    for row in aged.conversations("interleaved"):
        found = origin_of(row)
        assert [ids[number] for number in found.recordings] == [row.recording] and found.start_s == row.start_s
        assert found.words == sum(len(turn.answer.split()) for turn in row.turns)
    several = [row for row in aged.conversations("instruction") if not row.recording]
    assert several and all("d" in [ids[number] for number in origin_of(row).recordings] for row in several)
    assert origin_of(several[0]).words == 3  # How many? and the number; the picture's place is no word


@pytest.mark.parametrize("stage", ["language", "contrastive", "joint", "instruction"])
def test_each_kept_checkpoint_loads_alone_and_says_what_it_has_heard(stage, climbed, aged):
    folders = sorted((climbed / "ladder" / stage).iterdir())
    assert [folder.name for folder in folders] == ["025%", "050%", "100%"]
    found = [read_heard(folder) for folder in folders]
    assert [heard.mark for heard in found] == ["025%", "050%", "100%"] and found[-1].step == STEPS
    for before, after in itertools.pairwise(found):
        assert before.words < after.words <= after.words_of_stage and before.step < after.step
        assert set(before.recordings) <= set(after.recordings) and before.samples < after.samples
        assert before.ages_months[1] <= after.ages_months[1]
    ages = {recording_hash(name): age for name, age in AGES.items()}
    assert all(heard.recordings.items() <= ages.items() for heard in found)
    assert found[0].ages_months[0] == 6.2 and found[0].ages_months[1] < 9.0 == found[-1].oldest_of_set_months
    loaded = []
    for folder in folders:
        if stage == "contrastive":
            model, _ = load_dual_encoder(folder)
        else:
            model = load_exactly(BabyLlavaForConditionalGeneration, folder)
            assert load_tokenizer(folder)
        loaded.append(model.state_dict())
        assert (folder / "README.md").is_file()
        assert read_manifest(folder, "checkpoint").configuration["stage"] == stage
    end = weights(climbed / stage)
    assert all(torch.equal(tensor, end[name]) for name, tensor in weights(folders[-1]).items())
    assert any(not torch.equal(loaded[0][name], loaded[1][name]) for name in loaded[0])


def test_nothing_later_than_its_age_is_proven_or_refused(climbed, aged):
    early, late = (climbed / "ladder" / "joint" / mark for mark in ("025%", "100%"))
    age = read_heard(early).ages_months[1]
    assert refuse_later(early, age, recordings=aged.recordings).mark == "025%"
    with pytest.raises(CheckpointError, match=r"cannot stand for 6\.1 months: its recording \w+ is of 7\.5 months"):
        refuse_later(early, 6.1)
    with pytest.raises(CheckpointError, match="is of 9 months"):
        refuse_later(late, age)
    with pytest.raises(CheckpointError, match=r"earlier stages \(vision, language, alignment\) learned from has.* 9 m"):
        refuse_later(early, age, everything=True)
    assert refuse_later(late, 9.0, everything=True)
    with pytest.raises(CheckpointError, match="does not say what it has heard"):
        refuse_later(climbed / "joint", 40)
    other = [recording.model_copy(update={"age_months": 30.0}) for recording in aged.recordings]
    with pytest.raises(CheckpointError, match=r"is of 30\.0 months in the set, and of \d\.\d months in its manifest"):
        refuse_later(early, age, recordings=other)
    with pytest.raises(CheckpointError, match="is not there in the set"):
        refuse_later(early, age, recordings=[])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"samples_of_unknown_recordings": 2, "ages_months": None}, "2 samples do not say"),
        ({"recordings": {"x": None}, "ages_months": None}, "the age of its recording x is not known"),
        ({"ages_months": (6.0, 7.0)}, r"it says ages \(6\.0, 7\.0\), and its recordings have \(6\.2, 9\.0\)"),
        ({"began_elsewhere": True}, "began with a checkpoint of another"),
        ({"oldest_of_set_months": None}, "recordings of unknown age"),
    ],
)
def test_what_cannot_be_told_is_refused(change, said, climbed, tmp_path):
    shutil.copytree(climbed / "ladder" / "joint" / "100%", tmp_path / "kept")
    path = tmp_path / "kept" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["configuration"]["heard"] |= change
    path.write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match=said):
        refuse_later(tmp_path / "kept", 40.0, everything=True)


def test_keeping_checkpoints_changes_no_weight(climbed, aged, tmp_path):
    recipe = laddered(keep_at=())
    run = fork(climbed, tmp_path / "run", recipe, aged, without="joint")
    shutil.rmtree(run / "ladder", ignore_errors=True)
    Trainer(recipe, aged, run).run(["joint"])
    assert all(torch.equal(tensor, weights(run / "joint")[name]) for name, tensor in weights(climbed / "joint").items())
    assert not (run / "ladder").exists()


def die_at(place, number):
    """Kills this process at the end of the n-th state, at the beginning of the n-th kept model, or within it."""
    calls = []
    if place == "state":
        owner, name = training_checkpoints, "write_pieces"
    elif place == "before":
        owner, name = ladder.Ladder, "keep"
    else:
        owner, name = outputs.StageOutputs, "finish"
    real = getattr(owner, name)

    def call(*arguments, **settings):
        calls.append(1)
        if place != "state" and len(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*arguments, **settings)
        if place == "state" and len(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, call)


def train_until_dead(recipe, data, out, stage, place, number):
    die_at(place, number)
    train_in_process(recipe, data, out, [stage])


@pytest.mark.parametrize(
    ("stage", "place"), [("joint", "state"), ("joint", "within"), ("contrastive", "state"), ("contrastive", "before")]
)
def test_a_kill_loses_no_kept_checkpoint_and_makes_none_twice(stage, place, climbed, aged, tmp_path):
    recipe = laddered(checkpoint_every_s=0.0)
    run = fork(climbed, tmp_path / "run", recipe, aged, without=stage)
    shutil.rmtree(run / "ladder" / stage, ignore_errors=True)
    number = random.randint(1, STEPS - 1) if place == "state" else random.randint(1, 3)
    started = multiprocessing.get_context("spawn").Process(
        target=train_until_dead, args=(recipe, aged.folder, run, stage, place, number)
    )
    started.start()
    started.join()
    assert started.exitcode == -signal.SIGKILL and not (run / stage).exists()
    Trainer(recipe, aged, run).run([stage])
    assert sorted(path.name for path in (run / "ladder" / stage).iterdir()) == ["025%", "050%", "100%"]
    for mark in ("025%", "050%", "100%"):
        kept, expected = (folder / "ladder" / stage / mark for folder in (run, climbed))
        assert read_heard(kept) == read_heard(expected)
        assert all(torch.equal(tensor, weights(kept)[name]) for name, tensor in weights(expected).items()), number


@pytest.fixture
def of_any_precision(climbed):
    """accelerate keeps one precision for a process, and other tests take another."""
    AcceleratorState._reset_state()
    yield
    AcceleratorState._reset_state()


@pytest.mark.usefixtures("of_any_precision")
@pytest.mark.parametrize("kind", ["chronological", pytest.param("cumulative", marks=pytest.mark.slow)])
def test_two_processes_hear_and_keep_what_one_does(kind, climbed, aged, tmp_path):
    recipe = with_adamw(kind, cpu_processes=2)
    one = fork(climbed, tmp_path / "one", recipe, aged, without="joint")
    shutil.rmtree(one / "ladder", ignore_errors=True)
    shutil.rmtree(one / "contrastive", ignore_errors=True)
    shutil.copytree(one, tmp_path / "two")
    stages = ("contrastive", "joint")
    run_in_processes(train_in_process, (recipe, aged.folder, one, stages), 1)
    run_in_processes(train_in_process, (recipe, aged.folder, tmp_path / "two", stages), 2)
    for stage in stages:
        for mark in ("025%", "050%", "100%"):
            first, second = (folder / "ladder" / stage / mark for folder in (one, tmp_path / "two"))
            assert read_heard(first) == read_heard(second)
    # Views of frames are drawn by each process of the contrastive stage; the joint stage differs by the order of
    # additions alone, which AdamW blows up where a gradient is all but nothing: hence the mean.
    first, second = (folder / "ladder" / "joint" / "050%" for folder in (one, tmp_path / "two"))
    began, kept, other = weights(one / "alignment"), weights(first), weights(second)
    assert max((tensor - began[name]).abs().mean() for name, tensor in kept.items()) > 2e-3
    for name, tensor in kept.items():
        assert (other[name] - tensor).abs().mean() < 2e-5, name
    assert losses(one / "joint") == pytest.approx(losses(tmp_path / "two" / "joint"), abs=5e-3)
    assert max(losses(one / "joint")) - min(losses(one / "joint")) > 0.02  # or the comparison would say nothing


def losses(folder):
    return [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def with_adamw(kind="chronological", **changes):
    """In float32 without Muon, so that runs differ by the order of additions alone; shards need it, too."""
    recipe = laddered(kind, precision="no")
    stages = {}
    for name in ("language", "joint", "instruction"):
        settings = getattr(recipe, name)
        stages[name] = replace(settings, optimisation=replace(settings.optimisation, matrix_learning_rate=None))
    return replace(recipe, **stages, **changes)


IN_SHARDS = """
import sys
from pathlib import Path
from tests.training.test_ladder import with_adamw
from babyvlm.training import train_in_process
train_in_process(with_adamw(sharding="fsdp"), Path(sys.argv[1]), Path(sys.argv[2]), ["joint"])
"""


@pytest.mark.slow
@pytest.mark.usefixtures("of_any_precision")
def test_a_model_in_shards_keeps_whole_checkpoints(climbed, aged, tmp_path):
    one = fork(climbed, tmp_path / "one", with_adamw(sharding="ddp"), aged, without="joint")
    shutil.rmtree(one / "ladder")
    Trainer(with_adamw(sharding="ddp"), aged, one).run(["joint"])
    two = fork(climbed, tmp_path / "two", with_adamw(sharding="fsdp"), aged, without="joint")
    shutil.rmtree(two / "ladder")
    script = tmp_path / "start.py"
    script.write_text(IN_SHARDS)
    done = start_ranks(script, aged.folder, two)
    assert not any(each.returncode for each in done), done[0].stderr[-2000:]
    for mark in ("025%", "050%", "100%"):
        first, second = (weights(folder / "ladder" / "joint" / mark) for folder in (one, two))
        assert first.keys() == second.keys()
        assert all(torch.allclose(second[name], tensor, atol=2e-3, rtol=0) for name, tensor in first.items())
        load_exactly(BabyLlavaForConditionalGeneration, two / "ladder" / "joint" / mark)


def test_kept_checkpoints_are_asked_and_make_a_page(climbed, aged, tmp_path):
    toolbox = word_toolbox(tmp_path / "toolbox").folder
    page = babyvlm.curve(
        climbed, toolbox, tmp_path / "page.html", data=aged.folder, stages=("contrastive", "joint"), limit=4
    )
    text = page.read_text(encoding="utf-8")
    assert "The contrastive stage" in text and "The joint stage" in text and "are those of the curated set" in text
    assert len(list((tmp_path / "page_files" / "runs").rglob("scores.json"))) == 6
    other = babyvlm.select(aged.folder, tmp_path / "other", recordings=RecordingChoice(ages=":9"))
    with pytest.raises(ConfigError, match="this is not the set that"):
        babyvlm.curve(climbed, toolbox, tmp_path / "another.html", data=other.folder)


def test_exposure_counts_each_sample_once_and_each_pass():
    exposure = Exposure({"a": Origins.of([SampleOrigin(recordings=(3,), words=4), SampleOrigin(words=1)])})
    exposure.add({"a": np.array([0, 0, 1])})
    exposure.add({"a": np.array([0])})
    assert (exposure.words, exposure.samples, exposure.different_words, exposure.different_samples) == (13, 4, 5, 2)
    assert (list(exposure.recordings()), exposure.of_unknown_recordings) == ([3], 1)
    assert Heard.model_fields.keys() >= {"words", "different_words", "samples", "recordings"}
