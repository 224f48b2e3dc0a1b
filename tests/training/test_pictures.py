"""Decoded pictures: right on every node, whole or absent, shared by stages, and no word left unsaid by a full disk."""

import errno
import json
import os
from dataclasses import replace

import numpy as np
import pytest
from accelerate import Accelerator
from PIL import Image

from babyvlm.errors import ConfigError, DataFolderError
from babyvlm.images import ImageStore, ImageStoreWriter
from babyvlm.model.processing import square_pixels
from babyvlm.training import STAGES, Trainer, require_room, room
from babyvlm.training import pictures as training_pictures
from babyvlm.training.nodes import NodeCache, decided, default_folder
from babyvlm.training.pictures import PixelTable, record_bytes
from tests.training.ranks import start_ranks
from tests.training.tiny import tiny_recipe

SIZE = 20  # of no whole page
pytestmark = pytest.mark.usefixtures("another_precision")


class Store:
    """An image store that can be read as a set is, and counts what is decoded."""

    def __init__(self, folder):
        self._store, self.decoded = ImageStore(folder), 0

    def read_image(self, image_id):
        self.decoded += 1
        return self._store.read(image_id)

    @property
    def ids(self):
        return self._store.ids


def noise(folder, count):
    draw = np.random.default_rng(0)
    with ImageStoreWriter(folder) as writer:
        for number in range(count):
            writer.add(f"p{number:03d}", Image.fromarray(draw.integers(0, 256, (24, 30, 3), np.uint8)))
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return noise(tmp_path_factory.mktemp("store") / "images", 40)


def table(store, folder, *, ids=None, first=None):
    accelerator = Accelerator(cpu=True)
    cache = NodeCache(folder, accelerator, kept=True)
    wanted = store.ids if ids is None else ids
    return PixelTable(store, lambda: wanted, size=SIZE, fit="pad", cache=cache, accelerator=accelerator, first=first)


def wrong(store, made):
    return sum(
        not np.array_equal(made.pixels_NCHW[number], square_pixels(store.read_image(image_id), SIZE))
        for number, image_id in enumerate(store.ids[: len(made)])
    )


def test_pictures_are_those_of_the_set_and_are_decoded_once(store, tmp_path):
    store = Store(store)
    assert wrong(store, table(store, tmp_path)) == 0
    store.decoded = 0
    again = table(store, tmp_path, first=7)
    assert store.decoded == 0 and len(again) == len(again.aspects_N) == 7
    assert table(store, tmp_path, ids=store.ids[:5]).pixels_NCHW.shape == (5, 3, SIZE, SIZE)
    assert store.decoded == 5, "other pictures are another table"
    pixels = next(tmp_path.glob("pictures-*/pixels"))
    assert pixels.stat().st_size % record_bytes(SIZE) == 0 and record_bytes(SIZE) % 4096 == 0


def test_what_a_kill_left_is_no_table(store, tmp_path):
    store = Store(store)
    whole = table(store, tmp_path).pixels_NCHW.clone()
    (made,) = tmp_path.iterdir()
    (made / "whole.json").unlink()
    (made / "pixels").write_bytes(bytes(10))
    partial = tmp_path / f".{made.name}.{os.uname().nodename}-0.partial"
    made.rename(partial)
    again = table(store, tmp_path)
    assert (again.pixels_NCHW == whole).all()
    assert [path.name for path in tmp_path.iterdir()] == [made.name]


@pytest.mark.parametrize("call", ["posix_fallocate", "pwrite"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_no_room_is_a_sentence_with_the_sizes(call, code, store, tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(training_pictures.os, call, full)
    with pytest.raises(DataFolderError, match=r"no room for 0\.00 GB of decoded pictures .* free there.*--cache"):
        table(Store(store), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_disk_that_is_too_small_is_told_before_anything_starts(data, tmp_path, monkeypatch):
    monkeypatch.setattr(room, "free_bytes", lambda folder: 1000)
    with pytest.raises(ConfigError, match=r"0\.00 GB are needed.*--cache.*nothing was started"):
        require_room(tiny_recipe(), data, STAGES, tmp_path / "run", None, 1)
    with pytest.raises(ConfigError, match="TMPDIR"):
        require_room(tiny_recipe(), data, STAGES, tmp_path / "run", None, 2)
    sizes = {stage: room.picture_bytes(tiny_recipe(), data, stage, STAGES) for stage in STAGES}
    assert sizes["vision"] > sizes["joint"] == sizes["alignment"] > sizes["language"] == 0
    monkeypatch.setattr(room, "free_bytes", lambda folder: max(sizes.values()))
    require_room(tiny_recipe(), data, STAGES, tmp_path / "run", None, 1)


def test_alignment_shows_the_first_of_the_joint_stages_pictures_and_loses_the_same(
    data, trained, tmp_path, monkeypatch
):
    decoded = []
    real = type(data).read_image
    monkeypatch.setattr(type(data), "read_image", lambda self, name: decoded.append(name) or real(self, name))
    recipe = replace(tiny_recipe(), validations=0)
    out = tmp_path / "run"
    Trainer.claim(out, recipe, data)
    for name in ("tokenizer", "vision", "language"):
        (out / name).symlink_to(trained / name)
    Trainer(recipe, data, out).run(["alignment", "joint"])
    assert len(decoded) == len(set(decoded))
    assert not (out / ".cache").exists()

    def losses(run):
        return [json.loads(line)["loss"] for line in (run / "alignment" / "metrics.jsonl").read_text().splitlines()]

    assert losses(out) == losses(trained)


NODES = """
import sys
from pathlib import Path
from accelerate import Accelerator
from babyvlm.training.nodes import NodeCache, decided, node_cache, place_of
from tests.training.test_pictures import Store, table, wrong
store, folder = Store(Path(sys.argv[1])), Path(sys.argv[2])
made = table(store, folder)
print("wrong", wrong(store, made), "of", len(made), "node", place_of(Accelerator(cpu=True)).node)
"""


@pytest.mark.parametrize("shared", [False, True], ids=["a folder each", "one folder by mistake"])
def test_every_node_has_pictures_of_its_own_and_none_is_wrong(shared, tmp_path):
    store = noise(tmp_path / "images", 400)
    script = tmp_path / "node.py"
    script.write_text(NODES)
    ended = start_ranks(
        script, store, lambda node: tmp_path / ("cache" if shared else f"cache{node}"), nodes=2, local=1
    )
    assert [each.returncode for each in ended] == [0, 0], ended[0].stderr[-2000:] + ended[1].stderr[-2000:]
    assert [each.stdout.split("wrong")[-1].split() for each in ended] == [
        ["0", "of", "400", "node", str(node)] for node in (0, 1)
    ]
    left = [path.name for folder in tmp_path.glob("cache*") for path in folder.iterdir()]
    assert len(left) == (1 if shared else 2) and not any(name.startswith(".") for name in left)


def test_the_cache_of_several_nodes_is_under_the_folder_for_temporary_files(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert default_folder(tmp_path / "run", 1) == tmp_path / "run" / ".cache"
    one, other = (default_folder(tmp_path / name, 2) for name in ("run", "other"))
    assert one.parent == other.parent == tmp_path and one != other


def test_what_one_process_decides_is_what_it_sees():
    assert decided(Accelerator(cpu=True), lambda: "seen") == "seen"
