"""The contrastive stage: its losses beside their definitions, its batches, and a whole stage."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from babyvlm.errors import CheckpointError, ConfigError
from babyvlm.model.dual_encoder import TextReader, load_dual_encoder
from babyvlm.model.loading import load_exactly, load_tower
from babyvlm.model.modeling import BabyLlavaForConditionalGeneration
from babyvlm.records import Conversation, Turn
from babyvlm.training import Trainer, run_in_processes, train_in_process
from babyvlm.training.colour_configuration import ColourChanges
from babyvlm.training.contrastive import (
    infonce,
    likeness,
    noise_weights,
    overlaps,
    quick_infonce,
    rare_words,
    sigmoid_loss,
    word_rarities,
)
from babyvlm.training.contrastive_configuration import ContrastiveStage
from babyvlm.training.pairs import Pairs, pair_order
from babyvlm.training.session import Session
from babyvlm.training.vision import cut_views
from tests.training.tiny import fork, tiny_recipe, weights


@pytest.fixture
def drawn():
    """Unit vectors of 6 pictures and 6 texts, of which the last two texts are the same."""
    generator = torch.Generator().manual_seed(0)
    pictures, texts = (F.normalize(torch.randn(6, 5, generator=generator), dim=1).double() for _ in range(2))
    texts[5] = texts[4]
    same = torch.zeros(6, 6, dtype=torch.bool)
    same[4, 5] = same[5, 4] = True
    return pictures, texts, same


def plain_infonce(pictures, texts, scale):
    """Oord et al. 2018 in both directions, from the definition: equal texts are left out of the sums."""
    total = 0.0
    for own in range(len(pictures)):
        others = [k for k in range(len(texts)) if k == own or not torch.equal(texts[k], texts[own])]
        exponentials = [math.exp(scale * float(pictures[own] @ texts[k])) for k in others]
        total -= math.log(math.exp(scale * float(pictures[own] @ texts[own])) / sum(exponentials))
        exponentials = [math.exp(scale * float(pictures[k] @ texts[own])) for k in others]
        total -= math.log(math.exp(scale * float(pictures[own] @ texts[own])) / sum(exponentials))
    return total / 2 / len(pictures)


def plain_sigmoid(pictures, texts, scale, bias):
    """Zhai et al. 2023, equation 1, from the definition."""
    total = 0.0
    for i in range(len(pictures)):
        for j in range(len(texts)):
            if i == j or not torch.equal(texts[i], texts[j]):
                sign = 1 if i == j else -1
                total -= math.log(1 / (1 + math.exp(-sign * (scale * float(pictures[i] @ texts[j]) + bias))))
    return total / len(pictures)


def test_infonce_is_its_definition(drawn):
    pictures, texts, same = drawn
    found = infonce(7.0 * pictures @ texts.T, same, torch.ones(6, dtype=torch.double))
    assert float(found) == pytest.approx(plain_infonce(pictures, texts, 7.0), abs=1e-6)


def test_infonce_by_one_exponential_is_its_definition(drawn):
    pictures, texts, same = drawn
    groups = torch.tensor([0, 1, 2, 3, 4, 4])
    found = quick_infonce(pictures.float(), texts.float(), torch.tensor(7.0), groups)
    assert float(found.loss) == pytest.approx(plain_infonce(pictures, texts, 7.0), abs=1e-6)
    alone = pictures @ texts.T
    alone[same] = -1
    assert float(found.right) == pytest.approx(float((alone.argmax(1) == torch.arange(6)).double().mean()))


@pytest.mark.parametrize("groups", [[0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 4]], ids=["all differ", "two are the same"])
def test_the_gradients_of_infonce_by_one_exponential_are_those_of_infonce(drawn, groups):
    groups = torch.tensor(groups)
    same = (groups[:, None] == groups[None]).fill_diagonal_(False)

    def gradients(loss_of):
        given = [drawn[0].clone(), drawn[1].clone(), torch.tensor(7.0, dtype=torch.double)]
        for one in given:
            one.requires_grad_()
        (3 * loss_of(*given)).backward()
        return [one.grad for one in given]

    usual = gradients(lambda p, t, scale: infonce(scale * p @ t.T, same, torch.ones(6, dtype=torch.double)))
    quick = gradients(lambda p, t, scale: quick_infonce(p, t, scale, groups).loss)
    torch.testing.assert_close(quick, usual)


def test_a_picture_too_far_from_everything_is_left_to_infonce():
    texts = torch.eye(5)[:1].repeat(6, 1)
    pictures = texts.clone()
    pictures[0] *= -1  # e to the power of -200 beside the others' 1
    assert quick_infonce(pictures, texts, torch.tensor(100.0), torch.arange(6)) is None


def plain_shared_infonce(logits, right):
    """Cross-entropy of both directions with soft targets, from the definition, a sum at a time."""
    total = 0.0
    for rows in (logits, logits.T):
        for own in range(len(rows)):
            exponentials = [math.exp(float(value)) for value in rows[own]]
            for other, share in enumerate(right[own]):
                total -= float(share) * math.log(exponentials[other] / sum(exponentials))
    return total / 2 / len(logits)


def test_texts_that_share_words_are_right_by_how_much_they_share():
    logits = 3 * torch.randn(3, 3, generator=torch.Generator().manual_seed(1)).double()
    shared = torch.tensor([[1.0, 0.6, 0.0], [0.6, 1.0, 0.0], [0.0, 0.0, 1.0]]).double()
    right = [[1 / 1.6, 0.6 / 1.6, 0.0], [0.6 / 1.6, 1 / 1.6, 0.0], [0.0, 0.0, 1.0]]
    same = torch.zeros(3, 3, dtype=torch.bool)
    found = infonce(logits, same, torch.ones(3).double(), shared)
    assert float(found) == pytest.approx(plain_shared_infonce(logits, right), abs=1e-6)
    nothing_shared = infonce(logits, same, torch.ones(3).double(), torch.zeros(3, 3).double())
    assert float(nothing_shared) == pytest.approx(float(infonce(logits, same, torch.ones(3).double())), abs=1e-9)


def test_overlap_is_of_rare_words():
    # four pairs: word 1 in all of them, word 2 in two, word 3 in one, word 4 twice in one
    texts = [[1, 2], [1, 2, 3], [1], [1, 4, 4]]
    pairs = Pairs(
        frames_F=np.zeros(4, np.int32),
        first_N=np.arange(5),
        texts_T=np.array([word for text in texts for word in text], np.int32),
        start_N=np.array([0, 2, 5, 6, 9]),
        group_N=np.arange(4, dtype=np.int32),
    )
    rarities = word_rarities(pairs, 5)
    expected = [0.0, 0.0, math.log(2) ** 2, math.log(4) ** 2, math.log(4) ** 2, 0.0]  # word 5 is in none
    assert rarities.tolist() == pytest.approx(expected)
    found = overlaps(rare_words(pairs.texts(np.arange(4), pad=0), rarities))
    # of the first two, word 2 alone is shared: its rarity over the length of (word 2, word 3)
    cosine = expected[2] / math.hypot(expected[2], expected[3])
    assert cosine < 0.5 and found[0, 1] == 0  # too little to count
    assert found.diagonal().tolist() == pytest.approx([1.0, 1.0, 0.0, 1.0])  # the third has no rare word
    twice = overlaps(rare_words(torch.tensor([[2, 3], [3, 0], [2, 0]]), rarities))
    assert float(twice[0, 1]) == pytest.approx(expected[3] / math.hypot(expected[2], expected[3])) and twice[0, 2] == 0


def test_of_several_views_the_one_with_most_detail_is_seen():
    frames = torch.zeros(3, 3, 64, 64)
    frames[:, :, 40:56, 8:24] = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))

    def detail(tries):
        generator = torch.Generator().manual_seed(2)
        views = [cut_views(frames, 32, (0.05, 0.1), 0.5, generator, tries=tries) for _ in range(20)]
        return float(torch.stack(views).std((-1, -2)).mean())

    assert cut_views(frames, 32, (0.05, 0.1), 0.5, torch.Generator().manual_seed(2), tries=4).shape == (3, 3, 32, 32)
    assert detail(8) > 2 * detail(1)


def test_the_sigmoid_loss_is_its_definition(drawn):
    pictures, texts, same = drawn
    found = sigmoid_loss(7.0 * pictures @ texts.T - 3.0, same, torch.ones(6, dtype=torch.double))
    assert float(found) == pytest.approx(plain_sigmoid(pictures, texts, 7.0, -3.0), abs=1e-6)


def test_the_region_most_like_a_text_answers_for_its_frame():
    text = F.normalize(torch.tensor([[1.0, 0.0]]), dim=1)
    regions = F.normalize(torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]), dim=1)
    sharp = likeness(regions, text, 3, torch.tensor(1000.0))
    blunt = likeness(regions, text, 3, torch.tensor(1e-4))
    assert float(sharp) == pytest.approx(1.0, abs=0.01) and float(blunt) == pytest.approx(0.0, abs=1e-3)
    assert torch.equal(likeness(regions, text, 1, torch.tensor(5.0)), regions @ text.T)


def test_pairs_that_are_not_found_count_less_and_all_count_1_on_average():
    logits = torch.tensor([[5.0, 0, 0], [0, 5.0, 0], [0, 5.0, -5.0]])
    same = torch.zeros(3, 3, dtype=torch.bool)
    found = noise_weights(logits, same, 0.5)
    assert found[0] > found[1] > found[2] and float(found.mean()) == pytest.approx(1)
    assert noise_weights(logits, same, 0).tolist() == [1, 1, 1]


def conversation(number, text, images):
    turn = Turn(prompt="", answer=text)
    return Conversation(id=f"p{number}", format="video", images=tuple(images), turns=(turn,), recording="r")


def pairs_of(words=("a", "ball", "cat")):
    config = type("Config", (), {"words": list(words), "forms": {}})()
    rows = [
        conversation(0, "a ball", ["x", "y", "z"]), conversation(1, "nothing known", ["x"]),
        conversation(2, "cat", ["y"]), conversation(3, "A BALL!", ["z"]),
    ]  # fmt: skip
    return Pairs.of(rows, TextReader(config), {"x": 10, "y": 11, "z": 12})


def test_pairs_keep_frames_words_and_which_texts_are_the_same():
    pairs, unknown = pairs_of()
    assert len(pairs) == 3 and unknown == 1
    assert pairs.frames(np.array([0, 0, 0, 1]), np.array([0.0, 0.5, 0.99, 0.99])).tolist() == [10, 11, 12, 11]
    assert pairs.texts(np.array([1, 0]), pad=0).tolist() == [[3, 0], [1, 2]]
    assert pairs.group_N[0] == pairs.group_N[2] != pairs.group_N[1]


def test_every_pair_is_drawn_once_an_epoch_in_an_order_of_its_own():
    steps = np.concatenate([pair_order(10, 4, step, seed=1) for step in range(5)])
    assert sorted(steps[:10]) == sorted(steps[10:]) == list(range(10)) and steps[:10].tolist() != steps[10:].tolist()


@pytest.mark.usefixtures("another_precision")
@pytest.mark.parametrize(
    "settings",
    [
        {"loss": "sigmoid", "noise_weight": 0.5},
        {"regions": 3, "formats": ("image",)},
        {"shared_words": 0.8, "view_tries": 2, "colour": ColourChanges(hue=0.1)},
        {"trains": ()},
        {"text": "language", "trains": ("vision", "language")},
    ],
)
def test_a_stage_of_each_kind_learns_and_leaves_a_model_that_loads(settings, trained, data, tmp_path):
    recipe = tiny_recipe(precision="no")
    recipe = replace(recipe, contrastive=replace(recipe.contrastive, **settings))
    out = fork(trained, tmp_path / "run", recipe, data, without="contrastive")
    Trainer(recipe, data, out).run(["contrastive"])
    lines = [json.loads(line) for line in (out / "contrastive" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert all(math.isfinite(line["loss"]) and 0 <= line["accuracy"] <= 1 for line in lines)
    encoder, _ = load_dual_encoder(out / "contrastive")
    before, after = load_tower(out / "vision").state_dict(), encoder.vision_tower.state_dict()
    learned = any(not torch.equal(before[name], after[name]) for name in after)
    assert learned == ("vision" in recipe.contrastive.trains)


@pytest.mark.usefixtures("another_precision")
def test_alignment_takes_the_contrastive_stages_tower_where_it_is_told_to(data, tmp_path):
    recipe = replace(tiny_recipe(precision="no"), tower_from="contrastive")
    trainer = Trainer(recipe, data, tmp_path / "run")
    refused = r"alignment stage needs the contrastive stage \(its tower, tower_from=contrastive\)"
    with pytest.raises(CheckpointError, match=refused):
        trainer.run(["vision", "language", "alignment"])
    assert not (tmp_path / "run" / "vision").exists()  # refused before anything is trained
    trainer.run(["vision", "language"])
    with pytest.raises(CheckpointError, match=refused):
        trainer.run(["alignment"])
    trainer.run(["contrastive", "alignment"])
    tower = load_dual_encoder(tmp_path / "run" / "contrastive")[0].vision_tower.state_dict()
    aligned = load_exactly(BabyLlavaForConditionalGeneration, tmp_path / "run" / "alignment").model.vision_tower
    assert all(torch.equal(aligned.state_dict()[name], value) for name, value in tower.items())


@pytest.mark.usefixtures("another_precision")
def test_two_processes_compare_all_pairs_of_a_batch_as_one_does(data, trained, tmp_path):
    recipe = tiny_recipe(precision="no")
    # A frozen tower sees no views, which each process draws for itself; images have one frame each.
    frozen = replace(recipe.contrastive, trains=(), formats=("image",))
    recipe = replace(recipe, contrastive=frozen)
    runs = [fork(trained, tmp_path / str(n), recipe, data, without="contrastive") for n in (1, 2)]
    Trainer(recipe, data, runs[0]).run(["contrastive"])
    run_in_processes(train_in_process, (recipe, data.folder, runs[1], ["contrastive"], None), 2)
    one, two = (
        [json.loads(line) for line in (run / "contrastive" / "metrics.jsonl").read_text().splitlines()] for run in runs
    )
    assert [line["loss"] for line in two] == pytest.approx([line["loss"] for line in one], rel=1e-5)
    assert [line["accuracy"] for line in two] == [line["accuracy"] for line in one]
    ones, twos = (weights(run / "contrastive") for run in runs)
    assert all(torch.allclose(ones[name], twos[name], atol=1e-5) for name in ones)


@pytest.mark.usefixtures("another_precision")
def test_an_interrupted_stage_resumes_to_the_same_weights(data, trained, tmp_path, monkeypatch):
    recipe = tiny_recipe(precision="no", checkpoint_every_s=0.0)
    whole, broken = (fork(trained, tmp_path / n, recipe, data, without="contrastive") for n in ("whole", "broken"))
    Trainer(recipe, data, whole).run(["contrastive"])
    finish, calls = Session.finish_step, []

    def stop_after_two(self, step, *rest):
        finish(self, step, *rest)
        calls.append(step)
        if step == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Session, "finish_step", stop_after_two)
    with pytest.raises(KeyboardInterrupt):
        Trainer(recipe, data, broken).run(["contrastive"])
    monkeypatch.undo()
    Trainer(recipe, data, broken).run(["contrastive"])
    expected, found = weights(whole / "contrastive"), weights(broken / "contrastive")
    assert calls == [1, 2] and all(torch.equal(expected[name], found[name]) for name in expected)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"trains": ("language",)}, "reads without a language model"),
        ({"trains": ("connector",)}, "no part in this stage"),
        ({"regions": 2, "trains": ()}, "need a tower that learns"),
        ({"formats": ()}, "at least one"),
        ({"region_scale": (0.5, 0.1)}, "in order"),
        ({"view_tries": 0}, "view_tries"),
        ({"shared_words": 1.5}, "shared_words"),
        ({"shared_words": 0.5, "loss": "sigmoid"}, "shared_words"),
    ],
)
def test_contradictions_are_refused(settings, problem):
    with pytest.raises(ConfigError, match=problem):
        ContrastiveStage(**settings)
