"""Checks in seconds whether a model on the hub is available; loading it offline would retry for minutes first."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

from babyvlm.errors import CheckpointError

_WAIT_S = 5.0
_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


def refuse_unreachable(name: str) -> None:
    """Makes sure that a model can be loaded from a folder, the cache or the hub.

    Raises:
        CheckpointError: It is in no folder, not in the cache, and the hub cannot be reached; or it is no name.
    """
    if Path(name).is_dir():
        return
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        cached = isinstance(try_to_load_from_cache(name, "config.json"), str)
    except HFValidationError as error:
        raise CheckpointError("neither a folder nor a name on the hub", path=name, remedy="Give OWNER/NAME") from error
    if cached or not (why := _unreachable()):
        return
    raise CheckpointError(
        f"not in the cache, and {why}",
        path=name,
        remedy="Check the connection, or download the model elsewhere and give its folder",
    )


def _unreachable() -> str:
    """Why the hub cannot be reached; empty where it can, or where only a proxy could tell."""
    if any(os.environ.get(flag, "").upper() in ("1", "ON", "YES", "TRUE") for flag in _OFFLINE):
        return f"the hub is not asked ({' or '.join(_OFFLINE)} is set)"
    address = urlsplit(os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
    host = address.hostname or ""
    proxy = next(
        (os.environ[k] for k in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy") if os.environ.get(k)), ""
    )
    if proxy:
        named = urlsplit(proxy if "//" in proxy else f"//{proxy}")
        host, port = named.hostname or "", named.port or 80
    else:
        port = address.port or (80 if address.scheme == "http" else 443)
    try:
        socket.create_connection((host, port), timeout=_WAIT_S).close()
    except OSError as error:
        return f"the hub cannot be reached ({host}: {error})"
    return ""
