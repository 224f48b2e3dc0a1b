"""The README's and the documentation's commands are commands: each page is typed, in order, on tiny data."""

import re
from pathlib import Path

import pytest

from tests.typed_commands import Given, Reader, commands_of, needs_of

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [
    "README.md",
    "docs/install.md",
    *(
        pytest.param(f"docs/{name}.md", marks=pytest.mark.slow)
        for name in (
            "items", "recordings", "growing", "evaluation", "children", "tutorials/lab", "tutorials/student",
            "tutorials/benchmark", "tutorials/psychologist", "tutorials/contributor",
        )
    ),
]  # fmt: skip
"""Pages whose commands are typed. The README has nearly every command; pages that have more run with the slow tests."""
ELSEWHERE = {
    "CONTRIBUTING.md": "docs/tutorials/contributor.md types the same",
    "docs/studies.md": "tests/study, with a database server and recorded voices",
}
"""Pages with commands that are tried by other tests."""


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    pytest.importorskip("skia", reason="the nursery cannot be rendered: the extra render is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("babyvlm.training.run.peak_flops", lambda device, precision: 1e9)  # seconds of products
        yield Given(tmp_path_factory.mktemp("given"))


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_do_what_it_says(page, given, tmp_path, monkeypatch, capsys):
    commands = commands_of((ROOT / page).read_text(encoding="utf-8"))
    assert commands
    monkeypatch.setattr("babyvlm.training.run.peak_flops", lambda device, precision: 1e9)
    given.put(needs_of(commands), tmp_path)
    reader = Reader(tmp_path, given, monkeypatch, capsys)
    for command in commands:
        reader.type(command)


def test_every_page_with_commands_is_typed_or_tried_elsewhere():
    pages = [path for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")) if "generated" not in path.parts]
    with_commands = {str(path.relative_to(ROOT)) for path in pages if commands_of(path.read_text(encoding="utf-8"))}
    typed = {page if isinstance(page, str) else page.values[0] for page in PAGES}
    assert with_commands == typed | set(ELSEWHERE)


def test_the_readme_is_short_and_shows_the_picture_early():
    lines = README.splitlines()
    assert len(lines) <= 120
    assert any("docs/report.png" in line for line in lines[:45])
    assert "pip install babyvlm" not in README and "pip install 'babyvlm" not in README


def test_the_readme_has_a_command_for_every_wish():
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| `(babyvlm [^`]+)` \|$", README, re.M)
    assert len(rows) >= 15 and len({wish for _, wish, _ in rows}) == len(rows)


def test_make_targets_of_the_readme_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = [command.split()[1] for command in commands_of(README) if command.startswith("make ")]
    assert targets == ["demo", "test"]
    assert all(re.search(rf"^{target}:", makefile, re.M) for target in targets)


def test_the_annotated_tree_names_every_room():
    tree = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for path in (ROOT / "src" / "babyvlm").iterdir():
        if path.is_dir() and (path / "__init__.py").exists():
            assert f"{path.name}/" in tree, path.name


@pytest.mark.parametrize(
    "page", [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))], ids=lambda p: p.name
)
def test_every_link_leads_somewhere(page):
    """What Sphinx checks of the documentation holds on a site that shows the files themselves, too."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith("http"):
            assert re.fullmatch(r"https://[\w.-]+\.[a-z]+(/[\w./#-]*)?", link), link
        elif not link.startswith("#"):
            target = page.parent / link.partition("#")[0]
            generated = link.startswith("generated/") and page.parent.name == "docs"
            optional = target.name == "extending.md"
            assert target.exists() or generated or optional, link
