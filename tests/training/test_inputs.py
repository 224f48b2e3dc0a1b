"""A run knows what it is made of: its set, tokenizer and start, and the licences of all that went into it."""

import json
import shutil

import pytest

from babyvlm.curation import PretrainingSet
from babyvlm.curation.content import content_of
from babyvlm.curation.sets import read_conversations, write_conversations
from babyvlm.errors import ConfigError
from babyvlm.folders import MANIFEST, read_manifest
from babyvlm.images import ImageStoreWriter
from babyvlm.training import Trainer
from tests.training.tiny import tiny_recipe


def relabelled(folder):
    path = folder / "recordings.jsonl"
    path.write_text(path.read_text().replace('"licence":"unknown"', '"licence":"restricted: SAYCam"'))


def with_other_words(folder):
    rows = [row.model_copy(update={"turns": (row.turns[0].model_copy(update={"answer": "other words"}),)})
            for row in read_conversations(folder / "image.parquet")]  # fmt: skip
    write_conversations(folder / "image.parquet", rows)


def with_one_pixel_other(folder):
    images = PretrainingSet(folder).images
    pictures = {name: images.jpeg(name) for name in images.ids}
    first = min(pictures)
    edited = PretrainingSet(folder).read_image(first)
    edited.putpixel((0, 0), (255, 0, 255))
    shutil.rmtree(folder / "images")
    with ImageStoreWriter(folder / "images") as store:
        for name, jpeg in pictures.items():
            store.add(name, edited if name == first else jpeg)


def without_instruction(folder):
    shutil.rmtree(folder / "instruction")


CHANGES = [relabelled, with_other_words, with_one_pixel_other, without_instruction]


def changed(data, folder, change):
    shutil.copytree(data.folder, folder)
    change(folder)
    return PretrainingSet(folder)


def test_the_same_content_has_the_same_digest_wherever_it_lies(data, tmp_path):
    copied = changed(data, tmp_path / "copy", lambda folder: (folder / "manifest.json").touch())
    assert content_of(copied.folder).digest == content_of(data.folder).digest


@pytest.mark.case("identity")
@pytest.mark.parametrize("change", CHANGES, ids=lambda each: each.__name__)
def test_a_run_takes_no_other_set(data, trained, tmp_path, change):
    other, run = changed(data, tmp_path / "other", change), tmp_path / "run"
    shutil.copytree(trained, run)
    Trainer(tiny_recipe(), data, run)  # the set it was begun with
    with pytest.raises(ConfigError, match=r"this run was begun with another set .*--start OUT/STAGE"):
        Trainer(tiny_recipe(), other, run)


@pytest.mark.case("identity")
@pytest.mark.parametrize("part", ["vision", "language", "joint", "tokenizer"])
def test_a_part_made_of_another_set_is_refused_however_it_came_there(data, trained, tmp_path, part):
    other, run = changed(data, tmp_path / "other", relabelled), tmp_path / "run"
    Trainer(tiny_recipe(), other, run)
    shutil.copytree(trained / part, run / part)
    if part in ("language", "joint"):
        shutil.copytree(trained / "tokenizer", run / "tokenizer")
    with pytest.raises(ConfigError, match=rf"{part}: it was made with another set than this run's"):
        Trainer(tiny_recipe(), other, run)


@pytest.mark.case("identity")
def test_a_stage_of_another_tokenizer_is_refused(data, trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    path = run / "tokenizer" / "tokenizer.json"
    path.write_text(path.read_text() + " ")
    with pytest.raises(ConfigError, match="language: it was made with another tokenizer than this run's"):
        Trainer(tiny_recipe(), data, run)


@pytest.mark.case("identity")
def test_a_stage_of_another_start_is_refused(data, trained, tmp_path):
    started, run = tmp_path / "started", tmp_path / "run"
    Trainer(tiny_recipe(), data, started, start=trained / "joint").run(["instruction"])
    shutil.copytree(trained, run)
    shutil.rmtree(run / "instruction")
    shutil.copytree(started / "instruction", run / "instruction")
    with pytest.raises(ConfigError, match="instruction: it was made with another start than this run's"):
        Trainer(tiny_recipe(), data, run)


@pytest.mark.case("identity")
def test_an_interrupted_stage_resumes_with_its_own_set_only(data, trained, tmp_path):
    other, run = changed(data, tmp_path / "other", with_other_words), tmp_path / "run"
    shutil.copytree(trained, run)
    shutil.rmtree(run / "instruction")
    (run / ".instruction.resume").mkdir()
    with pytest.raises(ConfigError, match="begun with another set"):
        Trainer(tiny_recipe(), other, run).run(["instruction"])


@pytest.mark.case("identity")
@pytest.mark.parametrize("earlier", ["vision", "alignment"])
def test_licences_are_those_of_all_that_went_in(data, trained, tmp_path, earlier):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    shutil.rmtree(run / "joint")
    path = run / earlier / MANIFEST
    manifest = json.loads(path.read_text())
    manifest["configuration"]["licences"] = ["restricted: SAYCam"]
    path.write_text(json.dumps(manifest))
    Trainer(tiny_recipe(), data, run).run(["joint"])
    made = read_manifest(run / "joint", "checkpoint")
    assert made.configuration["licences"] == ["restricted: SAYCam", "unknown"]
    assert "**Restricted.**" in (run / "joint" / "README.md").read_text()


def test_files_are_read_again_only_where_they_changed(data, tmp_path):
    copy = changed(data, tmp_path / "copy", lambda folder: None)
    before = content_of(copy.folder)
    kept = {name: one.model_copy(update={"sha256": "0" * 64}) for name, one in before.files.items()}
    assert all(one.sha256 == "0" * 64 for one in content_of(copy.folder, kept).files.values())
    relabelled(copy.folder)
    again = content_of(copy.folder, before.files)
    assert [name for name, one in again.files.items() if one != before.files[name]] == ["recordings.jsonl"]
