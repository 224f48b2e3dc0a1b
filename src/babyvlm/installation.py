"""How this copy of babyvlm was installed, and so how an extra of it is installed.

    a checkout (pip install -e)    python -m pip install -e '/where/it/is[study]'
    a wheel or archive             python -m pip install 'babyvlm[study] @ file:///where/it/is.whl'
    a repository                   python -m pip install 'babyvlm[study] @ git+https://...@commit'
    a package index                python -m pip install 'babyvlm[study]'

Source of the form: PEP 610, which has installers record the origin.
"""

from __future__ import annotations

import importlib.metadata
import json
import shlex
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

_NAME = "babyvlm"


def install_command(extra: str) -> str:
    """The command that adds an extra to this copy.

    Args:
        extra: Its name in ``pyproject.toml``.
    """
    return f"{shlex.quote(sys.executable)} -m pip install {requirement(_origin(), extra)}"


def requirement(origin: dict[str, Any], extra: str) -> str:
    """What pip is given, quoted for a shell.

    Args:
        origin: ``direct_url.json`` as PEP 610 defines it; empty for a package index.
        extra: Name of the extra.

    >>> requirement({"url": "file:///src/babyvlm", "dir_info": {"editable": True}}, "study")
    "-e '/src/babyvlm[study]'"
    """
    url = origin.get("url", "")
    if not url:
        return shlex.quote(f"{_NAME}[{extra}]")
    if "dir_info" in origin:
        folder = shlex.quote(f"{url2pathname(urlsplit(url).path)}[{extra}]")
        return f"-e {folder}" if origin["dir_info"].get("editable") else folder
    if version_control := origin.get("vcs_info"):
        url = f"{version_control['vcs']}+{url}@{version_control['commit_id']}"
    return shlex.quote(f"{_NAME}[{extra}] @ {url}")


def _origin() -> dict[str, Any]:
    try:
        recorded = importlib.metadata.distribution(_NAME).read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:  # run from its sources alone
        return {"url": Path(__file__).resolve().parents[2].as_uri(), "dir_info": {"editable": True}}
    origin: dict[str, Any] = json.loads(recorded) if recorded else {}
    return origin
