"""The command that an error names installs the extra into the copy at hand."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from babyvlm.errors import MissingExtraError
from babyvlm.installation import install_command, requirement


@pytest.mark.case("promises")
@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ({}, "'babyvlm[api]'"),
        ({"url": "file:///my%20src/babyvlm", "dir_info": {"editable": True}}, "-e '/my src/babyvlm[api]'"),
        ({"url": "file:///src/babyvlm", "dir_info": {}}, "'/src/babyvlm[api]'"),
        ({"url": "file:///b-0.1.0-py3-none-any.whl", "archive_info": {}}, "'babyvlm[api] @ file:///b-0.1.0-py3-none-any.whl'"),
        (
            {"url": "https://host/b.git", "vcs_info": {"vcs": "git", "commit_id": "f00"}},
            "'babyvlm[api] @ git+https://host/b.git@f00'",
        ),
    ],
)  # fmt: skip
def test_the_requirement_is_that_of_how_it_was_installed(origin, expected):
    assert requirement(origin, "api") == expected


@pytest.mark.case("promises")
def test_pip_takes_the_command_as_it_is_printed():
    said = str(MissingExtraError("Serving a study", "study"))
    command = said.partition("Install it with: ")[2]
    assert command == install_command("study")
    dry = f"{command} --dry-run --no-deps --no-build-isolation --no-index --quiet"
    done = subprocess.run(dry, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert sys.executable in command


ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")


@pytest.mark.case("promises")
def test_the_page_lists_every_extra():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE, re.M)) == set(project["optional-dependencies"])


@pytest.mark.case("promises")
def test_the_page_adds_an_extra_to_a_wheel_as_the_program_prints_it():
    (shown,) = re.findall(r"'babyvlm\[study\] @ file:[^']+'", PAGE)
    url = shown.strip("'").partition(" @ ")[2]
    assert requirement({"url": url, "archive_info": {}}, "study") == shown


@pytest.mark.case("promises")
@pytest.mark.parametrize("page", ["README.md", "docs/install.md", "docs/tutorials/student.md"])
def test_no_page_installs_from_an_index_that_has_no_such_package(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert not re.search(r"pip install (-\S+ \S+ )*['\"]?babyvlm(?!\S* @ )", text)
