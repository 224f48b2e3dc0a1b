"""Every command, as a user types it, from the nursery to the report; and what the command line refuses."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import babyvlm
from babyvlm.cli import main
from babyvlm.training import STAGES
from tests.elsewhere import asked_elsewhere

SHORT = ["instruction.own_words=40", *(
    f"{stage}.optimisation.{setting}" for stage in STAGES for setting in ("steps=2", "batch_size=4")
)]  # fmt: skip
ITEMS = {
    "picture_vocabulary": 12, "localization": 12, "left_right": 12, "spatial_details": 12, "memory": 6,
    "object_counting": 12, "who_has_more_naturalistic": 12, "who_has_more_synthetic": 12,
    "visual_delayed_response_binary": 12, "visual_delayed_response_open": 12,
}  # fmt: skip


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """Four recordings of the nursery through every step, with two training steps a stage."""
    pytest.importorskip("skia")
    out = tmp_path_factory.mktemp("chain")
    small = ["--hours", "0.0334", "--recording-s", "30", "--speech", "silence"]
    halves = ["--train-fraction", "0.5", "--validation-fraction", "0", "--test-fraction", "0.5"]
    main(["corpus", "render", "--out", f"{out}/corpus", *small, *halves])
    items = [
        part for task, count in ITEMS.items() for part in (f"--instruction.items.{task.replace('_', '-')}", str(count))
    ]
    main(["curate", f"{out}/corpus", "--out", f"{out}/data", *items])
    main(
        [
            "toolbox",
            "build",
            f"{out}/corpus",
            "--out",
            f"{out}/toolbox",
            "--training",
            f"{out}/data",
            "--items-per-task",
            "4",
        ]
    )
    main(["train", "nursery", *SHORT, "--data", f"{out}/data", "--out", f"{out}/model"])
    main(["evaluate", f"{out}/model/instruction", f"{out}/toolbox", "--out", f"{out}/runs/model"])
    for name in ("random", "majority", "blind-match"):
        main(["evaluate", f"baseline:{name}", f"{out}/toolbox", "--out", f"{out}/runs/{name}"])
    main(["report", f"{out}/runs/model", f"{out}/runs/random", "--out", f"{out}/report.html",
          "--training", f"{out}/model", "--data", f"{out}/data"])  # fmt: skip
    return out


def test_the_chain_ends_in_a_report_of_every_subtask(chain):
    page = (chain / "report.html").read_text(encoding="utf-8")
    scores = json.loads((chain / "runs" / "model" / "scores.json").read_text())
    tasks = [task["task"] for task in scores["babyvlm"]["tasks"]]
    assert len(tasks) >= 11  # so small a nursery may show no departure that can be asked about
    assert "picture_vocabulary" in tasks and "memory" in tasks
    assert "95%" in page and "instruction" in page


def test_no_recording_is_on_both_sides(chain):
    manifest = json.loads((chain / "toolbox" / "manifest.json").read_text())
    assert any(note.startswith("none of the 2 recordings of the items is in training") for note in manifest["notes"])


def test_scoring_again_gives_the_same_and_the_reference_its_own(chain, tmp_path, capsys):
    run = tmp_path / "runs" / "model"
    shutil.copytree(chain / "runs" / "model", run)
    shutil.copytree(chain / "toolbox", tmp_path / "toolbox")
    before = (run / "scores.json").read_text()
    main(["score", str(run)])
    assert (run / "scores.json").read_text() == before
    main(["score", str(run), "--scoring", "reference"])
    assert json.loads((run / "scores.json").read_text())["scoring"] == "reference"
    assert "mean of sub-tasks" in capsys.readouterr().out


def test_index_config_and_doctor_print_what_they_found(chain, capsys):
    main(["corpus", "index", str(chain / "corpus")])
    assert "hours" in capsys.readouterr().out
    main(["config", "saycam", "joint.optimisation.batch_size=8"])
    assert "joint.optimisation.batch_size = 8" in capsys.readouterr().out
    main(["doctor"])
    assert "torch" in capsys.readouterr().out


def test_a_reader_that_has_had_enough_is_no_fault():
    command = [sys.executable, "-m", "babyvlm", "config", "saycam"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


def test_photographs_through_to_a_scored_run(shared_data, tmp_path, capsys):
    rooms = shared_data / "rooms"
    built = ["--images", rooms / "images", "--annotations", rooms / "ground-truth", "--items-per-task", "4"]
    main(["toolbox", "build", *map(str, built), "--out", f"{tmp_path}/toolbox"])
    assert "picture_vocabulary" in capsys.readouterr().out
    main(["evaluate", "baseline:blind-match", f"{tmp_path}/toolbox", "--out", f"{tmp_path}/run"])
    scores = json.loads((tmp_path / "run" / "scores.json").read_text())
    assert scores["results"]["baby_leftright"]["acc"] == 1.0
    main(["report", f"{tmp_path}/run", "--out", f"{tmp_path}/report.html"])


@pytest.mark.slow
def test_real_videos_through_to_a_training_step(shared_data, tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    for name in ("02_cups.mp4", "03_blocks.mp4", "pancake.mkv", "egocentric_012_014.mp4"):
        shutil.copy(shared_data / "clips" / name, folder)
        cues = "00:00.100 --> 00:01.900\n<v Mother>look what is here\n"
        if not name.startswith("ego"):
            cues += "\n00:03.000 --> 00:05.000\n<v Mother>put it down there\n"
        (folder / name).with_suffix(".vtt").write_text(f"WEBVTT\n\n{cues}", encoding="utf-8")
    main(["curate", str(folder), "--out", f"{tmp_path}/data", "--min-window", "1"])
    main(["train", "nursery", *SHORT, "--data", f"{tmp_path}/data", "--out", f"{tmp_path}/model"])
    assert not (tmp_path / "model" / "instruction").exists()  # the corpus has no boxes
    lines = (tmp_path / "model" / "joint" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["step"] == 2 and json.loads(lines[-1])["loss"] > 0


def refused(capsys, *arguments: str | Path) -> str:
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    assert stopped.value.code == 2
    return capsys.readouterr().err


def test_nothing_is_overwritten(chain, capsys):
    before = {path: path.stat().st_mtime_ns for path in chain.rglob("*") if path.is_file()}
    for command in (
        ["corpus", "render", "--out", chain / "corpus"],
        ["curate", chain / "corpus", "--out", chain / "data"],
        ["toolbox", "build", chain / "corpus", "--out", chain / "toolbox"],
        ["report", chain / "runs" / "model", "--out", chain / "report.html"],
        ["train", "nursery", "--data", chain / "data", "--out", chain / "corpus"],
        ["evaluate", "baseline:random", chain / "toolbox", "--out", chain / "corpus"],
    ):
        assert "babyvlm: error: " in refused(capsys, *command)
    assert {path: path.stat().st_mtime_ns for path in chain.rglob("*") if path.is_file()} == before


def corpus_with(folder: Path, make_video, *, vtt: str = "WEBVTT\n\n00:00.500 --> 00:02.000\na ball\n") -> Path:
    make_video(folder / "A.mp4", seconds=4)
    (folder / "A.vtt").write_text(vtt, encoding="utf-8")
    return folder


def boxes(box: list[float]) -> str:
    return json.dumps({
        "images": [{"id": 1, "file_name": "A.mp4", "width": 160, "height": 120, "time_s": 0.0}],
        "categories": [{"id": 1, "name": "ball"}],
        "annotations": [{"id": 7, "image_id": 1, "category_id": 1, "bbox": box, "track_id": 1}],
    })  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("unreadable video", ["A.mp4"]),
        ("broken transcript", ["A.vtt", "line 3"]),
        ("utterance past the end", ["A.vtt", "line 3", "90"]),
        ("box outside its image", ["A.boxes.json", "annotations[0]", "160"]),
        ("no videos", ["empty"]),
    ],
)
def test_bad_input_is_named_and_leaves_nothing(fault, told, make_video, tmp_path, capsys):
    corpus = corpus_with(tmp_path / ("empty" if fault == "no videos" else "corpus"), make_video)
    if fault == "unreadable video":
        (corpus / "A.mp4").write_bytes(b"not a video" * 100)
    elif fault == "broken transcript":
        (corpus / "A.vtt").write_text("WEBVTT\n\n00:00.500 -> 00:02.000\na ball\n")
    elif fault == "utterance past the end":
        (corpus / "A.vtt").write_text("WEBVTT\n\n00:01.000 --> 01:30.000\na ball\n")
    elif fault == "box outside its image":
        (corpus / "A.boxes.json").write_text(boxes([100, 100, 200, 50]))
    else:
        (corpus / "A.mp4").unlink()
    message = refused(capsys, "curate", corpus, "--out", tmp_path / "out")
    assert all(part in message for part in told), message
    assert sorted(path.name for path in tmp_path.iterdir()) == [corpus.name]


def test_bad_arguments_are_named(chain, capsys, tmp_path):
    assert "did you mean" in refused(capsys, "train", "nursery", "joint.optimisation.stpes=1", "--data", chain / "data",
                                     "--out", tmp_path / "m")  # fmt: skip
    assert "nursery" in refused(capsys, "config", "nursry")
    assert "--images and --annotations" in refused(capsys, "toolbox", "build", "--out", tmp_path / "t")
    assert "not a whole babyvlm pretraining-set" in refused(
        capsys, "train", "nursery", "--data", tmp_path, "--out", tmp_path / "m"
    )
    assert "run.json" in refused(capsys, "score", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_trained_checkpoint_says_elsewhere_what_it_says_here(chain, tmp_path):
    checkpoint, picture = chain / "model" / "instruction", next((chain / "toolbox" / "images").iterdir())
    question = " How many cups do you see?"
    said = asked_elsewhere(checkpoint, picture, question, tmp_path)
    assert said["module"].startswith("transformers_modules.") and said["replies"][0] == said["replies"][1]
    here = babyvlm.load(checkpoint, max_new_tokens=11).ask(f"<image>{question}", images=[picture])
    assert here.reply == said["whole"]  # every token, also those that transformers would leave out of a text
    card = (checkpoint / "README.md").read_text(encoding="utf-8")
    assert "| instruction | 2 | 4 |" in card and "| vision | 2 | 4 |" in card and str(chain) not in card
