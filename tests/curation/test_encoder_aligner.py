"""A dual encoder trained before as the aligner, on pictures of one colour and texts that may name it."""

from __future__ import annotations

import pickle
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from babyvlm.cli import main
from babyvlm.curation import PretrainingSet
from babyvlm.curation.alignment import ClipTextPair, RecordingShard
from babyvlm.curation.candidates import Candidate, CandidateFrame
from babyvlm.curation.configuration import EncoderConfig
from babyvlm.curation.encoder_aligner import EncoderAligner, frame_and_parts
from babyvlm.curation.shards import Shard
from babyvlm.errors import InputError
from babyvlm.folders import Manifest
from babyvlm.images import ImageStoreWriter
from babyvlm.model import DualEncoder, DualEncoderConfig, ModelShape
from babyvlm.model.configuration import vision_config
from babyvlm.records import write_jsonl

COLOURS = {"red": (220, 40, 40), "green": (40, 180, 60), "blue": (40, 60, 220)}


class ColourEncoder:
    """Knows three words, each by the colour it names."""

    def __init__(self, scale: float = 4.0) -> None:
        self.name, self.revision, self.scale = "colours", f"scale {scale}", scale

    def features(self, pictures):
        return torch.tensor([one.resize((1, 1)).getpixel((0, 0)) for one in pictures], dtype=torch.float32)

    def placed(self, features_UE):
        return torch.nn.functional.normalize(features_UE, dim=1)

    def text(self, text):
        known = [torch.tensor(COLOURS[word], dtype=torch.float32) for word in text.split() if word in COLOURS]
        return self.placed(torch.stack(known).sum(0)[None])[0] if known else None


def recorded(folder: Path, name: str, texts: list[str], split: str = "train") -> RecordingShard:
    (folder / name).mkdir()
    candidates = [
        Candidate(recording=name, start_ms=n * 1000, end_ms=n * 1000 + 999, text=text, frames=())
        for n, text in enumerate(texts)
    ]
    write_jsonl(folder / name / "candidates.jsonl", candidates)
    return RecordingShard(recording=name, split=split, shard=Shard(folder=folder / name))


def clip(text: str, *colours: str) -> ClipTextPair:
    return ClipTextPair(pictures=[Image.new("RGB", (20, 20), COLOURS[colour]) for colour in colours], text=text)


def test_scores_are_the_information_of_the_definition(tmp_path):
    aligner = EncoderAligner(ColourEncoder)
    heard = ["a red one", "blue", "look there", "green and red"]
    aligner.fit([recorded(tmp_path, "r", heard), recorded(tmp_path, "t", ["blue blue"], split="test")])
    found = list(aligner.score("r", [clip("the red ball", "red", "blue"), clip("nobody knows", "red"), clip("red")]))

    unit = {name: np.array(colour) / np.linalg.norm(colour) for name, colour in COLOURS.items()}
    both = np.array(COLOURS["green"]) + np.array(COLOURS["red"])
    references = [unit["red"], unit["blue"], both / np.linalg.norm(both)]  # of training recordings, and known
    expected = []
    for shown in ("red", "blue"):
        others = np.mean([np.exp(4 * unit[shown] @ other) for other in references])
        expected.append(np.tanh((4 * unit[shown] @ unit["red"] - np.log(others)) / 2))
    assert found[0].frames == pytest.approx(expected, abs=1e-4) and found[0].frames[0] > 0 > found[0].frames[1]
    assert found[0].clip == pytest.approx(np.mean(expected), abs=1e-4)
    assert (found[1].clip, found[1].frames) == (0, (0,)) and (found[2].clip, found[2].frames) == (None, ())


@pytest.mark.parametrize("parts", [1, 3])
def test_unrelated_texts_are_worth_nothing_on_average(tmp_path, parts):
    """Over frames and texts of the corpus, exponentials of what scores were before they were squashed average to 1."""
    draw = np.random.default_rng(0)
    pictures = [
        Image.fromarray(draw.integers(0, 255, (12, 12, 3), dtype=np.uint8).repeat(5, 0).repeat(5, 1)) for _ in "1234"
    ]
    shard = Shard(folder=tmp_path / "r")
    texts = ["a red one", "blue", "green", "green and red"]
    with ImageStoreWriter(shard.images_folder) as images:
        for number, picture in enumerate(pictures):
            images.add(f"r_{number}", picture)
    stored = [shard.images().read(f"r_{number}") for number in range(4)]
    frames = [CandidateFrame(image=f"r_{number}", number=1, sharpness=1.0, looks="0" * 16) for number in range(4)]
    rows = [
        Candidate(recording="r", start_ms=n * 1000, end_ms=n * 1000 + 999, text=text, frames=(frame,))
        for n, (text, frame) in enumerate(zip(texts, frames, strict=True))
    ]
    write_jsonl(shard.folder / "candidates.jsonl", rows)
    aligner = EncoderAligner(ColourEncoder, EncoderConfig(model="colours", parts=parts))
    aligner.fit([RecordingShard(recording="r", split="train", shard=shard)])
    scored = aligner.score("r", [ClipTextPair(pictures=stored, text=text) for text in texts])
    values = np.array([one.frames for one in scored])
    assert np.exp(2 * np.arctanh(values)).mean() == pytest.approx(1, abs=1e-3) and values.std() > 0.05


def test_a_frame_is_seen_whole_and_in_parts_that_cover_it():
    frame = Image.fromarray(np.arange(40 * 60, dtype=np.uint16).reshape(40, 60).astype(np.int32))
    parts = frame_and_parts(frame, 3)
    assert [part.size for part in parts] == [(60, 40)] + [(39, 26)] * 4 + [(26, 17)] * 9
    for few in (parts[1:5], parts[5:]):
        assert len(np.unique(np.concatenate([np.asarray(part).ravel() for part in few]))) == 40 * 60
    assert frame_and_parts(frame, 1) == [frame]


def test_the_part_that_tells_most_answers_for_its_frame(tmp_path):
    """A red corner of a blue frame fills a part of it, and is hardly seen in the whole."""
    frame = Image.new("RGB", (60, 60), COLOURS["blue"])
    frame.paste(COLOURS["red"], (40, 40, 60, 60))
    pair = ClipTextPair(pictures=[frame, Image.new("RGB", (60, 60), COLOURS["blue"])], text="a red one")
    found = {}
    for parts in (1, 3):
        aligner = EncoderAligner(ColourEncoder, EncoderConfig(model="colours", parts=parts))
        aligner.fit([recorded(tmp_path, f"r{parts}", ["a red one", "blue", "green"])])
        (scores,) = aligner.score("r", [pair])
        found[parts] = scores.frames
    assert found[1][0] < 0 < found[3][0] and found[1][1] == found[3][1] < 0


def test_the_name_tells_weights_and_texts_apart_and_survives_another_process(tmp_path):
    first, second = recorded(tmp_path, "r", ["red one", "blue"]), recorded(tmp_path, "s", ["green"])
    names = []
    for opened, recordings, parts in (
        (ColourEncoder, [first], 3),
        (ColourEncoder, [first], 2),
        (ColourEncoder, [first, second], 3),
        (partial(ColourEncoder, 9.0), [first], 3),
    ):
        aligner = EncoderAligner(opened, EncoderConfig(model="colours", parts=parts))
        aligner.fit(recordings)
        elsewhere = pickle.loads(pickle.dumps(aligner))
        assert list(elsewhere.score("r", [clip("red", "red")])) == list(aligner.score("r", [clip("red", "red")]))
        assert elsewhere.name == aligner.name
        names.append(aligner.name)
    assert len(set(names)) == 4


def test_an_encoder_that_knows_no_word_of_the_corpus_is_refused(tmp_path):
    with pytest.raises(InputError, match="knows no word of 2 different texts of the corpus"):
        EncoderAligner(ColourEncoder).fit([recorded(tmp_path, "r", ["ball", "cup"])])


def test_a_contrastive_stage_filters_a_set(small_corpus, tmp_path):
    shape = ModelShape(image_size=32, patch_size=16, vision_width=32, vision_layers=1, vision_heads=2)
    torch.manual_seed(0)
    config = DualEncoderConfig(
        vision_config=vision_config(shape).to_dict(), words=["word"], width=16, image_fit="stretch"
    )
    DualEncoder(config).save_pretrained(tmp_path / "stage")
    Manifest(kind="checkpoint", configuration={"recipe": "tiny", "stage": "contrastive"}).write(tmp_path / "stage")
    words = ["curate", str(small_corpus), "--workers", "1", "--aligner", "encoder"]
    words += ["--encoder.model", str(tmp_path / "stage")]
    # All texts are the one word it knows, which no picture makes likelier than the others.
    main([*words, "--out", str(tmp_path / "set"), "--min-clip-alignment", "-0.1", "--min-frame-alignment", "-0.1"])
    kept = PretrainingSet(tmp_path / "set")
    assert kept.manifest.configuration["aligner"].startswith("encoder: dual encoder tiny, ")
    assert {one.score for one in kept.candidates()} == {0.0}
    with pytest.raises(SystemExit):
        main([*words, "--out", str(tmp_path / "none")])
    assert not (tmp_path / "none").exists()
