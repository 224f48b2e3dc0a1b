"""A language model as a respondent, against the definition of log-likelihoods."""

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from babyvlm.errors import CheckpointError
from babyvlm.evaluation import AskConfig, choose_respondent
from babyvlm.evaluation.language_model import LanguageModel
from babyvlm.records import Question, QuestionTurn
from tests.evaluation.open_models import gpt2


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("lm") / "tiny-gpt2"
    gpt2(made)
    return made


def by_definition(folder, context, continuation):
    """What lm-evaluation-harness defines, written out anew.

    The sum of the log-probabilities of the tokens that the continuation adds to the context's tokens; behind an empty
    context stands the model's first token.
    """
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder).eval()
    before = tokenizer.encode(context.rstrip()) if context.strip() else []
    behind = tokenizer.encode(context + continuation)[len(before) :]
    ids = [*(before or [tokenizer.bos_token_id]), *behind]
    with torch.no_grad():
        logs = model(torch.tensor([ids])).logits[0].log_softmax(-1)
    return sum(float(logs[place - 1, ids[place]]) for place in range(len(ids) - len(behind), len(ids))), len(behind)


PAIRS = [
    ("How many of ball do you see?", " 3"),
    ("How many ", "of ball"),
    ("", "Touch the new image."),
    ("A", "B" * 30),
]


@pytest.mark.parametrize("batch_size", [1, 3])
def test_log_likelihoods_are_those_of_the_definition(batch_size, folder):
    found = LanguageModel(str(folder), ask=AskConfig(batch_size=batch_size)).log_likelihoods(PAIRS)
    for (context, continuation), one in zip(PAIRS, found, strict=True):
        expected, tokens = by_definition(folder, context, continuation)
        assert one.log_likelihood == pytest.approx(expected, abs=1e-4) and one.tokens == tokens


def test_log_likelihoods_are_those_of_lm_evaluation_harness(folder):
    huggingface = pytest.importorskip("lm_eval.models.huggingface", reason="lm-eval is not installed")
    from lm_eval.api.instance import Instance

    pairs = [*PAIRS, *((f"Touch {word} the image?", f" {o}") for word in ("ball", " cup  ") for o in ("A", "top left"))]
    theirs = huggingface.HFLM(
        pretrained=AutoModelForCausalLM.from_pretrained(folder), tokenizer=AutoTokenizer.from_pretrained(folder),
        device="cpu", batch_size=4,
    )  # fmt: skip
    requests = [
        Instance(request_type="loglikelihood", doc={}, arguments=pair, idx=place) for place, pair in enumerate(pairs)
    ]
    expected = [total for total, _ in theirs.loglikelihood(requests)]
    found = [one.log_likelihood for one in LanguageModel(str(folder)).log_likelihoods(pairs)]
    assert found == pytest.approx(expected, abs=1e-4)


def test_a_reply_is_the_likeliest_option_with_three_readings(folder, toolbox):
    item = next(item for item in toolbox.items if item.task == "object_counting")
    (response,) = LanguageModel(str(folder)).answer([item.question()], toolbox.image)
    (reply,) = response.replies
    question = "How many of ball do you see?"
    for place, option in enumerate(item.turns[0].options):
        total, tokens = by_definition(folder, question, f" {option}")
        alone, _ = by_definition(folder, "", f" {option}")
        assert reply.scores.sums[place] == pytest.approx(total, abs=1e-4)
        assert reply.scores.means[place] == pytest.approx(total / tokens, abs=1e-4)
        assert reply.scores.corrected[place] == pytest.approx(total - alone, abs=1e-4)
    assert reply.text == item.turns[0].options[reply.scores.sums.index(max(reply.scores.sums))]


def test_later_rounds_read_the_earlier_replies(folder, toolbox):
    item = next(item for item in toolbox.items if item.task == "memory")
    (response,) = LanguageModel(str(folder)).answer([item.question()], toolbox.image)
    first, second = (turn.prompt.replace(" <image>", "") for turn in item.turns[:2])
    total, _ = by_definition(folder, f"{first} {response.replies[0].text}\n{second}", " B")
    assert response.replies[1].scores.sums[1] == pytest.approx(total, abs=1e-4)


def test_contract(folder, toolbox):
    respondent = choose_respondent(f"lm:{folder}", toolbox, ask=AskConfig(batch_size=4))
    questions = [item.question() for item in toolbox.items]
    found = {r.item: [reply.text for reply in r.replies] for r in respondent.answer(questions, toolbox.image)}
    alone = choose_respondent(f"lm:{folder}", toolbox, ask=AskConfig(batch_size=1))
    assert found == {r.item: [one.text for one in r.replies] for r in alone.answer(questions[::-1], toolbox.image)}
    assert {name: len(said) for name, said in found.items()} == {q.id: len(q.turns) for q in questions}
    assert respondent.family == "baseline" and not respondent.sends_data_out and len(respondent.revision) == 16


def test_too_long_a_conversation_fails_that_item_alone(folder, toolbox):
    respondent = LanguageModel(str(folder))
    respondent.context = 40
    for response in respondent.answer([item.question() for item in toolbox.items], toolbox.image):
        turns = len(response.replies)
        assert all((reply.text is None) == (turns == 15) for reply in response.replies)
        assert ("context too short" in response.replies[0].problem) == (turns == 15)


def test_sentences_of_a_minimal_pair_are_compared_by_themselves(folder):
    good, bad = "Touch the new image.", "Touch new the image."
    turn = QuestionTurn(prompt="Which sentence is right?", images=(), options=(bad, good))
    question = Question(id="pair", task="minimal_pairs", turns=(turn,))
    ((reply,),) = [one.replies for one in LanguageModel(str(folder)).answer([question], lambda name: None)]
    sums = [by_definition(folder, "", sentence)[0] for sentence in (bad, good)]
    assert reply.scores.sums == pytest.approx(sums, abs=1e-4) and reply.scores.corrected == ()
    assert reply.text == (bad, good)[sums.index(max(sums))]


def test_a_checkpoint_of_ours_is_shown_its_text_only_row(checkpoint, toolbox, tmp_path):
    with pytest.raises(CheckpointError, match=f"baseline:text-only:{checkpoint}"):
        choose_respondent(f"lm:{checkpoint}", toolbox)
    with pytest.raises(CheckpointError, match="does not load as a language model"):
        choose_respondent(f"lm:{tmp_path}", toolbox)
