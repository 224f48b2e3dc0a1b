"""Makes transformers know our model as soon as it is asked about any, without importing it before.

    import babyvlm ... import of transformers' Auto classes ──> babyvlm.model ──> registered with them

So ``AutoModelForImageTextToText.from_pretrained(FOLDER)`` works after ``import babyvlm``, whichever is imported first,
while commands that need no model start without torch.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType

_AWAITED = "transformers.models.auto.configuration_auto"
"""What every Auto class imports first."""


def register_when_needed() -> None:
    """Registers our classes now where transformers' Auto classes are imported already, else once they are."""
    if _AWAITED in sys.modules:
        importlib.import_module("babyvlm.model")
    else:
        sys.meta_path.insert(0, _Watch())


class _Watch(importlib.abc.MetaPathFinder):
    """Sees the one import through, then gets out of the way."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != _AWAITED:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader = _ThenRegister(spec.loader)
        return spec


class _ThenRegister(importlib.abc.Loader):
    def __init__(self, loader: importlib.abc.Loader) -> None:
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        importlib.import_module("babyvlm.model")
