"""Models of transformers from a folder, the cache or the hub: whether they are there, and how they are loaded.

Whether a model on the hub is available is checked in seconds; loading it offline would retry for minutes first.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch

from babyvlm.errors import CheckpointError
from babyvlm.evaluation.configuration import AskConfig
from babyvlm.evaluation.provenance import weights_revision

_WAIT_S = 5.0
_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
_OFTEN_MISSING = ("torchvision", "timm", "num2words", "sentencepiece")
"""Packages that some kinds of models need and this one does without."""


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


@contextmanager
def load_errors(name: str, what: str, loaders: str, others: str = "") -> Iterator[None]:
    """Turns whatever loading a model raises into an error that says what to do.

    Args:
        name: Id on the hub, or a folder.
        what: What was to be loaded, with its article.
        loaders: The classes of transformers that must be able to load it.
        others: What to do with models of other kinds, as a sentence.

    Raises:
        CheckpointError: In place of any other error.
    """
    try:
        yield
    except CheckpointError:
        raise
    except Exception as error:  # of transformers, safetensors, tokenizers, the hub: each has errors of its own
        missing = next((package for package in _OFTEN_MISSING if package in str(error).lower()), "")
        raise CheckpointError(
            f"does not load as {what} ({first_line(error)})",
            path=name,
            remedy=f"It needs {missing}: pip install {missing}"
            if missing
            else f"Give a hub id or folder that {loaders} load{f'. {others}' if others else ''}",
        ) from error


def load_weights(kind: Any, name: str, ask: AskConfig, *, device: str = "", default: str = "") -> Any:
    """A model in evaluation mode on its device, or spread over devices by ``--device-map``.

    Args:
        kind: One of transformers' Auto classes.
        name: Id on the hub, or a folder.
        ask: Names precision and devices.
        device: Where it runs; a GPU where there is one, when empty.
        default: The precision of ``--dtype auto``; float32 on a CPU and bfloat16 elsewhere, when empty.

    Raises:
        CheckpointError: The checkpoint lacks weights of the model, which would be random.
    """
    placed = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    usual = default or ("float32" if placed.type == "cpu" else "bfloat16")
    dtype = getattr(torch, usual if ask.dtype == "auto" else ask.dtype)
    spread = {"device_map": ask.device_map} if ask.device_map else {}
    model, found = kind.from_pretrained(name, dtype=dtype, output_loading_info=True, **spread)
    if missing := sorted(found["missing_keys"]):
        raise CheckpointError(
            f"{len(missing)} weights of the model are not in the checkpoint, such as {missing[0]}",
            path=name,
            remedy=f"Is it a checkpoint for {kind.__name__}?",
        )
    return (model if spread else model.to(placed)).eval()


def hub_revision(name: str, config: Any) -> str:
    """A hash of a folder's files, or the commit that the hub gave."""
    return weights_revision(Path(name)) if Path(name).is_dir() else str(getattr(config, "_commit_hash", None) or "")


def shown_name(name: str) -> str:
    """A folder's own name, or the id on the hub."""
    return Path(name).resolve().name if Path(name).is_dir() else name


def first_line(error: Exception) -> str:
    """What an error says first, for a message that quotes it."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
