"""One command's words become a call of its function, with tyro; and what its ``--help`` leaves out.

A module of its own, because tyro takes a tenth of a second to import and ``babyvlm --help`` does without it.
"""

from __future__ import annotations

import dataclasses
import functools
import warnings
from collections.abc import Callable, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args

import tyro
from tyro.conf import PositionalMetavarFromFieldName, Suppress
from tyro.constructors import (
    ConstructorRegistry,
    PrimitiveConstructorSpec,
    PrimitiveTypeInfo,
    StructConstructorSpec,
    StructTypeInfo,
)

from babyvlm.cli.index import COMMANDS, FAMILIES, Command

MARKERS = (PositionalMetavarFromFieldName,)
ALL = ("*",)
RARE: dict[str, tuple[str, ...]] = {
    "AskConfig": ("attempts", "timeout_s", "backoff_s"),
    "CropConfig": ALL,
    "CurationConfig": ("min_sharpness", "duplicate_bits", "max_words", "min_clip_s", "max_clip_s", "window_stride"),
    "EncoderConfig": ("seed",),
    "ExclusionRules": ALL,
    "InstructionConfig": ("max_crops",),
    "NurseryConfig": ("annotation_fps", "utterances_per_minute"),
    "OwnEncoderConfig": ALL,
    "StudyConfig": ("frame_ms", "delay_ms", "round_delay_ms", "test_delay_ms", "gap_ms", "reading_ms"),
    "ToolboxConfig": ("max_crops",),
}
"""Settings that hardly anybody varies, by the class that has them: ``--help-all`` shows them, ``--help`` does not."""


def parse(command: Command, words: Sequence[str], *, every_setting: bool = True) -> Callable[[], str]:
    """What a command is to do, not yet done.

    Args:
        command: The command.
        words: What was typed behind its name.
        every_setting: False hides rare settings: for ``--help`` alone, since they cannot be set then.

    Raises:
        SystemExit: With 2 where the words do not parse, with 0 after ``--help``.
        BabyVLMError: A setting has a bad value.
    """
    function = command.load()

    @functools.wraps(function)
    def later(*arguments: Any, **settings: Any) -> Callable[[], str]:
        return functools.partial(function, *arguments, **settings)

    call: Callable[[], str] = tyro.cli(
        later, prog=f"babyvlm {command.name}", args=words, config=MARKERS, registry=registry(every_setting)
    )
    return call


def parser_of(command: Command) -> Any:
    """The argparse parser of a command, for the documentation."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return tyro.extras.get_parser(command.load(), config=MARKERS, registry=registry(every_setting=True))


def complete(words: Sequence[str]) -> None:
    """Prints or writes the completion of a shell, for all commands; tyro's own options say which."""
    app = tyro.extras.SubcommandApp()
    families = {name: tyro.extras.SubcommandApp() for name in FAMILIES}
    for command in COMMANDS.values():
        first, _, last = command.name.partition(" ")
        owner = families[first] if last else app
        owner.command(name=last or first, help=command.help)(command.load())
    for name, family in families.items():
        app.command(family, name=name, help=FAMILIES[name])
    app.cli(prog="babyvlm", args=words)


def registry(every_setting: bool) -> ConstructorRegistry:
    """Rules for tyro: ``None`` is not shown as a value to type, and rare settings may be hidden.

    Args:
        every_setting: Whether rare settings are there.
    """
    rules = ConstructorRegistry()
    asking = False
    """Whether tyro's own rule is being asked; ours step aside then."""

    @rules.primitive_rule
    def optional(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
        nonlocal asking
        if asking or info.type_origin not in (Union, UnionType) or NoneType not in get_args(info.type):
            return None
        asking = True
        try:
            spec = ConstructorRegistry.get_primitive_spec(info)
        finally:
            asking = False
        if not isinstance(spec, PrimitiveConstructorSpec):
            return None
        return dataclasses.replace(spec, metavar=spec.metavar.replace("{None}|", ""))

    @rules.struct_rule
    def rare(info: StructTypeInfo) -> StructConstructorSpec | None:
        nonlocal asking
        hidden = RARE.get(getattr(info.type, "__name__", ""), ())
        if asking or every_setting or not hidden:
            return None
        asking = True
        try:
            spec = ConstructorRegistry.get_struct_spec(info)
        finally:
            asking = False
        if not isinstance(spec, StructConstructorSpec):
            return None
        fields = [
            dataclasses.replace(field, type=Annotated[field.type, Suppress])  # type: ignore[arg-type]
            if hidden == ALL or field.name in hidden
            else field
            for field in spec.fields
        ]
        return dataclasses.replace(spec, fields=tuple(fields))

    return rules
