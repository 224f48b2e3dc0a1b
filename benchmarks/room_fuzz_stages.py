"""What ``room_fuzz.py`` damages and runs: for each stage its inputs, the command or function, and what comes of it."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import study_world
from fastapi.testclient import TestClient
from PIL import Image

import babyvlm.cli
from babyvlm.corpus import open_corpus, read_photo_annotations, read_transcript
from babyvlm.errors import AnnotationError
from babyvlm.evaluation.apis.anthropic import AnthropicClient
from babyvlm.evaluation.apis.client import Received, Said, Trouble
from babyvlm.evaluation.apis.gemini import GeminiClient
from babyvlm.evaluation.apis.openai import OpenAIClient
from babyvlm.records import write_jsonl
from babyvlm.study.server import study_app
from babyvlm.study.service import StudyService
from babyvlm.study.store import Store
from babyvlm.toolbox import TASKS, open_toolbox
from babyvlm.toolbox.replies import read_answer
from babyvlm.toolbox.review.decisions import Decision, apply_decisions, read_decisions
from damage import WEIRD, damage, damage_folder
from kills import TRAIN, every_byte, replies, weights


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A room that is given bad input.

    Args:
        name: Of the stage.
        share: Of the inputs; quick stages take more.
        run: Uses the inputs of a folder, writes to another, and returns what came of it, for comparison.
        inputs: Makes the folder's inputs, from those that commands made before.
        damaged: Which of the inputs are damaged.
        neutral: Changes that must make no difference.
        spoil: Damages something other than a file and says how; None for files.
        telling: Changes that must be refused or seen in the result.
        keeps_output: Whether a refused command may leave its output, as a run that can be resumed does.
        says_where: Whether a refusal must name the file.
        longest_s: After which a command counts as hung.
    """

    name: str
    share: float
    run: Callable[[Path, Path], Any]
    inputs: Callable[[Path, Path], None]
    damaged: Sequence[str] = ()
    neutral: Sequence[str] = ()
    spoil: Callable[[Path, random.Random], str] | None = None
    telling: Callable[[Path, random.Random], str] | None = None
    keeps_output: bool = False
    says_where: bool = True
    longest_s: float = 20.0

    def damage(self, folder: Path, draw: random.Random) -> str:
        if self.spoil is not None:
            return self.spoil(folder, draw)
        files = sorted({path for pattern in self.damaged for path in folder.glob(pattern) if path.is_file()})
        if draw.random() < 0.03 and (folders := sorted({path.parent for path in files} - {folder})):
            chosen = draw.choice(folders)
            return f"{chosen.relative_to(folder)}: {damage_folder(chosen, draw)}"
        by_kind: dict[str, list[Path]] = {}
        for path in files:
            by_kind.setdefault(path.suffix + str(path.parent), []).append(path)
        chosen = draw.choice(by_kind[draw.choice(sorted(by_kind))])
        return f"{chosen.relative_to(folder)}: {damage(chosen, draw)}"


def command(*words: str, content: Callable[[Path], Any] = every_byte) -> Callable[[Path, Path], Any]:
    """Runs a command; ``{in}`` and ``{out}`` in its words are the folders."""

    def run(folder: Path, out: Path) -> Any:
        babyvlm.cli.main([word.replace("{in}", str(folder)).replace("{out}", str(out)) for word in words])
        return content(out)

    return run


def copies(**folders: str) -> Callable[[Path, Path], None]:
    """Copies of what commands made, by name."""

    def make(given: Path, folder: Path) -> None:
        for name, source in folders.items():
            shutil.copytree(given / source, folder / name)

    return make


# Recordings


TRANSCRIPTS = {
    "a.vtt": "WEBVTT\nLanguage: en\n\nNOTE by hand\n\n1\n00:01.000 --> 00:02.500\n<v Mother>look &amp; see</v>\n\n"
    "00:03.000 --> 00:04.000\nagain\n",
    "a.srt": "1\n00:00:01,000 --> 00:00:02,500\nMother: look\n\n2\n00:00:03,000 --> 00:00:04,000\nagain\n",
    "a.cha": "@Begin\n@Languages:\teng\n@Participants:\tCHI Target_Child, MOT Mother\n*MOT:\tlook at <the> [/] the dog "
    ".\n\tnow \x151000_2500\x15\n%mor:\tv|look\n*CHI:\tba . \x153000_4000\x15\n@End\n",
    "a.eaf": '<?xml version="1.0" encoding="UTF-8"?>\n<ANNOTATION_DOCUMENT><TIME_ORDER><TIME_SLOT TIME_SLOT_ID="a" '
    'TIME_VALUE="1000"/><TIME_SLOT TIME_SLOT_ID="b" TIME_VALUE="2500"/></TIME_ORDER><TIER TIER_ID="FA1"><ANNOTATION>'
    '<ALIGNABLE_ANNOTATION ANNOTATION_ID="1" TIME_SLOT_REF1="a" TIME_SLOT_REF2="b"><ANNOTATION_VALUE>look'
    "</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER></ANNOTATION_DOCUMENT>\n",
    "a.json": json.dumps({"language": "en", "segments": [{"start": 1.0, "end": 2.5, "text": "look"}]}, indent=1),
    "b.json": json.dumps(
        [{"RecognitionStatus": "Success", "Offset": 10_000_000, "Duration": 15_000_000, "DisplayText": "Look."}]
    ),
    "c.json": json.dumps(
        {"recognizedPhrases": [{"offsetInTicks": 1e7, "durationInTicks": 1e7, "nBest": [{"display": "Look."}]}]}
    ),
    "a.csv": "start,end,speaker,text\n1,2.5,MOT,look\n3,4,CHI,ba\n",
    "a.tsv": "start\tend\ttext\n1000\t2500\tlook\n",
}


def write_transcripts(given: Path, folder: Path) -> None:
    for name, text in TRANSCRIPTS.items():
        (folder / name).write_text(text, encoding="utf-8")


def read_transcripts(folder: Path, out: Path) -> Any:
    """Each alone: one that is refused costs itself, and only the damaged one may be."""
    return [
        [(cue.start_s, cue.end_s, cue.speaker, cue.text) for cue in found.utterances]
        + [str(problem) for problem in found.problems]
        for name in TRANSCRIPTS
        for found in [read_transcript(folder / name, recording="r", duration_s=10.0)]
    ]


def change_a_word(folder: Path, draw: random.Random) -> str:
    path = folder / draw.choice(sorted(TRANSCRIPTS))
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("look", "listen").replace("Look", "Listen"), encoding="utf-8")
    return f"{path.name}: another word"


def film(path: Path, seconds: int = 6) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"preset": "ultrafast", "g": "10"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        noise = np.random.default_rng(0)
        for _ in range(10 * seconds):
            picture = noise.integers(0, 255, (8, 12, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def write_recordings(given: Path, folder: Path) -> None:
    """Three recordings of one film, one of them with boxes."""
    corpus = folder / "corpus"
    corpus.mkdir()
    for name in ("r1", "r2", "r3"):
        shutil.copy(given / "films" / "film.mp4", corpus / f"{name}.mp4")
        (corpus / f"{name}.vtt").write_text(
            "WEBVTT\n\n00:00.500 --> 00:02.000\n<v Mother>look\n\n00:03.000 --> 00:05.500\n<v Mother>here\n"
        )
    (corpus / "recordings.csv").write_text(
        "recording,child,age_months,date,split,licence\nr1,S,12.5,2014-03-20,train,restricted\n"
        "r2,S,13,2014-04-02,test,CC0\nr3,A,20,2015-01-01,train,CC0\n"
    )
    (corpus / "r1.boxes.json").write_text(json.dumps(coco([(f"r1_{ms}.jpg", ms / 1000) for ms in (1000, 2000)])))


def coco(images: Sequence[tuple[str, float | None]]) -> dict[str, Any]:
    made = [
        {"id": number, "file_name": name, "width": 96, "height": 64} | ({} if time_s is None else {"time_s": time_s})
        for number, (name, time_s) in enumerate(images, start=1)
    ]
    boxes = [
        {"id": 2 * image["id"] + nth, "image_id": image["id"], "category_id": 1 + nth, "bbox": [8 + 30 * nth, 10, 24, 20],
         "area": 480, "iscrowd": 0}
        for image in made
        for nth in (0, 1)
    ]  # fmt: skip
    return {
        "images": made,
        "annotations": boxes,
        "categories": [{"id": 1, "name": "cup"}, {"id": 2, "name": "ball"}],
    }


def index_corpus(folder: Path, out: Path) -> Any:
    babyvlm.cli.main(["corpus", "index", str(folder / "corpus"), "--quick"])
    opened = open_corpus(folder / "corpus")
    return [recording.model_dump(mode="json") for recording in opened.recordings]


def relabel_recording(folder: Path, draw: random.Random) -> str:
    path = folder / "corpus" / "recordings.csv"
    one, other = draw.choice(
        [("12.5", "11.5"), ("r2,S", "r2,A"), ("CC0", "restricted"), ("2014-04-02", "2014-04-03"), ("r1,S", "r9,S")]
    )
    path.write_text(path.read_text().replace(one, other))
    return f"recordings.csv: {one} is {other}"


def corpus_boxes(folder: Path, out: Path) -> Any:
    opened = open_corpus(folder / "corpus")
    found = opened.boxes(next(each for each in opened.recordings if each.id == "r1"))
    return [frame.model_dump() for frame in found.frames], [str(problem) for problem in found.problems]


def relabel_box(folder: Path, draw: random.Random) -> str:
    path = next(path for path in folder.rglob("*.json") if path.name != "manifest.json")
    value = json.loads(path.read_text())
    box = draw.choice(value["annotations"])
    kind = draw.randrange(3)
    if kind == 0:
        box["category_id"] = 3 - box["category_id"]
    elif kind == 1:
        box["bbox"][0] += 3
    else:
        value["annotations"].remove(box)
    path.write_text(json.dumps(value))
    return f"{path.name}: {('another label', 'moved', 'a box fewer')[kind]}"


# Photographs


def write_photographs(style: str) -> Callable[[Path, Path], None]:
    def write(given: Path, folder: Path) -> None:
        (folder / "images").mkdir()
        noise = np.random.default_rng(0)
        for name in ("p1.jpg", "p2.jpg", "p3.png"):
            cells = noise.integers(0, 255, (8, 12, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
            Image.fromarray(cells).save(folder / "images" / name)
        boxes = folder / "boxes"
        boxes.mkdir()
        if style == "coco":
            (boxes / "boxes.json").write_text(
                json.dumps(coco([(name, None) for name in ("p1.jpg", "p2.jpg", "p3.png")]))
            )
            return
        for stem, suffix in (("p1", "jpg"), ("p2", "jpg"), ("p3", "png")):
            if style == "voc":
                (boxes / f"{stem}.xml").write_text(
                    f"<annotation><filename>{stem}.{suffix}</filename><size><width>96</width><height>64</height><depth>3"
                    "</depth></size><object><name>cup</name><bndbox><xmin>8</xmin><ymin>10</ymin><xmax>32</xmax>"
                    "<ymax>30</ymax></bndbox></object></annotation>"
                )
            elif style == "yolo":
                (boxes / f"{stem}.txt").write_text("0 0.25 0.4 0.2 0.3\n1 0.7 0.4 0.2 0.3\n")
            else:
                (boxes / f"{stem}.txt").write_text("cup 8 10 32 30\nball 40 10 70 30\n")
        if style == "yolo":
            (boxes / "classes.txt").write_text("cup\nball\n")

    return write


def photographs(folder: Path, out: Path) -> Any:
    source = folder / "boxes"
    if (folder / "boxes" / "boxes.json").exists() or (folder / "boxes" / "boxes.json").is_symlink():
        source = folder / "boxes" / "boxes.json"
    left_out: list[str] = []
    frames = read_photo_annotations(source, folder / "images", lambda _, error: left_out.append(str(error)))
    if not frames:
        raise AnnotationError(left_out[0])
    return [frame.model_dump() for frame in frames], left_out


# Items


def change_published(folder: Path, draw: random.Random) -> str:
    """A record fewer, or a right answer that is another's."""
    path = draw.choice(sorted((folder / "published").rglob("data.json")))
    value = json.loads(path.read_text(encoding="utf-8"))
    value.pop(draw.randrange(len(value)))
    path.write_text(json.dumps(value), encoding="utf-8")
    return f"{path.parent.name}: a record fewer"


def changed_gold(folder: Path, draw: random.Random) -> str:
    path = folder / "toolbox" / "items.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    at = draw.randrange(len(lines))
    item = json.loads(lines[at])
    turn = item["turns"][-1]
    turn["gold"] = next((option for option in turn["options"] if option != turn["gold"]), "C")
    lines[at] = json.dumps(item)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return f"line {at + 1}: another answer"


def changed_run(folder: Path, draw: random.Random) -> str:
    path = folder / "run" / "responses.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    kind = draw.randrange(4)
    if kind == 0:
        del lines[draw.randrange(len(lines))]
    elif kind == 1:
        lines.append(draw.choice(lines))
    elif kind == 2:
        value = json.loads(lines[0])
        value["item"] = json.loads(lines[1])["item"]
        lines[0] = json.dumps(value)
    else:
        lines = [line if '"text":' not in line else _silent(line) for line in lines]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return f"responses.jsonl: {('a line lost', 'a line doubled', 'ids exchanged', 'no answer to be read')[kind]}"


def _silent(line: str) -> str:
    value = json.loads(line)
    for reply in value["replies"]:
        reply["text"] = "hm"
    return json.dumps(value)


def scores(out: Path) -> Any:
    return json.loads((out.parent / "in" / "run" / "scores.json").read_text(encoding="utf-8"))


def write_decisions(given: Path, folder: Path) -> None:
    shutil.copytree(given / "toolbox", folder / "toolbox")
    items = open_toolbox(folder / "toolbox").items[:6]
    write_jsonl(
        folder / "decisions.jsonl",
        [
            Decision(item=item.id, task=item.task, verdict="reject" if number % 2 else "accept", reviewer="AB")
            for number, item in enumerate(items)
        ],
    )


def decided(folder: Path, out: Path) -> Any:
    decisions = read_decisions(folder / "decisions.jsonl")
    reviewed = apply_decisions(
        open_toolbox(folder / "toolbox").items, decisions.by_item.values(), source=folder / "decisions.jsonl"
    )
    return [item.id for item in reviewed.items], dict(reviewed.counts)


# APIs and replies


API_BODIES: dict[str, list[Any]] = {
    "openai": [
        {"model": "m", "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "A"}}],
         "usage": {"prompt_tokens": 9, "completion_tokens": 1}},
        {"model": "m", "output": [{"type": "message", "content": [{"type": "output_text", "text": "A"}]}],
         "usage": {"input_tokens": 9, "output_tokens": 1}},
        {"error": {"message": "Rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}},
    ],
    "anthropic": [
        {"model": "m", "stop_reason": "end_turn", "content": [{"type": "text", "text": "A"}],
         "usage": {"input_tokens": 9, "output_tokens": 1}},
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
    ],
    "gemini": [
        {"modelVersion": "m", "candidates": [{"finishReason": "STOP", "content": {"parts": [{"text": "A"}]}}],
         "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 1}},
        {"promptFeedback": {"blockReason": "SAFETY"}},
        {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "quota", "details": [
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3s"}]}},
    ],
}  # fmt: skip
CLIENTS = {"openai": OpenAIClient, "anthropic": AnthropicClient, "gemini": GeminiClient}


def write_bodies(given: Path, folder: Path) -> None:
    for name, bodies in API_BODIES.items():
        for number, body in enumerate(bodies):
            (folder / f"{name}-{number}.json").write_text(json.dumps(body), encoding="utf-8")
    (folder / "status").write_text("200", encoding="utf-8")


def spoil_body(folder: Path, draw: random.Random) -> str:
    path = draw.choice(sorted(folder.glob("*.json")))
    (folder / "status").write_text(str(draw.choice([200, 200, 200, 400, 401, 404, 429, 500, 302, 599])))
    said = damage(path, draw)
    if not path.is_file():
        path.unlink(missing_ok=True) if not path.is_dir() else path.rmdir()
        path.write_text("")
    return f"{path.name}: {said}"


def ask_clients(folder: Path, out: Path) -> Any:
    os.environ |= {"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k", "GEMINI_API_KEY": "k", "GOOGLE_API_KEY": "k"}
    found = []
    for path in sorted(folder.glob("*.json")):
        client: Any = CLIENTS[path.name.partition("-")[0]]("m", "http://127.0.0.1:9/v1", 5.0)
        text = path.read_bytes().decode("utf-8", "replace")
        status = int((folder / "status").read_text())
        client._call = lambda *_, status=status, text=text: Received(status, {"retry-after": text[:9]}, text)
        try:
            answer = client.ask([Said(role="user", parts=("A or B?",))], 5)
            found.append(["answer", answer.text, answer.refused])
        except Trouble as trouble:
            found.append([type(trouble).__name__])
    return found


REPLIES = (
    "A", "The answer is (B).", "<think>maybe C</think> B", "There are 3 apples, so 3", "top left", "**Answer:** $\\boxed{B}$",
    '{"answer": "B"}', "I cannot help with that.", "A or B", "答案是B", "Option 2", "twenty-one", "à gauche",
)  # fmt: skip


def write_replies(given: Path, folder: Path) -> None:
    for number, reply in enumerate(REPLIES):
        (folder / f"{number:02}.txt").write_text(reply, encoding="utf-8")


def spoil_reply(folder: Path, draw: random.Random) -> str:
    path = draw.choice(sorted(folder.iterdir()))
    kind = draw.randrange(5)
    text = path.read_text(encoding="utf-8")
    if kind == 0:
        text = text * draw.choice([2, 500, 5000])
    elif kind == 1:
        text = "".join(
            chr(draw.choice([draw.randrange(32, 0x2FFF), draw.randrange(0xE000, 0x10FFFF)])) for _ in range(200)
        )
    elif kind == 2:
        text = draw.choice(["(", "[", "<think>", "{", "*", "$", "9", "A ", "-", "\n"]) * 5000 + text
    elif kind == 3:
        other = (folder / draw.choice(sorted(folder.iterdir())).name).read_text(encoding="utf-8")
        cut = draw.randrange(len(text) + 1)
        text = text[:cut] + other + text[cut:]
    else:
        text = text[: draw.randrange(len(text) + 1)]
    path.write_text(text, encoding="utf-8", errors="replace", newline="")
    return f"{path.name}: {('repeated', 'noise', 'marks', 'two in one', 'cut')[kind]}"


def read_replies(folder: Path, out: Path) -> Any:
    found: list[Any] = []
    for path, spec, scoring in itertools.product(sorted(folder.iterdir()), TASKS.values(), ("default", "reference")):
        text = path.read_bytes().decode("utf-8", "replace")
        answer = read_answer(text, spec, spec.options, scoring=scoring)  # type: ignore[arg-type]
        if answer is not None and scoring == "default" and spec.answers == "letter":
            assert answer in spec.options, f"{answer!r} is no option"
        found.append(answer)
    return found


# Studies


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
    "/api/open", "/api/answer", "/api/answer", "/api/answer", "/api/gate", "/api/consent", "/api/browser", "/api/state",
    "/api/picture/x/0", "/api/voice/x/y", "/admin/api/login", "/admin/api/links", "/admin/api/overview", "/admin/api/session",
    "/admin/api/participants/x/release", "/admin/api/secrets", "/admin/api/logout", "/api/nothing", "/admin",
)  # fmt: skip


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
        client.cookies.update(json.loads((study / "cookies.json").read_text()))
        state = client.post("/api/open", json={}, headers=bearer(token))
        assert state.status_code == 200, f"the participant is shut out: {state.status_code} {state.text[:200]}"
    store.close()
    with sqlite3.connect(study / "study.db") as connection:
        trials = [row[0] for row in connection.execute("SELECT trial FROM answers")]
    assert len(set(trials)) == len(trials), "an answer is doubled"
    assert 3 <= len(trials) <= 4, f"{len(trials)} answers"
    return len(trials)


# Settings and command lines


RECIPE_KEYS = (
    "seed", "precision", "model.image_size", "model.patch_size", "model.vision_width", "model.text_heads",
    "model.vocabulary", "model.context", "model.image_fit", "vision.optimisation.steps", "vision.optimisation.learning_rate",
    "vision.prototypes", "vision.local_views", "language.packed_tokens", "language.optimisation.batch_size",
    "alignment.formats", "joint.trains", "joint.optimisation.warmup_fraction", "instruction.mixture", "cpu_processes",
    "checkpoint_every_s", "name", "model", "vision", "nothing.at.all", "visoin.optimisation.steps", "",
)  # fmt: skip
WORDS = (
    "", "=", "-1", "0", "1e400", "nan", "inf", "-inf", "None", "true", "[]", "{}", "[1,2", '"', "1,2", "0x10", "1_000",
    "9" * 400, "é", "\u202e", " 4", "4 ", "4.0", "4.5", "x" * 5000, "../..", "bf16", "['vision']", "1e-3", "10**9", "٣",
)  # fmt: skip


def nothing(given: Path, folder: Path) -> None:
    """No inputs."""


def spoil_setting(folder: Path, draw: random.Random) -> str:
    changes = [
        draw.choice(["", "--"] + [""] * 8) + draw.choice(RECIPE_KEYS) + draw.choice(["="] * 12 + ["", "==", " = "])
        + draw.choice(WORDS)
        for _ in range(draw.choice([1, 1, 1, 2]))
    ]  # fmt: skip
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


STAGES = (
    Stage(name="transcripts", share=0.16, run=read_transcripts, inputs=write_transcripts, damaged=["*"],
          neutral=["crlf", "byte order mark", "newlines"], telling=change_a_word),
    Stage(name="recordings", share=0.07, run=index_corpus, inputs=write_recordings, damaged=["corpus/recordings.csv"],
          neutral=["crlf", "byte order mark", "newlines"], telling=relabel_recording),
    Stage(name="videos", share=0.02, inputs=write_recordings, damaged=["corpus/*"],
          run=command("curate", "{in}/corpus", "--out", "{out}", "--workers", "1", "--min-window", "1",
                      "--on-problem", "skip", "--max-skipped-fraction", "1")),
    Stage(name="boxes", share=0.08, run=corpus_boxes, inputs=write_recordings, damaged=["corpus/*.boxes.json"],
          neutral=["crlf", "byte order mark", "newlines", "order"], telling=relabel_box),
    *(
        Stage(name=f"photographs, {style}", share=0.04, run=photographs, inputs=write_photographs(style),
              damaged=["boxes/*", "boxes/*", "images/*"], neutral=neutral, telling=telling)
        for style, neutral, telling in (
            ("coco", ["crlf", "byte order mark", "newlines", "order"], relabel_box), ("voc", ["crlf"], None),
            ("yolo", ["crlf", "byte order mark", "newlines"], None), ("one line", ["crlf", "newlines"], None),
        )
    ),
    Stage(name="import", share=0.06, inputs=copies(published="published"), damaged=["published/**/*"],
          run=command("toolbox", "import", "{in}/published", "--out", "{out}"), telling=change_published),
    Stage(name="toolbox", share=0.04, inputs=copies(toolbox="toolbox"), damaged=["toolbox/*", "toolbox/images/*"],
          run=command("toolbox", "export", "{in}/toolbox", "--out", "{out}"), telling=changed_gold),
    Stage(name="set, select", share=0.05, inputs=copies(set="set"), damaged=["set/*", "set/images/*"],
          run=command("corpus", "select", "{in}/set", "--out", "{out}", "--duplicate-bits", "6")),
    Stage(name="set, export", share=0.02, inputs=copies(set="set"),
          damaged=["set/*", "set/images/*", "set/instruction/*", "set/instruction/images/*"],
          run=command("corpus", "export", "{in}/set", "--out", "{out}", "--layout", "llava")),
    Stage(name="set, train", share=0.01, longest_s=90, inputs=copies(set="set"), keeps_output=True,
          damaged=["set/*", "set/images/*", "set/instruction/*"],
          run=command(*TRAIN, "--data", "{in}/set", "--out", "{out}", content=weights)),
    Stage(name="checkpoint", share=0.03, inputs=copies(model="model/instruction", toolbox="toolbox"), damaged=["model/*"],
          run=command("evaluate", "{in}/model", "{in}/toolbox", "--out", "{out}", "--limit", "1", content=replies),
          keeps_output=True),
    Stage(name="run, score", share=0.07, inputs=copies(run="run", toolbox="toolbox"), damaged=["run/*"],
          run=command("score", "{in}/run", content=scores), telling=changed_run),
    Stage(name="run, report", share=0.02, inputs=copies(run="run", toolbox="toolbox"), damaged=["run/*"],
          run=command("report", "{in}/run", "--out", "{out}", content=lambda out: out.stat().st_size)),
    Stage(name="run, resume", share=0.04, inputs=copies(run="run", toolbox="toolbox"), damaged=["run/*"], keeps_output=True,
          run=command("evaluate", "baseline:random", "{in}/toolbox", "--out", "{in}/run",
                      content=lambda out: replies(out.parent / "in" / "run"))),
    Stage(name="decisions", share=0.04, run=decided, inputs=write_decisions, damaged=["decisions.jsonl"]),
    Stage(name="API bodies", share=0.06, run=ask_clients, inputs=write_bodies, spoil=spoil_body, says_where=False),
    Stage(name="replies", share=0.06, run=read_replies, inputs=write_replies, spoil=spoil_reply, says_where=False),
    Stage(name="study requests", share=0.05, run=send_request, inputs=begin_study, spoil=spoil_request, says_where=False),
    Stage(name="study database", share=0.03, inputs=begin_study, damaged=["study/study.db"],
          run=command("study", "export", "{in}/study/study.db", "--out", "{out}")),
    Stage(name="settings", share=0.04, run=run_words, inputs=nothing, spoil=spoil_setting, says_where=False),
    Stage(name="command lines", share=0.05, run=run_words, inputs=small_inputs, spoil=spoil_words, says_where=False,
          keeps_output=True),
)  # fmt: skip


def prepare(given: Path) -> None:
    """What the stages' inputs are made of, beside what ``kills.prepare`` makes."""
    film(given / "films" / "film.mp4")
    make_study(given / "study")
