"""Items of the contrastive stage's own words, beside a truth of our making: frames of one colour each, named."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import ViTConfig

from babyvlm.curation.sets import read_conversations
from babyvlm.errors import CheckpointError, ConfigError
from babyvlm.folders import read_manifest
from babyvlm.model.dual_encoder import DualEncoder, DualEncoderConfig
from babyvlm.model.loading import load_exactly, load_tokenizer
from babyvlm.model.modeling import IGNORED, BabyLlavaForConditionalGeneration
from babyvlm.names import STAGES
from babyvlm.recipes import resolve
from babyvlm.records import IMAGE_TOKEN
from babyvlm.toolbox.tasks import picture_vocabulary_prompt
from babyvlm.training import Trainer
from babyvlm.training.configuration import OWN_WORDS, MixturePhase, saved_settings
from babyvlm.training.own_words import own_samples, write_own_words
from tests.training.tiny import tiny_recipe, weights

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (30, 40, 220), "white": (240, 240, 240)}
FUNCTION_WORDS = ("the", "you", "of", "it")
SIZE = 16


class KnowsColours(DualEncoder):
    """To it a picture is its mean colour, and a colour's word that colour; other words say nothing."""

    def __init__(self, colours=4):
        vision = ViTConfig(image_size=SIZE, patch_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=1)
        words = [*list(COLOURS)[:colours], *FUNCTION_WORDS[:colours]]
        super().__init__(DualEncoderConfig(vision_config=vision.to_dict(), words=words, width=3))

    def features(self, pixels_BCHW):
        return pixels_BCHW.mean(dim=(2, 3))

    def placed(self, features_BE):
        return torch.nn.functional.normalize(features_BE, dim=-1)

    def read(self, texts_BL):
        known = len(self.config.words) // 2
        grey = torch.full((known, 3), 1e-6)
        colours = torch.tensor(list(COLOURS.values())[:known]) / 255 * 2 - 1
        return torch.nn.functional.normalize(torch.cat([colours, grey]), dim=-1)[texts_BL[:, 0] - 1]


@pytest.fixture(scope="module")
def frames():
    """40 frames, ten of each colour, with a little noise."""
    draw = np.random.default_rng(0)
    colours = np.repeat(np.array(list(COLOURS.values())), 10, axis=0)
    noisy = np.clip(colours[:, :, None, None] + draw.integers(-9, 10, (40, 3, 48, 48)), 0, 255)
    return torch.from_numpy(noisy.astype(np.uint8))


def made(folder, frames, encoder=None, **changes):
    given = {"items": 200, "size": SIZE, "seed": 0, "inputs": {"data": "d"}} | changes
    write_own_words(folder, encoder or KnowsColours(), frames, torch.full((len(frames),), 4 / 3), **given)
    return read_conversations(folder / "items.parquet"), np.load(folder / "views.npy")


def colour_of(view):
    mean = view.reshape(3, -1).mean(1)
    return min(COLOURS, key=lambda name: np.abs(mean - np.array(COLOURS[name])).sum())


def test_items_ask_for_what_is_shown_and_for_no_word_that_nothing_shows(frames, tmp_path):
    items, views = made(tmp_path / "own", frames)
    assert len(items) == 200 and views.dtype == np.uint8 and views.shape[1:] == (3, SIZE, SIZE)
    asked, places, called, answers, forms = set(), set(), set(), set(), set()
    for item in items:
        first, *later = [turn.prompt for turn in item.turns]
        words = [prompt.split("'")[1] for prompt in (first, *later)]
        letters = re.findall(r" (?:\(([A-D])\))?<image>", first)  # of each picture; empty: called nothing
        shown = [colour_of(views[int(name)]) for name in item.images]
        named = [letter for letter in letters if letter]
        assert named == list("ABCD")[: len(named)] and 2 < len(letters) == len(shown)  # two alone are held out
        assert sorted(set(shown)) == sorted(shown)  # each goes with a word of its own
        assert [shown[letters.index(turn.answer)] for turn in item.turns] == words
        assert first.count(IMAGE_TOKEN) == len(shown) and not any(IMAGE_TOKEN in prompt for prompt in later)
        assert len(words) == len(named) - 1
        asked.update(words)
        forms.add(tuple(letters))
        called.add(len(named))
        answers.update(turn.answer for turn in item.turns)
        places.update((letters.index(turn.answer), turn.answer) for turn in item.turns)
    assert asked == set(COLOURS)  # half of the words, and none of those that go with no picture
    assert called == {2, 3, 4} and answers == set("ABCD")
    assert {("A", "B", ""), ("", "A", "B")} <= forms
    assert {("A", 0), ("A", 1), ("B", 1), ("B", 2)} <= {(letter, place) for place, letter in places}  # not by place


def test_four_pictures_are_asked_as_picture_vocabulary_asks(frames, tmp_path):
    items, _ = made(tmp_path / "own", frames)
    in_order = [item.turns[0].prompt for item in items if re.search(r"A.*\(B.*\(C.*\(D", item.turns[0].prompt)]
    assert in_order and all(prompt == picture_vocabulary_prompt(prompt.split("'")[1]) for prompt in in_order)


def test_the_same_seed_makes_the_same_bytes(frames, tmp_path):
    for name, seed in (("one", 0), ("again", 0), ("other", 1)):
        made(tmp_path / name, frames, seed=seed)
    one, again, other = (
        [(tmp_path / name / file).read_bytes() for file in ("items.parquet", "views.npy")]
        for name in ("one", "again", "other")
    )
    assert one == again and one != other


def test_what_cannot_be_made_is_counted(frames, tmp_path):
    items, views = made(tmp_path / "one colour", frames[:20], KnowsColours(1))
    assert items == [] and len(views) == 0
    assert sum(read_manifest(tmp_path / "one colour", "own-words").skipped.values()) == 200
    items, _ = made(tmp_path / "three", frames[:30], KnowsColours(3))  # four pictures of three colours cannot be had
    assert {len(item.images) for item in items} == {3} and len(items) < 200
    manifest = read_manifest(tmp_path / "three", "own-words")
    assert manifest.counts["items"] + sum(manifest.skipped.values()) == 200


def own_recipe(**changes):
    recipe = tiny_recipe()
    weights = {"object_counting": 0.5, OWN_WORDS: 0.5}
    settings = {"trains": ("connector", "language"), "cache_vision_features": True, "own_words": 12}
    settings["mixture"] = (MixturePhase(weights=weights),)
    return replace(recipe, instruction=replace(recipe.instruction, **settings | changes))


def with_stages(trained, run, recipe, data):
    """A run of a recipe with what comes before the instruction stage."""
    Trainer.claim(run, recipe, data)
    for stage in (*STAGES[:-1], "tokenizer"):
        if (trained / stage).exists():
            shutil.copytree(trained / stage, run / stage)
    return run


@pytest.fixture
def few(monkeypatch):
    """Of ten frames and some ten words few views are likest to any."""
    monkeypatch.setattr("babyvlm.training.own_words._LIKEST", 0.1)
    monkeypatch.setattr("babyvlm.training.own_words._NO_FOIL", 0.3)


@pytest.mark.usefixtures("another_precision", "few")
def test_the_instruction_stage_learns_them_and_resumes(data, trained, tmp_path):
    recipe = own_recipe()
    run = with_stages(trained, tmp_path / "run", recipe, data)
    if not (run / "contrastive").exists():
        Trainer(recipe, data, run).run(["contrastive"])
    Trainer(recipe, data, run).run(["instruction"])
    assert read_manifest(run / OWN_WORDS, "own-words").inputs["contrastive"]
    log = [json.loads(line) for line in (run / "instruction" / "metrics.jsonl").read_text().splitlines()]
    assert log[-1]["step"] == 4 and all(np.isfinite(line["loss"]) for line in log)
    load_exactly(BabyLlavaForConditionalGeneration, run / "instruction")
    first = weights(run / "instruction")
    made_at = (run / OWN_WORDS / "views.npy").stat().st_mtime_ns
    shutil.rmtree(run / "instruction")
    Trainer(recipe, data, run).run(["instruction"])
    assert (run / OWN_WORDS / "views.npy").stat().st_mtime_ns == made_at
    assert all(torch.equal(first[name], tensor) for name, tensor in weights(run / "instruction").items())
    shape = recipe.model
    samples, views = own_samples(
        run / OWN_WORDS, load_tokenizer(run / "tokenizer"), recipe.instruction,
        image_token=shape.vocabulary, image_tokens=shape.image_tokens, behind=100,
    )  # fmt: skip
    assert {image for sample in samples for image in sample.images} == set(range(100, 100 + len(views)))
    for sample in samples:
        assert (sample.ids == shape.vocabulary).sum() == len(sample.images) * shape.image_tokens
        assert 0 < (sample.labels != IGNORED).sum() <= 9  # letters and their ends


@pytest.mark.usefixtures("another_precision", "few")
def test_their_pictures_are_the_same_encoded_once_or_with_every_step(data, trained, tmp_path):
    """A frozen tower that is asked with every step sees what it saw once; own words alone are drawn."""
    found, only = [], (MixturePhase(weights={OWN_WORDS: 1.0}),)
    for keeps in (True, False):
        recipe = replace(own_recipe(cache_vision_features=keeps, mixture=only), precision="no")
        run = with_stages(trained, tmp_path / f"keeps {keeps}", recipe, data)
        Trainer(recipe, data, run).run(["contrastive", "instruction"])
        log = (run / "instruction" / "metrics.jsonl").read_text().splitlines()
        found.append([json.loads(line)["loss"] for line in log])
    assert np.allclose(found[0], found[1], atol=1e-4)
    assert np.ptp(found[0]) > 1e-2  # or the comparison would say nothing


@pytest.mark.usefixtures("another_precision", "few")
def test_they_may_come_while_the_tower_learns(data, trained, tmp_path):
    """As where the first phase rounds to no step, or the data hold nothing of it."""
    recipe = own_recipe(trains=("vision", "connector", "language"), vision_until=0.5, begin_again=True)
    run = with_stages(trained, tmp_path / "run", recipe, data)
    Trainer(recipe, data, run).run(["contrastive", "instruction"])
    log = [json.loads(line) for line in (run / "instruction" / "metrics.jsonl").read_text().splitlines()]
    assert log[-1]["step"] == 4 and all(np.isfinite(line["loss"]) for line in log)


@pytest.mark.usefixtures("another_precision")
def test_where_none_can_be_made_the_rest_of_the_mixture_is_drawn(data, trained, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("babyvlm.training.own_words._PICTURED", 0.0)
    run = with_stages(trained, tmp_path / "run", own_recipe(), data)
    if not (run / "contrastive").exists():
        Trainer(own_recipe(), data, run).run(["contrastive"])
    Trainer(own_recipe(), data, run).run(["instruction"])
    assert "the data hold no own_words" in capsys.readouterr().out
    assert (run / "instruction" / "manifest.json").is_file()


@pytest.mark.usefixtures("another_precision")
def test_without_a_contrastive_stage_it_says_so(data, trained, tmp_path):
    run = with_stages(trained, tmp_path / "run", own_recipe(), data)
    shutil.rmtree(run / "contrastive", ignore_errors=True)
    with pytest.raises(CheckpointError, match=r"needs the contrastive stage .* instruction\.own_words="):
        Trainer(own_recipe(), data, run).run(["instruction"])


@pytest.mark.usefixtures("another_precision", "few")
def test_a_run_that_begins_with_a_stage_takes_the_contrastive_stage_beside_it(data, trained, tmp_path):
    recipe, out = own_recipe(), tmp_path / "out"
    run = with_stages(trained, tmp_path / "run", recipe, data)
    if not (run / "contrastive").exists():
        Trainer(recipe, data, run).run(["contrastive"])
    Trainer(recipe, data, run).run(["instruction"])
    Trainer(recipe, data, out, start=run / "joint").run(["instruction"])
    for file in (run / "contrastive").iterdir():
        assert (out / "contrastive" / file.name).read_bytes() == file.read_bytes()
    first, again = weights(run / "instruction"), weights(out / "instruction")
    assert all(torch.equal(tensor, again[name]) for name, tensor in first.items())
    shutil.rmtree(out / "instruction")
    shutil.rmtree(out / "joint")  # as if it had been killed before that was copied
    Trainer(recipe, data, out, start=run / "joint").run(["instruction"])
    assert all(torch.equal(first[name], tensor) for name, tensor in weights(out / "instruction").items())
    licences = read_manifest(run / "contrastive", "checkpoint").configuration["licences"]
    assert set(licences) <= set(read_manifest(out / "instruction", "checkpoint").configuration["licences"])
    for stage in ("joint", "contrastive"):
        manifest = out / stage / "manifest.json"
        kept = manifest.read_text()
        manifest.write_text(kept.replace('"checkpoint"', '"checkpoint" '))  # as that of another run would differ
        with pytest.raises(ConfigError, match=rf"out/{stage}: it is not the stage that this run began with"):
            Trainer(recipe, data, out, start=run / "joint")
        manifest.write_text(kept)


@pytest.mark.usefixtures("another_precision", "few")
def test_a_start_without_one_beside_it_says_so(data, trained, tmp_path):
    run = with_stages(trained, tmp_path / "run", own_recipe(), data)
    shutil.rmtree(run / "contrastive", ignore_errors=True)
    with pytest.raises(CheckpointError, match=r"needs the contrastive stage .* instruction\.own_words="):
        Trainer(own_recipe(), data, tmp_path / "out", start=run / "joint").run(["instruction"])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (["instruction.own_words=-1"], "must not be negative"),
        (["joint.own_words=5"], "formats"),
        (["contrastive.text=language"], "text=words"),
        (["instruction.order.kind=chronological"], "no order of time"),
    ],
)
def test_contradictions_are_refused(changes, told):
    with pytest.raises(ConfigError, match=told):
        resolve("nursery", changes)


def test_recipes_without_them_are_saved_as_before():
    saved = saved_settings(tiny_recipe())
    assert not any("own_words" in saved[stage] for stage in ("alignment", "joint", "instruction"))
    assert saved_settings(own_recipe())["instruction"]["own_words"] == 12
