"""The loss on held-out samples: what it is, and that it changes nothing."""

import itertools
import json
import math
from dataclasses import replace

import pytest
import torch
from accelerate.state import AcceleratorState
from torch.nn import functional as F

from babyvlm.model.loading import load_exactly, load_tokenizer
from babyvlm.model.modeling import BabyLlavaForConditionalGeneration
from babyvlm.model.processing import ConversationEncoder, normalise, square_pixels
from babyvlm.names import MODEL_STAGES
from babyvlm.records import Conversation, Turn
from babyvlm.training import STAGES, Trainer
from babyvlm.training.samples import evenly
from babyvlm.training.validation import some_of_each
from tests.training.held_out import with_validation
from tests.training.test_distribution import plain_recipe, torchrun
from tests.training.tiny import TINY, tiny_recipe, weights

pytestmark = pytest.mark.usefixtures("another_precision")


def recipe(**changes):
    """In float32, so that what is logged can be computed again from the checkpoint."""
    return tiny_recipe(precision="no", validations=2, **changes)


@pytest.fixture(scope="module")
def held_out(data, tmp_path_factory):
    return with_validation(data, tmp_path_factory.mktemp("held") / "data")


@pytest.fixture(scope="module")
def run(held_out, trained, tmp_path_factory):
    AcceleratorState._reset_state()  # ``trained`` may be of another precision
    out = tmp_path_factory.mktemp("validated") / "model"
    Trainer(recipe(), held_out, out).run()
    AcceleratorState._reset_state()
    return out


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_logs_it_first_last_and_in_between(run, stage):
    found = lines(run / stage)
    assert [line["step"] for line in found if "validation_loss" in line] == [1, 2, 4]
    assert all(line["learning_rate"] >= 0 for line in found)
    assert ("validation_accuracy" in found[-1]) == (stage in ("contrastive", "instruction"))


@pytest.mark.parametrize("stage", ["alignment", "joint", "instruction"])
def test_it_is_the_mean_over_learned_tokens_of_the_model_that_is_saved(run, held_out, stage):
    model = load_exactly(BabyLlavaForConditionalGeneration, run / stage).eval()
    encoder = ConversationEncoder(
        load_tokenizer(run / "tokenizer"), image_token_id=TINY.vocabulary, image_tokens=TINY.image_tokens
    )
    settings = getattr(recipe(), stage)
    by_source: dict[str, list] = {}
    for name in settings.formats:
        for row in held_out.conversations(name, "validation"):
            ids, labels = encoder.conversation(row.turns, num_images=len(row.images), template=settings.template)
            pixels = [
                torch.tensor(square_pixels(held_out.read_image(image), TINY.image_size, TINY.image_fit))
                for image in row.images
            ]
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([ids]), pixel_values=normalise(torch.stack(pixels))).logits[0]
            learned = [place for place in range(1, len(ids)) if labels[place] >= 0]
            losses = [F.cross_entropy(logits[place - 1], torch.tensor(ids[place])).item() for place in learned]
            right = all(int(logits[place - 1].argmax()) == ids[place] for place in learned)
            by_source.setdefault(row.source, []).append((losses, right))
    logged = lines(run / stage)[-1]
    every = [loss for rows in by_source.values() for losses, _ in rows for loss in losses]
    assert logged["validation_loss"] == pytest.approx(sum(every) / len(every), abs=2e-5)
    if len(by_source) > 1:
        for source, rows in by_source.items():
            own = [loss for losses, _ in rows for loss in losses]
            assert logged[f"validation_loss/{source}"] == pytest.approx(sum(own) / len(own), abs=2e-5)
    if stage == "instruction":
        rights = [right for rows in by_source.values() for _, right in rows]
        assert logged["validation_accuracy"] == pytest.approx(sum(rights) / len(rights), abs=2e-5)


def test_nothing_of_it_reaches_the_weights(run, held_out, tmp_path):
    for stage in STAGES:
        assert weights(run / stage)
    without = replace(recipe(), validations=0)
    Trainer(without, held_out, tmp_path / "without").run()
    for stage in STAGES:
        for name, tensor in weights(tmp_path / "without" / stage).items():
            assert torch.equal(tensor, weights(run / stage)[name]), (stage, name)
        assert not any("validation" in name for line in lines(tmp_path / "without" / stage) for name in line)
        trained = [line["loss"] for line in lines(run / stage)]
        assert [line["loss"] for line in lines(tmp_path / "without" / stage)] == trained
    assert not [path.name for path in run.iterdir() if path.suffix == ".npy"]


def test_data_without_a_validation_split_are_said_to_have_none(data, tmp_path, capsys):
    Trainer(recipe(), data, tmp_path / "run").run(["vision", "language"])
    said = capsys.readouterr().out
    assert "vision: the data hold nothing for validation" in said
    assert "language: the data hold nothing for validation" in said
    assert "validation_loss" not in lines(tmp_path / "run" / "language")[-1]


@pytest.fixture(scope="module")
def by_one_process(held_out, tmp_path_factory):
    AcceleratorState._reset_state()
    out = tmp_path_factory.mktemp("one") / "run"
    Trainer(plain_recipe(validations=2), held_out, out).run()
    AcceleratorState._reset_state()
    return out


@pytest.mark.slow
@pytest.mark.parametrize("sharding", ["ddp", "fsdp"])
def test_two_processes_measure_what_one_does(run, held_out, by_one_process, tmp_path, sharding):
    """Before the first step they have the same weights; after it, nearly. Not so where each process draws views."""
    script = tmp_path / "start.py"
    script.write_text(
        "import sys\nfrom pathlib import Path\nfrom tests.training.test_distribution import plain_recipe\n"
        "from babyvlm.training import STAGES, train_in_process\n"
        f"recipe = plain_recipe(sharding='{sharding}', validations=2)\n"
        "train_in_process(recipe, Path(sys.argv[1]), Path(sys.argv[2]), STAGES)\n"
    )
    done = torchrun(script, held_out.folder, tmp_path / "two")
    assert done.returncode == 0, done.stderr[-9000:]
    for stage in MODEL_STAGES:
        one, two = lines(by_one_process / stage), lines(tmp_path / "two" / stage)
        names = [name for name in one[0] if name.startswith("validation")]
        assert names
        assert [name for name in two[0] if name.startswith("validation")] == names
        for name in names:
            assert two[0][name] == pytest.approx(one[0][name], abs=0.02), (stage, name)


def test_some_of_each_takes_as_many_of_every_source_as_there_are():
    def row(number, source):
        return Conversation(
            id=f"{source}{number}",
            format="instruction",
            task=source,
            images=(),
            recording="A",
            turns=(Turn(prompt="?", answer="A"),),
        )

    rows = [row(number, "rare") for number in range(3)] + [row(number, "common") for number in range(90)]
    chosen = some_of_each(rows, 40)
    assert len(chosen) == 40
    assert sum(each.source == "rare" for each in chosen) == 3
    assert len({each.id for each in chosen}) == 40
    assert len(some_of_each(rows, 1000)) == 93
    assert {each.source for each in some_of_each(rows, 1)} == {"rare", "common"}


@pytest.mark.parametrize(("size", "most"), [(0, 3), (3, 3), (10, 4), (100, 7)])
def test_evenly_leaves_no_gap_twice_another(size, most):
    chosen = evenly(range(size), most)
    assert len(chosen) == min(size, most)
    gaps = [after - before for before, after in itertools.pairwise(chosen)]
    assert not gaps or max(gaps) - min(gaps) <= 1
    assert not gaps or max(gaps) <= math.ceil(size / most)
