"""The release script: what it refuses, what it writes, and that a dry run changes nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
import release

ROOT = Path(__file__).parents[2]


def git(root: Path, *words: str) -> str:
    identity = ["-c", "user.name=Tester", "-c", "user.email=tester@example.org"]
    return subprocess.run(["git", "-C", root, *identity, *words], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A small clean tree at 1.2.3, and a make that leaves a wheel."""
    for variable, value in {"NAME": "Tester", "EMAIL": "tester@example.org"}.items():
        monkeypatch.setenv(f"GIT_COMMITTER_{variable}", value)
        monkeypatch.setenv(f"GIT_AUTHOR_{variable}", value)
    (tmp_path / "src" / "babyvlm").mkdir(parents=True)
    (tmp_path / "src" / "babyvlm" / "__init__.py").write_text('"""A."""\n\n__version__ = "1.2.3"\n')
    (tmp_path / "CITATION.cff").write_text("cff-version: 1.2.0\nversion: 1.2.3\n")
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## Unreleased\n\n## 1.2.3, 2026-01-02\n\n- A thing.\n")
    (tmp_path / "Makefile").write_text("dist:\n\tmkdir -p dist && touch dist/a.whl\n")
    (tmp_path / ".gitignore").write_text("dist/\n")
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "All")
    return tmp_path


def test_a_dry_run_finds_a_fit_tree_and_changes_nothing(tree, capsys):
    before = git(tree, "rev-parse", "HEAD")
    release.main([], root=tree)
    assert "dry run" in capsys.readouterr().out
    assert git(tree, "tag") == "" and not (tree / "dist").exists() and git(tree, "rev-parse", "HEAD") == before


def test_a_tag_is_made_after_the_build(tree, capsys):
    release.main(["tag"], root=tree)
    assert git(tree, "tag") == "v1.2.3\n" and (tree / "dist" / "a.whl").is_file()
    with pytest.raises(SystemExit, match=r"the tag v1\.2\.3 exists already"):
        release.main(["tag"], root=tree)


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


@pytest.mark.parametrize(
    ("file", "before", "after", "said"),
    [
        ("CITATION.cff", "version: 1.2.3", "version: 1.2.2", "CITATION.cff: '1.2.2', where the package says '1.2.3'"),
        ("src/babyvlm/__init__.py", "1.2.3", "1.2.3.dev0", "is no version X.Y.Z"),
        ("CHANGELOG.md", "## 1.2.3, 2026-01-02", "## 1.2.3", "has no date"),
        ("CHANGELOG.md", "## 1.2.3,", "## 1.2.4,", "no section for 1.2.3"),
        ("CHANGELOG.md", "Unreleased\n", "Unreleased\n\n- Left.\n- And this.\n", "2 lines are still under Unreleased"),
    ],
)
def test_what_is_not_fit_is_named_and_nothing_is_tagged(tree, file, before, after, said):
    edit(tree / file, before, after)
    git(tree, "commit", "-q", "-a", "-m", "Another")
    with pytest.raises(SystemExit, match=said.replace(".", r"\.")):
        release.main(["tag"], root=tree)
    assert git(tree, "tag") == "" and not (tree / "dist").exists()


def test_a_tree_that_is_not_clean_is_refused(tree):
    (tree / "new.txt").write_text("not committed")
    with pytest.raises(SystemExit, match="not clean"):
        release.main(["check"], root=tree)


def test_prepare_cuts_the_changelog_and_writes_the_version_everywhere(tree):
    with pytest.raises(SystemExit, match="nothing is under Unreleased"):
        release.main(["prepare", "1.3.0"], root=tree)
    edit(tree / "CHANGELOG.md", "Unreleased\n", "Unreleased\n\n- New.\n")
    with pytest.raises(SystemExit, match="no version"):
        release.main(["prepare", "1.3"], root=tree)
    with pytest.raises(SystemExit, match=r"a section for 1\.2\.3 already"):
        release.main(["prepare", "1.2.3"], root=tree)
    release.main(["prepare", "1.3.0"], root=tree)
    assert set(release.versions(tree).values()) == {"1.3.0"}
    changelog = (tree / "CHANGELOG.md").read_text()
    assert release.section(changelog, "Unreleased") == "" and release.section(changelog, "1.3.0") == "- New."
    git(tree, "commit", "-q", "-a", "-m", "1.3.0")
    release.main(["check"], root=tree)


def test_this_tree_has_one_version_and_a_section_for_it():
    said = release.versions(ROOT)
    assert len(set(said.values())) == 1
    assert release.section((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), said["CITATION.cff"])


GITHUB = sorted((ROOT / ".github").rglob("*.yml"))


@pytest.mark.parametrize("path", GITHUB, ids=lambda path: path.name)
def test_files_for_the_hosting_site_are_valid_yaml(path):
    held = yaml.safe_load(path.read_text(encoding="utf-8"))
    if path.parent.name == "ISSUE_TEMPLATE" and path.name != "config.yml":
        assert held["name"] and held["description"]
        assert all(part["type"] in ("input", "textarea", "markdown", "dropdown", "checkboxes") for part in held["body"])
        assert all(part["attributes"]["label"] for part in held["body"])
        assert len({part["id"] for part in held["body"]}) == len(held["body"])


def test_the_workflow_runs_targets_that_exist():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "checks.yml").read_text(encoding="utf-8"))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    typed = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    targets = {line.split()[1] for line in typed if line.startswith("make ")}
    assert {"check", "test", "test-lowest", "test-newest", "docs", "dist"} <= targets
    assert all(f"\n{target}:" in makefile for target in targets)
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert workflow["permissions"] == {"contents": "read"}


def test_the_gate_runs_the_checks_and_every_tier_of_tests_that_needs_no_gpu():
    gate = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    slow = next(number for number, line in enumerate(gate) if line.endswith("-m slow"))
    assert gate.index("make check") < gate.index("make test") < slow < gate.index("make test-lowest")
    assert shutil.which("bash") is None or subprocess.run(["bash", "-n", ROOT / ".ci" / "run"]).returncode == 0


def test_the_container_installs_what_make_dist_leaves():
    said = (ROOT / "Containerfile").read_text(encoding="utf-8")
    assert "COPY constraints.txt dist/*.whl" in said and "-c /tmp/dist/constraints.txt" in said
    assert "\nUSER babyvlm\n" in said and said.index("USER babyvlm") < said.index("ENTRYPOINT")
