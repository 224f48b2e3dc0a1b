"""A damaged file of a set is named, whatever pyarrow makes of it."""

import os
import random
import shutil

import pytest

from babyvlm.curation import PretrainingSet, curate
from babyvlm.curation.reselect import SelectionChanges, reselect
from babyvlm.errors import DataFolderError


@pytest.fixture(scope="module")
def whole(small_corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged") / "set"
    curate(small_corpus, folder, workers=1)
    return folder


def read_everything(folder):
    data = PretrainingSet(folder)
    read = [data.conversations(name) for name in ("image", "video", "interleaved")]
    pictures = [data.read_image(image).size for rows in read for row in rows for image in row.images]
    return [data.recordings, data.utterances(), list(data.candidates()), read, pictures]


@pytest.mark.case("one datum")
@pytest.mark.parametrize("name", ["image.parquet", "utterances.parquet", "candidates.parquet", "recordings.jsonl"])
@pytest.mark.parametrize("seed", range(4))
def test_changed_bytes_are_refused_by_name_or_read(whole, tmp_path, name, seed):
    folder, draw = tmp_path / "set", random.Random(seed)
    shutil.copytree(whole, folder)
    data = bytearray((folder / name).read_bytes())
    if seed == 0:
        del data[len(data) // 2 :]
    for _ in range(20 * seed):
        data[draw.randrange(len(data))] = draw.randrange(256)
    (folder / name).write_bytes(bytes(data))
    try:
        read_everything(folder)
    except DataFolderError as error:
        assert name in str(error) or "images" in str(error)
    else:
        assert seed, "half a file is not whole"


def without_a_recording(path):
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))


def a_pipe(path):
    path.unlink()
    os.mkfifo(path)


@pytest.mark.case("one datum")
@pytest.mark.parametrize(
    ("name", "damage"),
    [("recordings.jsonl", without_a_recording), ("recordings.jsonl", a_pipe), ("utterances.parquet", a_pipe)],
)
def test_a_selection_from_a_damaged_set_is_refused_and_leaves_nothing(whole, tmp_path, name, damage):
    folder = tmp_path / "set"
    shutil.copytree(whole, folder)
    damage(folder / name)
    with pytest.raises(DataFolderError, match=name):
        reselect(folder, tmp_path / "out", SelectionChanges(duplicate_bits=2))
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
