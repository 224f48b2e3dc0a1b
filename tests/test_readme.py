"""The README's commands are commands."""

import re
import shlex
from pathlib import Path

import pytest

from babyvlm.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line.split("#")[0].strip()
    for block in re.findall(r"```bash\n(.*?)```", README, re.S)
    for line in block.splitlines()
    if line
]


NEEDS_NOTHING = ("babyvlm power ",)


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith(NEEDS_NOTHING)])
def test_a_readme_command_that_needs_no_input_runs(command, capsys):
    main(shlex.split(command)[1:])
    assert capsys.readouterr().out


@pytest.mark.parametrize(
    "command", [c for c in COMMANDS if c.startswith("babyvlm ") and not c.startswith(NEEDS_NOTHING)]
)
def test_a_readme_command_parses_and_names_what_is_missing(command, tmp_path, monkeypatch, capsys):
    """On an empty folder each must get as far as its missing input: exit code 2 and one of our own messages."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(shlex.split(command)[1:])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("babyvlm: error: ")


def test_make_targets_of_the_readme_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = [command.split()[1] for command in COMMANDS if command.startswith("make ")]
    assert targets == ["demo", "test"]
    assert all(re.search(rf"^{target}:", makefile, re.M) for target in targets)


def test_the_annotated_tree_names_every_room():
    for path in (ROOT / "src" / "babyvlm").iterdir():
        if path.is_dir() and (path / "__init__.py").exists():
            assert f"{path.name}/" in README, path.name
    for link in re.findall(r"\]\(((?!http)[^)]+)\)", README):
        assert (ROOT / link).exists(), link
