"""A curated set of a few seconds, and a run of all stages on it."""

import pytest
from accelerate.state import AcceleratorState

from babyvlm.curation import PretrainingSet, curate
from babyvlm.curation.sets import write_conversations
from babyvlm.images import ImageStoreWriter
from babyvlm.records import Conversation, Turn
from babyvlm.training import Trainer
from tests.training.tiny import tiny_recipe


@pytest.fixture(scope="session")
def data(make_video, tmp_path_factory):
    """A curated set of one short recording, with an instruction set of its frames."""
    folder = tmp_path_factory.mktemp("tiny")
    make_video(folder / "corpus" / "A.mp4", seconds=20)
    cues = [f"00:{s:02d}.000 --> 00:{s + 2:02d}.000\nlook at the ball number {s}\n" for s in range(0, 18, 2)]
    (folder / "corpus" / "A.vtt").write_text("WEBVTT\n\n" + "\n".join(cues), encoding="utf-8")
    curate(folder / "corpus", folder / "data", workers=1)
    built = PretrainingSet(folder / "data")
    rows = built.conversations("image", "train")
    instruction = folder / "data" / "instruction"
    instruction.mkdir()
    with ImageStoreWriter(instruction / "images") as store:
        for row in rows:
            store.add("crop-" + row.images[0], built.read_image(row.images[0]))
    write_conversations(
        instruction / "instruction.parquet",
        [
            Conversation(
                id=f"q{number}", format="instruction", task="object_counting", images=("crop-" + row.images[0],),
                turns=(Turn(prompt="<image> How many?", answer=str(number % 3)),), recording="A",
            )
            for number, row in enumerate(rows)
        ],
    )  # fmt: skip
    return PretrainingSet(folder / "data")


@pytest.fixture(scope="session")
def trained(data, tmp_path_factory):
    AcceleratorState._reset_state()  # a test before may have left another precision
    out = tmp_path_factory.mktemp("run") / "model"
    Trainer(tiny_recipe(), data, out).run()
    return out


@pytest.fixture
def another_precision(trained):
    """accelerate keeps one precision for a process, and other tests take another."""
    AcceleratorState._reset_state()
    yield
    AcceleratorState._reset_state()
