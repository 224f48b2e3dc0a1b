"""Towers are probed on folders of pictures, whole and changed."""

import csv
import json
import shutil
from random import Random

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from transformers import ViTConfig, ViTImageProcessorPil, ViTModel

from babyvlm.cli import main
from babyvlm.errors import CheckpointError, InputError, OutputExistsError
from babyvlm.model.processing import image_processor
from babyvlm.probing import ProbeConfig
from babyvlm.probing.pictures import changed, folds_of, has_plain_ground, read_labelled
from babyvlm.probing.tower import probe_pictures
from babyvlm.probing.towers import tower_features


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    """Red discs, green squares and blue bars on white, eight of each, and a label with one picture."""
    folder = tmp_path_factory.mktemp("shapes")
    rng = Random(0)
    for label, colour in (("disc", "red"), ("square", "green"), ("bar", "blue")):
        (folder / label).mkdir()
        for number in range(8):
            image = Image.new("RGB", (48, 40), "white")
            left, top = rng.randrange(4, 14), rng.randrange(4, 12)
            corners = (left, top, left + 20, top + (6 if label == "bar" else 20))
            draw = ImageDraw.Draw(image)
            (draw.ellipse if label == "disc" else draw.rectangle)(corners, fill=colour)
            image.save(folder / label / f"{number}.png")
    (folder / "single").mkdir()
    Image.new("RGB", (20, 20), "white").save(folder / "single" / "a.png")
    (folder / "notes.txt").write_text("no label")
    return folder


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vit")
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, image_size=32, patch_size=16
    )
    ViTModel(config).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def test_colours_tell_colours_and_not_silhouettes(shapes, vit, tmp_path):
    found = probe_pictures(str(vit), shapes, tmp_path / "probe", ProbeConfig(folds=4, neighbours=3))
    assert (found.pictures, found.objects, found.labels, found.left_out) == (24, 24, 3, ("single",))
    rows = {(row.features, row.pictures, row.probe): row for row in found.rows}
    assert rows["colours", "whole", "nearest"].value == rows["colours", "whole", "linear"].value == 1.0
    assert rows["colours", "whole", "abx"].value == 1.0
    assert rows["colours", "silhouette", "nearest"].value < 0.7  # black on white, all of them
    assert {row.features for row in found.rows} == {"tower", "tower as drawn", "pixels", "colours"}
    assert len(found.rows) == 4 * (4 * 2 + 1)
    assert all(0 <= row.low <= row.value <= row.high <= 1 for row in found.rows)
    assert json.loads((tmp_path / "probe" / "probe.json").read_text()) == json.loads(found.model_dump_json())
    with (tmp_path / "probe" / "probe.csv").open() as file:
        assert [row["probe"] for row in csv.DictReader(file)] == [row.probe for row in found.rows]
    with pytest.raises(OutputExistsError):
        probe_pictures(str(vit), shapes, tmp_path / "probe")


def test_the_same_seed_finds_the_same(shapes, vit, tmp_path):
    first = probe_pictures(str(vit), shapes, tmp_path / "first", ProbeConfig(seed=3, changes=("parts",)))
    again = probe_pictures(str(vit), shapes, tmp_path / "again", ProbeConfig(seed=3, changes=("parts",)))
    assert first == again


def test_features_are_the_class_tokens_that_transformers_gives(shapes, vit):
    image = Image.open(shapes / "disc" / "0.png")
    model, processor = ViTModel.from_pretrained(vit), ViTImageProcessorPil.from_pretrained(vit)
    with torch.no_grad():
        expected = model(**processor(images=image, return_tensors="pt"))
    expected = expected.pooler_output if expected.pooler_output is not None else expected.last_hidden_state[:, 0]
    assert tower_features(str(vit), 0)["tower"]([image])[0] == pytest.approx(expected[0].numpy(), abs=1e-6)


def test_pictures_of_one_object_stay_in_one_fold(tmp_path):
    for label in ("cup", "dog"):
        for thing in ("first", "second", "third"):
            (tmp_path / label / thing).mkdir(parents=True)
            for number in range(3):
                Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / label / thing / f"{number}.png")
    folder = read_labelled(tmp_path)
    folds = folds_of(folder.pictures, 3, seed=0)
    by_object = {}
    for picture, fold in zip(folder.pictures, folds, strict=True):
        by_object.setdefault((picture.label, picture.group), set()).add(fold)
    assert len(by_object) == 6 and all(len(found) == 1 for found in by_object.values())
    assert sorted(next(iter(by_object["cup", thing])) for thing in ("first", "second", "third")) == [0, 1, 2]


def test_pictures_are_changed_as_they_say():
    image = Image.new("RGB", (40, 40), (250, 240, 230))
    ImageDraw.Draw(image).rectangle((10, 10, 29, 29), fill=(200, 30, 30))
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    assert has_plain_ground(image) and not has_plain_ground(Image.fromarray(noise))
    silhouette = np.asarray(changed(image, "silhouette", Random(0)))
    assert (
        (silhouette[15, 15] == 0).all() and (silhouette[2, 2] == 255).all() and set(np.unique(silhouette)) == {0, 255}
    )
    cut = np.asarray(changed(image, "parts", Random(0)))
    same = (cut == np.asarray(image)).all(-1).reshape(4, 10, 4, 10).all((1, 3))  # a cell of one colour is its mean
    assert (~same).sum() == 8
    assert changed(image, "blur", Random(0)).size == image.size


@pytest.mark.parametrize("stage", ["vision", "contrastive", "instruction"])
def test_stages_of_ours_are_probed(stage, shapes, stages, tmp_path):
    found = probe_pictures(str(stages[stage]), shapes, tmp_path / "probe", ProbeConfig(changes=()))
    assert {row.features for row in found.rows} >= {"tower", "tower as drawn"}


def test_pictures_become_square_as_in_the_towers_run(stages, shapes, tmp_path):
    run = tmp_path / "run"
    for place in (run / "vision", run / "ladder" / "vision" / "010%"):  # a stage, and a checkpoint kept by words
        shutil.copytree(stages["vision"], place)
    wide = Image.new("RGB", (64, 16), "red")
    tokens = {}
    for fit in ("pad", "stretch"):
        (run / "recipe.json").write_text(json.dumps({"model": {"image_fit": fit}}))
        places = (run / "vision", run / "ladder" / "vision" / "010%")
        of_both = [tower_features(str(place), 0)["tower"]([wide]) for place in places]
        assert (of_both[0] == of_both[1]).all()
        tokens[fit] = of_both[0]
    assert np.abs(tokens["pad"] - tokens["stretch"]).max() > 1e-3
    assert (tower_features(str(stages["vision"]), 0)["tower"]([wide]) == tokens["pad"]).all()  # published


def test_pictures_become_square_as_the_towers_image_processor_has_it(stages, tmp_path):
    wide = Image.new("RGB", (64, 16), "red")
    tokens = {}
    for fit in ("pad", "stretch"):
        shutil.copytree(stages["vision"], tmp_path / fit)
        image_processor(32, fit).save_pretrained(tmp_path / fit)
        tokens[fit] = tower_features(str(tmp_path / fit), 0)["tower"]([wide])
    assert np.abs(tokens["pad"] - tokens["stretch"]).max() > 1e-3
    assert (tower_features(str(stages["vision"]), 0)["tower"]([wide]) == tokens["pad"]).all()


def test_bad_input_is_named(shapes, vit, tmp_path, capsys):
    with pytest.raises(InputError, match="is no folder"):
        probe_pictures(str(vit), tmp_path / "absent", tmp_path / "out")
    with pytest.raises(InputError, match="two are needed"):
        read_labelled(shapes / "disc")
    with pytest.raises(CheckpointError):
        probe_pictures(str(shapes), shapes, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    main(["probe", "vision", str(vit), str(shapes), "--out", str(tmp_path / "typed"), "--changes", "blur"])
    printed = capsys.readouterr().out
    assert "left out, for they have a single object: single" in printed and "colours" in printed and "abx" in printed
