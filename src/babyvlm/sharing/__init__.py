"""Handing on what was made: a checkpoint, a toolbox or a run, with its card, to a folder or to the hub."""

from babyvlm.sharing.parcel import Parcel, Permission, pack
from babyvlm.sharing.push import HUB_PREFIX, Pushed, push

__all__ = ["HUB_PREFIX", "Parcel", "Permission", "Pushed", "pack", "push"]
