"""The card: what the hub reads, what was trained on, and the warning where recordings are restricted."""

import json

import pytest
import yaml

from babyvlm.weights.card import CardFacts, model_card, stage_facts


def log(steps, loss):
    lines = [{"step": step, "loss": loss / step, "seconds": 36.0 * step} for step in range(1, steps + 1)]
    return "".join(json.dumps(line) + "\n" for line in lines)


def facts(**changes):
    return CardFacts(
        stage="instruction", recipe="nursery", parameters={"vision": 1000, "connector": 200, "language": 30}, seed=4,
        data_digest="9ec3b15b", data_counts={"clips": 866}, licences=("Apache-2.0",),
        stages=(stage_facts("vision", log(3, 6.0), 64), stage_facts("instruction", log(10, 1.0))),
    ).model_copy(update=changes)  # fmt: skip


def head(card):
    assert card.startswith("---\n")
    return yaml.safe_load(card.split("---\n")[1])


def test_the_hub_reads_the_head_and_a_person_the_rest():
    card = model_card(facts())
    assert head(card)["library_name"] == "transformers" and head(card)["pipeline_tag"] == "image-text-to-text"
    assert "| all | 1,230 |" in card and "9ec3b15b" in card and "866 clips" in card and "seed 4" in card
    assert (
        "| vision | 3 | 64 | 0.030 | 6.000 | 2.000 |" in card
        and "| instruction | 10 |  | 0.100 | 1.000 | 0.100 |" in card
    )
    assert "Restricted" not in card and "babyvlm.load" in card


@pytest.mark.parametrize("licence", ["restricted: SAYCam (Databrary)", "restricted: BabyView (Databrary)"])
def test_weights_of_restricted_recordings_say_so(licence):
    card = model_card(facts(licences=("Apache-2.0", licence)))
    assert head(card)["license"] == "other" and "restricted" in head(card)["license_name"]
    assert "**Restricted.**" in card and licence in card


def test_a_tower_by_itself_takes_no_questions():
    card = model_card(facts(stage="vision", parameters={"vision": 1000}, stages=(), converted_from="tower.pth",
                            inputs={"tower.pth": "ab12"}))  # fmt: skip
    assert head(card)["pipeline_tag"] == "image-feature-extraction"
    assert (
        "AutoModel.from_pretrained" in card
        and "babyvlm.load" not in card
        and "`tower.pth` ab12" in card
        and "## Training" not in card
    )


@pytest.mark.parametrize(
    ("facts", "loader"),
    [
        ({"stage": "vision"}, 'AutoModel.from_pretrained("FOLDER", add_pooling_layer=False)'),
        ({"stage": "vision", "has_stem": True}, 'AutoModel.from_pretrained("FOLDER", trust_remote_code=True)'),
        ({"stage": "contrastive"}, 'AutoModel.from_pretrained("FOLDER", trust_remote_code=True)'),
        ({"stage": "language"}, 'AutoModelForCausalLM.from_pretrained("FOLDER", trust_remote_code=True)'),
        ({"stage": "joint"}, 'AutoModelForImageTextToText.from_pretrained("FOLDER", trust_remote_code=True)'),
    ],
)
def test_the_card_names_the_loader_of_its_stage(facts, loader):
    """That the code runs is tested with trained stages, in ``tests/training/test_elsewhere.py``."""
    card = model_card(CardFacts(recipe="demo", parameters={"vision": 1}, **facts))
    assert loader in card and ("trust_remote_code" in card) == ("trust_remote_code" in loader)
