"""The environment that every HTML page and card of the package is rendered in."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined


def page_environment(package: str, *, trim: bool = True) -> Environment:
    """An environment that escapes all values and refuses undefined ones.

    Args:
        package: The package that has the folder ``templates``.
        trim: Leave out the lines of block tags.
    """
    return Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=trim,
        lstrip_blocks=trim,
    )
