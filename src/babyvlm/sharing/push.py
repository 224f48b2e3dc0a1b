"""A parcel into a folder, whole or not at all, or into a repository of the hub, in one commit."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from babyvlm.errors import ConfigError
from babyvlm.folders import fresh_folder, refuse_existing
from babyvlm.sharing.parcel import Parcel, Permission, pack

HUB_PREFIX = "hf:"
"""What a destination on the hub begins with; without it the destination is a folder."""
_CLIENTS = ("httpx.", "httpx2.", "httpcore", "requests.")
"""What the client of the hub asks through, by version; each has errors of its own for a network that fails."""
_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """What was handed on."""

    parcel: Parcel
    place: str
    """The folder, or the address of the repository."""


def push(source: Path, destination: str, *, permission: Permission = "", public: bool = False) -> Pushed:
    """Hands a checkpoint, a toolbox or a run on, with its card.

    Args:
        source: The folder.
        destination: A folder that is absent or empty, or ``hf:OWNER/NAME``.
        permission: ``restricted`` where restricted material may be handed on.
        public: On the hub, whether a repository that is made now may be seen by everybody.

    Raises:
        ConfigError: The material may not be handed on, the name is none, or the hub refuses.
        DataFolderError: The source is nothing that can be handed on.
        OutputExistsError: The folder holds something.
    """
    if destination.startswith(HUB_PREFIX):
        name = destination.removeprefix(HUB_PREFIX)
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{destination!r} names no repository of the hub. Give hf:OWNER/NAME")
        parcel = pack(source, f"{destination} is a repository of the hub", permission)
        return Pushed(parcel=parcel, place=_to_hub(parcel, name, public=public))
    if public:
        raise ConfigError("--public is for a repository of the hub (hf:OWNER/NAME); a folder is as open as its disk")
    out = Path(destination)
    refuse_existing(out)
    parcel = pack(source, f"{destination} is a copy that others may read", permission)
    with fresh_folder(out) as partial:
        for name, path in parcel.files.items():
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            if name not in parcel.written:
                shutil.copyfile(path, partial / name)
        for name, content in parcel.written.items():
            (partial / name).write_bytes(content)
    return Pushed(parcel=parcel, place=str(out))


def _to_hub(parcel: Parcel, name: str, *, public: bool) -> str:
    """Makes the repository where it is missing, and puts the parcel into it in one commit."""
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    hub = HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None, library_name="babyvlm")
    repo_type = "model" if parcel.kind == "checkpoint" else "dataset"
    added = [
        CommitOperationAdd(path_in_repo=file, path_or_fileobj=parcel.written.get(file, parcel.files.get(file, b"")))
        for file in parcel.names
    ]
    try:
        made = hub.create_repo(name, repo_type=repo_type, private=not public, exist_ok=True)
        message = f"A {parcel.kind} of babyvlm"
        hub.create_commit(name, added, repo_type=repo_type, commit_message=message)
    except LocalTokenNotFoundError as error:
        raise ConfigError(f"{HUB_PREFIX}{name}: nobody is logged in to the hub. Run hf auth login first") from error
    except Exception as error:
        if not (isinstance(error, HfHubHTTPError | OSError) or f"{type(error).__module__}.".startswith(_CLIENTS)):
            raise
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise ConfigError(
            f"{HUB_PREFIX}{name}: the hub did not take it ({said[0]}). Check the name, the network, and that you are "
            "logged in with the right to write there (hf auth login); then run the same command again"
        ) from error
    return str(made)
