"""What the leaderboard's runner and lmms-eval 0.3.0 do with a ``model.py``, as far as a test needs it.

The runner takes the first class that it finds in the file's syntax tree. Of lmms-eval there is the interface that the
file uses: a base class with ``task_dict`` and ``cache_hook``, a decorator that registers, and requests with ``args``.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any


class Lmms:
    """Base class of models."""

    def __init__(self) -> None:
        self.cache_hook = SimpleNamespace(add_partial=lambda *kept: None)
        self.task_dict: dict[str, Any] = {}


@dataclass
class Request:
    """One request; lmms-eval calls it ``Instance``."""

    args: tuple[Any, ...]


def taken_class(file: Path, monkeypatch: Any) -> type:
    """The class that the runner registers, of the file imported beside a stand-in for lmms-eval."""
    names = [node.name for node in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef)]
    for name, content in {
        "lmms_eval": {},
        "lmms_eval.api": {},
        "lmms_eval.api.model": {"lmms": Lmms},
        "lmms_eval.api.registry": {"register_model": lambda name: lambda kind: kind},
        "loguru": {"logger": SimpleNamespace(error=lambda message: None)},
    }.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    spec = importlib.util.spec_from_file_location("sub_somebody_model", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    kind: type = getattr(module, names[0])
    return kind
