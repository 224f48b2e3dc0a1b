"""What pyproject.toml allows, what the tests ran on, and the lowest versions they run on are three lists of one set."""

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def pins(name):
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return {key.lower().replace("_", "-"): version for line in lines if (key := line.partition("==")[0]) != line
            for version in [line.partition("==")[2]]}  # fmt: skip


def declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["dependencies"], [one for extra in project["optional-dependencies"].values() for one in extra]


def parted(requirement):
    name, floor = re.fullmatch(r"([\w-]+)(?:\[[\w,]+\])?(?:>=([\d.]+))?", requirement).groups()
    return name.lower().replace("_", "-"), floor


@pytest.mark.case("versions")
def test_the_lowest_versions_are_the_floors():
    assert pins("constraints-lowest.txt").keys() == {parted(one)[0] for one in declared()[0]}
    for name, floor in map(parted, declared()[0]):
        version = pins("constraints-lowest.txt")[name]
        assert re.fullmatch(rf"{re.escape(floor)}(\.0)*", version), f"{name}: {version} is tested, {floor} is allowed"


@pytest.mark.case("versions")
def test_the_constraints_pin_every_package_that_is_needed():
    pinned = pins("constraints.txt")
    optional = {"wandb"}  # not part of the environment of the tests
    needed = {parted(one)[0] for lists in declared() for one in lists} - {"babyvlm"} - optional
    waiting, seen = set(needed), set()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        for line in importlib.metadata.requires(name) or ():
            if ";" not in line:  # those under a condition hold on some machines only
                inner = re.match(r"[\w.-]+", line)[0].lower().replace("_", "-").replace(".", "-")
                if inner not in seen:
                    waiting.add(inner)
    assert sorted(seen - {name.replace(".", "-") for name in pinned}) == []


def test_the_lock_holds_what_the_constraints_pin():
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    locked = dict(line.partition(" ;")[0].split("==") for line in lines if not line.startswith("#"))
    needed = {parted(one)[0] for group in declared() for one in group if not one.startswith("babyvlm")}
    assert needed <= locked.keys()
    pinned = pins("constraints.txt")
    assert not {name: version for name, version in locked.items() if pinned.get(name, version) != version}
    assert not any("://" in line for line in lines)
