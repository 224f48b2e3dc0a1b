"""A curated set of four short recordings of a child at known ages, and sources whose times are drawn."""

import numpy as np

from babyvlm.curation import PretrainingSet, curate
from babyvlm.curation.sets import SOURCES, SampleSources, write_conversations
from babyvlm.folders import Manifest
from babyvlm.images import ImageStoreWriter
from babyvlm.records import Conversation, Recording, Turn, write_jsonl
from babyvlm.training.origins import Origins, SampleOrigin

AGES = {"d": 6.2, "a": 7.5, "c": 7.9, "b": 9.0}
"""By recording; their names are in another order."""


def aged_set(folder, make_video):
    """Each recording says what no other does, so that the tokenizer and the texts tell them apart."""
    words = {"d": "look a ball", "a": "the red cup there", "c": "big dog", "b": "see the little yellow duck now"}
    for name in AGES:
        make_video(folder / "corpus" / f"{name}.mp4", seconds=8)
        cues = [f"00:{s:02d}.000 --> 00:{s + 2:02d}.000\n{words[name]} {s}\n" for s in range(0, 7, 2)]
        (folder / "corpus" / f"{name}.vtt").write_text("WEBVTT\n\n" + "\n".join(cues), encoding="utf-8")
    rows = [f"{name},S,{age},train" for name, age in AGES.items()]
    (folder / "corpus" / "recordings.csv").write_text("recording,child,age_months,split\n" + "\n".join(rows) + "\n")
    curate(folder / "corpus", folder / "data", workers=1)
    built = PretrainingSet(folder / "data")
    pairs = built.conversations("image", "train")
    instruction = folder / "data" / "instruction"
    instruction.mkdir()
    with ImageStoreWriter(instruction / "images") as store:
        store.add("crop", built.read_image(pairs[0].images[0]))
    samples = [
        Conversation(
            id=f"q{number}", format="instruction", task="object_counting", images=("crop",),
            turns=(Turn(prompt="<image> How many?", answer=str(number % 3)),),
            recording="" if number % 2 else row.recording,
        )
        for number, row in enumerate(pairs)
    ]  # fmt: skip
    write_conversations(instruction / "instruction.parquet", samples)
    several = [
        SampleSources(id=f"q{number}", recordings=tuple(sorted({row.recording, "d"})))
        for number, row in enumerate(pairs)
        if number % 2
    ]
    write_jsonl(instruction / SOURCES, several)
    Manifest(kind="instruction-set", counts={"train: object_counting": len(samples)}).write(instruction)
    return PretrainingSet(folder / "data")


def recordings_of_ages(*ages):
    """One recording for each age; None for an unknown one."""
    return tuple(
        Recording(id=f"r{number}", child="S", age_months=age, media=f"r{number}.mp4", duration_s=60)
        for number, age in enumerate(ages)
    )


def origins_of_recordings(*recordings, words=1):
    """One sample for each entry: the place of its recording, or of several; at ascending times."""
    return Origins.of(
        SampleOrigin(recordings=(each,) if isinstance(each, int) else each, start_s=float(number), words=words)
        for number, each in enumerate(recordings)
    )


def drawn_sources(seed=0):
    """Two sources on 12 recordings of drawn ages, some samples of two recordings."""
    draw = np.random.default_rng(seed)
    recordings = recordings_of_ages(*draw.uniform(6, 12, 12).round(1).tolist())
    sources = {}
    for name, size in (("image", 60), ("video", 25)):
        places = draw.integers(0, 12, size).tolist()
        several = [(place, int(draw.integers(0, 12))) if draw.random() < 0.2 else place for place in places]
        sources[name] = origins_of_recordings(*several)
    return recordings, sources
