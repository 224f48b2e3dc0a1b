"""Makes transformers know our model once its Auto classes are there, without importing them before anybody asks.

    import babyvlm ... some import of transformers brings the Auto classes, and ends ──> babyvlm.model, which registers

So ``AutoModelForImageTextToText.from_pretrained(FOLDER)`` works after ``import babyvlm``, whichever is imported first,
while commands that need no model start without torch. Transformers' modules import each other in circles; ours waits
until the outermost import has finished.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType

_PACKAGE = "transformers"
_AUTO = f"{_PACKAGE}.models.auto.configuration_auto"


def register_when_needed() -> None:
    """Registers our classes now where transformers' Auto classes are imported already, else once they are."""
    if _AUTO in sys.modules:
        importlib.import_module("babyvlm.model")
    else:
        sys.meta_path.insert(0, _Watch())


class _Watch:
    """Counts how deep transformers' imports of itself are; steps aside when it has seen what it waits for.

    A finder by what it does: the base class is in ``importlib.abc``, whose import takes as long as all else here.
    """

    def __init__(self) -> None:
        self._depth = 0

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name.partition(".")[0] != _PACKAGE:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def counted(module: ModuleType) -> None:
                self._depth += 1
                try:
                    execute(module)
                finally:
                    self._depth -= 1
                if self._depth == 0 and _AUTO in sys.modules and self in sys.meta_path:
                    sys.meta_path.remove(self)
                    importlib.import_module("babyvlm.model")

            spec.loader.exec_module = counted  # type: ignore[method-assign]
        return spec
