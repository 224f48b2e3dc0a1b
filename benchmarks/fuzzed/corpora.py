"""Recordings, transcripts, boxes and photographs."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

import babyvlm.cli
from babyvlm.corpus import open_corpus, read_photo_annotations, read_transcript
from babyvlm.errors import AnnotationError

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
        {
            "id": 2 * image["id"] + nth,
            "image_id": image["id"],
            "category_id": 1 + nth,
            "bbox": [8 + 30 * nth, 10, 24, 20],
            "area": 480,
            "iscrowd": 0,
        }
        for image in made
        for nth in (0, 1)
    ]
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
