"""Commands of a page as a reader types them, in order, in a folder that holds what the page takes for granted.

    page ── fenced bash blocks, and the command column of tables ── commands
    each command ── run through the real command line, on tiny data ── its output is looked at, not its exit code alone

Commands are run as written, but for what ``TINY`` adds to make them small. A page's inputs are what it does not make
itself: ``Given`` makes them once, from a few seconds of the nursery.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from babyvlm.cli import main
from babyvlm.corpus import open_corpus
from babyvlm.curation import PretrainingSet
from babyvlm.evaluation import read_run
from babyvlm.media import frames_at
from babyvlm.names import STAGES
from babyvlm.toolbox import open_toolbox

ROOT = Path(__file__).parents[1]

SMALL_MODEL = [
    "cpu_processes=1", "model.image_size=32", "model.patch_size=16", "model.stem=()", "model.vision_width=32",
    "model.vision_layers=1", "model.vision_heads=2", "model.text_width=32", "model.text_layers=1",
    "model.text_heads=2", "model.text_kv_heads=2", "model.text_intermediate=64", "model.vocabulary=300",
    "model.context=2048", "vision.prototypes=32", "vision.head_width=16", "vision.bottleneck=8",
    "vision.local_views=2", "vision.local_size=16", "language.packed_tokens=32",
    *(f"{stage}.optimisation.{setting}" for stage in STAGES for setting in ("steps=2", "batch_size=2")),
    "instruction.own_words=0",
]  # fmt: skip
ITEMS = {
    "picture-vocabulary": 8, "localization": 8, "left-right": 8, "spatial-details": 8, "memory": 3,
    "object-counting": 8, "who-has-more-naturalistic": 8, "who-has-more-synthetic": 8,
    "visual-delayed-response-binary": 4, "visual-delayed-response-open": 4,
}  # fmt: skip
TINY: dict[str, list[str]] = {
    "corpus transcribe": ["--engine", "pocketsphinx"],  # the default fetches its model
    "curate": [
        "--workers", "1", "--min-window", "1", "--instruction.max-crops", "60",
        *(part for task, count in ITEMS.items() for part in (f"--instruction.items.{task}", str(count))),
    ],
    "toolbox build": ["--items-per-task", "4", "--workers", "1"],
    "toolbox contrasts": ["--per-word", "1", "--per-kind", "2", "--side", "48"],
    "toolbox detect": ["--threshold", "0.000001"],  # the detector is a small one of random weights
    "evaluate": ["--limit", "2"],
    "curve": ["--limit", "2"],
    "study serve": ["--tasks", "left_right", "localization", "--practice-per-task", "0"],
    "chat": ["--max-new-tokens", "4"],
}  # fmt: skip
"""What makes a command small, unless the page says otherwise."""

WHOLE = ("sentence-items",)
"""Toolboxes of which every item is asked."""
SERVERS = ("study serve", "explore", "toolbox review", "chat")
TWO_WORDS = ("corpus", "toolbox", "study", "probe")


def commands_of(text: str) -> list[str]:
    """Every command of a page, in its order: lines of fenced bash blocks, and code that begins a table's last cell."""
    found = []
    for block, cell in re.findall(r"```bash\n(.*?)```|\| `(babyvlm [^`]+)` \|$", text, re.S | re.M):
        lines = [cell] if cell else block.replace("\\\n", " ").splitlines()
        found += [line for line in (line.split(" #")[0].strip() for line in lines) if line]
    return found


def verb_of(words: list[str]) -> str:
    """``curate``, ``toolbox build`` and so on."""
    return " ".join(words[1:3]) if words[1] in TWO_WORDS else words[1]


def outputs_of(commands: list[str]) -> set[str]:
    """What a page makes itself."""
    made = {after for command in commands for word, after in pairs(shlex.split(command)) if word in ("--out", "--db")}
    return made | {words[3] for words in map(shlex.split, commands) if words[:2] == ["babyvlm", "push"]}


def pairs(words: list[str]) -> Iterator[tuple[str, str]]:
    return itertools.pairwise(words)


class Given:
    """What pages take for granted, each thing made once for a whole session of tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made: set[str] = set()

    def put(self, names: set[str], where: Path) -> None:
        """Copies some of it into a page's folder."""
        for name in sorted(names):
            self.make(name)
            source, target = self.folder / name, where / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source, target) if source.is_dir() else shutil.copyfile(source, target)

    def make(self, name: str) -> Path:
        if name not in self._made:
            self._made.add(name)
            getattr(self, "_" + re.sub(r"\W", "_", name))(self.folder / name)
        return self.folder / name

    def _typed(self, command: str) -> None:
        run_babyvlm(shlex.split(command), self.folder)

    def _my_recordings(self, out: Path) -> None:
        self._typed(
            f"babyvlm corpus render --out {out.name} --hours 0.0223 --recording-s 20 --speech silence --workers 1 "
            "--train-fraction 0.5 --validation-fraction 0 --test-fraction 0.5"
        )

    def _my_set(self, out: Path) -> None:
        self.make("my-recordings")
        self._typed("babyvlm curate my-recordings --out my-set")

    def _my_model(self, out: Path) -> None:
        self.make("my-set")
        self._typed("babyvlm train nursery --data my-set --out my-model")

    def _my_photos(self, out: Path) -> None:
        """Frames of the nursery as photographs, each with one-line boxes."""
        corpus = open_corpus(self.make("my-recordings"))
        boxes = self.folder / "my-boxes"
        out.mkdir()
        boxes.mkdir()
        for recording in corpus.recordings:
            frames = [frame for frame in corpus.boxes(recording).frames if frame.boxes][::8]
            times = [frame.time_s for frame in frames]
            for frame, (_, picture) in zip(frames, frames_at(corpus.media_path(recording), times), strict=True):
                name = f"{recording.id}-{frame.time_s:05.1f}"
                picture.save(out / f"{name}.png")
                lines = [
                    f"{box.label} {box.x:.0f} {box.y:.0f} {box.x + box.width:.0f} {box.y + box.height:.0f}\n"
                    for box in frame.boxes
                    if box.width >= 4 and box.height >= 4
                ]
                (boxes / f"{name}.txt").write_text("".join(lines), encoding="utf-8")

    def _my_boxes(self, out: Path) -> None:
        self.make("my-photos")

    def _my_toolbox(self, out: Path) -> None:
        self.make("my-recordings")
        self._typed("babyvlm toolbox build my-recordings --out my-toolbox")

    def _published_items(self, out: Path) -> None:
        self.make("my-toolbox")
        self._typed("babyvlm toolbox export my-toolbox --out published-items")

    def _lab_model(self, out: Path) -> None:
        """A model of the hub, as a folder of that name holds it."""
        from tests.evaluation import hub_models

        hub_models.llava(out)

    def _runs_my_model(self, out: Path) -> None:
        self.make("my-model"), self.make("my-toolbox")
        self._typed("babyvlm evaluate my-model/instruction my-toolbox --out runs/my-model")

    def _runs_random(self, out: Path) -> None:
        self.make("my-toolbox")
        self._typed("babyvlm evaluate baseline:random my-toolbox --out runs/random")

    def _my_devbench(self, out: Path) -> None:
        """A set of eight trials with its pictures, its children and a stored model."""
        from babyvlm.toolbox import devbench

        devbench.write_example(out)
        shutil.rmtree(out / "lex-viz_vocab")
        looked = "\n".join(f"2,0.{7 + number % 3},{number}" for number in range(1, 5))
        (out / "lex-lwl" / "human.csv").write_text(f"age_bin,prop,trial\n{looked}\n", encoding="utf-8")
        np.save(out / "lex-lwl" / "lwl_one.npy", np.random.default_rng(0).normal(size=(4, 2)))

    def _my_pictures(self, out: Path) -> None:
        from babyvlm.toolbox import word_pictures

        out.mkdir()
        word_pictures.write_example(out)

    def _my_sentences(self, out: Path) -> None:
        from babyvlm.toolbox import minimal_pairs

        out.mkdir()
        minimal_pairs.write_example(out)

    def _my_contrasts(self, out: Path) -> None:
        self.make("my-set")
        self._typed("babyvlm toolbox contrasts my-set --out my-contrasts")

    def _seed(self, seed: int) -> None:
        self.make("my-contrasts")
        self._typed(f"babyvlm evaluate baseline:random my-contrasts --seed {seed} --out runs/seed-{seed}")

    def _runs_seed_0(self, out: Path) -> None:
        self._seed(0)

    def _runs_seed_1(self, out: Path) -> None:
        self._seed(1)

    def _runs_seed_2(self, out: Path) -> None:
        self._seed(2)

    def _lab_language(self, out: Path) -> None:
        """A language model, as a folder of that name holds it."""
        from tests.evaluation.open_models import gpt2

        out.parent.mkdir(parents=True, exist_ok=True)
        gpt2(out)

    def _consent_txt(self, out: Path) -> None:
        out.write_text("You may stop at any time.\n", encoding="utf-8")

    def _detector(self, out: Path) -> None:
        from tests.toolbox.detection import tiny_detector

        tiny_detector.save(out)

    def _weights(self, out: Path) -> None:
        from tests.weights import published_weights

        tensors = published_weights.whole_model(published_weights.torchvision_tower())
        published_weights.write_whole_model(out, tensors, published_weights.published_tokenizer())


NEEDS = {
    "my-recordings": r"my-recordings", "my-set": r"\bmy-set\b", "my-model": r"\bmy-model/|\bmy-model\b",
    "my-photos": r"my-photos", "my-boxes": r"my-boxes", "my-toolbox": r"\bmy-toolbox\b",
    "published-items": r"published-items", "lab/model": r"hf:lab/model", "runs/my-model": r"runs/my-model\b",
    "runs/random": r"runs/random\b", "consent.txt": r"consent\.txt", "my-devbench": r"my-devbench",
    "my-contrasts": r"my-contrasts", "lab/language": r"lm:lab/language",
    **{f"runs/seed-{seed}": rf"runs/seed-{seed}" for seed in range(3)},
    "my-pictures": r"my-pictures", "my-sentences": r"my-sentences",
}  # fmt: skip


def needs_of(commands: list[str]) -> set[str]:
    """What of ``Given`` a page uses and does not make itself."""
    text, made = "\n".join(commands), outputs_of(commands)
    needed = {name for name, pattern in NEEDS.items() if re.search(pattern, text) and name not in made}
    if "my-model" in needed and not re.search(r"(?<!runs/)my-model", text):
        needed.discard("my-model")
    return needed


def tiny(words: list[str]) -> list[str]:
    """The command with what makes it small."""
    verb = verb_of(words)
    if verb == "train":
        return [*words[:3], *SMALL_MODEL, *words[3:]] if words[2] in ("nursery", "demo", "experience") else words
    groups: list[list[str]] = []
    for word in TINY.get(verb, []):
        groups.append([word]) if word.startswith("--") else groups[-1].append(word)
    if verb == "evaluate" and words[3] in WHOLE:
        groups = []
    return [*words, *(part for group in groups if group[0] not in words for part in group)]


def run_babyvlm(words: list[str], folder: Path) -> None:
    """Runs one command in a folder, as in a process of its own."""
    if verb_of(words) == "train":
        from accelerate.state import AcceleratorState

        AcceleratorState._reset_state(True)  # one process keeps the precision of its first recipe
    before = Path.cwd()
    os.chdir(folder)
    try:
        main(tiny(words)[1:])
    finally:
        os.chdir(before)


def run_server(words: list[str], folder: Path, visit: Callable[[str], None]) -> None:
    """Runs a command that serves, visits it once it answers, and interrupts it as Ctrl-C does."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address, problems = f"http://127.0.0.1:{port}", []
    done = threading.Event()

    def visitor() -> None:
        try:
            for _ in range(600):
                try:
                    httpx.get(address, timeout=5)
                    break
                except httpx.TransportError:
                    if done.wait(0.05):
                        return
            visit(address)
        except BaseException as error:  # told by the test's own thread
            problems.append(error)
        finally:
            if not done.is_set():
                os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=visitor, daemon=True)
    thread.start()
    try:
        run_babyvlm([*words, "--port", str(port)], folder)
    finally:
        done.set()
        thread.join(60)
    if problems:
        raise problems[0]


def sizes_of(config: dict[str, Any]) -> list[str]:
    """A checkpoint's sizes as settings of a recipe."""
    vision, text = config["vision_config"], config["text_config"]
    sizes = {
        "image_size": vision["image_size"], "patch_size": vision["patch_size"], "vision_width": vision["hidden_size"],
        "vision_layers": vision["num_hidden_layers"], "vision_heads": vision["num_attention_heads"],
        "text_width": text["hidden_size"], "text_layers": text["num_hidden_layers"],
        "text_heads": text["num_attention_heads"], "text_kv_heads": text["num_key_value_heads"],
        "text_intermediate": text["intermediate_size"], "context": text["max_position_embeddings"],
        "vocabulary": text["vocab_size"] - 1,
    }  # fmt: skip
    return ["language.packed_tokens=64", *(f"model.{name}={size}" for name, size in sizes.items())]


@functools.cache
def pip_takes(command: str) -> str:
    """What pip says against an installation that is not carried out; empty where it would do it."""
    dry = "--dry-run --no-deps --no-build-isolation --no-index --quiet --disable-pip-version-check"
    typed = [sys.executable, "-m", *shlex.split(command), *dry.split()]
    done = subprocess.run(typed, cwd=ROOT, capture_output=True, text=True)
    return done.stderr if done.returncode else ""


class Reader:
    """Who types a page's commands and looks at what comes of each."""

    def __init__(self, folder: Path, given: Given, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
        self.folder, self.given, self.monkeypatch, self.capsys = folder, given, monkeypatch, capsys
        monkeypatch.setenv("BABYVLM_STUDY_PASSWORD", "a long password")
        monkeypatch.setenv("BABYVLM_STUDY_PIN", "2468")
        monkeypatch.setenv("OPENAI_API_KEY", "of nobody")
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder / ".cache"))

    def type(self, command: str) -> None:
        """Runs one command.

        Raises:
            AssertionError: What came of it is not what the page promises, or nobody knows how to check it.
        """
        words = shlex.split(command)
        self.capsys.readouterr()
        if words[0] == "babyvlm":
            self._babyvlm(words)
        elif words[0] == "make":
            makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
            assert len(words) == 2 and re.search(rf"^{words[1]}:", makefile, re.M), command
        elif words[:2] == ["pip", "install"]:
            dry = "--dry-run --no-deps --no-build-isolation --no-index --quiet --disable-pip-version-check"
            done = subprocess.run(
                [sys.executable, "-m", *words, *dry.split()], cwd=ROOT, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr
            declared = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
            extras = re.search(r"\[([\w,]+)\]", command)
            assert all(
                re.search(rf"^{extra} = \[", declared, re.M) for extra in (extras[1].split(",") if extras else ())
            )
        elif words[0] == "torchrun":
            assert words[1:5] == ["--nproc-per-node", "8", "-m", "babyvlm"], command
            self._too_large(words[4:])
        elif words[0] in ("ruff", "mypy"):
            module = [sys.executable, "-m", *words, *(["--version"] if words[0] == "mypy" else [])]
            done = subprocess.run(module, cwd=ROOT, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
        elif words[:3] == ["python", "-m", "pytest"]:
            assert all((ROOT / path).exists() for path in words[3:]), command
            collected = [sys.executable, "-m", "pytest", "--collect-only", "-p", "no:cacheprovider", *words[3:]]
            done = subprocess.run(collected, cwd=ROOT, capture_output=True, text=True)
            assert done.returncode == 0 and "::" in done.stdout, done.stdout + done.stderr
        else:
            assert command in ("python -m venv .venv", "source .venv/bin/activate"), f"nobody checks {command!r}"

    def _babyvlm(self, words: list[str]) -> None:
        verb = verb_of(words)
        if verb == "train" and words[2].startswith("saycam"):
            self._too_large(words)
            return
        self.words = words = self._prepared(verb, words)
        if verb in SERVERS:
            run_server(words, self.folder, getattr(self, "_visit_" + verb.replace(" ", "_").replace("-", "_")))
        else:
            run_babyvlm(words, self.folder)
        said = self.capsys.readouterr().out
        look = getattr(self, "_look_" + verb.replace(" ", "_").replace("-", "_"), None)
        assert look or verb in SERVERS, f"nobody looks at what {verb} makes"
        if look:
            options = dict(pairs(words))
            look(said, self.folder / options["--out"] if "--out" in options else self.folder)

    def _too_large(self, words: list[str]) -> None:
        """The published size is resolved, opens its data and is refused for its memory before anything starts."""
        if "--start" in words:  # the stand-in for published weights is small, and so is the model that goes on from it
            config = json.loads((self.folder / dict(pairs(words))["--start"] / "config.json").read_text())
            words = [*words[:3], *sizes_of(config), *words[3:]]
        with self.monkeypatch.context() as little, pytest.raises(SystemExit) as stopped:
            little.setattr("babyvlm.training.memory.available_gib", lambda processes: 0.01)
            run_babyvlm(words, self.folder)
        said = self.capsys.readouterr().err
        assert stopped.value.code == 2 and "too little memory for the saycam recipe" in said, said

    def _prepared(self, verb: str, words: list[str]) -> list[str]:
        """Stand-ins for what is beyond this machine: the hub, a detector's weights, an API."""
        if verb == "convert":
            weights = self.given.make("weights")
            self.monkeypatch.setattr("huggingface_hub.snapshot_download", lambda name, **_: str(weights))
        if verb == "toolbox detect":
            return [*words, "--detector", str(self.given.make("detector"))]
        if verb == "evaluate" and words[2].startswith("hf:"):  # random weights never end a reply
            return [*words, "--max-new-tokens", "3", "--tasks", "left_right", "localization"]
        if verb == "evaluate" and words[2].startswith("openai:"):
            from tests.evaluation import servers

            entered = servers.serving(lambda number, body: (200, {}, servers.openai_reply("A"), 0))
            address, _ = entered.__enter__()
            self.monkeypatch.setattr(self, "_api", entered, raising=False)  # closed with the test
            return [f"{address}/v1" if word == "http://127.0.0.1:8000/v1" else word for word in words]
        return words

    # What each page served shows.

    def _visit_explore(self, address: str) -> None:
        page = httpx.get(address, follow_redirects=True)
        assert page.status_code == 200 and "<html" in page.text

    _visit_chat = _visit_explore

    def _visit_toolbox_review(self, address: str) -> None:
        """Somebody rejects the first item."""
        self._visit_explore(address)
        item = open_toolbox(self.folder / self.words[3]).items[0]
        reply = httpx.put(f"{address}/api/decisions/{item.id}", json={"verdict": "reject"}, headers={"Origin": address})
        assert reply.status_code == 200, reply.text

    def _visit_study_serve(self, address: str) -> None:
        """One participant takes the whole study."""
        from babyvlm.study.store import Store
        from tests.study.study_world import Taker

        store = Store.open(str(self.folder / "my-study.db"))
        invited = store.invite("adult", "main" if not store.config.sites else store.config.sites[0])[0]
        taker = Taker(address, invited.token)
        state, answered = taker.begin(), 0
        while state["phase"] == "trials":
            state = taker.answer(state["trial"], 0, reaction_ms=900.0).json()["state"]
            answered += 1
        assert answered >= 4 and state["phase"] == "finished", state
        store.close()

    # What each command makes.

    def _look_doctor(self, said: str, out: Path) -> None:
        assert "torch" in said and "memory:" in said

    def _look_config(self, said: str, out: Path) -> None:
        assert "joint.optimisation.steps = " in said
        for change in self.words[3:]:
            key, _, value = change.partition("=")
            assert re.search(rf'^{re.escape(key)} = "?{re.escape(value)}"?$', said, re.M), change

    def _look_power(self, said: str, out: Path) -> None:
        assert re.match(r"[\d,]+ items", said)

    def _look_corpus_render(self, said: str, out: Path) -> None:
        corpus = open_corpus(out)
        assert len(corpus.recordings) >= 4 and all(map(corpus.has_boxes, corpus.recordings))

    def _look_corpus_index(self, said: str, out: Path) -> None:
        assert "files: " in said and "hours" in said
        if "--problems" in self.words:
            assert (self.folder / dict(pairs(self.words))["--problems"]).is_file()

    def _look_corpus_transcribe(self, said: str, out: Path) -> None:
        assert "had a transcript" in said

    def _look_curate(self, said: str, out: Path) -> None:
        opened = PretrainingSet(out)
        assert opened.conversations("image", "train") and opened.has_instruction
        assert (out / "card.html").is_file()

    def _look_corpus_select(self, said: str, out: Path) -> None:
        whole = PretrainingSet(self.folder / self.words[3])
        assert 0 < len(PretrainingSet(out).conversations("image")) <= len(whole.conversations("image"))

    def _look_corpus_export(self, said: str, out: Path) -> None:
        records = json.loads((out / "image_train.json").read_text())
        assert records and all((out / name).is_file() for record in records for name in record["image"])

    def _look_corpus_card(self, said: str, out: Path) -> None:
        assert "<html" in out.read_text(encoding="utf-8")

    def _look_train(self, said: str, out: Path) -> None:
        asked = self.words[self.words.index("--stage") + 1 :] if "--stage" in self.words else ()
        usual = [stage for stage in STAGES if stage != "contrastive"]
        if "--start" in self.words and (start := Path(self.words[self.words.index("--start") + 1]).name) in usual:
            usual = usual[usual.index(start) + 1 :]
        for stage in [stage for stage in asked if stage in STAGES] or usual:
            last = json.loads((out / stage / "metrics.jsonl").read_text().splitlines()[-1])
            assert last["step"] == 2 and np.isfinite(last["loss"])

    def _look_curve(self, said: str, out: Path) -> None:
        runs = sorted(path.parent.name for path in out.with_name(f"{out.stem}_files").rglob("run.json"))
        assert len(runs) == 2 and runs[-1] == "100%"  # of two steps
        assert "The joint stage" in out.read_text(encoding="utf-8")

    def _look_toolbox_build(self, said: str, out: Path) -> None:
        built = open_toolbox(out)
        assert len(built.tasks) >= 5 and len(built.items) >= 10
        if "--review" in self.words:
            assert "review" in built.manifest.model_dump_json()

    def _look_toolbox_import(self, said: str, out: Path) -> None:
        if "--battery" in self.words:
            assert len(open_toolbox(out).items) >= 4
        else:
            self._look_toolbox_build(said, out)

    def _look_toolbox_detect(self, said: str, out: Path) -> None:
        """Random weights find nothing sensible, so the page gets drawn boxes instead."""
        coco = json.loads(out.read_text(encoding="utf-8"))
        assert [one["name"] for one in coco["categories"]] == ["cup", "teddy bear", "shoe"] and coco["images"]
        lines = {path.stem: path.read_text().splitlines() for path in self.given.make("my-boxes").glob("*.txt")}
        labels = sorted({line.rsplit(" ", 4)[0] for found in lines.values() for line in found})
        coco["categories"] = [{"id": number, "name": label} for number, label in enumerate(labels, 1)]
        coco["annotations"] = []
        for image in coco["images"]:
            for line in lines[Path(image["file_name"]).stem]:
                label, left, top, right, bottom = line.rsplit(" ", 4)
                left, top, right, bottom = map(int, (left, top, right, bottom))
                right, bottom = min(right, image["width"]), min(bottom, image["height"])
                coco["annotations"].append(
                    {"id": len(coco["annotations"]) + 1, "image_id": image["id"],
                     "category_id": labels.index(label) + 1, "bbox": [left, top, right - left, bottom - top]}
                )  # fmt: skip
        out.write_text(json.dumps(coco), encoding="utf-8")

    def _look_toolbox_export(self, said: str, out: Path) -> None:
        originals = sorted(path for path in (self.folder / "published-items").rglob("*.json"))
        copies = sorted(path for path in out.rglob("*.json"))
        assert [path.read_bytes() for path in copies] == [path.read_bytes() for path in originals] != []

    def _look_toolbox_audit(self, said: str, out: Path) -> None:
        assert json.loads((out / "audit.json").read_text())["rows"] and (out / "audit.html").is_file()

    def _look_toolbox_lmms_eval(self, said: str, out: Path) -> None:
        assert said.startswith("python -m lmms_eval") and list(out.rglob("*.yaml"))

    def _look_evaluate(self, said: str, out: Path) -> None:
        scores = json.loads((out / "scores.json").read_text())
        assert scores["babyvlm"]["tasks"] and read_run(out).finished and "95% interval" in said
        if "--nulls" in self.words:
            assert {"random", "majority", "blind-match", "text-only"} <= {
                path.name for path in (out / "nulls").iterdir()
            }

    def _look_merge(self, said: str, out: Path) -> None:
        self._look_evaluate(said, out)
        runs = [self.folder / word for word in self.words[2 : self.words.index("--out")]]
        *parts, whole = (len((run / "responses.jsonl").read_text().splitlines()) for run in (*runs, out))
        assert min(parts) > 0 and whole == sum(parts)

    def _look_score(self, said: str, out: Path) -> None:
        assert "sub-task" in said and json.loads((self.folder / self.words[2] / "scores.json").read_text())["scoring"]

    def _look_compare(self, said: str, out: Path) -> None:
        assert "left_right" in said and "p" in said

    def _look_probe_vision(self, said: str, out: Path) -> None:
        found = json.loads((out / "probe.json").read_text())
        assert {row["features"] for row in found["rows"]} == {"tower", "tower as drawn", "pixels", "colours"}
        assert "abx" in said and (out / "probe.csv").is_file()

    def _look_toolbox_contrasts(self, said: str, out: Path) -> None:
        assert "contrast_nouns" in open_toolbox(out).tasks
        assert re.search(r"nouns +\d+ contrasts", said) and "left out: comparatives: no comparative" in said

    def _look_probe_language(self, said: str, out: Path) -> None:
        found = json.loads((out / "probe.json").read_text())
        assert set(found["figures"]) == {"model", "model as drawn", "unigram"} and "no pairs of inflection" in said
        assert json.loads((out / "predictions.json").read_text())["agreement"]["predictions"]

    def _look_predictions(self, said: str, out: Path) -> None:
        assert set(json.loads(out.read_text())["blimp"]) == {"agreement", "cats"}

    def _look_challenge(self, said: str, out: Path) -> None:
        written = json.loads(out.read_text())
        assert written["id"] == out.stem and re.fullmatch(r"\d+\.\d ± \d+\.\d", written["multimodal"]["lexical"])
        assert "missing: multimodal: no contrasts of" in said

    def _look_report(self, said: str, out: Path) -> None:
        page = out.read_text(encoding="utf-8")
        runs = self.words[2 : self.words.index("--out")]
        assert "95%" in page and all(read_run(self.folder / run).respondent in page for run in runs)

    def _look_children(self, said: str, out: Path) -> None:
        assert "nats" in out.read_text(encoding="utf-8")
        assert (out.with_name(f"{out.stem}_files") / "divergence.csv").read_text().count("lex-lwl") == 2

    def _look_convert(self, said: str, out: Path) -> None:
        assert json.loads((out / "conversion.json").read_text()) and (out / "model.safetensors").is_file()

    def _look_submit(self, said: str, out: Path) -> None:
        assert {path.name for path in out.iterdir()} == {"submission.json", "model.py", "scores.json"}

    def _look_push(self, said: str, out: Path) -> None:
        source, copy = (self.folder / word for word in self.words[2:4])
        assert (copy / "README.md").is_file()
        assert (copy / "model.safetensors").read_bytes() == (source / "model.safetensors").read_bytes()

    def _look_study_prompts(self, said: str, out: Path) -> None:
        assert re.search(r"\d+ sentences", said)

    def _look_study_invite(self, said: str, out: Path) -> None:
        links = re.findall(r"^\S+  http\S+/#\S+$", said, re.M)
        assert len(links) == int(dict(pairs(self.words)).get("--count", "1"))

    def _look_study_export(self, said: str, out: Path) -> None:
        assert read_run(out / "pooled").family == "human"
        assert len((out / "trials.csv").read_text().splitlines()) > 4
