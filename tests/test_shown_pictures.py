"""How pictures of cameras and other programs are shown; expected pixels follow EXIF's table and the formats' ranges."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from babyvlm.errors import MediaError
from babyvlm.shown_pictures import PictureSize, as_shown, open_image, picture_size, show_picture, turn_box

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
STORED = np.full((24, 40, 3), 255, np.uint8)
STORED[:8, :8] = RED  # row 0, column 0
STORED[:8, -8:] = GREEN  # row 0, last column
STORED[-8:, :8] = BLUE  # last row, column 0

# EXIF 2.32, 4.6.4: where the stored row 0 and column 0 are seen; so where red, green and blue corners are.
CORNERS = {
    1: ("top left", "top right", "bottom left"),
    2: ("top right", "top left", "bottom right"),
    3: ("bottom right", "bottom left", "top right"),
    4: ("bottom left", "bottom right", "top left"),
    5: ("top left", "bottom left", "top right"),
    6: ("top right", "bottom right", "top left"),
    7: ("bottom right", "top right", "bottom left"),
    8: ("bottom left", "top left", "bottom right"),
}


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def turned(orientation: int, kind: str) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}.get(kind, {})
    return saved(Image.fromarray(STORED), kind, exif=exif, **options)


def at(image: Image.Image, corner: str) -> np.ndarray:
    down, across = corner.split()
    pixels = np.asarray(image, int)
    return pixels[3 if down == "top" else -4, 3 if across == "left" else -4]


@pytest.mark.case("showing")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_shown_upright(tmp_path: Path, orientation: int, kind: str) -> None:
    path = tmp_path / "photograph"
    path.write_bytes(turned(orientation, kind))
    shown = show_picture(path)
    size = (40, 24) if orientation < 5 else (24, 40)
    assert shown.image.size == size and shown.image.mode == "RGB"
    assert shown.size == picture_size(path) == PictureSize(shown=size, stored=(40, 24), orientation=orientation)
    for corner, colour in zip(CORNERS[orientation], (RED, GREEN, BLUE), strict=True):
        assert np.abs(at(shown.image, corner) - colour).max() < 12
    assert bool(shown.notes) == (orientation != 1)
    with Image.open(path) as opened:
        assert np.array_equal(as_shown(opened), shown.image)


@pytest.mark.case("showing")
@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_turn_with_their_picture(orientation: int) -> None:
    shown = show_picture(turned(orientation, "PNG"))
    left, top, right, bottom = map(int, turn_box((0, 0, 8, 8), shown.size))
    assert (right - left, bottom - top) == (8, 8)
    assert (np.asarray(shown.image)[top:bottom, left:right] == RED).all()


RAMP = np.arange(0, 65536, 256, dtype=np.uint16).reshape(16, 16)


@pytest.mark.case("showing")
@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("16-bit PNG", saved(Image.fromarray(RAMP), "PNG"), np.round(RAMP / 257)),
        ("16-bit TIFF", saved(Image.fromarray(RAMP), "TIFF"), np.round(RAMP / 257)),
        ("12 bits in 16", saved(Image.fromarray(RAMP >> 4), "PNG"), np.round((RAMP >> 4) / 4095 * 255)),
        ("8 bits in 16", saved(Image.fromarray(RAMP >> 8), "PNG"), RAMP >> 8),
        ("32-bit TIFF", saved(Image.fromarray(RAMP.astype(np.int32)), "TIFF"), np.round(RAMP / 257)),
        ("float to 1", saved(Image.fromarray(RAMP.astype(np.float32) / 65535), "TIFF"), np.round(RAMP / 257)),
        ("float to 255", saved(Image.fromarray(RAMP.astype(np.float32) / 256), "TIFF"), RAMP >> 8),
        ("black", saved(Image.fromarray(RAMP * 0), "PNG"), RAMP * 0),
        ("grey", saved(Image.fromarray((RAMP >> 8).astype(np.uint8)), "PNG"), RAMP >> 8),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_deep_grey_keeps_its_range(name: str, content: bytes, expected: np.ndarray) -> None:
    pixels = np.asarray(open_image(content), int)
    assert (pixels == pixels[..., :1]).all()
    assert np.abs(pixels[..., 0] - expected).max() <= 1


def half_transparent(mode: str) -> Image.Image:
    image = Image.new("RGBA", (20, 10), (0, 0, 0, 0))  # black, hidden
    image.paste((*RED, 255), (10, 0, 20, 10))
    return image.convert(mode)


def palette() -> bytes:
    image = Image.new("P", (20, 10), 0)
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.paste(1, (10, 0, 20, 10))
    return saved(image, "PNG", transparency=0)


@pytest.mark.case("showing")
@pytest.mark.parametrize(
    ("content", "left", "right"),
    [
        (saved(half_transparent("RGBA"), "PNG"), WHITE, RED),
        (saved(half_transparent("RGBA"), "WEBP", lossless=True), WHITE, RED),
        (saved(half_transparent("RGBA"), "TIFF"), WHITE, RED),
        (saved(half_transparent("LA"), "PNG"), WHITE, (76, 76, 76)),
        (palette(), WHITE, RED),
        (saved(half_transparent("RGB"), "PNG", transparency=(0, 0, 0)), WHITE, RED),
        (saved(half_transparent("RGB"), "GIF"), (0, 0, 0), RED),
        (saved(half_transparent("RGB").convert("1"), "PNG"), (0, 0, 0), None),
        (saved(half_transparent("RGB").convert("CMYK"), "JPEG", quality=100), (0, 0, 0), RED),
        (saved(half_transparent("RGB").convert("CMYK"), "TIFF"), (0, 0, 0), RED),
    ],
    ids=["PNG", "WebP", "TIFF", "grey PNG", "palette", "colour key", "GIF", "one bit", "CMYK JPEG", "CMYK TIFF"],
)
def test_colours_are_those_a_viewer_shows(content: bytes, left: tuple, right: tuple | None) -> None:
    pixels = np.asarray(open_image(content), int)
    assert np.abs(pixels[5, 2] - left).max() < 6
    assert right is None or np.abs(pixels[5, 17] - right).max() < 6


@pytest.mark.case("showing")
@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_the_first_frame_of_several_is_shown(kind: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in (RED, BLUE)]
    options = {"lossless": True} if kind == "WEBP" else {}
    shown = show_picture(saved(frames[0], kind, save_all=True, append_images=frames[1:], **options))
    assert np.asarray(shown.image)[8, 8].tolist() == list(RED)
    assert shown.notes == ("the first of several frames",)


def bomb() -> bytes:
    """A PNG whose header claims 60,000 x 60,000 pixels."""
    content = bytearray(saved(Image.new("L", (4, 4)), "PNG"))
    content[16:24] = (60_000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(bytes(content[12:29])).to_bytes(4, "big")
    return bytes(content)


JPEG = saved(Image.fromarray(np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)), "JPEG")


@pytest.mark.case("showing")
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (JPEG[: len(JPEG) // 2], "truncated"),
        (saved(Image.fromarray(STORED), "PNG")[:-40], "Was the file copied whole"),
        (bomb(), "more than any camera's|more pixels than any camera's"),
        (b"", "the file is empty"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC picture.*Convert it to JPEG"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "a HEIF picture.*Convert it to JPEG"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp41", "a video"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"<!DOCTYPE html><html>403</html>", "web page"),
        (b"%PDF-1.7", "PDF"),
        (b"just words", "no known kind"),
    ],
    ids=["jpeg", "png", "bomb", "empty", "heic", "heif", "video", "jxl", "lfs", "svg", "html", "pdf", "words"],
)
def test_what_does_not_open_is_named(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "photograph.jpg"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=rf"photograph\.jpg: .*({says})"):
        open_image(path)
    with pytest.raises(MediaError, match=says):
        open_image(content)
