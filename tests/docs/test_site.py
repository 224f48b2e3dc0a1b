"""The documentation builds without a warning, needs nothing from elsewhere, and covers the program."""

from __future__ import annotations

import dataclasses
import inspect
import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest

from babyvlm.recipes import RECIPES, describe, resolve

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))
import generate

ROOT = Path(__file__).parents[2]


def spoken(text: str) -> str:
    """Source text with adjacent literals joined, as a message reads."""
    return re.sub(r'"\s*\n\s*f?"', "", text)


SOURCE = spoken("\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py")))
OTHERS = ("No matching distribution found for babyvlm",)
"""Messages of other programs."""


def test_every_command_has_its_settings():
    page = generate.commands_page()
    assert len(re.findall(r"^## babyvlm ", page, re.M)) == len(dict(generate.commands())) >= 30
    for name, function in generate.commands():
        part = page.split(f"## babyvlm {name}\n")[1].split("\n## ")[0]
        for argument, kind in typing.get_type_hints(function).items():
            parameter = inspect.signature(function).parameters.get(argument)
            if parameter is None or dataclasses.is_dataclass(kind):
                continue  # what it returns, or a group of settings
            positional = parameter.kind is parameter.POSITIONAL_OR_KEYWORD
            shown = argument.upper() if positional else f"--{argument.replace('_', '-')}"
            assert re.search(rf"`(--no-)?{shown}[` ]", part), (name, argument)
    assert "(no description)" not in page


def test_every_setting_of_every_recipe_is_explained():
    page = generate.recipes_page()
    for name in RECIPES:
        for line in describe(resolve(name)).splitlines():
            if " = " in line and not line.startswith(" "):
                assert f"`{line.partition(' = ')[0]}`\n: " in page, line


def test_every_result_has_its_figures_and_date():
    page = generate.figures_page()
    files = [path for path in (ROOT / "benchmarks" / "results").iterdir() if re.search(r"\d{4}-\d\d-\d\d", path.name)]
    assert len(files) > 20 and all(f"`{path.name}`" in page for path in files)
    assert "| 58.8 |" in page  # a figure of a table, and one of a JSON file
    assert "| core\\_hours\\_for\\_478\\_hours | 38.1 |" in page


def test_every_room_is_in_the_python_reference():
    rooms = {f"babyvlm.{path.parent.name}" for path in (ROOT / "src" / "babyvlm").glob("*/__init__.py")}
    without_exports = {"babyvlm.chain", "babyvlm.cli", "babyvlm.media"}  # babyvlm itself exports what chain has
    assert rooms - set(generate.ROOMS) <= without_exports


@pytest.mark.parametrize(
    "heading", re.findall(r"^### `(.*)`$", (ROOT / "docs/faq.md").read_text(encoding="utf-8"), re.M)
)
def test_every_message_of_the_questions_is_one_of_ours(heading):
    parts = [part.strip(" :") for part in heading.split("…")]
    assert heading in OTHERS or all(part in SOURCE for part in parts)


def test_the_index_of_the_log_names_every_section():
    log = (ROOT / "docs" / "log.md").read_text(encoding="utf-8")
    index, *sections = re.split(r"^## ", log, flags=re.M)
    linked = set(re.findall(r"\]\(#([^)]+)\)", index))
    slugs = {re.sub(r"[^\w\- ]", "", one.splitlines()[0].lower()).replace(" ", "-") for one in sections}
    assert linked and linked <= slugs
    for path in (ROOT / "docs" / "log").glob("*.md"):
        assert f"(log/{path.name})" in log


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_needs_nothing_from_elsewhere(tmp_path):
    pytest.importorskip("sphinx", reason="the extra docs is not installed")
    pytest.importorskip("furo", reason="the extra docs is not installed")
    build = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-d", tmp_path / "trees"]
    done = subprocess.run([*build, ROOT / "docs", tmp_path / "site"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|link|iframe|source)[^>]*?(?:src|href)=\"([^\"]+)\"", text)
        assert not [address for address in loaded if re.match(r"(https?:)?//", address)], page
    for sheet in (tmp_path / "site" / "_static").rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*['\"]?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet
    index = (tmp_path / "site" / "searchindex.js").read_text(encoding="utf-8")
    assert "tutorials/student" in index and "generated/commands" in index
