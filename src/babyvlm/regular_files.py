"""Reading files that may be something else under a file's name.

A named pipe or a device keeps whoever opens it waiting, for ever where nobody writes. Whoever reads what others laid
out asks here first. JSON that others wrote is parsed here, too.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from pathlib import Path
from typing import Any

_HALF = re.compile("[\ud800-\udfff]")
"""Half of a character: what JSON can escape and no file can hold."""
_ESCAPED_HALF = re.compile(r"\\u[dD][89a-fA-F]")
"""How JSON begins to write one, alone or as one of two that are a whole character."""


def require_regular(path: Path) -> None:
    """Makes sure that a path leads to a file.

    Raises:
        OSError: It leads nowhere, to itself, or to a folder, a pipe or a device.
    """
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "a pipe, a socket or a device, not a file", str(path))


def is_special(path: Path) -> bool:
    """Whether a path leads to a pipe, a socket or a device."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def read_regular(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        OSError: It does not read, or is no file.
    """
    require_regular(path)
    return path.read_bytes()


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, without its byte order mark; line ends become newlines.

    Raises:
        OSError: It does not read, or is no file.
        UnicodeDecodeError: It is in another encoding.
    """
    return read_regular(path).decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")


def parse_json(text: str | bytes, *, half: str = "\ufffd") -> Any:
    r"""What some JSON says, with the replacement character, or ``half``, in place of each half of a character.

    >>> parse_json(r'{"\ud800": ["cup \ud83d\ude42", "cup \ude42"]}') == {"\ufffd": ["cup \U0001f642", "cup \ufffd"]}
    True

    Raises:
        ValueError: It is not JSON, or of another encoding than UTF-8, UTF-16 and UTF-32.
        RecursionError: It is too deep.
    """
    if isinstance(text, bytes):
        text = text.decode(json.detect_encoding(text), "surrogatepass")
    found = json.loads(text.removeprefix("\ufeff"))
    return _whole_characters(found, half) if _ESCAPED_HALF.search(text) or _HALF.search(text) else found


def _whole_characters(value: Any, half: str) -> Any:
    if isinstance(value, str):
        return _HALF.sub(half, value)
    if isinstance(value, list):
        return [_whole_characters(each, half) for each in value]
    if isinstance(value, dict):
        return {_whole_characters(name, half): _whole_characters(each, half) for name, each in value.items()}
    return value
