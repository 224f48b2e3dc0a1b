"""The corpus's own encoder, on pictures whose colour is what is said of them, or is not."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from babyvlm.curation import own_encoder
from babyvlm.curation.alignment import ClipTextPair, RecordingShard, score_shard
from babyvlm.curation.candidates import Candidate, CandidateFrame, RecordingSpeech
from babyvlm.curation.configuration import OwnEncoderConfig
from babyvlm.curation.own_encoder import OwnAligner
from babyvlm.curation.shards import Shard
from babyvlm.errors import ConfigError, InputError
from babyvlm.images import ImageStoreWriter
from babyvlm.records import write_jsonl

COLOURS = {"red": (220, 40, 40), "green": (40, 180, 60), "blue": (40, 60, 220), "white": (240, 240, 240)}
TEXTS = ("look a {} one", "the {} ball", "you like {}", "{} again")
CONFIG = OwnEncoderConfig(folds=2, steps=120, batch=48, width=32)


def picture(colour: str, seed: int) -> Image.Image:
    noise = np.random.default_rng(seed).normal(0, 25, (48, 48, 3))
    return Image.fromarray(np.clip(np.asarray(COLOURS[colour]) + noise, 0, 255).astype(np.uint8))


def recorded(folder: Path, name: str, split: str = "train", clips: int = 24) -> RecordingShard:
    """A recording in which every other utterance names the colour in view, and the others one that is not."""
    shard = Shard(folder=folder / name)
    candidates = []
    with ImageStoreWriter(shard.images_folder) as images:
        for number in range(clips):
            seen = list(COLOURS)[number % 4]
            said = seen if number % 3 else list(COLOURS)[(number + 1) % 4]
            images.add(f"{name}_{number}", picture(seen, zlib.crc32(f"{name} {number}".encode())))
            frame = CandidateFrame(image=f"{name}_{number}", number=1, sharpness=1.0, looks="0" * 16)
            text = TEXTS[number // 4 % 4].format(said)
            candidates.append(
                Candidate(
                    recording=name, start_ms=number * 1000, end_ms=number * 1000 + 999, text=text, frames=(frame,)
                )
            )
    write_jsonl(shard.folder / "candidates.jsonl", candidates)
    (shard.folder / "heard.json").write_text(RecordingSpeech(utterances=(), clips=()).model_dump_json())
    return RecordingShard(recording=name, split=split, shard=shard)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> list[RecordingShard]:
    folder = tmp_path_factory.mktemp("own")
    return [recorded(folder, f"r{number}") for number in range(8)]


@pytest.mark.slow
def test_what_is_in_view_scores_above_what_is_not(corpus: list[RecordingShard]) -> None:
    aligner = OwnAligner(CONFIG)
    aligner.fit(corpus)
    fitting, other = [], []
    for each in corpus:
        score_shard(aligner, each)
        for number, candidate in enumerate(each.shard.candidates(aligner.name)):
            (fitting if number % 3 else other).append(candidate.frames[0].score)
    assert np.mean(fitting) > np.mean(other) + 0.3 and np.mean(fitting) > 0.1
    assert all(-1 <= score <= 1 for score in fitting + other)


def test_nothing_is_scored_by_a_model_that_learned_it(corpus: list[RecordingShard], monkeypatch) -> None:
    learned: list[set[str]] = []
    read = own_encoder._read_pairs
    monkeypatch.setattr(
        own_encoder,
        "_read_pairs",
        lambda each, config: learned.append({r.recording for r in each}) or read(each, config),
    )
    held_out = RecordingShard(recording="r0", split="test", shard=corpus[0].shard)
    aligner = OwnAligner(OwnEncoderConfig(folds=2, steps=2, batch=8, width=8, seed=3))
    aligner.fit([held_out, *corpus[1:]])
    assert len(learned) == 2 and not learned[0] & learned[1]
    for each in corpus[1:]:
        assert each.recording not in learned[aligner.fold_of(each.recording)]
    assert "r0" not in learned[0] | learned[1]


def test_same_seed_same_scores_and_another_corpus_another_name(corpus: list[RecordingShard]) -> None:
    config = OwnEncoderConfig(folds=2, steps=3, batch=8, width=8)
    first, second = OwnAligner(config), OwnAligner(config)
    clip = ClipTextPair(pictures=(picture("red", 0), picture("blue", 1)), text="the red ball")
    before = torch.random.get_rng_state()
    for aligner in (first, second):
        aligner.fit(corpus)
    assert torch.equal(before, torch.random.get_rng_state())
    assert list(first.score("r1", [clip])) == list(second.score("r1", [clip]))
    assert first.name == second.name
    second.fit(corpus[:-1])
    assert first.name != second.name


def test_too_little_to_learn_from_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="clips are too few for --aligner self"):
        OwnAligner(CONFIG).fit([recorded(tmp_path, "only", clips=8)])
    with pytest.raises(ConfigError, match="folds"):
        OwnEncoderConfig(folds=1)
