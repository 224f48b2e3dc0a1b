"""Every respondent through one contract, and what may not change a model's replies."""

import pytest
import torch
from transformers import AutoTokenizer

from babyvlm.errors import CheckpointError, ConfigError
from babyvlm.evaluation import choose_respondent
from babyvlm.evaluation.baselines import BlindMatch, Majority, RandomGuess
from babyvlm.evaluation.local import LocalModel
from babyvlm.model import BabyLlavaForConditionalGeneration, ConversationEncoder
from babyvlm.model.processing import normalise, square_pixels
from babyvlm.records import Item, ItemTurn
from babyvlm.toolbox import score

KINDS = ["random", "majority", "blind-match", "model"]


@pytest.fixture(params=KINDS)
def respondent(request, toolbox, checkpoint):
    model = str(checkpoint) if request.param == "model" else f"baseline:{request.param}"
    return choose_respondent(model, toolbox)


def replies(respondent, questions, toolbox):
    answered = {response.item: response for response in respondent.answer(questions, toolbox.image)}
    return {name: [reply.text for reply in response.replies] for name, response in answered.items()}


def test_contract(respondent, toolbox):
    questions = [item.question() for item in toolbox.items]
    responses = list(respondent.answer(questions, toolbox.image))
    assert sorted(response.item for response in responses) == sorted(question.id for question in questions)
    turns = {question.id: len(question.turns) for question in questions}
    assert all(len(response.replies) == turns[response.item] for response in responses)
    assert all(reply.text is not None and reply.latency_s >= 0 for response in responses for reply in response.replies)
    assert respondent.name and respondent.sends_data_out is False
    assert list(respondent.answer([], toolbox.image)) == []


def test_the_same_replies_again_and_in_any_order(respondent, toolbox):
    questions = [item.question() for item in toolbox.items]
    assert replies(respondent, questions, toolbox) == replies(respondent, questions[::-1], toolbox)


def test_random_is_at_chance(toolbox):
    items = [item for item in toolbox.items if item.task == "left_right"]
    right = 0
    for seed in range(100):
        responses = RandomGuess(seed).answer([item.question() for item in items], toolbox.image)
        right += score(items, responses).task("left_right").value * len(items)
    assert right / (100 * len(items)) == pytest.approx(1 / 3, abs=0.05)  # 3.7 standard deviations


def test_majority_gives_the_commonest_answer(toolbox):
    items = [item for item in toolbox.items if item.task == "object_counting"]
    skewed = [item.model_copy(update={"turns": (item.turns[0].model_copy(update={"gold": "7"}),)}) for item in items]
    answers = replies(Majority(skewed), [item.question() for item in items], toolbox)
    assert set(map(tuple, answers.values())) == {("7",)}


def test_majority_learns_no_answer_of_a_single_item(toolbox):
    """Sentences of a minimal pair stand in one item alone; that the right one is right elsewhere tells nothing."""
    pairs = [("good 0", "bad 0"), ("bad 1", "good 1"), ("good 2", "bad 2")]
    items = [
        Item(
            id=f"pair {number}", task="minimal_pairs", split="test", chance=0.5,
            turns=(ItemTurn(prompt="Which is right?", images=(), options=pair, gold=f"good {number}"),),
        )
        for number, pair in enumerate(pairs)
    ]  # fmt: skip
    answers = replies(Majority(items), [item.question() for item in items], toolbox)
    assert [answers[item.id] for item in items] == [["good 0"], ["bad 1"], ["good 2"]]  # the first, mostly right


def test_blind_match_solves_matching_without_reading(toolbox):
    items = [item for item in toolbox.items if item.task in ("left_right", "memory")]
    scores = score(items, BlindMatch().answer([item.question() for item in items], toolbox.image))
    assert scores.task("left_right").value == 1.0
    assert scores.task("memory").metrics["acc_testing_raw"] == 1.0


def test_replies_do_not_depend_on_the_batch(toolbox, checkpoint):
    questions = [item.question() for item in toolbox.items]
    alone = replies(LocalModel(checkpoint, batch_size=1), questions, toolbox)
    assert alone == replies(LocalModel(checkpoint, batch_size=7), questions, toolbox)
    assert len({tuple(texts) for texts in alone.values()}) > 3  # or the comparison would say nothing


def test_a_picture_is_encoded_once_a_call_and_anew_in_the_next(toolbox, checkpoint):
    """Once, or half the time of a memory item goes into pictures known already; anew, for a null shows others by the
    same names."""
    model, opened = LocalModel(checkpoint, batch_size=2), []

    def opens(name):
        opened.append(name)
        return toolbox.image(name)

    questions = [item.question() for item in toolbox.items if item.task in ("memory", "left_right")]
    shown = {name for question in questions for turn in question.turns for name in turn.images}
    list(model.answer(questions, opens))
    assert sorted(opened) == sorted(shown)
    list(model.answer(questions, opens))
    assert len(opened) == 2 * len(shown)


def test_kept_cache_equals_encoding_everything_again(toolbox, checkpoint):
    """Against a plain reference: the whole conversation, one token at a time, without cache or padding."""
    item = next(item for item in toolbox.items if item.task == "memory")
    found = replies(LocalModel(checkpoint), [item.question()], toolbox)[item.id]
    model = BabyLlavaForConditionalGeneration.from_pretrained(checkpoint).eval()
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    encoder = ConversationEncoder(tokenizer, image_token_id=300, image_tokens=5)
    ids, pixels, expected = [], [], []
    for number, turn in enumerate(item.turns):
        ids += encoder.user(turn.prompt, first=number == 0)
        pixels += [torch.tensor(square_pixels(toolbox.image(name), 32)) for name in turn.images]
        reply = []
        while len(reply) < 8 and reply[-1:] != [3]:
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([ids]), pixel_values=normalise(torch.stack(pixels))).logits
            reply.append(3 if len(reply) == 7 else int(logits[0, -1].argmax()))
            ids.append(reply[-1])
        expected.append(tokenizer.decode([token for token in reply if token not in (0, 3)]).strip())
    assert found == expected


def test_the_end_of_a_reply_takes_no_pass_of_its_own(toolbox, checkpoint):
    passes = []
    model = LocalModel(checkpoint, batch_size=1, max_new_tokens=2)
    model.model.register_forward_hook(lambda *_: passes.append(1))
    question = next(item.question() for item in toolbox.items if item.task == "memory")
    list(model.answer([question], toolbox.image))
    assert len(question.turns) == 15
    assert len(passes) <= 15 * 2  # the prompt, and the one token before the end


def test_likelihoods_are_those_of_each_option_alone(toolbox, checkpoint):
    """Against a plain reference: prompt and option in one row, without cache, padding or other options."""
    items = [item for item in toolbox.items if item.task != "memory"]
    model = LocalModel(checkpoint, batch_size=7, answer="likelihood")
    found = replies(model, [item.question() for item in items], toolbox)
    assert len({tuple(texts) for texts in found.values()}) > 2
    for item in items:
        (turn,) = item.turns
        pictures = [toolbox.image(name) for name in turn.images]
        losses = {}
        for option in turn.options:
            loss, _ = model.mean_loss(turn.prompt, pictures, option)
            losses[option] = loss * len(model.spelled(option))
        assert found[item.id] == [min(losses, key=losses.get)]


@pytest.mark.parametrize("batch_size", [1, 7])
def test_scores_have_three_readings_of_each_options_own_likelihood(batch_size, toolbox, checkpoint):
    items = [item for item in toolbox.items if item.task != "memory"]
    model = LocalModel(checkpoint, batch_size=batch_size, answer="likelihood")
    answered = {response.item: response for response in model.answer([i.question() for i in items], toolbox.image)}
    for item in items:
        (turn,), (reply,) = item.turns, answered[item.id].replies
        pictures = [toolbox.image(name) for name in turn.images]
        lengths = [len(model.spelled(option)) for option in turn.options]
        means = [-model.mean_loss(turn.prompt, pictures, option)[0] for option in turn.options]
        alone = [-model.mean_loss("", [], option)[0] for option in turn.options]
        assert reply.scores.kind == "log-likelihood" and reply.scores.means == pytest.approx(means, abs=1e-4)
        sums = [mean * length for mean, length in zip(means, lengths, strict=True)]
        assert reply.scores.sums == pytest.approx(sums, abs=1e-4)
        corrected = [total - one * length for total, one, length in zip(sums, alone, lengths, strict=True)]
        assert reply.scores.corrected == pytest.approx(corrected, abs=1e-4)


def test_a_reply_that_was_written_has_no_scores(toolbox, checkpoint):
    responses = LocalModel(checkpoint).answer([item.question() for item in toolbox.items], toolbox.image)
    assert all(reply.scores is None for response in responses for reply in response.replies)


@pytest.mark.parametrize("gold", [False, True])
def test_likelihoods_leave_no_trace_in_later_rounds(gold, toolbox, checkpoint):
    """A round's choice, with what the rounds before it chose as given, is that of the whole item."""
    item = next(item for item in toolbox.items if item.task == "memory")
    model = LocalModel(checkpoint, answer="likelihood")
    (chosen,) = replies(model, [item.question(gold_history=gold)], toolbox).values()
    said = [turn.gold for turn in item.turns] if gold else chosen
    for last in (1, 6, 14):
        question = item.question().model_copy(update={"turns": item.question().turns[: last + 1]})
        given = question.model_copy(update={"history": tuple(said[:last])})
        assert replies(model, [given], toolbox)[item.id][last] == chosen[last]
    alone = LocalModel(checkpoint, answer="likelihood", batch_size=1)
    questions = [item.question(gold_history=gold) for item in toolbox.items]
    assert replies(alone, questions, toolbox) == replies(model, questions, toolbox)


def test_unknown_respondents_are_named(toolbox, tmp_path):
    with pytest.raises(ConfigError, match="blind-match"):
        choose_respondent("baseline:genius", toolbox)
    with pytest.raises(ConfigError, match="unknown respondent"):
        choose_respondent("oracle:delphi", toolbox)
    with pytest.raises(CheckpointError, match="no checkpoint here"):
        choose_respondent(str(tmp_path), toolbox)


def test_a_checkpoint_with_missing_weights_is_refused(checkpoint, toolbox, tmp_path):
    import shutil

    from safetensors.torch import load_file, save_file

    broken = tmp_path / "broken"
    shutil.copytree(checkpoint, broken)
    tensors = load_file(broken / "model.safetensors")
    del tensors["model.multi_modal_projector.linear_1.weight"]
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="linear_1"):
        LocalModel(broken)
