"""No module and no function grows beyond what can be read at once, and modules do not import each other in circles."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import babyvlm

SOURCE = Path(babyvlm.__file__).parents[1]
MODULES = {
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(SOURCE.rglob("babyvlm/**/*.py"))
}
LONGEST_MODULE, LONGEST_FUNCTION = 450, 80
Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.AST) -> Iterator[Function]:
    yield from (node for node in ast.walk(tree) if isinstance(node, Function))


def length(function: Function) -> int:
    """Lines from ``def`` to the end: signature, docstring and functions in it included, decorators aside."""
    return (function.end_lineno or 0) - function.lineno + 1


@pytest.mark.parametrize("module", MODULES)
def test_a_module_and_its_functions_can_be_read_at_once(module):
    text = MODULES[module].read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST_MODULE
    long = {one.name: length(one) for one in functions(ast.parse(text)) if length(one) > LONGEST_FUNCTION}
    assert not long


def imports(body: list[ast.stmt]) -> Iterator[str]:
    """Modules of ours that a module imports when it is imported itself."""
    for node in body:
        if isinstance(node, ast.ImportFrom) and node.module:
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name if name in MODULES else node.module for name in names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.dump(node.test):
            yield from imports([*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            yield from imports([*node.body, *(line for handler in node.handlers for line in handler.body)])


def test_no_circle_of_imports():
    left = {
        module: set(imports(ast.parse(path.read_text(encoding="utf-8")).body)) & set(MODULES) - {module}
        for module, path in MODULES.items()
    }
    while ready := {module for module, needed in left.items() if not needed & left.keys()}:
        left = {module: needed for module, needed in left.items() if module not in ready}
    assert not left, "modules in a circle, or that import one"
