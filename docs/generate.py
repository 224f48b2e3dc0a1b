"""The pages of the reference, written from the program itself: commands, settings of recipes, Python, figures.

the command line's parsers ── commands.md
babyvlm config, each recipe ─ recipes.md
__all__ of each room ──────── python/ROOM.rst
benchmarks/results ────────── figures.md
notebooks/*.ipynb ─────────── NAME.md
"""

from __future__ import annotations

import ast
import importlib
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from babyvlm.cli.help import OPTIONS
from babyvlm.cli.index import COMMANDS, GROUPS, Command
from babyvlm.cli.parsing import parser_of
from babyvlm.recipes import RECIPES, describe, resolve

ROOT = Path(__file__).parents[1]
ROOMS = {
    "babyvlm": "The package",
    "babyvlm.records": "Records",
    "babyvlm.errors": "Errors",
    "babyvlm.corpus": "Corpus",
    "babyvlm.corpus.nursery": "The simulated nursery",
    "babyvlm.curation": "Curation",
    "babyvlm.model": "Model",
    "babyvlm.weights": "Weights",
    "babyvlm.training": "Training",
    "babyvlm.recipes": "Recipes",
    "babyvlm.toolbox": "Toolbox",
    "babyvlm.toolbox.contrasts": "Contrasts",
    "babyvlm.evaluation": "Evaluation",
    "babyvlm.audits": "Audit",
    "babyvlm.leaderboard": "Leaderboard",
    "babyvlm.reports": "Reports",
    "babyvlm.probing": "Probes",
    "babyvlm.children": "Children",
    "babyvlm.study": "Studies",
    "babyvlm.explorer": "Explorer",
    "babyvlm.chat": "Chat",
    "babyvlm.sharing": "Sharing",
    "babyvlm.licences": "Licences",
    "babyvlm.folders": "Folders and manifests",
}
"""Modules of the Python reference, with their titles."""


_OF_ROOMS = ("ClipModels", "RecordingChoice", "SelectionChanges")
"""Settings that the package hands on, as it does every ``...Config``; the pages of their rooms have them."""
_COMPLETION = """
A shell completes commands and settings once it has their list, which is written to a file that it reads; again after an
update of the program:

```text
bash:  babyvlm --tyro-write-completion bash ~/.local/share/bash-completion/completions/babyvlm
zsh:   babyvlm --tyro-write-completion zsh ~/.zfunc/_babyvlm      with fpath+=~/.zfunc before compinit in ~/.zshrc
fish:  babyvlm --tyro-write-completion fish ~/.config/fish/completions/babyvlm.fish
```
""".strip()


def write_pages(folder: Path) -> None:
    """Writes every generated page; pages of an earlier build that are the same keep their time.

    Args:
        folder: Where they go.
    """
    pages = {
        "commands.md": commands_page(),
        "recipes.md": recipes_page(),
        "figures.md": figures_page(),
        **{
            f"{path.stem}-notebook.md": notebook_page(path)
            for path in sorted((ROOT / "docs/notebooks").glob("*.ipynb"))
        },
        **{f"python/{name}.rst": python_page(name, title) for name, title in ROOMS.items()},
    }
    for stale in [path for path in folder.rglob("*") if path.is_file()]:
        if stale.relative_to(folder).as_posix() not in pages:
            stale.unlink()
    for name, text in pages.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def commands() -> Iterator[tuple[str, Any]]:
    """Every command and its function, in the order of ``--help``."""
    yield from ((command.name, command.load()) for group in GROUPS.values() for command in group)


def commands_page() -> str:
    """Every command with its arguments and settings."""
    parts = [
        "# Commands",
        "Generated from the program; `babyvlm COMMAND --help-all` prints the same, and `--help` leaves rare settings "
        "out. An error that a person can mend ends a command with exit code 2, an interruption with 130.",
        "Every command takes:",
        "\n\n".join(f"{_flags(names)}\n: {text}" for names, text in OPTIONS),
        _COMPLETION,
    ]
    for title, group in GROUPS.items():
        listed = ", ".join(f"[{command.name}](#babyvlm-{command.name.replace(' ', '-')})" for command in group)
        parts.append(f"**{title}**: {listed}.")
    for command in COMMANDS.values():
        parts += [f"## babyvlm {command.name}", _prose(command.load().__doc__ or ""), _settings_of(command)]
    return "\n\n".join(parts) + "\n"


def _settings_of(command: Command) -> str:
    """The arguments and settings of a command."""
    rows = []
    for action in parser_of(command)._actions:
        if action.dest == "help":
            continue
        flags = ", ".join(f"`{flag}`" for flag in action.option_strings) or f"`{action.metavar or action.dest}`"
        values = "" if not action.option_strings or action.metavar is None else f" `{_metavar(action.metavar)}`"
        label = f"`{action.dest.upper().replace('-', '_')}`" if not action.option_strings else flags + values
        rows.append(f"{label}\n: {_help(str(action.help or ''))}")
    return "\n\n".join(rows) if rows else "It takes no settings."


def _flags(names: str) -> str:
    return ", ".join(f"`{name}`" for name in names.split(", "))


def _metavar(metavar: Any) -> str:
    return " ".join(metavar) if isinstance(metavar, tuple) else str(metavar)


def _help(text: str) -> str:
    """An option's text as Markdown: double backticks become single ones, angle brackets and pipes stay text."""
    plain = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", text).replace("``", "`").split())
    plain = re.sub(r"\(default: (?:''|\"\")?\)", "(default: empty)", plain)
    return re.sub(r"[<>](?=[^`]*(?:`[^`]*`[^`]*)*$)", lambda found: "\\" + found[0], plain) or "(no description)"


def _prose(docstring: str) -> str:
    """A docstring up to its Args."""
    text = re.split(r"\n\s*(?:Args|Returns|Raises):", docstring)[0]
    return "\n\n".join(" ".join(part.split()) for part in text.replace("``", "`").split("\n\n")).strip()


def recipes_page() -> str:
    """Every setting of every recipe, with its meaning and its values."""
    described = {name: _settings(describe(resolve(name))) for name in RECIPES}
    parts = [
        "# Settings of the recipes",
        "Generated from `babyvlm config RECIPE`. Any of them is overridden by `key=value` behind the recipe's name. "
        "*ours* marks a choice of this project, *paper* one that is published.",
    ]
    section = ""
    for key in dict.fromkeys(key for settings in described.values() for key in settings):
        head = key.split(".")[0] if "." in key else "run"
        if head != section:
            section = head
            parts.append(f"## {section}")
        values: dict[str, list[str]] = {}
        for name, settings in described.items():
            values.setdefault(settings[key][0] if key in settings else "not set", []).append(name)
        shown = "; ".join(f"`{_short(value)}` ({', '.join(names)})" for value, names in values.items())
        if len(values) == 1:
            shown = f"`{_short(next(iter(values)))}` in all"
        meaning = next(settings[key][1] for settings in described.values() if key in settings)
        parts.append(f"`{key}`\n: {_help(meaning)}\n\n  {shown}")
    return "\n\n".join(parts) + "\n"


def _short(value: str, most: int = 160) -> str:
    return value if len(value) <= most else value[: most - 2] + " …"


def _settings(described: str) -> dict[str, tuple[str, str]]:
    """Value and meaning of each setting, from what ``babyvlm config`` prints."""
    found: dict[str, tuple[str, str]] = {}
    key = ""
    for line in described.splitlines():
        if line.startswith("    ") and key:
            value, meaning = found[key]
            found[key] = (value, f"{meaning} {line.strip()}".strip())
        elif " = " in line:
            key, _, value = line.partition(" = ")
            found[key] = (value, "")
    return found


def python_page(name: str, title: str) -> str:
    """The page of one module: what it exports, with the docstrings."""
    module = importlib.import_module(name)
    exported = getattr(module, "__all__", None)
    is_package = hasattr(module, "__path__")
    members = ", ".join(one for one in exported or () if not one.startswith("__"))
    lines = [title, "=" * len(title), "", f".. automodule:: {name}"]
    if is_package and exported is not None:
        lines += ["   :no-members:", ""]
        for member in members.split(", "):
            if name == "babyvlm" and (member.endswith("Config") or member in _OF_ROOMS):
                continue
            kind = _directive(getattr(module, member), member) if member else ""
            lines += [f".. {kind}:: {name}.{member}", ""] if kind else []
    else:
        lines += [""]
    return "\n".join(lines)


def _directive(thing: Any, name: str) -> str:
    if isinstance(thing, type):
        return "autoexception" if issubclass(thing, BaseException) else "autoclass"
    if callable(thing) and hasattr(thing, "__code__"):
        return "autofunction"
    return "autodata"


_RESULT = re.compile(r"(?P<name>.+?)-(?P<date>\d{4}-\d{2}-\d{2})(?P<more>-.+)?$")


def results() -> list[tuple[str, str, Path]]:
    """Date, name and file of every result, newest first."""
    found = []
    for path in sorted((ROOT / "benchmarks" / "results").iterdir()):
        if matched := _RESULT.match(path.stem):
            found.append((matched["date"], matched["name"] + (matched["more"] or ""), path))
    return sorted(found, key=lambda one: (one[0], one[1]), reverse=True)


def figures_page() -> str:
    """What was measured, with dates: a table of all results, then each as far as it is short."""
    parts = [
        "# Figures",
        "Generated from `benchmarks/results/`. Each was measured by the script of `benchmarks/` with its name, on the "
        "machine that it names, on its date; [the log](../log.md) says how it came about and what failed on the way.",
    ]
    rows = ["| date | result | file | measures |", "|---|---|---|---|"]
    sections = []
    for date, name, path in results():
        rows.append(f"| {date} | [{name}](#{_anchor(name, date)}) | `{path.name}` | {_in_a_line(name)} |")
        sections += [f"## {name}, {date}", _in_full(path)]
    return "\n\n".join([*parts, "\n".join(rows), *sections]) + "\n"


def _anchor(name: str, date: str) -> str:
    return re.sub(r"[^\w\- ]", "", f"{name}, {date}".lower()).replace(" ", "-")


def _in_a_line(name: str) -> str:
    """What the script of a result measures: the first sentence of its docstring."""
    scripts = [path for path in (ROOT / "benchmarks").glob("*.py") if name.replace("-", "_").startswith(path.stem)]
    if not scripts:
        return ""
    docstring = ast.get_docstring(ast.parse(max(scripts, key=lambda path: len(path.stem)).read_text(encoding="utf-8")))
    return _cell(re.split(r"\n\n|(?<=\.)\s", docstring or "")[0])


def _leaves(held: Any, prefix: str = "", depth: int = 4) -> Iterator[tuple[str, Any]]:
    """Every figure of a result and the way to it."""
    if isinstance(held, dict) and depth:
        for key, value in held.items():
            yield from _leaves(value, f"{prefix}, {key}" if prefix else str(key), depth - 1)
    elif isinstance(held, str | int | float | bool):
        yield prefix, held


_MOST_ROWS = 60


def _in_full(path: Path) -> str:
    if path.suffix == ".md":
        text = re.sub(r"^# .*\n", "", path.read_text(encoding="utf-8"), count=1)
        return re.sub(r"^#", "##", text, flags=re.M).strip()
    leaves = list(_leaves(json.loads(path.read_text(encoding="utf-8"))))
    rows = [f"| {_cell(key)} | {_cell(value)} |" for key, value in leaves[:_MOST_ROWS]]
    more = f"\n\n{len(leaves) - _MOST_ROWS} further figures are in the file." if len(leaves) > _MOST_ROWS else ""
    return ("\n".join(["| figure | value |", "|---|---|", *rows]) + more) if rows else "A list; see the file."


def _cell(value: Any) -> str:
    text = " ".join(str(value).split())
    text = text if len(text) <= 200 else text[:198] + " …"
    return re.sub(r"([|<>*_`\\\[\]])", r"\\\1", text)


def notebook_page(path: Path) -> str:
    """A notebook as a page: its text, its code, and no outputs, which depend on the machine."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    parts = []
    for cell in cells:
        source = "".join(cell["source"]).strip()
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
    parts.append(f"{{download}}`The notebook itself <../notebooks/{path.name}>`")
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    shutil.rmtree(Path(__file__).parent / "generated", ignore_errors=True)
    write_pages(Path(__file__).parent / "generated")
