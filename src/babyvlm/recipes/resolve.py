"""Recipes by name, ``key=value`` overrides of their settings, and the listing of every setting with its source."""

from __future__ import annotations

import ast
import dataclasses
import difflib
import inspect
import itertools
import json
import textwrap
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from babyvlm.errors import ConfigError
from babyvlm.recipes.nursery import demo, experience, nursery
from babyvlm.recipes.saycam import saycam, saycam_published
from babyvlm.training.configuration import Recipe

RECIPES: dict[str, Callable[[], Recipe]] = {
    "nursery": nursery,
    "saycam": saycam,
    "saycam-published": saycam_published,
    "demo": demo,
    "experience": experience,
}


def resolve(name: str, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe of that name with some settings overridden.

    Args:
        name: ``nursery``, ``saycam``, ``saycam-published``, ``demo`` or ``experience``.
        overrides: Strings such as ``joint.optimisation.steps=200``.

    Returns:
        The complete configuration.

    Raises:
        ConfigError: An unknown recipe or setting (the nearest is suggested), or a bad value.

    >>> resolve("nursery", ["joint.optimisation.steps=7"]).joint.optimisation.steps
    7
    """
    if name not in RECIPES:
        raise ConfigError(
            f"unknown recipe {name!r}{_nearest(name, {each: each for each in RECIPES})} There are: {', '.join(RECIPES)}"
        )
    recipe = RECIPES[name]()
    tree: dict[str, Any] = {}
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals:
            raise ConfigError(f"{override!r} is not of the form key=value, such as joint.optimisation.steps=200")
        _grow(tree, recipe, key.strip().split("."), value.strip(), key.strip())
    return _replaced(recipe, tree)


def _grow(tree: dict[str, Any], node: Any, path: Sequence[str], value: str, key: str) -> None:
    """Adds one override to a tree of overrides that has the shape of the configuration."""
    fields = {field.name for field in dataclasses.fields(node)}
    head, *rest = path
    if head not in fields:
        known = {field: field for field in fields} | dict(_settings_below(node, key.removesuffix(".".join(path))))
        raise ConfigError(f"unknown setting {key!r}{_nearest(head, known)} Settings here: {', '.join(sorted(fields))}")
    current = getattr(node, head)
    if rest:
        if not dataclasses.is_dataclass(current):
            raise ConfigError(f"setting {key!r}: {head} has no parts")
        _grow(tree.setdefault(head, {}), current, rest, value, key)
        return
    if dataclasses.is_dataclass(current):
        parts = ", ".join(f"{key}.{field.name}" for field in dataclasses.fields(current))
        raise ConfigError(f"setting {key!r} has parts; set one of {parts}")
    tree[head] = _parse(value, typing.get_type_hints(type(node))[head], key)


def _replaced(node: Any, tree: Mapping[str, Any], part: str = "") -> Any:
    """The configuration with all overrides applied at once, so that their order does not matter; what cannot be is
    refused with the part's name."""
    changed: dict[str, Any] = {}
    for name, override in tree.items():
        current = getattr(node, name)
        whole = f"{part}.{name}" if part else name
        changed[name] = _replaced(current, override, whole) if dataclasses.is_dataclass(current) else override
    for one, other in (("steps", "epochs"), ("epochs", "steps")):
        if changed.get(one) is not None and other not in changed:
            changed[other] = None  # the one replaces the other
    try:
        return dataclasses.replace(node, **changed)
    except ConfigError as error:
        told = str(error)
        raise ConfigError(told if not part or told.startswith(f"{part}.") else f"{part}: {told}") from error


def _parse(value: str, hint: Any, key: str) -> Any:
    adapter = TypeAdapter(hint)
    attempts: list[Any] = [value]
    try:
        attempts.insert(0, ast.literal_eval(value))
    except (ValueError, SyntaxError):
        attempts.insert(0, {"true": True, "false": False, "none": None}.get(value.lower(), value))
    for attempt in attempts:
        try:
            return adapter.validate_python(attempt)
        except ValidationError as error:
            problem = error.errors()[0]["msg"]
    raise ConfigError(f"{key}={value}: {problem}")


def _settings_below(node: Any, prefix: str) -> Iterator[tuple[str, str]]:
    """Last name and whole name of the settings in the parts of ``node``."""
    for field in dataclasses.fields(node):
        part, key = getattr(node, field.name), f"{prefix}{field.name}."
        if dataclasses.is_dataclass(part):
            yield from ((each.name, f"{key}{each.name}") for each in dataclasses.fields(part))
            yield from _settings_below(part, key)


def _nearest(word: str, known: Mapping[str, str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {known[close[0]]!r}?" if close else "."


def describe(recipe: Recipe) -> str:
    """Every resolved setting with its meaning, unit and source, as text."""
    lines: list[str] = []
    _describe(recipe, "", lines)
    return "\n".join(lines)


def _describe(node: Any, prefix: str, lines: list[str]) -> None:
    documentation = _field_docs(type(node))
    for field in dataclasses.fields(node):
        value, key = getattr(node, field.name), f"{prefix}{field.name}"
        if dataclasses.is_dataclass(value):
            _describe(value, f"{key}.", lines)
            continue
        if isinstance(value, tuple) and value and dataclasses.is_dataclass(value[0]):
            value = [dataclasses.asdict(part) for part in value]
        lines.append(f"{key} = {json.dumps(value, default=list)}")
        lines += textwrap.wrap(documentation.get(field.name, ""), 110, initial_indent="    ", subsequent_indent="    ")


def _field_docs(kind: type) -> dict[str, str]:
    """The string under each field of a dataclass."""
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(body, ast.ClassDef)
    documentation: dict[str, str] = {}
    for statement, following in itertools.pairwise(body.body):
        if (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
        ):
            documentation[statement.target.id] = " ".join(str(following.value.value).split())
    return documentation
