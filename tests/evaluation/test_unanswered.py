"""Runs and sub-tasks in which nothing was answered: they have no figure anywhere, and say why."""

import json

import pytest

from babyvlm.errors import CheckpointError, DataFolderError
from babyvlm.evaluation import evaluate
from babyvlm.evaluation.hub_access import refuse_unreachable
from babyvlm.evaluation.table import describe_failures, describe_scores
from babyvlm.loopback import is_loopback
from babyvlm.records import Reply, Response


class Says:
    """Replies with what it is told to."""

    name, family, sends_data_out = "says", "baseline", False

    def __init__(self, reply):
        self._reply = reply

    def answer(self, questions, images):
        for question in questions:
            yield Response(item=question.id, replies=tuple(self._reply(question, turn) for turn in question.turns))


@pytest.mark.case("accounting")
def test_a_run_without_answers_has_no_mean(toolbox, tmp_path):
    nothing = Says(lambda question, turn: Reply(text=None, problem="gone"))
    scores = evaluate(nothing, toolbox, tmp_path / "run")
    assert scores.overall is None and {task.value for task in scores.tasks} == {None}
    saved = json.loads((tmp_path / "run" / "scores.json").read_text())["babyvlm"]
    assert saved["overall"] is None and all(task["value"] is None for task in saved["tasks"])
    lines = describe_scores(scores).splitlines()
    assert all(line.split()[1] == "-" for line in lines[1:-1]) and "mean of sub-tasks" in lines[-1]
    assert " 0.0" not in lines[-1] and "left_right" in lines[-1]


@pytest.mark.case("accounting")
def test_the_mean_names_the_sub_tasks_that_have_no_figure(toolbox, tmp_path):
    def say(question, turn):
        return Reply(text=None, problem="gone") if question.task == "memory" else Reply(text=turn.options[0])

    scores = evaluate(Says(say), toolbox, tmp_path / "run")
    assert scores.task("memory").value is None and scores.overall is not None
    assert "without memory" in describe_scores(scores).splitlines()[-1]


def test_failures_are_listed_with_their_reasons_and_the_way_to_ask_again():
    def response(number, **reply):
        return Response(item=str(number), replies=(Reply(**reply),))

    failed = [response(n, text=None, problem="slow down" if n < 3 else f"reason {n}") for n in range(7)]
    said = describe_failures([*failed, response(8, text="A"), response(9, text=None, refused=True)])
    assert said.startswith("7 items failed") and "3 x slow down" in said and "--retry-failed" in said
    assert "2 more reasons" in said and not describe_failures([response(1, text="A")])


@pytest.mark.case("shared trouble")
@pytest.mark.parametrize(
    ("name", "value", "model", "said"),
    [
        ("HF_HUB_OFFLINE", "1", "nobody/has-this", "not in the cache"),
        ("TRANSFORMERS_OFFLINE", "yes", "nobody/has-this", "not in the cache"),
        ("HF_ENDPOINT", "http://127.0.0.1:9", "nobody/has-this", "cannot be reached"),
        ("HTTPS_PROXY", "http://127.0.0.1:9", "nobody/has-this", "cannot be reached"),
        ("HF_HUB_OFFLINE", "1", "a/b/c", "nor a name on the hub"),
    ],
)
def test_a_model_that_cannot_be_had_is_refused_at_once(name, value, model, said, monkeypatch):
    for other in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_ENDPOINT", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, value)
    with pytest.raises(CheckpointError, match=said):
        refuse_unreachable(model)


@pytest.mark.case("who answers")
@pytest.mark.parametrize(
    ("address", "own"),
    [
        ("http://localhost:8000/v1", True), ("http://localhost./v1", True), ("http://LOCALHOST", True),
        ("http://127.0.0.1:1/", True), ("http://127.9.8.7/", True), ("http://[::1]:8000/v1", True), ("::1", True),
        ("[::1]", True), ("localhost", True), ("localhost:8000", True), ("127.0.0.1", True), ("app.localhost", True),
        ("http://[::ffff:127.0.0.1]/", True), ("http://user:pw@localhost/", True),
        ("http://localhost@example.org/", False), ("http://localhost.example.org", False), ("http://0.0.0.0/", False),
        ("http://host.docker.internal:8000", False), ("http://10.0.0.1", False), ("http://192.168.1.2", False),
        ("http://127.0.0.1.nip.io", False), ("https://api.openai.com/v1", False), ("", False), ("http://[", False),
    ],
)  # fmt: skip
def test_only_this_machine_is_this_machine(address, own):
    assert is_loopback(address) == own


@pytest.mark.case("accounting")
def test_the_command_fails_where_nothing_was_answered(toolbox, tmp_path, monkeypatch, capsys):
    from babyvlm import evaluation
    from babyvlm.cli.evaluation import evaluate_command

    nothing = Says(lambda question, turn: Reply(text=None, problem="gone"))
    monkeypatch.setattr(evaluation, "choose_respondent", lambda *_, **__: nothing)
    with pytest.raises(DataFolderError, match="gone"):
        evaluate_command("says", toolbox.folder, out=tmp_path / "run")
    assert "0.0" not in capsys.readouterr().out.splitlines()[-1]
