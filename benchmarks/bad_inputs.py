"""Bad inputs end in use or in a sentence (claim: of 10,000 over all stages, none ends in a bare error of a third party,
hangs, or leaves something half made; what changes no meaning changes no result).

    python benchmarks/bad_inputs.py [--inputs 10000] [--stages index import ...] [--seed 0]

Each input is a good one with one fault: a file cut short, with bytes changed, doubled or missing, emptied, taken from
another place, of another type; a JSON value that is missing, of another type or absurd; a setting or a request that no
page sends. Files are given to the commands themselves. An input ends as *used* (the command came to its end),
*refused* (exit status 2 and a sentence), or as a fault. Every tenth fault of a text file is none (other line ends, a
byte order mark, JSON keys in another order), and then the output must be that of the good input.

Stage and number say which input it is (`--only index:17` shows it). Counts are kept; the same call
resumes, on a later day with --result and the earlier file.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import io
import json
import math
import os
import random
import shutil
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1] / "tests" / "study"), str(Path(__file__).parents[1] / "tests")]

import study_world  # noqa: E402
from fastapi.testclient import TestClient  # noqa: E402
from PIL import Image  # noqa: E402

import babyvlm.cli  # noqa: E402
import kills  # noqa: E402
from babyvlm.study import ServeConfig  # noqa: E402
from babyvlm.study.begin import open_study  # noqa: E402
from babyvlm.study.server import study_app  # noqa: E402

RESULTS = Path(__file__).parent / "results"
DEADLINE_S = 20
ABSURD = [
    None,
    True,
    -1,
    0,
    1e308,
    float("nan"),
    10**30,
    "",
    "x",
    "\u0000",
    "🙂" * 50,
    [],
    {},
    [[]],
    {"a": 1},
    "../../etc",
]


@dataclass(frozen=True)
class Stage:
    name: str
    share: float
    """Of the inputs."""
    command: Callable[[Path, Path], list[str]]
    """Its words, from the folder with the fault and the output."""
    base: str
    """Which of the good inputs gets the fault."""
    suffixes: tuple[str, ...]
    """Files that get it."""


TEXTS = (".vtt", ".srt", ".cha", ".eaf", ".csv", ".tsv", ".json")
SET = (".parquet", ".arrow", ".json", ".jsonl")
RECORDS = (".json", ".jsonl")


def _curate(given: Path, out: Path) -> list[str]:
    return ["curate", str(given), "--out", str(out), "--workers", "1", "--on-problem", "skip"]


def _select(given: Path, out: Path) -> list[str]:
    return ["corpus", "select", str(given), "--out", str(out), "--duplicate-bits", "6"]


def _train(given: Path, out: Path) -> list[str]:
    return [*kills.TRAIN, "--data", str(given), "--out", str(out), "--stage", "language"]


def _build(given: Path, out: Path) -> list[str]:
    shown = ["--images", str(given / "images"), "--annotations", str(given / "boxes")]
    return ["toolbox", "build", *shown, "--out", str(out), "--items-per-task", "1", "--workers", "1"]


def _ask_model(given: Path, out: Path) -> list[str]:
    return ["evaluate", str(given), str(GIVEN / "toolbox"), "--out", str(out), "--limit", "1"]


STAGES = (
    Stage("index", 0.3, lambda given, _: ["corpus", "index", str(given), "--quick"], "sidecars", TEXTS),
    Stage("curate", 0.03, _curate, "sidecars", (".mp4", ".vtt", ".csv", ".json")),
    Stage("select", 0.06, _select, "set", SET),
    Stage("train", 0.01, _train, "set", SET),
    Stage("build", 0.06, _build, "photographs", (".xml", ".jpg", ".json", ".txt")),
    Stage(
        "import",
        0.12,
        lambda given, out: ["toolbox", "import", str(given), "--out", str(out)],
        "published",
        (".json", ".jpg"),
    ),
    Stage(
        "evaluate",
        0.1,
        lambda given, out: ["evaluate", "baseline:random", str(given), "--out", str(out)],
        "toolbox",
        RECORDS,
    ),
    Stage("evaluate a model", 0.01, _ask_model, "model", (".json", ".safetensors", ".jinja")),
    Stage("score", 0.1, lambda given, _: ["score", str(given / "run")], "scored", RECORDS),
    Stage("report", 0.01, lambda given, out: ["report", str(given / "run"), "--out", f"{out}.html"], "scored", RECORDS),
)
SETTINGS_SHARE, STUDY_SHARE = 0.1, 0.1
GIVEN = Path()


def mutate(data: bytes, suffix: str, draw: random.Random, others: list[Path]) -> tuple[str, bytes]:
    """A fault, and the bytes with it."""
    if suffix in (".json", ".jsonl") and draw.random() < 0.6:
        with contextlib.suppress(ValueError, IndexError, UnicodeDecodeError):
            return _mutate_json(data, suffix, draw)
    place, length = draw.randrange(len(data) + 1), draw.choice([1, 4, 64, 1000])
    junk = draw.choice(
        [b"\x00", b"\xff\xfe", b"NaN", b"-1", b"<", b"\r", b"\xf0\x9f\x99\x82", b'"', b"{{", b"99999999999"]
    )
    faults: dict[str, Callable[[], bytes]] = {
        "cut short": lambda: data[:place],
        "emptied": lambda: b"",
        "piece missing": lambda: data[:place] + data[place + length :],
        "piece doubled": lambda: data[:place] + data[place : place + length] * 2 + data[place + length :],
        "junk inside": lambda: data[:place] + junk + data[place:],
        "bytes changed": lambda: _flipped(data, draw),
        "another file": lambda: draw.choice(others).read_bytes()[:200_000],
        "another encoding": lambda: data.decode("utf-8", "replace").encode("utf-16"),
        "zeros": lambda: data[:place] + bytes(length) + data[place + length :],
    }
    fault = draw.choice(list(faults))
    return fault, faults[fault]()


def _flipped(data: bytes, draw: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(draw.choice([1, 3, 20])):
        if changed:
            changed[draw.randrange(len(changed))] = draw.randrange(256)
    return bytes(changed)


def _mutate_json(data: bytes, suffix: str, draw: random.Random) -> tuple[str, bytes]:
    lines = data.decode().splitlines() if suffix == ".jsonl" else [data.decode()]
    number = draw.randrange(len(lines))
    value = json.loads(lines[number])
    node, path = value, []
    while isinstance(node, dict | list) and node:
        key = draw.choice(list(node) if isinstance(node, dict) else range(len(node)))
        path.append(key)
        if draw.random() < 0.3:
            break
        node = node[key]
    holder = value
    for key in path[:-1]:
        holder = holder[key]
    fault = draw.choice(["missing", "absurd", "doubled"])
    if fault == "missing":
        del holder[path[-1]]
    elif fault == "doubled" and isinstance(holder, list):
        holder.append(holder[path[-1]])
    else:
        holder[path[-1]] = draw.choice(ABSURD)
    lines[number] = json.dumps(value)
    return f"JSON {fault} at {path}", "\n".join(lines).encode()


def harmless(data: bytes, suffix: str, draw: random.Random) -> tuple[str, bytes] | None:
    """A change that changes no meaning; None where the kind of file has none."""
    if suffix in (".vtt", ".srt", ".csv", ".tsv", ".cha"):
        text = data.decode().replace("\r\n", "\n")
        return draw.choice([
            ("CRLF", text.replace("\n", "\r\n").encode()), ("byte order mark", b"\xef\xbb\xbf" + data),
            ("blank line at the end", data + b"\n"),
        ])  # fmt: skip
    if suffix == ".json":
        value = json.loads(data)
        if isinstance(value, dict):
            value = dict(sorted(value.items(), reverse=True))
        return draw.choice([("keys in another order", json.dumps(value).encode()), ("newline", data + b"\n\n")])
    return None


class Late(BaseException):
    """The deadline has passed."""


def run(words: list[str]) -> tuple[str, str]:
    """How a command ended (used, refused, or what is at fault), and what it printed."""

    def late(*_: Any) -> None:
        raise Late

    said, wrong = io.StringIO(), io.StringIO()
    signal.signal(signal.SIGALRM, late)
    signal.alarm(DEADLINE_S)
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(wrong):
            babyvlm.cli.main(words)
        return "used", said.getvalue()
    except SystemExit as ended:
        told = wrong.getvalue().strip().splitlines()
        sentence = next((line for line in told if line.startswith("babyvlm: error: ")), "")
        usage = any("full helptext" in line or line.strip().endswith("--help") for line in told)
        if ended.code == 2 and (sentence or usage):
            return "refused", sentence
        return f"fault: exit {ended.code} ({told[-1:]})", ""
    except Late:
        return "fault: no end within the deadline", ""
    except BaseException as error:
        where = traceback.extract_tb(error.__traceback__)
        last = next((f for f in reversed(where) if "babyvlm" in f.filename), where[-1])
        return f"fault: {type(error).__name__} at {Path(last.filename).name}:{last.lineno}: {str(error)[:120]}", ""
    finally:
        signal.alarm(0)


def try_file(stage: Stage, number: int, seed: int) -> tuple[str, str]:
    """How one input of a stage of commands ended, and its fault in words."""
    draw = random.Random(f"{seed}/{stage.name}/{number}")
    base = GIVEN / stage.base
    files = sorted(path for path in base.rglob("*") if path.suffix in stage.suffixes and path.is_file())
    target = draw.choice(files)
    with tempfile.TemporaryDirectory() as temporary:
        folder, out = Path(temporary) / "given", Path(temporary) / "out" / "made"
        shutil.copytree(base, folder, copy_function=os.link)
        out.parent.mkdir()
        data = target.read_bytes()
        changed = harmless(data, target.suffix, draw) if number % 10 == 0 else None
        fault, bad = changed or mutate(data, target.suffix, draw, files)
        place = folder / target.relative_to(base)
        place.unlink()
        place.write_bytes(bad)
        what = f"{target.relative_to(base)}: {fault}"
        if stage.base == "scored":  # its own file is written again: it must not be the linked one
            for path in folder.rglob("scores.json"):
                own = path.read_bytes()
                path.unlink()
                path.write_bytes(own)
        ended, said = run(stage.command(folder, out))
        left = [path.name for path in out.parent.iterdir() if path.name.startswith(".") and "shards" not in path.name]
        if left and ended in ("used", "refused"):
            return f"fault: left {left[0]}", what
        if ended == "refused" and out.exists() and stage.name not in ("train", "evaluate", "evaluate a model"):
            return "fault: refused, and an output is there", what
        if changed and stage.name == "index":
            good, expected = run(stage.command(base, out))
            mine, theirs = (text.replace(str(where), "") for text, where in ((said, folder), (expected, base)))
            if (ended, mine) != (good, theirs):
                return "fault: a harmless change changed the result", what
        return ended, what


def try_setting(number: int, seed: int) -> tuple[str, str]:
    """Settings of a recipe, and command lines, that nobody means."""
    draw = random.Random(f"{seed}/settings/{number}")
    knobs = ["model.text_width", "joint.optimisation.steps", "instruction.mixture", "precision", "seed", "vision"]
    knobs += ["x.y", "cpu_processes", "attention", "", "joint.optimisation.learning_rate", "model.image_fit"]
    values = [*map(str, ABSURD), "1e999", "[1,", "{'a': 1}", "__import__('os')", "0x10", "1_000", "none", "true", " "]
    knob, value = draw.choice(knobs), draw.choice(values)
    words = draw.choice([
        ["config", "nursery", f"{knob}={value}"], ["config", value], ["config", "nursery", value],
        ["power", "--difference", value], ["power", "--difference", "0.1", "--power", value],
        ["corpus", "index", value or "."], ["toolbox", "audit", value], ["score", value], ["compare", value, value],
        ["evaluate", value, value, "--out", "/nonexistent/x"], [value], ["report", value, "--out", value],
        ["study", "export", value, "--out", value], ["convert", value or "x", "--out", value],
    ])  # fmt: skip
    with tempfile.TemporaryDirectory() as temporary, contextlib.chdir(temporary):
        return run(words)[0], " ".join(words)[:120]


def study_client() -> TestClient:
    folder = GIVEN / "study"
    os.environ |= {"BABYVLM_STUDY_PASSWORD": study_world.PASSWORD, "BABYVLM_STUDY_PIN": study_world.PIN}
    toolbox = study_world.build(folder / "toolbox", items=3)
    service = open_study(toolbox, str(folder / "study.db"), study_world.SHORT, ServeConfig())
    return TestClient(study_app(service, ServeConfig()), base_url="http://127.0.0.1", raise_server_exceptions=False)


def try_request(client: TestClient, number: int, seed: int) -> tuple[str, str]:
    """A request that no page sends."""
    draw = random.Random(f"{seed}/study/{number}")
    path = draw.choice([
        "/api/open", "/api/answer", "/api/consent", "/api/gate", "/api/skip", "/api/leave", "/api/browser", "/admin",
        "/api/picture/x/0", "/api/picture/%00/-1", "/api/admin/login", "/api/admin/invite", "/" + "a" * 3000, "/%2e%2e",
    ])  # fmt: skip
    body = draw.choice([
        json.dumps({draw.choice(["trial", "attempt", "choice", "pin", "version", "password"]): draw.choice(ABSURD)}),
        json.dumps(draw.choice(ABSURD)), "{", "[" * 2000, "\x00", "x" * 20_000, "{}",
    ])  # fmt: skip
    headers = {
        "content-type": draw.choice(["application/json", "text/plain", "", "application/json; charset=x"]),
        "authorization": draw.choice(["", "Bearer ", "Bearer x", "Basic eDp5", "Bearer " + "y" * 5000]),
        "host": draw.choice(["127.0.0.1", "localhost:1", "evil.example", "[::1]", "127.0.0.1.evil.example"]),
        "x-forwarded-for": draw.choice(["", "1.2.3.4", "x" * 300]),
    }
    method = draw.choice(["GET", "POST", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
    answer = client.request(method, path, content=body.encode(), headers=headers, follow_redirects=False)
    what = f"{method} {path[:40]} {body[:40]!r}"
    if answer.status_code >= 500:
        return f"fault: status {answer.status_code} at {path[:30]}", what
    if "evil" in headers["host"] and answer.status_code < 400:
        return "fault: another site's name was served", what
    return ("used" if answer.status_code < 400 else "refused"), what


def prepare() -> None:
    """Good inputs."""
    kills.prepare(GIVEN)
    sidecars = GIVEN / "sidecars"
    sidecars.mkdir()
    video = next((GIVEN / "recordings").rglob("*.mp4"))
    cues = [(n, n + 1, f"look at the ball {n}") for n in range(4)]
    clock = "00:00:0{}{}000"
    texts = {
        "a.vtt": "WEBVTT\n\n" + "".join(f"00:0{s}.000 --> 00:0{e}.000\n<v Mother>{t}\n\n" for s, e, t in cues),
        "b.srt": "".join(f"{s + 1}\n{clock.format(s, ',')} --> {clock.format(e, ',')}\n{t}\n\n" for s, e, t in cues),
        "c.cha": "@Begin\n@Participants:\tMOT Mother\n"
        + "".join(f"*MOT:\t{t} . \x15{s}000_{e}000\x15\n" for s, e, t in cues) + "@End\n",
        "d.csv": "start,end,speaker,text\n" + "".join(f"{s},{e},Mother,{t}\n" for s, e, t in cues),
        "e.json": json.dumps({"text": "", "segments": [{"start": s, "end": e, "text": t} for s, e, t in cues]}),
        "recordings.csv": "recording,child,licence\na,S,CC0\nb,S,CC0\n",
    }  # fmt: skip
    for name, text in texts.items():
        (sidecars / name).write_text(text, encoding="utf-8")
        if name[1] == ".":
            os.link(video, sidecars / f"{name[0]}.mp4")
    (sidecars / "a.boxes.json").write_text(json.dumps({
        "images": [{"id": 1, "width": 320, "height": 240, "time_s": 1.0}], "categories": [{"id": 1, "name": "cup"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 50, 40], "track_id": 3}],
    }))  # fmt: skip
    photographs = GIVEN / "photographs"
    for folder in ("images", "boxes"):
        (photographs / folder).mkdir(parents=True)
    draw = random.Random(0)
    for number in range(8):
        Image.effect_noise((320, 240), 60).convert("RGB").save(photographs / "images" / f"p{number}.jpg")
        boxes = "".join(
            f"<object><name>{draw.choice(['cup', 'ball', 'shoe', 'hat'])}</name><bndbox><xmin>{x}</xmin>"
            f"<ymin>{y}</ymin><xmax>{x + 60}</xmax><ymax>{y + 60}</ymax></bndbox></object>"
            for x, y in ((10, 10), (110, 20), (210, 140), (20, 150))
        )
        size = "<size><width>320</width><height>240</height><depth>3</depth></size>"
        (photographs / "boxes" / f"p{number}.xml").write_text(f"<annotation>{size}{boxes}</annotation>")
    shutil.copytree(GIVEN / "model" / "instruction", GIVEN / "trained")
    shutil.rmtree(GIVEN / "model")
    (GIVEN / "trained").rename(GIVEN / "model")
    (GIVEN / "scored").mkdir()
    shutil.copytree(GIVEN / "run", GIVEN / "scored" / "run")
    shutil.copytree(GIVEN / "toolbox", GIVEN / "scored" / "toolbox")


def main() -> None:
    global GIVEN
    names = [stage.name for stage in STAGES] + ["settings", "study"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--stages", nargs="+", default=names, choices=names)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--result", type=Path, default=RESULTS / f"bad_inputs-{datetime.date.today()}.json", help="kept here"
    )
    parser.add_argument("--only", default="", help="STAGE:NUMBER, one input")
    options = parser.parse_args()
    path = options.result
    result: dict[str, Any] = json.loads(path.read_text()) if path.is_file() and not options.only else {}
    shares = {stage.name: stage.share for stage in STAGES} | {"settings": SETTINGS_SHARE, "study": STUDY_SHARE}
    whole = sum(shares[name] for name in options.stages)
    by_name = {stage.name: stage for stage in STAGES}
    with tempfile.TemporaryDirectory() as temporary:
        GIVEN = Path(temporary)
        prepare()
        client = study_client() if "study" in options.stages or options.only.startswith("study") else None

        def one(name: str, number: int) -> tuple[str, str]:
            if name == "settings":
                return try_setting(number, options.seed)
            if name == "study":
                assert client is not None
                return try_request(client, number, options.seed)
            return try_file(by_name[name], number, options.seed)

        if options.only:
            name, _, number = options.only.partition(":")
            print(one(name, int(number)))
            return
        for name in options.stages:
            counts = result.setdefault(name, {"inputs": 0, "used": 0, "refused": 0, "faults": {}})
            ended_as: Counter[str] = Counter()
            while counts["inputs"] < math.ceil(options.inputs * shares[name] / whole):
                ended, what = one(name, counts["inputs"])
                if ended in ("used", "refused"):
                    counts[ended] += 1
                else:
                    counts["faults"][f"{name}:{counts['inputs']}"] = f"{ended} [{what}]"
                    ended_as[ended[:70]] += 1
                counts["inputs"] += 1
                if counts["inputs"] % 50 == 0:
                    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
            path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
            shown = {key: value for key, value in counts.items() if key != "faults"}
            print(name, shown, len(counts["faults"]), "faults", ended_as.most_common(12), flush=True)
    faults = sum(len(counts["faults"]) for counts in result.values())
    print(f"{sum(counts['inputs'] for counts in result.values())} inputs, {faults} faults")
    sys.exit(faults > 0)


if __name__ == "__main__":
    main()
