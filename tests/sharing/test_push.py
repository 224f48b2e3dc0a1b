"""What is handed on is whole and carries its card; restricted material and people's answers stay unless asked for."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from babyvlm.cli import main
from babyvlm.errors import ConfigError, DataFolderError, OutputExistsError
from babyvlm.folders import Manifest
from babyvlm.records import Item, ItemTurn, content_id, write_jsonl
from babyvlm.sharing import push
from babyvlm.toolbox import open_toolbox
from tests.sharing.hub import fake_hub

FREE, GATED = "CC0", "restricted: SAYCam"


def write_toolbox(folder: Path, licences: list[str]) -> Path:
    (folder / "images").mkdir(parents=True)
    items = []
    for number, licence in enumerate(licences):
        noise_HWC = np.random.default_rng(number).integers(0, 255, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(noise_HWC).save(folder / "images" / f"{number}.png")
        turn = ItemTurn(
            prompt="<image> How many cups do you see?", images=(f"{number}.png",), gold="2", labels=("cup",),
            options=tuple(map(str, range(1, 13))),
        )  # fmt: skip
        known = {"task": "object_counting", "split": "test", "chance": 1 / 12, "licence": licence, "turns": (turn,)}
        items.append(Item(id=content_id(number), **known))
    write_jsonl(folder / "items.jsonl", items)
    Manifest(kind="toolbox", configuration={"construction": "published"}).write(folder)
    return folder


def write_checkpoint(folder: Path, licences: list[str] | None) -> Path:
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"\0" * 64)
    (folder / "README.md").write_text("---\nlicense: other\n---\n# a card\n")
    (folder / ".hidden").write_text("mine")
    known = {} if licences is None else {"licences": licences}
    Manifest(kind="checkpoint", configuration={"stage": "instruction", **known}).write(folder)
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    write_toolbox(tmp_path / "toolbox", [FREE, FREE])
    main(["evaluate", "baseline:random", str(tmp_path / "toolbox"), "--out", str(tmp_path / "runs" / "random")])
    return tmp_path / "runs" / "random"


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_checkpoint_arrives_whole_with_its_card(tmp_path: Path, capsys) -> None:
    source = write_checkpoint(tmp_path / "model", [FREE])
    main(["push", str(source), str(tmp_path / "copy")])
    assert files(tmp_path / "copy") == {name: held for name, held in files(source).items() if name != ".hidden"}
    assert "checkpoint, 3 files" in capsys.readouterr().out


def test_a_toolbox_gets_a_card_and_opens_where_it_arrives(tmp_path: Path) -> None:
    source = write_toolbox(tmp_path / "toolbox", [FREE, "CC BY"])
    push(source, str(tmp_path / "copy"))
    assert open_toolbox(tmp_path / "copy").items == open_toolbox(source).items
    card = (tmp_path / "copy" / "README.md").read_text()
    assert 'license_name: "CC BY and CC0"' in card and "| object_counting | 2 |" in card and str(tmp_path) not in card


def test_a_run_gets_a_card_with_its_figures_and_loses_the_paths_of_this_machine(run: Path, tmp_path: Path) -> None:
    said = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**said, "toolbox": str(tmp_path / "toolbox")}))
    before = files(run)
    push(run, str(tmp_path / "copy"))
    copied = files(tmp_path / "copy")
    assert json.loads(copied["run.json"]) == {**said, "toolbox": "toolbox"}
    assert {name: copied[name] for name in ("responses.jsonl", "scores.json")} == {
        name: before[name] for name in ("responses.jsonl", "scores.json")
    }
    shown = re.search(r"object_counting +([\d.]+)", copied["README.md"].decode())
    value = json.loads(before["scores.json"])["babyvlm"]["tasks"][0]["value"]
    assert shown and float(shown[1]) == pytest.approx(100 * value, abs=0.05)
    assert not any(str(tmp_path).encode() in held for held in copied.values())
    assert files(run) == before


@pytest.mark.parametrize("licence", [GATED, "unknown", ""])
@pytest.mark.parametrize("kind", ["toolbox", "checkpoint", "run"])
@pytest.mark.parametrize("place", ["folder", "hub"])
def test_restricted_material_stays_unless_told_in_so_many_words(
    tmp_path: Path, monkeypatch, capsys, licence: str, kind: str, place: str
) -> None:
    toolbox = write_toolbox(tmp_path / "toolbox", [FREE, licence])
    if kind == "run":
        main(["evaluate", "baseline:random", str(toolbox), "--out", str(tmp_path / "run")])
    source = {"toolbox": toolbox, "run": tmp_path / "run"}.get(kind) or write_checkpoint(
        tmp_path / "c", [FREE, licence]
    )
    with fake_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_TOKEN", "hf_mine")
        destination = str(tmp_path / "copy") if place == "folder" else "hf:lab/thing"
        with pytest.raises(SystemExit) as stopped:
            main(["push", str(source), destination])
        said = capsys.readouterr().err
        assert stopped.value.code == 2 and "--i-may-share restricted" in said and "Nothing was sent" in said
        assert not hub.repositories and not hub.commits and not (tmp_path / "copy").exists()
        main(["push", str(source), destination, "--i-may-share", "restricted"])
        held = files(tmp_path / "copy") if place == "folder" else hub.files["lab/thing"]
    assert kind == "checkpoint" or b"**Restricted" in held["README.md"]


def test_a_checkpoint_that_does_not_say_its_licences_is_restricted(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown"):
        push(write_checkpoint(tmp_path / "c", None), str(tmp_path / "copy"))


def test_a_run_without_its_toolbox_is_of_unknown_licence(run: Path, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "toolbox")
    with pytest.raises(ConfigError, match="its toolbox is not at"):
        push(run, str(tmp_path / "copy"))
    push(run, str(tmp_path / "copy"), permission="restricted")
    assert "scores.json" in (tmp_path / "copy" / "README.md").read_text()


def test_people_s_answers_stay(run: Path, tmp_path: Path) -> None:
    said = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**said, "family": "human"}))
    with pytest.raises(ConfigError, match="took part in a study"):
        push(run, str(tmp_path / "copy"))


@pytest.mark.parametrize(("kind", "repo_type"), [("checkpoint", "model"), ("toolbox", "dataset")])
@pytest.mark.parametrize("public", [False, True])
def test_the_hub_gets_it_in_one_commit(tmp_path: Path, monkeypatch, capsys, kind, repo_type, public) -> None:
    make = {"checkpoint": write_checkpoint, "toolbox": write_toolbox}[kind]
    source = make(tmp_path / "source", [FREE])
    with fake_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_TOKEN", "hf_mine")
        main(["push", str(source), "hf:lab/thing", *(["--public"] if public else [])])
        made = hub.repositories["lab/thing"]
        assert made.get("type", "model") == repo_type and len(hub.commits) == 1 and hub.tokens == {"Bearer hf_mine"}
        assert made.get("private", made.get("visibility") == "private") is not public
        held = hub.files["lab/thing"]
    assert "README.md" in held and ".hidden" not in held
    assert held["manifest.json"] == (source / "manifest.json").read_bytes()
    assert "lab/thing" in capsys.readouterr().out


def test_a_hub_that_refuses_is_named_with_a_remedy(tmp_path: Path, monkeypatch) -> None:
    source = write_checkpoint(tmp_path / "source", [FREE])
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    with fake_hub(refuses=403) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        with pytest.raises(ConfigError, match=r"hf:lab/thing: the hub did not take it .*hf auth login"):
            push(source, "hf:lab/thing")
    with pytest.raises(ConfigError, match="the hub did not take it"):  # nobody listens there any more
        push(source, "hf:lab/thing")


def test_what_cannot_be_pushed_is_named(tmp_path: Path) -> None:
    source = write_checkpoint(tmp_path / "source", [FREE])
    with pytest.raises(OutputExistsError):
        push(source, str(source))
    with pytest.raises(ConfigError, match="Give hf:OWNER/NAME"):
        push(source, "hf:thing")
    with pytest.raises(ConfigError, match="--public is for a repository"):
        push(source, str(tmp_path / "copy"), public=True)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataFolderError, match="no folder that babyvlm wrote"):
        push(tmp_path / "empty", str(tmp_path / "copy"))
    (tmp_path / "empty" / "recipe.json").write_text("{}")
    with pytest.raises(DataFolderError, match=r"a checkpoint for each stage.*OUT/instruction"):
        push(tmp_path / "empty", str(tmp_path / "copy"))
    Manifest(kind="corpus").write(tmp_path / "empty")
    (tmp_path / "empty" / "recipe.json").unlink()
    with pytest.raises(DataFolderError, match="this is a babyvlm corpus"):
        push(tmp_path / "empty", str(tmp_path / "copy"))
    (source / "linked").symlink_to("/etc/hosts")
    with pytest.raises(DataFolderError, match="a link or a device"):
        push(source, str(tmp_path / "copy"))
    assert not (tmp_path / "copy").exists()
