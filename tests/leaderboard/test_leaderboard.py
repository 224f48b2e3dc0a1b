"""The submission folder, and what lmms-eval's task files hold and compute, without lmms-eval itself."""

import json

import pytest

from babyvlm.cli import main
from babyvlm.errors import ConfigError
from babyvlm.evaluation import evaluate, score_run
from babyvlm.evaluation.baselines import RandomGuess
from babyvlm.folders import Manifest
from babyvlm.leaderboard import (
    SubmissionConfig,
    standalone_model_file,
    tasks,
    write_lmms_tasks,
    write_submission,
)
from babyvlm.records import Item, ItemTurn, Reply, Response, write_jsonl
from babyvlm.toolbox import TASKS, open_toolbox, score


@pytest.fixture
def small(tmp_path):
    """A toolbox without pictures: counting, memory and two words about the same two pictures."""
    folder = tmp_path / "toolbox"
    (folder / "images").mkdir(parents=True)
    for name in ("x.jpg", "y.jpg"):
        (folder / "images" / name).write_bytes(b"")
    count = ItemTurn(prompt="How many?", images=("x.jpg",), options=tuple("123"), gold="2")
    rounds = [ItemTurn(prompt="(A) <image>", images=("x.jpg",), options=("A",), gold="A", labels=("a",))]
    pair = ItemTurn(
        prompt="<image> <image>", images=("x.jpg", "y.jpg"), options=("A", "B"), gold="B", labels=("a", "b")
    )
    items = [
        Item(id="c", task="object_counting", split="test", turns=(count,), chance=0.1),
        Item(id="l", task="looking_while_listening", split="test", turns=(pair,), chance=0.5),
        Item(id="m", task="memory", split="test", turns=(*rounds, *([pair] * 14)), chance=0.25),
    ]
    write_jsonl(folder / "items.jsonl", items)
    Manifest(kind="toolbox").write(folder)
    return open_toolbox(folder)


@pytest.fixture
def run(small, tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text(json.dumps({"vision_config": {"hidden_size": 8}, "text_config": {}}))
    evaluate(RandomGuess(), small, tmp_path / "run", model=str(model))
    return tmp_path / "run"


def test_a_submission_holds_what_the_leaderboard_asks_for(run, tmp_path):
    config = SubmissionConfig(checkpoint="me/mine", training_data="nursery")
    missing = write_submission(run, tmp_path / "model", tmp_path / "out", config)
    assert "baby_winoground" in missing and "baby_pv" in missing and len(missing) == 9
    submission = json.loads((tmp_path / "out" / "submission.json").read_text())
    assert list(submission) == [
        "model_name", "checkpoint", "registered_model", "conv_template", "hf_model_url", "metadata",
    ]  # fmt: skip
    assert (submission["registered_model"], submission["conv_template"]) == ("babyvlm", "baby_v1")
    assert submission["metadata"]["training_data"] == "nursery" and submission["checkpoint"] == "me/mine"
    results = json.loads((tmp_path / "out" / "scores.json").read_text())["results"]
    reference = score_run(run, "leaderboard")
    assert results == {
        "baby_memory": reference.task("memory").metrics,
        "baby_count": reference.task("object_counting").metrics,
    }
    assert (tmp_path / "out" / "model.py").read_bytes() == standalone_model_file().read_bytes()


def test_a_submission_for_another_model_is_refused(run, small, tmp_path, capsys):
    evaluate(RandomGuess(), small, tmp_path / "guesses", model="baseline:random")
    with pytest.raises(ConfigError, match="which is no model"):
        write_submission(tmp_path / "guesses", tmp_path / "model", tmp_path / "out")
    with pytest.raises(SystemExit) as stopped:
        main(["submit", str(run), "--model", str(tmp_path / "absent"), "--out", str(tmp_path / "out")])
    assert stopped.value.code == 2 and "no checkpoint here" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_task_files_score_as_we_do(small, tmp_path):
    names = write_lmms_tasks(small, tmp_path / "tasks")
    assert names == ["baby_lwl", "baby_winoground", "baby_memory", "baby_count"]
    texts = {"c": ["two cups"], "l": ["It is a cat"], "m": ["A", *"BBBBABBBABBBBB"]}
    for name in ("baby_lwl", "baby_memory", "baby_count"):
        (doc,) = json.loads((tmp_path / "tasks" / f"{name}.json").read_text())
        item = next(item for item in small.items if item.id == doc["id"])
        given = texts[doc["id"]]
        response = Response(item=item.id, replies=tuple(Reply(text=text) for text in given))
        for scoring in ("default", "reference"):
            results = [json.dumps(given)] if len(given) > 1 else given
            expected = score([item], [response], scoring=scoring).tasks[0].metrics
            assert tasks.process_results(doc, results, scoring) == expected
    settings = (tmp_path / "tasks" / "baby_memory.yaml").read_text()
    assert "generate_until_multi_round" in settings and TASKS["memory"].primary_metric in settings


def test_pairs_are_put_together_again(small, tmp_path):
    write_lmms_tasks(small, tmp_path / "tasks")
    docs = json.loads((tmp_path / "tasks" / "baby_winoground.json").read_text())
    assert [(doc["image_index"], doc["phrases"]) for doc in docs] == [(0, ["a", "b"]), (1, ["a", "b"])]
    losses = {0: [(1.0, True), (2.0, False)], 1: ["(3.0, False)", "(2.5, False)"]}  # text, as lmms-eval 0.7.3 has it
    parts = [tasks.pair_results(doc, losses[doc["image_index"]])["text_score"] for doc in docs]
    assert (tasks.text_score(parts), tasks.image_score(parts), tasks.group_score(parts)) == (1.0, 0.0, 0.0)
