"""What every baseline holds: the contract of respondents, and a row of its own beside a model's."""

import pytest

from babyvlm.errors import ConfigError
from babyvlm.evaluation import BASELINES, choose_controls, choose_respondent, evaluate
from babyvlm.evaluation.choose import BASELINE_KINDS, extensions_in
from tests.contracts.test_respondent_kinds import holds_the_contract, replies
from tests.extensions import example_names, names_of

NAMES = names_of(BASELINE_KINDS)


@pytest.fixture
def model(name):
    kind = BASELINE_KINDS.get(name)
    return f"baseline:{name}" + (f":{kind.example}" if kind.rest else "")


@pytest.mark.parametrize("name", NAMES)
def test_contract(model, toolbox):
    holds_the_contract(model, toolbox)
    respondent = choose_respondent(model, toolbox)
    assert respondent.family == "baseline" and respondent.sends_data_out is False


@pytest.mark.parametrize("name", NAMES)
def test_every_reply_is_one_that_counts(model, toolbox):
    questions = [item.question() for item in toolbox.items]
    answered = replies(choose_respondent(model, toolbox), questions, toolbox)
    for question in questions:
        for turn, text in zip(question.turns, answered[question.id], strict=True):
            assert text in turn.options


@pytest.mark.parametrize("name", NAMES)
def test_what_must_stand_behind_a_name_is_asked_for(name, toolbox):
    rest = BASELINE_KINDS.get(name).rest
    if rest:
        with pytest.raises(ConfigError, match=f"{name} needs a {rest.lower()}: baseline:{name}:{rest}"):
            choose_respondent(f"baseline:{name}", toolbox)
    else:
        assert choose_respondent(f"baseline:{name}", toolbox).name


def test_the_null_rows_of_a_model_are_the_built_in_ones(toolbox):
    assert set(BASELINES) < set(BASELINE_KINDS.builtin)
    assert list(choose_controls(choose_respondent("baseline:random", toolbox), toolbox)) == list(BASELINE_KINDS.builtin)


@pytest.mark.parametrize("name", example_names(BASELINE_KINDS.group))
def test_a_run_names_the_package(name, toolbox, tmp_path):
    model = f"baseline:text-only:baseline:{name}"
    release = BASELINE_KINDS.extension(name).release
    assert extensions_in(model) == {f"baseline {name}": release}
    evaluate(choose_respondent(model, toolbox), toolbox, tmp_path / "run", model=model, tasks=["memory"], limit=2)
    assert f'"baseline {name}": "{release}"' in (tmp_path / "run" / "run.json").read_text()


def test_an_unknown_baseline_lists_those_there_are(toolbox):
    with pytest.raises(ConfigError, match=r"unknown baseline 'genius'. .*blind-match.*last-option"):
        choose_respondent("baseline:genius", toolbox)
