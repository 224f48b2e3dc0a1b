"""A whole run of one of our models writes every figure that the leaderboard has, Baby Winoground among them."""

import json

import pytest
import torch
from PIL import Image

from babyvlm.cli import main
from babyvlm.errors import DataFolderError
from babyvlm.evaluation import evaluate, score_run
from babyvlm.evaluation.baselines import RandomGuess
from babyvlm.evaluation.local import LocalModel
from babyvlm.evaluation.merging import merge_runs
from babyvlm.evaluation.run_parts import RunPart
from babyvlm.evaluation.table import describe_scores
from babyvlm.folders import Manifest
from babyvlm.records import Item, ItemTurn, write_jsonl
from babyvlm.toolbox import TASKS, open_toolbox
from babyvlm.toolbox.winoground import JudgedPair

BOARD = {
    "baby_pv": {"acc"}, "baby_winoground": {"group_score", "image_score", "text_score"}, "baby_localize": {"acc"},
    "baby_leftright": {"acc"}, "baby_spatialdetails": {"acc"}, "baby_vdr_binary": {"acc_exact", "acc_adjacent"},
    "baby_vdr_open": {"acc_exact", "acc_adjacent"}, "baby_compare_real": {"acc"}, "baby_compare_synthetic": {"acc"},
    "baby_count": {"acc"}, "baby_memory": {"acc_learning", "acc_testing_raw", "acc_testing_adjusted"},
}  # fmt: skip
"""What the leaderboard reads of a scores file."""


@pytest.fixture(scope="module")
def every_task(tmp_path_factory):
    """One item of every sub-task, and a second pair."""
    folder = tmp_path_factory.mktemp("every") / "toolbox"
    (folder / "images").mkdir(parents=True)
    generator = torch.Generator().manual_seed(2)
    for name in "abcd":
        pixels = torch.randint(0, 256, (40, 30, 3), generator=generator, dtype=torch.uint8)
        Image.fromarray(pixels.numpy()).save(folder / "images" / f"{name}.png")
    items = []
    for task, spec in TASKS.items():
        gold = spec.options[0]
        turn = ItemTurn(prompt="<image> which?", images=("a.png",), options=spec.options, gold=gold)
        rounds = 6 if task == "memory" else 1
        if task != "looking_while_listening":
            items.append(Item(id=task, task=task, split="test", turns=(turn,) * rounds, chance=spec.chance))
    for number, (images, labels) in enumerate(
        [(("a.png", "b.png"), ("ball", "image")), (("c.png", "d.png"), ("same", "new"))]
    ):
        turn = ItemTurn(prompt="<image><image>", images=images, options=("A", "B"), gold="A", labels=labels)
        items.append(Item(id=f"lwl{number}", task="looking_while_listening", split="test", turns=(turn,), chance=0.5))
    write_jsonl(folder / "items.jsonl", items)
    Manifest(kind="toolbox").write(folder)
    return open_toolbox(folder)


def test_a_whole_run_has_all_eleven(every_task, checkpoint, tmp_path, capsys):
    main(["evaluate", str(checkpoint), str(every_task.folder), "--out", str(tmp_path / "run")])
    assert "Baby Winoground, 2 pairs by likelihood" in capsys.readouterr().out
    saved = json.loads((tmp_path / "run" / "scores.json").read_text())
    assert {key: set(figures) for key, figures in saved["results"].items() if key != "baby_subitize"} == BOARD
    kept = json.loads((tmp_path / "run" / "baby_winoground_results.json").read_text())["results"]["baby_winoground"]
    assert set(kept) == {f"{name},none" for name in BOARD["baby_winoground"]}
    main(["submit", str(tmp_path / "run"), "--model", str(checkpoint), "--out", str(tmp_path / "submission")])
    assert "missing" not in capsys.readouterr().out
    results = json.loads((tmp_path / "submission" / "scores.json").read_text())["results"]
    assert {key: set(figures) for key, figures in results.items()} == BOARD


def test_losses_are_the_models_and_come_from_no_second_asking(every_task, checkpoint, tmp_path, monkeypatch):
    model = LocalModel(checkpoint)
    scores = evaluate(model, every_task, tmp_path / "run")
    lines = (tmp_path / "run" / "phrases.jsonl").read_text().splitlines()
    judged = [JudgedPair.model_validate_json(line) for line in lines]
    assert len(judged) == scores.winoground.pairs == 2
    for one in judged:
        for number, name in enumerate(one.pair.images):
            for place, phrase in enumerate(one.pair.phrases):
                loss = model.mean_loss("", [every_task.image(name)], f" {phrase}")[0]
                assert getattr(one.losses, f"image{number}_phrase{place}") == pytest.approx(loss, abs=1e-6)
    # Stopped after a pair and a torn line: only the other is judged.
    (tmp_path / "run" / "phrases.jsonl").write_text(lines[0] + "\n" + lines[1][:20])
    calls = []
    monkeypatch.setattr(LocalModel, "phrase_loss", lambda self, picture, phrase: calls.append(phrase) or 1.0)
    evaluate(model, every_task, tmp_path / "run")
    assert calls == [*judged[1].pair.phrases] * 2
    assert score_run(tmp_path / "run", "reference").winoground.pairs == 2


def test_pairs_are_judged_in_one_part_each_and_merged(every_task, checkpoint, tmp_path):
    model, runs = LocalModel(checkpoint), [tmp_path / "one", tmp_path / "two"]
    scores = evaluate(model, every_task, tmp_path / "whole")
    for number, run in enumerate(runs, start=1):
        evaluate(model, every_task, run, part=RunPart(number, 2))
        assert len((run / "phrases.jsonl").read_text().splitlines()) == 1
    assert merge_runs(runs, tmp_path / "merged").winoground == scores.winoground
    merged, whole = ((tmp_path / name / "phrases.jsonl").read_bytes() for name in ("merged", "whole"))
    assert merged == whole
    (runs[1] / "phrases.jsonl").unlink()
    with pytest.raises(DataFolderError, match="1 of 2 pairs of Baby Winoground are judged in none"):
        merge_runs(runs, tmp_path / "again")


def test_who_judges_no_phrases_has_no_such_figure(every_task, tmp_path):
    scores = evaluate(RandomGuess(), every_task, tmp_path / "run")
    assert scores.winoground is None and "Winoground" not in describe_scores(scores)
    assert "baby_winoground" not in json.loads((tmp_path / "run" / "scores.json").read_text())["results"]
