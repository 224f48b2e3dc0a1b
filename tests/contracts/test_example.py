"""The example package, installed by pip as a lab would, and each of its extensions used by the command alone."""

import importlib.util
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from babyvlm.registry import GROUPS
from babyvlm.toolbox.tasks import TASKS
from tests.extensions import EXAMPLES, example_names, install_examples

LONGEST = 80
RELEASE = "babyvlm-extension-example 0.1.0"
KINDS = {"ball": "red", "cup": "blue", "hat": "green"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The example as pip installs it, without a network and without touching this environment.

    Where pip cannot build without a network, for want of setuptools, it is laid out by hand in the same way.
    """
    folder = tmp_path_factory.mktemp("pip")
    if not all(map(importlib.util.find_spec, ("pip", "setuptools"))):
        install_examples(folder / "site")
        return folder / "site"
    shutil.copytree(EXAMPLES[0].parent, folder / "source")
    done = subprocess.run(
        [
            sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
            "--target", str(folder / "site"), str(folder / "source"),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "site"


@pytest.fixture
def babyvlm(site, tmp_path):
    """Runs the command in a process that has the example, or not."""

    def run(*words, code=0, example=True):
        others = [entry for entry in sys.path if entry and not (Path(entry) / "babyvlm_extension_example").is_dir()]
        path = os.pathsep.join([*([str(site)] if example else []), *others])
        done = subprocess.run(
            [sys.executable, "-m", "babyvlm", *map(str, words)],
            env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    return run


@pytest.fixture
def toolbox(babyvlm, tmp_path):
    """Items of the example's task and of a built-in one, built from drawn photographs."""
    rng = random.Random(0)
    (tmp_path / "photos").mkdir()
    (tmp_path / "boxes").mkdir()
    for number in range(12):
        image = Image.new("RGB", (320, 240), (rng.randrange(180, 240),) * 3)
        lines = []
        for place, (kind, colour) in enumerate(KINDS.items()):
            left, top, side = 6 + 105 * place, rng.randrange(10, 100), rng.randrange(84, 98)
            box = (left, top, left + side, top + side)
            draw = ImageDraw.Draw(image)
            (draw.ellipse if number % 2 else draw.rectangle)(box, fill=colour)
            draw.line((left, top + number * 7 % side, left + side, top + number * 7 % side), fill="white", width=4)
            lines.append(f"{kind} {left} {top} {left + side} {top + side}")
        image.save(tmp_path / "photos" / f"{number:02d}.png")
        (tmp_path / "boxes" / f"{number:02d}.txt").write_text("\n".join(lines) + "\n")
    babyvlm(
        "toolbox", "build", "--images", "photos", "--annotations", "boxes", "--out", "toolbox", "--tasks",
        "odd_one_out", "looking_while_listening", "--items-per-task", 12, "--workers", 1, "--licence", "CC0",
    )  # fmt: skip
    return tmp_path / "toolbox"


def manifest(folder):
    return json.loads((folder / "manifest.json").read_text())


@pytest.mark.parametrize(
    "path", [file for path in EXAMPLES for file in path.parent.rglob("*.py")], ids=lambda p: p.name
)
def test_no_extension_is_longer_than_eighty_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_the_example_has_one_of_each_kind():
    assert all(len(example_names(group)) == 1 for group in GROUPS)


@pytest.mark.slow
def test_doctor_lists_all_of_it(babyvlm):
    said = babyvlm("doctor")
    for group, kind in GROUPS.items():
        assert f"extension: {kind} {example_names(group)[0]}, of {RELEASE}\n" in said + "\n"


@pytest.mark.slow
def test_the_task_is_built_audited_evaluated_scored_and_reported(babyvlm, toolbox, tmp_path):
    items = [json.loads(line) for line in (toolbox / "items.jsonl").read_text().splitlines()]
    counts = {task: sum(item["task"] == task for item in items) for task in ("odd_one_out", "looking_while_listening")}
    assert counts["odd_one_out"] == 12 and counts["looking_while_listening"] > 0
    assert manifest(toolbox)["extensions"] == {"task odd_one_out": RELEASE}

    assert "odd_one_out" in babyvlm("toolbox", "audit", "toolbox", "--out", "audit")
    assert manifest(tmp_path / "audit")["extensions"] == {"task odd_one_out": RELEASE}
    assert "Odd One Out" in (tmp_path / "audit" / "audit.html").read_text()

    for model, run in (("colourful:most", "run"), ("baseline:last-option", "last"), ("baseline:random", "random")):
        babyvlm("evaluate", model, "toolbox", "--out", run)
    named = {
        run: json.loads((tmp_path / run / "run.json").read_text())["extensions"] for run in ("run", "last", "random")
    }
    task = {"task odd_one_out": RELEASE}
    assert named["run"] == task | {"respondent colourful": RELEASE}
    assert named["last"] == task | {"baseline last-option": RELEASE} and named["random"] == task

    scored = babyvlm("score", "run")
    scores = json.loads((tmp_path / "run" / "scores.json").read_text())
    by_task = {score["task"]: score["value"] for score in scores["babyvlm"]["tasks"]}
    assert "odd_one_out" in scored and set(by_task) == set(counts)
    assert scores["babyvlm"]["overall"] == by_task["looking_while_listening"]
    assert not set(scores["results"]) - {spec.leaderboard_key for spec in TASKS.values()}

    babyvlm("compare", "run", "random")
    babyvlm("report", "run", "last", "random", "--out", "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "<h3>Tasks of other packages</h3>" in page and "Odd One Out" in page
    (beside,) = [path.parent for path in tmp_path.glob("report*/manifest.json")]
    assert manifest(beside)["extensions"] == named["run"] | named["last"]
    with (beside / "results.csv").open() as file:
        assert sum(",odd_one_out," in line for line in file) == 3


@pytest.mark.slow
def test_a_report_of_nothing_but_other_packages_tasks(babyvlm, toolbox, tmp_path):
    babyvlm("evaluate", "baseline:random", "toolbox", "--tasks", "odd_one_out", "--out", "run")
    babyvlm("evaluate", "baseline:last-option", "toolbox", "--tasks", "odd_one_out", "--out", "last")
    assert "mean of sub-tasks" not in babyvlm("score", "run")
    babyvlm("report", "run", "last", "--out", "report.html")
    assert "Odd One Out" in (tmp_path / "report.html").read_text()


def test_without_the_package_its_toolbox_says_what_to_install_and_the_rest_works(babyvlm, toolbox):
    said = babyvlm("evaluate", "baseline:random", "toolbox", "--out", "run", code=2, example=False)
    assert "unknown task 'odd_one_out'" in said and f"built with {RELEASE}: install that package" in said
    said = babyvlm(
        "toolbox", "build", "--images", "photos", "--annotations", "boxes", "--out", "other", "--tasks", "odd_one_out",
        code=2, example=False,
    )  # fmt: skip
    assert "there is no task 'odd_one_out'; did you mean" in said
    babyvlm(
        "toolbox", "build", "--images", "photos", "--annotations", "boxes", "--out", "plain", "--tasks",
        "looking_while_listening", "--workers", 1, example=False,
    )  # fmt: skip


def test_what_uses_no_extension_has_the_same_bytes_with_and_without_the_package(babyvlm, toolbox, tmp_path):
    for out, example in (("with", True), ("without", False)):
        babyvlm(
            "toolbox", "build", "--images", "photos", "--annotations", "boxes", "--out", out, "--tasks",
            "looking_while_listening", "--workers", 1, example=example,
        )  # fmt: skip
    files = sorted(path.relative_to(tmp_path / "with") for path in (tmp_path / "with").rglob("*") if path.is_file())
    assert len(files) > 3
    for file in files:
        assert (tmp_path / "with" / file).read_bytes() == (tmp_path / "without" / file).read_bytes(), file
    assert "extensions" not in manifest(tmp_path / "with")


def test_the_layout_and_the_transcript_format_are_read_and_curated(babyvlm, make_video, tmp_path):
    make_video(tmp_path / "corpus" / "hc-mia-412d-03.mp4", seconds=12)
    blocks = [f"0:00:0{second}.000,0:00:0{second + 1}.500\nlook at the dog\n" for second in (1, 4, 7)]
    (tmp_path / "corpus" / "hc-mia-412d-03.sbv").write_text("\n".join(blocks))
    said = babyvlm("corpus", "index", "corpus", "--layout", "homecam")
    assert "layout homecam" in said and "mia" in said
    babyvlm("curate", "corpus", "--out", "set", "--layout", "homecam", "--workers", 1)
    assert manifest(tmp_path / "set")["extensions"] == {
        "corpus layout homecam": RELEASE, "transcript format sbv": RELEASE,
    }  # fmt: skip
    said = babyvlm("corpus", "index", "corpus", "--layout", "homecan", code=2)
    assert "there is no corpus layout 'homecan'" in said and "homecam" in said


def test_the_battery_is_imported(babyvlm, examples, tmp_path):
    from babyvlm_extension_example.flashcards import write_example

    (tmp_path / "cards").mkdir()
    write_example(tmp_path / "cards")
    assert "picture_vocabulary" in babyvlm("toolbox", "import", "cards", "--out", "toolbox", "--battery", "flashcards")
    assert manifest(tmp_path / "toolbox")["extensions"] == {"battery flashcards": RELEASE}
    babyvlm("evaluate", "baseline:majority", "toolbox", "--out", "run", example=False)
    said = babyvlm("toolbox", "import", "cards", "--out", "other", "--battery", "flashcard", code=2)
    assert "there is no battery 'flashcard'; did you mean 'flashcards'?" in said


@pytest.mark.slow
def test_the_objective_trains_the_vision_stage(babyvlm, small_corpus, tmp_path):
    babyvlm("curate", small_corpus, "--out", "set", "--workers", 1, example=False)
    tiny = [
        "model.image_size=32", "model.patch_size=16", "model.vision_width=32", "model.vision_layers=1",
        "model.vision_heads=2", "model.text_width=32", "model.text_layers=1", "model.text_heads=2",
        "model.text_kv_heads=2", "model.text_intermediate=64", "model.vocabulary=300", "vision.head_width=16",
        "vision.local_views=2", "vision.local_size=16", "vision.optimisation.steps=3",
        "vision.optimisation.batch_size=4", "cpu_processes=1",
    ]  # fmt: skip
    words = ["--data", "set", "--stage", "vision"]
    babyvlm("train", "demo", *tiny, "vision.objective=vicreg", *words, "--out", "model")
    assert manifest(tmp_path / "model" / "vision")["extensions"] == {"vision objective vicreg": RELEASE}
    assert json.loads((tmp_path / "model" / "recipe.json").read_text())["vision"]["objective"] == "vicreg"
    babyvlm("train", "demo", *tiny, "vision.prototypes=32", *words, "--out", "plain", example=False)
    assert "extensions" not in manifest(tmp_path / "plain" / "vision")
    assert "objective" not in json.loads((tmp_path / "plain" / "recipe.json").read_text())["vision"]
