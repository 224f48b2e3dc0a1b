"""What strangers send to a study, and what people type."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import sqlite3
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

import babyvlm.cli
from babyvlm.study.server import study_app
from babyvlm.study.service import StudyService
from babyvlm.study.store import Store
from babyvlm.toolbox import open_toolbox
from fuzzed.damage import WEIRD, damage
from tests.study import study_world

ADDRESS = "http://127.0.0.1:8330"


def begin_study(given: Path, folder: Path) -> None:
    shutil.copytree(given / "study", folder / "study")


def make_study(folder: Path) -> None:
    """A study with a participant in the middle of it, made once."""
    toolbox = study_world.build(folder / "toolbox", items=4)
    store = Store.begin(
        folder / "study.db", toolbox, study_world.SHORT, password=study_world.PASSWORD, pin=study_world.PIN
    )
    (invited,) = store.invite("adult", "main", age_months=None, count=1)
    (folder / "token").write_text(invited.token)
    service = StudyService(store, toolbox, "Please take part.", answers_per_s=10_000)
    with TestClient(study_app(service), base_url=ADDRESS) as client:
        state = _opened(client, invited.token)
        for _ in range(3):
            state = client.post("/api/answer", json=answer_to(state), headers=bearer(invited.token)).json()["state"]
        (folder / "trial.json").write_text(json.dumps(answer_to(state)))
        (folder / "cookies.json").write_text(json.dumps(dict(client.cookies)))
    store.close()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _opened(client: TestClient, token: str) -> dict[str, Any]:
    client.post("/api/browser", json={}, headers=bearer(token))
    state = client.post("/api/open", json={}, headers=bearer(token)).json()
    if state["phase"] == "consent":
        version = {"version": state["consent_version"]}
        state = client.post("/api/consent", json=version, headers=bearer(token)).json()
    return dict(state)


def answer_to(state: dict[str, Any]) -> dict[str, Any]:
    return {"trial": state["trial"]["key"], "attempt": "0123456789abcdef" * 2, "choice": 0, "reaction_ms": 900.0}


PATHS = (
    "/api/open",
    "/api/answer",
    "/api/answer",
    "/api/answer",
    "/api/gate",
    "/api/consent",
    "/api/browser",
    "/api/state",
    "/api/picture/x/0",
    "/api/voice/x/y",
    "/admin/api/login",
    "/admin/api/links",
    "/admin/api/overview",
    "/admin/api/session",
    "/admin/api/participants/x/release",
    "/admin/api/secrets",
    "/admin/api/logout",
    "/api/nothing",
    "/admin",
)


def spoil_request(folder: Path, draw: random.Random) -> str:
    """A request that no page of ours sends, kept as a file."""
    good = (folder / "study" / "trial.json").read_bytes()
    path = folder / "body"
    path.write_bytes(good)
    said = "as it was" if draw.random() < 0.1 else damage(path, draw)
    body = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
    headers = {
        "Authorization": draw.choice(
            ["TOKEN", "TOKEN", "TOKEN", "", "Bearer", "Bearer \t", "Basic x", "Bearer " + "x" * 9000]
        ),
        "Content-Type": draw.choice(["application/json"] * 3 + ["", "text/plain", "application/json; charset=utf-16"]),
        "Cookie": draw.choice(["", "", "browser=x", "=;=;", "a=" + "b" * 3000, "session=\x7f"]),
    }
    request = {
        "method": draw.choice(["POST"] * 6 + ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"]),
        "path": draw.choice(PATHS)
        + draw.choice([""] * 6 + ["?x=1", "?age_months=NaN", "/..", "%00", "/" + "a" * 4000]),
        "headers": headers,
        "body": body.hex(),
    }
    (folder / "request.json").write_text(json.dumps(request))
    return f"{request['method']} {request['path'][:60]}, body {said}"


def send_request(folder: Path, out: Path) -> Any:
    """The bad request, and then a good answer, which must be taken as if nothing had been."""
    study = folder / "study"
    token = (study / "token").read_text()
    store = Store.open(str(study / "study.db"))
    service = StudyService(store, open_toolbox(study / "toolbox"), "Please take part.", answers_per_s=10_000)
    request = folder / "request.json"
    with TestClient(study_app(service), base_url=ADDRESS, raise_server_exceptions=False) as client:
        if request.is_file():
            asked = json.loads(request.read_text())
            headers = {name: value.replace("TOKEN", f"Bearer {token}") for name, value in asked["headers"].items()}
            client.cookies.update(json.loads((study / "cookies.json").read_text()))
            response = client.request(
                asked["method"], asked["path"], content=bytes.fromhex(asked["body"]), headers=headers,
                follow_redirects=False,
            )  # fmt: skip
            assert response.status_code < 500, f"HTTP {response.status_code}: {response.text[:200]}"
        client.cookies.clear()
        client.cookies.update(json.loads((study / "cookies.json").read_text()))
        state = client.post("/api/open", json={}, headers=bearer(token))
        assert state.status_code == 200, f"the participant is shut out: {state.status_code} {state.text[:200]}"
    store.close()
    with sqlite3.connect(study / "study.db") as connection:
        trials = [row[0] for row in connection.execute("SELECT attempt FROM answers")]
    assert 3 <= len(trials) <= 4, f"{len(trials)} answers"
    return len(trials)


RECIPE_KEYS = (
    "seed",
    "precision",
    "model.image_size",
    "model.patch_size",
    "model.vision_width",
    "model.text_heads",
    "model.vocabulary",
    "model.context",
    "model.image_fit",
    "vision.optimisation.steps",
    "vision.optimisation.learning_rate",
    "vision.prototypes",
    "vision.local_views",
    "language.packed_tokens",
    "language.optimisation.batch_size",
    "alignment.formats",
    "joint.trains",
    "joint.optimisation.warmup_fraction",
    "instruction.mixture",
    "cpu_processes",
    "checkpoint_every_s",
    "name",
    "model",
    "vision",
    "nothing.at.all",
    "visoin.optimisation.steps",
    "",
)
WORDS = (
    "",
    "=",
    "-1",
    "0",
    "1e400",
    "nan",
    "inf",
    "-inf",
    "None",
    "true",
    "[]",
    "{}",
    "[1,2",
    '"',
    "1,2",
    "0x10",
    "1_000",
    "9" * 400,
    "é",
    "\u202e",
    " 4",
    "4 ",
    "4.0",
    "4.5",
    "x" * 5000,
    "../..",
    "bf16",
    "['vision']",
    "1e-3",
    "10**9",
    "٣",
)


def nothing(given: Path, folder: Path) -> None:
    """No inputs."""


def spoil_setting(folder: Path, draw: random.Random) -> str:
    changes = [
        draw.choice(["", "--"] + [""] * 8)
        + draw.choice(RECIPE_KEYS)
        + draw.choice(["="] * 12 + ["", "==", " = "])
        + draw.choice(WORDS)
        for _ in range(draw.choice([1, 1, 1, 2]))
    ]
    (folder / "words.json").write_text(json.dumps(["config", draw.choice(["nursery", "saycam", "demo"]), *changes]))
    return " ".join(changes)[:100]


def run_words(folder: Path, out: Path) -> Any:
    path = folder / "words.json"
    words = json.loads(path.read_text()) if path.is_file() else ["config", "nursery"]
    babyvlm.cli.main([word.replace("{in}", str(folder)).replace("{out}", str(out)) for word in words])
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()


COMMANDS = (
    "corpus render --out {out} --hours 0.001 --seed 0 --workers 1",
    "corpus index {in}/recordings --layout auto --quick",
    "corpus select {in}/set --out {out} --min-score 0 --duplicate-bits 6",
    "corpus export {in}/set --out {out} --layout llava",
    "toolbox import {in}/published --out {out} --split test",
    "toolbox export {in}/toolbox --out {out} --layout tree",
    "toolbox audit {in}/toolbox --out {out}",
    "toolbox build --images {in}/toolbox/images --annotations {in}/toolbox/items.jsonl --out {out} --items-per-task 3",
    "toolbox lmms-eval {in}/toolbox --out {out} --limit 2",
    "evaluate baseline:random {in}/toolbox --out {out} --limit 2 --tasks memory --seed 3",
    "score {in}/run --scoring default",
    "compare {in}/run {in}/run --out {out}/c.json",
    "power --difference 0.1 --accuracy 0.5 --power 0.8",
    "report {in}/run --out {out}.html",
    "config nursery model.image_size=32",
    "study export {in}/study.db --out {out}",
)


def small_inputs(given: Path, folder: Path) -> None:
    for name in ("recordings", "set", "published", "toolbox", "run"):
        (folder / name).symlink_to(given / name)


def spoil_words(folder: Path, draw: random.Random) -> str:
    words = draw.choice(COMMANDS).split()
    for _ in range(draw.choice([1, 1, 2])):
        at = draw.randrange(1, len(words))
        kind = draw.randrange(6)
        if kind == 0:
            del words[at]
        elif kind == 1:
            words.insert(at, draw.choice([*WORDS, "--nothing", "--out", "-v"]))
        elif kind == 2:
            places = [
                "",
                "/",
                "/dev/null",
                "/proc/self/mem",
                ".",
                "x" * 300,
                "a/" * 2500,
                "{in}/words.json",
                "\u202e",
                "~",
            ]
            words[at] = draw.choice(places)
        elif kind == 3:
            words.append(words[at])
        else:
            words[at] = draw.choice([*WORDS, str(draw.choice(WEIRD)).replace("\x00", "")])
    words = [word for word in words if "\x00" not in word and not any(0xD800 <= ord(c) < 0xE000 for c in word)]
    (folder / "words.json").write_text(json.dumps(words))
    return " ".join(words)[:200]
