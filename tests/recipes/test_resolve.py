"""Recipes, and changes to their settings."""

import dataclasses
import itertools

import pytest

from babyvlm.errors import ConfigError
from babyvlm.recipes import RECIPES, describe, resolve
from babyvlm.recipes.towers import dino_fork, dinov2_large
from babyvlm.training.configuration import SampleRules


@pytest.mark.parametrize("name", RECIPES)
def test_every_setting_is_listed_with_its_meaning(name):
    lines = describe(resolve(name)).splitlines()
    for line, following in itertools.pairwise(lines):
        if " = " in line and not line.startswith(" "):
            assert following.startswith("    "), line


def test_saycam_has_the_published_figures():
    recipe = resolve("saycam")
    assert recipe.alignment.optimisation.learning_rate == 3e-3 and recipe.alignment.trains == ("connector",)
    assert recipe.joint.optimisation.learning_rate == 2e-4 and "vision" not in recipe.joint.trains
    assert recipe.instruction.optimisation.vision_learning_rate == 1e-5
    assert recipe.instruction.optimisation.batch_size == 128
    assert recipe.model.vocabulary == 6000 and recipe.model.context == 8192


def test_saycam_published_differs_where_the_scripts_do():
    plain, published = resolve("saycam"), resolve("saycam-published")
    assert (published.language, published.model) == (plain.language, plain.model)
    assert (plain.vision, published.vision) == (dinov2_large(), dino_fork(8))
    for name in ("alignment", "joint", "instruction"):
        one, other = getattr(plain, name), getattr(published, name)
        assert (one.optimisation.clip_norm, other.optimisation.clip_norm) == (1.0, None)
        assert other.samples == SampleRules(
            too_long="cut", learn_unknown=False, strip_prompts=True, bare_prompts=True, unplaced_pictures="drop"
        )
        same = dataclasses.replace(
            other,
            samples=one.samples,
            connector_from=None,
            optimisation=dataclasses.replace(
                other.optimisation, clip_norm=1.0, vision_learning_rate=one.optimisation.vision_learning_rate
            ),
        )
        assert same == one
    assert published.instruction.optimisation.vision_learning_rate is None
    assert published.instruction.connector_from == "alignment" and published.joint.connector_from is None
    assert resolve("saycam", ["joint.optimisation.clip_norm=none"]).joint.optimisation.clip_norm is None
    with pytest.raises(ConfigError, match="must be above 0, or none"):
        resolve("saycam", ["joint.optimisation.clip_norm=0"])


def test_a_change_changes_one_setting():
    changed = resolve("nursery", ["joint.optimisation.learning_rate=0.5", "seed=3", "precision=no"])
    assert (changed.joint.optimisation.learning_rate, changed.seed, changed.precision) == (0.5, 3, "no")
    plain = resolve("nursery")
    back = dataclasses.replace(changed, seed=0, precision=plain.precision, joint=plain.joint)
    assert back == plain


def test_steps_replace_epochs():
    assert resolve("saycam", ["joint.optimisation.steps=5"]).joint.optimisation.epochs is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("joint.optimisation.learing_rate=1", "learning_rate"),
        ("jiont.optimisation.steps=1", "did you mean 'joint'"),
        ("joint.stepz=1", r"did you mean 'joint\.optimisation\.steps'"),
        ("joint.optimisation.steps=many", "joint.optimisation.steps=many"),
        ("joint.optimisation.steps=0", r"^joint\.optimisation: steps=0 must be at least 1"),
        ("joint.own_words=5", r"^joint: own_words are items"),
        ("vision.local_views=-1", r"^vision\.local_views=-1"),  # named once
        ("joint=3", "has parts"),
        ("seed", "key=value"),
        ("vision.local_size=20", "patch_size"),
        ("instruction.trains=['vision']", "frozen"),
    ],
)
def test_bad_settings_are_named(change, told):
    with pytest.raises(ConfigError, match=told):
        resolve("nursery", [change])


def test_unknown_recipe_suggests_the_nearest():
    with pytest.raises(ConfigError, match="nursery"):
        resolve("nursary")


@pytest.mark.case("promises")
@pytest.mark.parametrize("order", [1, -1])
def test_the_order_of_changes_does_not_decide_whether_they_fit(order):
    shape = resolve("nursery", ["model.text_heads=6", "model.text_kv_heads=6", "model.text_width=192"][::order]).model
    assert (shape.text_heads, shape.text_kv_heads, shape.text_width) == (6, 6, 192)


@pytest.mark.case("promises")
def test_steps_and_epochs_together_are_refused():
    with pytest.raises(ConfigError, match="either steps or epochs"):
        resolve("nursery", ["joint.optimisation.steps=7", "joint.optimisation.epochs=2"])
