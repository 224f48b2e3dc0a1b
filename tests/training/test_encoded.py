"""Samples on disk are those in memory, and what a process holds of them does not grow with the data."""

import shutil

import numpy as np
import pytest

from babyvlm.curation import PretrainingSet
from babyvlm.curation.sets import write_conversations
from babyvlm.errors import DataFolderError
from babyvlm.images import ImageStore, ImageStoreWriter
from babyvlm.model.modeling import IGNORED
from babyvlm.training import encoded
from babyvlm.training.batches import Sample
from babyvlm.training.encoded import Compact, MappedSamples, read_samples, write_samples

IMAGE, PER_IMAGE = 50, 4


def drawn(draw):
    """A sample as the encoder makes it, with one placeholder a picture."""
    ids = draw.integers(0, IMAGE + 1, draw.integers(1, 30)).tolist()
    labels = [token if draw.random() < 0.5 and token != IMAGE else IGNORED for token in ids]
    return ids, labels, list(range(ids.count(IMAGE)))


def expanded(ids, labels, images):
    pairs = [pair for pair in zip(ids, labels, strict=True) for _ in range(PER_IMAGE if pair[0] == IMAGE else 1)]
    return [token for token, _ in pairs], [label for _, label in pairs], tuple(images)


@pytest.fixture
def written(tmp_path, monkeypatch):
    monkeypatch.setattr(encoded, "BATCH", 7)
    draw = np.random.default_rng(0)
    rows = [("ab"[draw.integers(0, 2)], drawn(draw)) for _ in range(40)]
    write_samples(tmp_path, ((source, Compact.of(*row)) for source, row in rows), {"too long": 3})
    return rows, read_samples(tmp_path, image_token=IMAGE, image_tokens=PER_IMAGE)


def test_samples_come_back_as_they_were(written):
    rows, found = written
    assert found.facts == {"too long": 3}
    assert list(found.sources) == list(dict.fromkeys(source for source, _ in rows))
    for source, samples in found.sources.items():
        expected = [expanded(*row) for name, row in rows if name == source]
        assert len(samples) == len(expected)
        for sample, (ids, labels, images) in zip(samples, expected, strict=True):
            assert isinstance(sample, Sample) and sample.ids.dtype == sample.labels.dtype == np.int32
            assert sample.ids.tolist() == ids and sample.labels.tolist() == labels and sample.images == images
        assert samples[-1].ids.tolist() == expected[-1][0] and [len(one) for one in samples[1:3]]
    with pytest.raises(IndexError):
        samples[len(samples)]


def test_no_sample_is_a_source_without_any(tmp_path):
    write_samples(tmp_path, (), {})
    assert read_samples(tmp_path, image_token=IMAGE, image_tokens=PER_IMAGE).sources == {}


def test_nothing_of_the_tokens_lies_in_the_processs_own_memory(written):
    _, found = written
    for samples in found.sources.values():
        assert isinstance(samples, MappedSamples)
        parts = [part for columns in samples.columns for column in columns for part in column if len(part)]
        assert parts and not any(part.flags.owndata for part in parts)


def test_conversations_one_by_one_are_those_read_at_once(data, tmp_path):
    for name in ("image", "video", "interleaved", "instruction"):
        assert list(data.each_conversation(name, "train")) == data.conversations(name, "train")
    copy = tmp_path / "copy"
    shutil.copytree(data.folder, copy)
    row = data.conversations("image", "train")[0]
    write_conversations(copy / "image.parquet", [row.model_construct(**row.__dict__ | {"images": row.images * 2})])
    with pytest.raises(DataFolderError, match=r"not a valid Conversation: .*2 images for 1 <image> placeholders"):
        list(PretrainingSet(copy).each_conversation("image", "train"))


def test_an_image_store_finds_every_id_and_the_last_of_two(tmp_path):
    for folder, ids in (("one", ["a", "b", "c"]), ("other", ["c", "d"])):
        with ImageStoreWriter(tmp_path / folder) as store:
            for name in ids:
                store.add(name, f"{folder} {name}".encode())
    with ImageStoreWriter(tmp_path / "both") as store:
        store.add_store(tmp_path / "one")
        store.add_store(tmp_path / "other")
    both = ImageStore(tmp_path / "both")
    assert len(both) == 4 and both.ids == ["a", "b", "c", "d"] and "e" not in both
    assert [both.jpeg(name) for name in both.ids] == [b"one a", b"one b", b"other c", b"other d"]
