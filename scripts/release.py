"""Steps of a release. Nothing is pushed or uploaded, and nothing is changed unless the step says so.

prepare X.Y.Z   writes the version where it stands, and cuts Unreleased into a dated section of the changelog
check           a dry run, the default: is this tree fit to be released?
tag             checks, runs make dist, and makes the tag vX.Y.Z
"""

from __future__ import annotations

import argparse
import datetime
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PLACES = {
    "src/babyvlm/__init__.py": re.compile(r'^__version__ = "(?P<version>[^"]+)"$', re.M),
    "CITATION.cff": re.compile(r"^version: (?P<version>\S+)$", re.M),
}
"""Where the version stands."""
CHANGELOG = "CHANGELOG.md"
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_UNRELEASED = "## Unreleased\n"


def versions(root: Path) -> dict[str, str]:
    """The version at each place; empty where there is none."""
    found = {}
    for name, pattern in PLACES.items():
        matched = pattern.search((root / name).read_text(encoding="utf-8"))
        found[name] = matched["version"] if matched else ""
    return found


def section(changelog: str, title: str) -> str | None:
    """What stands under a heading that begins with a title; None where there is none."""
    matched = re.search(rf"^## {re.escape(title)}(?:[ ,][^\n]*)?\n(?P<text>.*?)(?=^## |\Z)", changelog, re.M | re.S)
    return matched["text"].strip() if matched else None


def problems(root: Path) -> list[str]:
    """Why this tree is not fit to be released; empty where it is."""
    found = []
    said = versions(root)
    version = said["src/babyvlm/__init__.py"]
    if not _VERSION.fullmatch(version):
        found.append(f"src/babyvlm/__init__.py: {version!r} is no version X.Y.Z")
    found += [
        f"{name}: {other!r}, where the package says {version!r}" for name, other in said.items() if other != version
    ]
    changelog = (root / CHANGELOG).read_text(encoding="utf-8")
    if not section(changelog, version):
        found.append(f"{CHANGELOG}: no section for {version}. Run: release.py prepare X.Y.Z")
    elif not re.search(rf"^## {re.escape(version)}, \d{{4}}-\d\d-\d\d$", changelog, re.M):
        found.append(f"{CHANGELOG}: the section for {version} has no date")
    if left := section(changelog, "Unreleased"):
        found.append(f"{CHANGELOG}: {left.count(chr(10) + '- ') + 1} lines are still under Unreleased")
    if _git(root, "status", "--porcelain"):
        found.append("the working tree is not clean. Commit first")
    if _git(root, "tag", "--list", f"v{version}"):
        found.append(f"the tag v{version} exists already")
    return found


def prepare(root: Path, version: str, date: str) -> None:
    """Writes a version everywhere and cuts the changelog."""
    if not _VERSION.fullmatch(version):
        sys.exit(f"{version!r} is no version X.Y.Z")
    path = root / CHANGELOG
    changelog = path.read_text(encoding="utf-8")
    if not section(changelog, "Unreleased"):
        sys.exit(f"{CHANGELOG}: nothing is under Unreleased")
    if section(changelog, version) is not None:
        sys.exit(f"{CHANGELOG}: there is a section for {version} already")
    path.write_text(changelog.replace(_UNRELEASED, f"{_UNRELEASED}\n## {version}, {date}\n", 1), encoding="utf-8")
    for name, pattern in PLACES.items():
        text = (root / name).read_text(encoding="utf-8")
        changed = pattern.sub(lambda found: found[0].replace(found["version"], version), text, count=1)
        (root / name).write_text(changed, encoding="utf-8")
    print(f"{version}: written to {', '.join([*PLACES, CHANGELOG])}. Read the difference and commit it")


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()


def main(arguments: list[str] | None = None, root: Path = ROOT) -> None:
    """Does one step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", nargs="?", choices=("check", "prepare", "tag"), default="check")
    parser.add_argument("version", nargs="?", default="", help="of prepare: X.Y.Z")
    options = parser.parse_args(arguments)
    if options.step == "prepare":
        prepare(root, options.version, str(datetime.date.today()))
        return
    version = versions(root)["src/babyvlm/__init__.py"]
    if found := problems(root):
        sys.exit("\n".join([f"{version} is not fit to be released:", *(f"  {problem}" for problem in found)]))
    print(f"{version}: the tree is clean, the versions agree, the changelog is cut, the tag is free")
    if options.step == "check":
        print("dry run: nothing was built or tagged; release.py tag does both")
        return
    subprocess.run(["make", "-C", str(root), "dist"], check=True)
    if _git(root, "status", "--porcelain"):
        sys.exit("make dist changed the tree; nothing was tagged")
    _git(root, "tag", "--annotate", f"v{version}", "--message", f"babyvlm {version}")
    print(f"v{version} is tagged here, and dist/ holds wheel and archive. Pushing and publishing are yours")


if __name__ == "__main__":
    main()
