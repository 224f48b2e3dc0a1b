from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from babyvlm.errors import DataFolderError
from babyvlm.images import ImageStore, ImageStoreWriter, encode_jpeg


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
