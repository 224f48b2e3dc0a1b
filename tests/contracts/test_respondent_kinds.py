"""What every kind of respondent holds. Kinds that need a service are held to the same in ``tests/evaluation/apis``, and
models that write in ``tests/evaluation``: they have no example of what may stand after their name. For other kinds that
have none, small models and files are made here."""

import pytest

from babyvlm.errors import BabyVLMError, ConfigError
from babyvlm.evaluation import choose_respondent, evaluate
from babyvlm.evaluation.choose import BASELINE_KINDS, RESPONDENTS
from babyvlm.evaluation.respondents import Family, RespondentKind
from babyvlm.records import Response, read_jsonl
from babyvlm.toolbox import score
from tests.evaluation.open_models import clip, gpt2
from tests.extensions import example_names, names_of

ELSEWHERE = ("hf", "openai", "anthropic", "gemini")
"""Held to the contract in ``tests/evaluation``."""
NAMES = [name for name in names_of(RESPONDENTS) if name not in ELSEWHERE]
BRIGHTEST = """
import numpy
class Brightest:
    def answer(self, question, images):
        turn = question.turns[-1]
        shown = images[-len(turn.options):]
        if len(shown) < len(turn.options):
            return turn.options[0]
        return [float(numpy.asarray(image).mean()) for image in shown]
"""


def python_file(folder):
    (folder / "brightest.py").write_text(BRIGHTEST)
    return f"{folder}/brightest.py:Brightest"


def model_folder(save):
    def made(folder):
        save(folder / "model")
        return str(folder / "model")

    return made


def word_table(folder):
    (folder / "said.tsv").write_text("word\tcount\ncup\t3\nball\t1\n")
    return f"{folder}/said.tsv"


MADE = {"frequency": word_table, "clip": model_folder(clip), "lm": model_folder(gpt2), "python": python_file}
"""Kinds whose example is made for a test: what makes it in a folder and says what stands after the name."""


@pytest.fixture(scope="module")
def examples_made(tmp_path_factory):
    return {name: make(tmp_path_factory.mktemp(name)) for name, make in MADE.items()}


@pytest.fixture
def model(name, examples_made):
    """``MODEL`` as on the command line."""
    if name in MADE:
        return f"{name}:{examples_made[name]}"
    kind = RESPONDENTS.get(name)
    if kind.rest and not kind.example:
        pytest.skip(f"{name} gives no example: tests of its own package hold it to the contract")
    return f"{name}:{kind.example}"


def replies(respondent, questions, toolbox):
    answered = {response.item: response for response in respondent.answer(questions, toolbox.image)}
    return {name: [reply.text for reply in response.replies] for name, response in answered.items()}


def holds_the_contract(model, toolbox):
    """A name and a family; one response to each question, one reply to each turn; replies by the question alone."""
    respondent = choose_respondent(model, toolbox, seed=3)
    assert respondent.name and respondent.family in Family.__args__ and respondent.sends_data_out in (True, False)
    questions = [item.question() for item in toolbox.items]
    responses = list(respondent.answer(questions, toolbox.image))
    assert sorted(response.item for response in responses) == sorted(question.id for question in questions)
    turns = {question.id: len(question.turns) for question in questions}
    assert all(len(response.replies) == turns[response.item] for response in responses)
    assert all((reply.text is None) <= bool(reply.problem) for response in responses for reply in response.replies)
    assert all(Response.model_validate_json(response.model_dump_json()) == response for response in responses)
    assert list(respondent.answer([], toolbox.image)) == []
    outcomes = [task.outcomes for task in score(toolbox.items, responses).tasks]
    assert sum(sum(of_task.values()) for of_task in outcomes) == sum(turns.values())
    again = choose_respondent(model, toolbox, seed=3)
    assert replies(again, questions[::-1], toolbox) == replies(respondent, questions, toolbox)


@pytest.mark.parametrize("name", NAMES)
def test_contract(model, toolbox):
    holds_the_contract(model, toolbox)


@pytest.mark.parametrize("name", NAMES)
def test_a_run_names_the_package_of_a_respondent_that_is_not_built_in(name, model, toolbox, tmp_path):
    evaluate(choose_respondent(model, toolbox), toolbox, tmp_path / "run", model=model, tasks=["memory"], limit=2)
    said = (tmp_path / "run" / "run.json").read_text()
    assert len(list(read_jsonl(tmp_path / "run" / "responses.jsonl", Response))) == 2
    if name in example_names(RESPONDENTS.group):
        release = RESPONDENTS.extension(name).release
        assert f'"respondent {name}": "{release}"' in said and release.endswith("0.1.0")
    else:
        assert '"extensions"' not in said


@pytest.mark.parametrize("name", [name for name in NAMES if name != "baseline"])
def test_a_rest_that_means_nothing_is_named(name, toolbox):
    with pytest.raises(BabyVLMError, match="no such thing"):
        choose_respondent(f"{name}:no such thing", toolbox)


def test_an_unknown_kind_lists_those_there_are(toolbox):
    with pytest.raises(ConfigError, match=r"unknown respondent 'oracle:delphi'.* anthropic:NAME, .*colourful:NAME"):
        choose_respondent("oracle:delphi", toolbox)


def test_every_kind_is_of_the_contract_or_of_the_suites_that_replace_it():
    kinds = {name: RESPONDENTS.get(name) for name in (*RESPONDENTS.builtin, *example_names(RESPONDENTS.group))}
    assert all(isinstance(kind, RespondentKind) for kind in kinds.values())
    assert {name for name, kind in kinds.items() if not kind.example} == {*ELSEWHERE, *MADE}
    assert BASELINE_KINDS.names()
