"""Ways in which a file goes bad, drawn from a seed: what a disk, an editor, a script or a person does to it.

``NEUTRAL`` changes keep the meaning of a text; all others may change it, or leave nothing that can be read.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

WEIRD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1,
    2**63,
    -(2**40),
    1e308,
    0.5,
    float("nan"),
    float("inf"),
    "",
    " ",
    "x",
    "NaN",
    "../../etc/passwd",
    "/",
    "\u202e\u200b",
    "é" * 300,
    "\x00",
    "\ud800",
    "x" * 5000,
    [],
    {},
    [[]],
    [None],
    {"": None},
    {"id": []},
)
DEEP = 20_000


def flip_bits(data: bytes, draw: random.Random) -> bytes:
    flipped = bytearray(data)
    for _ in range(draw.choice([1, 10, 100]) if data else 0):
        flipped[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return bytes(flipped)


def cut_short(data: bytes, draw: random.Random) -> bytes:
    return data[: draw.randrange(len(data) + 1)]


def cut_out(data: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(data) + 1)
    return data[:at] + data[at + draw.randint(1, 40) :]


def zero(data: bytes, draw: random.Random) -> bytes:
    """A stretch that a power cut left as zeros."""
    at, length = draw.randrange(len(data) + 1), draw.randint(1, 4000)
    return data[:at] + bytes(min(length, len(data) - at)) + data[at + length :]


def insert(data: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(data) + 1)
    return data[:at] + draw.randbytes(draw.randint(1, 8)) + data[at:]


def double(data: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(data) + 1)
    until = at + draw.randint(1, 400)
    return data[:until] + data[at:until] + data[until:]


def empty(data: bytes, draw: random.Random) -> bytes:
    return draw.choice([b"", b"\n", b" ", b"\x00" * len(data), b"null", b"[]", b"{}", b'""', b"0"])


def nest(data: bytes, draw: random.Random) -> bytes:
    """Brackets too deep for any reader that recurses."""
    return draw.choice([b"[", b'{"a":']) * DEEP + data


def foreign(data: bytes, draw: random.Random) -> bytes:
    """Something else under this name."""
    return draw.choice(
        [
            b"<html><body>Sign in to continue</body></html>",
            b"\x89PNG\r\n\x1a\n" + draw.randbytes(60),
            b"PK\x03\x04\x00",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n",
            draw.randbytes(500),
            b"\x1f\x8b\x08\x00",
        ]
    )


def other_encoding(data: bytes, draw: random.Random) -> bytes:
    return data.decode("utf-8", "replace").encode(draw.choice(["utf-16", "utf-32", "cp037", "utf-16-be"]), "replace")


def digits(data: bytes, draw: random.Random) -> bytes:
    """A few digits are others."""
    places = [place for place, byte in enumerate(data) if 48 <= byte <= 57]
    changed = bytearray(data)
    for place in draw.sample(places, min(3, len(places))):
        changed[place] = draw.randrange(48, 58)
    return bytes(changed)


def shuffle_lines(data: bytes, draw: random.Random) -> bytes:
    """A line is lost, doubled, torn, or two are exchanged."""
    lines = data.splitlines(keepends=True)
    if not lines:
        return data
    at, kind = draw.randrange(len(lines)), draw.randrange(4)
    if kind == 0:
        del lines[at]
    elif kind == 1:
        lines.insert(at, lines[at])
    elif kind == 2:
        lines[-1] = lines[-1][: len(lines[-1]) // 2]
    else:
        other = draw.randrange(len(lines))
        lines[at], lines[other] = lines[other], lines[at]
    return b"".join(lines)


def change_cell(data: bytes, draw: random.Random) -> bytes:
    """A cell of a table, or a word of a text, is something else."""
    separator = b"," if data.count(b",") >= data.count(b" ") else b" "
    cells = data.split(separator)
    given = str(draw.choice(WEIRD)).encode("utf-8", "replace")
    cells[draw.randrange(len(cells))] = draw.choice([given, b"-" + given, b"1e999", b"nan", b"", b'"', b"1;2", b"\t"])
    return separator.join(cells)


def change_json(data: bytes, draw: random.Random) -> bytes:
    """One value of a JSON file, or of one of its lines, is lost, of another type, or absurd."""
    lines = data.splitlines()
    at = draw.randrange(len(lines)) if lines else 0
    try:
        whole, value = True, json.loads(data)
    except (ValueError, RecursionError):
        try:
            whole, value = False, json.loads(lines[at])
        except (ValueError, IndexError, RecursionError):
            return change_cell(data, draw)
    changed = json.dumps(_changed(value, draw)).encode()
    if whole:
        return changed
    lines[at] = changed
    return b"\n".join(lines) + b"\n"


def _changed(value: Any, draw: random.Random) -> Any:
    if not isinstance(value, (dict, list)) or not value or draw.random() < 0.1:
        return draw.choice(WEIRD)
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = draw.choice(keys)
    kind = draw.randrange(6)
    if kind == 0:
        del value[key]
    elif kind == 1 and isinstance(value, dict):
        value[f"{key}x"] = value.pop(key)
    elif kind == 2 and isinstance(value, list):
        value.append(value[key])
    elif kind == 3:
        value[key] = draw.choice(WEIRD)
    else:
        value[key] = _changed(value[key], draw)
    return value


BYTES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    flip_bits,
    cut_short,
    cut_out,
    zero,
    insert,
    double,
    empty,
    nest,
    foreign,
    other_encoding,
    digits,
    shuffle_lines,
    change_cell,
    change_json,
    change_json,
    change_json,
)


def crlf(data: bytes, draw: random.Random) -> bytes:
    return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def byte_order_mark(data: bytes, draw: random.Random) -> bytes:
    return b"\xef\xbb\xbf" + data


def newlines_at_the_end(data: bytes, draw: random.Random) -> bytes:
    return data + b"\n" * draw.randint(1, 3)


def json_in_another_order(data: bytes, draw: random.Random) -> bytes:
    """Keys in another order, other white space, no letter beyond ASCII."""
    return json.dumps(_shuffled(json.loads(data), draw), indent=draw.choice([None, 1, 4])).encode()


def _shuffled(value: Any, draw: random.Random) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        draw.shuffle(keys)
        return {key: _shuffled(value[key], draw) for key in keys}
    return [_shuffled(each, draw) for each in value] if isinstance(value, list) else value


NEUTRAL = {
    "crlf": crlf,
    "byte order mark": byte_order_mark,
    "newlines": newlines_at_the_end,
    "order": json_in_another_order,
}


def gone(path: Path) -> None:
    """Nothing is there."""


def folder_in_place(path: Path) -> None:
    path.mkdir()


def link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def dangling_link(path: Path) -> None:
    path.symlink_to("nowhere")


def pipe(path: Path) -> None:
    """A named pipe, at which a reader would wait for ever."""
    os.mkfifo(path)


PLACES: tuple[Callable[[Path], None], ...] = (gone, folder_in_place, link_to_itself, dangling_link, pipe)


def damage(path: Path, draw: random.Random) -> str:
    """Damages a file, and says how."""
    if draw.random() < 0.12:
        kind = draw.choice(PLACES)
        path.unlink()
        kind(path)
        return kind.__name__
    names = []
    data = path.read_bytes()
    for _ in range(draw.choice([1, 1, 1, 2, 4])):
        change = draw.choice(BYTES)
        data = change(data, draw)
        names.append(change.__name__)
    path.write_bytes(data)
    return ", ".join(names)


def damage_folder(folder: Path, draw: random.Random) -> str:
    """Puts something else in place of a folder."""
    shutil.rmtree(folder)
    kind = draw.choice([gone, link_to_itself, dangling_link, pipe])
    kind(folder)
    return kind.__name__
