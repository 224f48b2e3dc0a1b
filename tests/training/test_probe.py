"""The nearest-neighbour probe finds what a tower can tell apart, and says nothing where it cannot."""

import json
from types import SimpleNamespace

import pytest
import torch

from babyvlm.curation import PretrainingSet
from babyvlm.records import Conversation, Turn
from babyvlm.training import probe as training_probe
from babyvlm.training.probe import Probe
from tests.training.tiny import TINY


class Colours(torch.nn.Module):
    """A tower that sees mean colours, or nothing at all."""

    def __init__(self, blind=False):
        super().__init__()
        self.weight, self.blind = torch.nn.Parameter(torch.zeros(1)), blind

    def forward(self, pixels_NCHW):
        seen_NC = pixels_NCHW.mean((2, 3)) if not self.blind else torch.ones(len(pixels_NCHW), 3)
        return SimpleNamespace(last_hidden_state=seen_NC[:, None])


def asked(number, word, split):
    return Conversation(
        id=f"{split}{number}", format="instruction", task="picture_vocabulary", split=split,
        images=(f"{word}-{split}{number}", f"other{number}"),
        turns=(Turn(prompt=f"Touch the image of '{word}' (A)<image> (B)<image>", answer="A"),),
    )  # fmt: skip


@pytest.fixture
def coloured(data, monkeypatch):
    """Pictures whose colour is that of their name."""
    colours = {"red": (200, 10, 10), "blue": (10, 10, 200), "S": (200, 10, 10), "A": (10, 10, 200)}
    monkeypatch.setattr(PretrainingSet, "read_image", lambda self, image: image)
    monkeypatch.setattr(
        training_probe,
        "square_pixels",
        lambda image, size, fit: (
            torch.tensor(colours[image.split("-")[0]], dtype=torch.uint8)[:, None, None].expand(3, size, size).numpy()
        ),
    )

    def with_rows(rows):
        monkeypatch.setattr(
            PretrainingSet, "conversations", lambda self, format, split: [r for r in rows if r.split == split]
        )
        return data

    return with_rows


def test_words_are_voted_for_by_pictures_of_the_training_split(coloured):
    rows = [asked(n, word, split) for split in ("train", "validation") for n in range(30) for word in ("red", "blue")]
    probe = Probe(coloured(rows), TINY)
    assert probe and probe.by_word
    assert probe.accuracy(Colours()) == 1.0
    assert probe.accuracy(Colours(blind=True)) == pytest.approx(0.5, abs=0.01)
    with torch.autocast("cpu", torch.bfloat16):  # the vision stage's
        assert probe.accuracy(Colours()) == 1.0


def test_without_boxes_frames_look_for_their_recording_outside_their_clip(coloured, monkeypatch):
    monkeypatch.setattr(PretrainingSet, "has_instruction", False)
    rows = [
        Conversation(id=f"{name}{n}", format="image", images=(f"{name}-{n}",), split="validation", recording=name,
                     start_s=float(clip), turns=(Turn(prompt="<image>", answer="look"),))
        for name in ("S", "A") for n, clip in enumerate((1, 1, 2, 2))
    ]  # fmt: skip
    probe = Probe(coloured(rows), TINY)
    assert probe and not probe.by_word
    assert probe.accuracy(Colours()) == 1.0
    one_clip = [row.model_copy(update={"start_s": 1.0}) for row in rows if row.recording == "S"] + rows[4:]
    assert Probe(coloured(one_clip), TINY).accuracy(Colours()) == pytest.approx(0.5)  # S has no other clip to find


def test_nothing_to_tell_apart_is_left_out(coloured, trained):
    assert not Probe(coloured([asked(0, "red", "train"), asked(0, "red", "validation")]), TINY)
    lines = [json.loads(line) for line in (trained / "vision" / "metrics.jsonl").read_text().splitlines()]
    assert not any(name.startswith("knn") for line in lines for name in line)  # one recording, none of validation
