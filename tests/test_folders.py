from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from babyvlm.errors import DataFolderError, OutputExistsError
from babyvlm.folders import Manifest, fresh_folder, read_manifest, remove_folder


def test_a_folder_is_whole_or_absent(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    with pytest.raises(KeyboardInterrupt), fresh_folder(out) as partial:
        (partial / "half").write_text("half")
        raise KeyboardInterrupt
    assert list(out.parent.iterdir()) == []
    with fresh_folder(out) as partial:
        (partial / "whole").write_text("whole")
        assert not out.exists()
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    assert (out / "whole").read_text() == "whole"


def test_what_a_killed_run_left_is_begun_afresh(tmp_path: Path) -> None:
    stale = tmp_path / ".out.partial"
    stale.mkdir()
    (stale / "stale").write_text("")
    with fresh_folder(tmp_path / "out") as partial:
        assert list(partial.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with fresh_folder(out):  # empty: nothing to lose
        pass
    (out / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputExistsError, match=r"thesis\.tex"), fresh_folder(out):
        pytest.fail("the block must not be entered")
    assert (out / "thesis.tex").read_text() == "years of work"
    with pytest.raises(OutputExistsError), fresh_folder(out / "thesis.tex"):
        pytest.fail("the block must not be entered")


def test_a_manifest_tells_what_a_folder_is(tmp_path: Path) -> None:
    with pytest.raises(DataFolderError, match=r"no manifest\.json"):
        read_manifest(tmp_path, "toolbox")
    Manifest(kind="toolbox", counts={"items": 3}).write(tmp_path)
    manifest = read_manifest(tmp_path, "toolbox")
    assert manifest.counts == {"items": 3} and manifest.packages["babyvlm"]
    with pytest.raises(DataFolderError, match="is a babyvlm toolbox, where a corpus is needed"):
        read_manifest(tmp_path, "corpus")
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 99}))
    with pytest.raises(DataFolderError, match="schema 99"):
        read_manifest(tmp_path, "toolbox")


OTHER = """
import sys
from pathlib import Path
from babyvlm.folders import fresh_folder
with fresh_folder(Path(sys.argv[1])) as partial:
    (partial / "mine").write_text("whole")
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.mark.case("accounting")
@pytest.mark.parametrize("ends", ["whole", "killed"])
def test_a_second_process_leaves_the_firsts_output_alone(tmp_path: Path, ends: str) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-c", OTHER, str(out)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdin and first.stdout and first.stdout.readline() == b"ready\n"
        with pytest.raises(DataFolderError, match=r"out: another process is writing"), fresh_folder(out):
            pytest.fail("the block must not be entered")
        assert (tmp_path / ".out.partial" / "mine").read_text() == "whole"
        if ends == "killed":
            first.kill()
        first.stdin.close()
    if ends == "whole":
        assert (out / "mine").read_text() == "whole"
        return
    with fresh_folder(out) as partial:
        assert list(partial.iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.case("accounting")
@pytest.mark.parametrize("call", range(1, 6))
def test_a_killed_removal_leaves_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    names = {"a", "b", "c"}
    for name in names:
        (folder / name).write_text(name)
    left = call

    def watched(function):
        def called(*arguments, **options):
            nonlocal left
            left -= 1
            if not left:
                raise KeyboardInterrupt
            return function(*arguments, **options)

        return called

    with monkeypatch.context() as patched:
        for name in ("rename", "unlink", "rmdir"):
            patched.setattr("os." + name, watched(getattr(os, name)))
        with pytest.raises(KeyboardInterrupt):
            remove_folder(folder)
    assert not folder.exists() or {path.name for path in folder.iterdir()} == names
    remove_folder(folder)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.case("accounting")
def test_an_output_made_within_an_output_is_whole_with_it(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), fresh_folder(tmp_path / "out") as partial:
        with fresh_folder(partial) as same:
            (same / "half").write_text("half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    with fresh_folder(tmp_path / "out") as partial, fresh_folder(partial) as same:
        (same / "whole").write_text("whole")
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "whole"]
