from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from babyvlm import images
from babyvlm.errors import DataFolderError, MediaError
from babyvlm.images import ImageStore, ImageStoreWriter, encode_jpeg, stored_images


def picture(seed: int) -> Image.Image:
    colour = np.random.default_rng(seed).integers(0, 255, 3)
    return Image.fromarray(np.broadcast_to(colour, (24, 32, 3)).astype(np.uint8))


def test_images_come_back_by_id_across_files(tmp_path: Path) -> None:
    with ImageStoreWriter(tmp_path / "store", shard_bytes=100_000) as writer:
        for number in range(600):
            writer.add(f"image {number}", picture(number))
        writer.add("image 7", picture(8))  # is there already
        writer.add("as bytes", encode_jpeg(picture(3)))
        assert len(writer) == 601
    assert len(list((tmp_path / "store").glob("*.arrow"))) > 1
    store = ImageStore(tmp_path / "store")
    assert len(store) == 601 and store.ids[0] == "image 0"
    for number in (0, 7, 255, 256, 599):
        assert store.jpeg(f"image {number}") == encode_jpeg(picture(number))
    assert store.read("as bytes").size == (32, 24)


def test_a_store_takes_up_others_in_their_order(tmp_path: Path) -> None:
    for name, numbers in (("one", range(300)), ("two", range(300, 310))):
        with ImageStoreWriter(tmp_path / name) as writer:
            for number in numbers:
                writer.add(f"image {number}", picture(number))
    with ImageStoreWriter(tmp_path / "both") as writer:
        writer.add_store(tmp_path / "one")
        writer.add_store(tmp_path / "two")
        assert len(writer) == 310
    store = ImageStore(tmp_path / "both")
    assert store.ids == [f"image {number}" for number in range(310)]
    assert store.jpeg("image 305") == encode_jpeg(picture(305))


@pytest.mark.parametrize("can_link", [True, False])
def test_large_files_are_taken_over_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_link: bool
) -> None:
    sizes = {"one": range(300), "small": range(300, 303), "two": range(303, 700), "last": range(700, 702)}
    for name, numbers in sizes.items():
        with ImageStoreWriter(tmp_path / name, shard_bytes=100_000) as writer:
            for number in numbers:
                writer.add(f"image {number}", picture(number))
    sources = {name: sorted((tmp_path / name).glob("*.arrow")) for name in sizes}
    before = {path: path.read_bytes() for paths in sources.values() for path in paths}
    monkeypatch.setattr(images, "LINKED_BYTES", 20_000)
    if not can_link:
        monkeypatch.setattr(os, "link", refuse)
    with ImageStoreWriter(tmp_path / "all") as writer:
        writer.add("first", picture(5))
        for name in sizes:
            writer.add_store(tmp_path / name)
        writer.add("after", picture(6))
        assert len(writer) == 704
    store = ImageStore(tmp_path / "all")
    assert store.ids == ["first", *(f"image {number}" for number in range(702)), "after"]
    assert all(store.jpeg(f"image {number}") == encode_jpeg(picture(number)) for number in range(0, 702, 7))
    large = [path for path in before if len(before[path]) >= 20_000]
    made = [path.stat().st_ino for path in (tmp_path / "all").iterdir()]
    assert large and all((path.stat().st_ino in made) == (can_link and path in large) for path in before)
    assert {path: path.read_bytes() for path in before} == before


def refuse(*_: object) -> None:
    raise OSError(errno.EXDEV, "another disk")


def test_faults_name_the_store(tmp_path: Path) -> None:
    with pytest.raises(DataFolderError, match="nowhere"):
        ImageStore(tmp_path / "nowhere")
    with ImageStoreWriter(tmp_path) as writer:
        writer.add("one", picture(1))
    with pytest.raises(DataFolderError, match="'two'"):
        ImageStore(tmp_path).read("two")
    damaged = tmp_path / "images-00000.arrow"
    damaged.write_bytes(damaged.read_bytes()[:-40])
    with pytest.raises(DataFolderError, match=damaged.name):
        ImageStore(tmp_path)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def spoil_the_footer(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-60:-12] = bytes(0xFF for _ in range(48))
    path.write_bytes(content)


def spoil_the_metadata(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[8:400] = bytes(0x7F for _ in range(392))
    path.write_bytes(content)


def spoil_the_offsets(path: Path) -> None:
    """The first buffers of the batch: where the ids begin and end."""
    content = path.read_bytes()
    place = content.index((len("image 0")).to_bytes(4, "little") + (2 * len("image 0")).to_bytes(4, "little"))
    path.write_bytes(content[:place] + (1 << 30).to_bytes(4, "little") + content[place + 4 :])


def other_columns(path: Path) -> None:
    table = pa.table({"name": ["a"], "jpeg": [b""]})
    with pa.ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table)


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.case("one datum")
@pytest.mark.parametrize(
    "damage", [cut, spoil_the_footer, spoil_the_metadata, spoil_the_offsets, other_columns, a_pipe]
)
def test_a_damaged_file_of_a_store_is_named(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    with ImageStoreWriter(tmp_path / "store") as writer:
        for number in range(5):
            writer.add(f"image {number}", picture(number))
    damage(tmp_path / "store" / "images-00000.arrow")
    for read in (ImageStore, lambda folder: list(stored_images(folder))):
        with pytest.raises(DataFolderError, match=r"images-00000\.arrow"):
            read(tmp_path / "store")


@pytest.mark.case("one datum")
@pytest.mark.parametrize("content", [b"", b"GIF89a", encode_jpeg(picture(0))[:-200], b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_a_stored_image_that_does_not_decode_is_named(tmp_path: Path, content: bytes) -> None:
    with ImageStoreWriter(tmp_path / "store") as writer:
        writer.add("one of them", content)
    with pytest.raises(MediaError, match="one of them"):
        ImageStore(tmp_path / "store").read("one of them")
