"""What goes wrong on the way of a run: said at once, by item where it matters, and the rest goes on."""

import errno
import json
import os
import shutil

import pytest

from babyvlm.cli import main
from babyvlm.errors import DataFolderError
from babyvlm.evaluation import AskConfig, choose_respondent, evaluate
from babyvlm.evaluation.baselines import RandomGuess
from babyvlm.evaluation.local import LocalModel
from babyvlm.folders import MANIFEST
from babyvlm.records import Item, Reply, Response, read_jsonl, write_jsonl
from babyvlm.toolbox import open_toolbox


class Says:
    """Replies with what it is told to, and keeps what it was asked."""

    name, family, sends_data_out = "says", "baseline", False

    def __init__(self, reply):
        self._reply, self.asked = reply, []

    def answer(self, questions, images):
        for question in questions:
            self.asked.append(question.id)
            yield Response(item=question.id, replies=tuple(self._reply(question, turn) for turn in question.turns))


def responses(run):
    return {response.item: response for response in read_jsonl(run / "responses.jsonl", Response)}


def test_a_full_disk_is_named_nothing_is_half_written_and_the_run_goes_on(toolbox, tmp_path, monkeypatch):
    run, written, write = tmp_path / "run", [], os.write

    def fills_up(file, data):
        written.append(len(data))
        if len(written) < 8:
            return write(file, data)
        if len(written) == 8:  # half of the line still fits
            return write(file, bytes(data)[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("babyvlm.evaluation.durable.os.write", fills_up)
    with pytest.raises(DataFolderError, match=r"responses.jsonl: no room left .*Make room and run the same command"):
        evaluate(RandomGuess(), toolbox, run)
    assert len((run / "responses.jsonl").read_bytes().splitlines()) == 7
    assert (run / "responses.jsonl").read_bytes().endswith(b"}\n")
    monkeypatch.undo()
    rest = Says(lambda question, turn: Reply(text="A"))
    rest.name = "random"
    evaluate(rest, toolbox, run)
    assert len(rest.asked) == len(toolbox.items) - 7 and len(responses(run)) == len(toolbox.items)


def test_a_full_disk_leaves_the_figures_of_before(toolbox, tmp_path, monkeypatch, capsys):
    """Results and run.json are whole or as they were."""
    run = tmp_path / "run"
    evaluate(RandomGuess(), toolbox, run)
    before = {path.name: path.read_bytes() for path in run.iterdir()}

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("babyvlm.folders.os.fsync", full)
    with pytest.raises(SystemExit) as stopped:
        main(["score", str(run), "--scoring", "reference"])
    assert stopped.value.code == 2 and "no room left" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


def test_retry_failed_asks_again_what_failed_and_nothing_else(toolbox, tmp_path):
    run = tmp_path / "run"
    failing = {item.id for item in toolbox.items[:5]}
    refusing = toolbox.items[5].id

    def first(question, turn):
        failed = question.id in failing
        refused = question.id == refusing
        return Reply(text=None if failed or refused else turn.options[0], refused=refused, problem="x" * failed)

    scores = evaluate(Says(first), toolbox, run)
    assert sum(task.outcomes["failed"] for task in scores.tasks) >= 5
    kept = {item: response for item, response in responses(run).items() if item not in failing}
    later = Says(lambda question, turn: Reply(text=turn.options[-1]))
    assert evaluate(later, toolbox, run) == scores and not later.asked  # without it, a run that is whole stays so
    scores = evaluate(later, toolbox, run, retry_failed=True)
    assert set(later.asked) == failing and len(later.asked) == 5
    assert sum(task.outcomes["failed"] for task in scores.tasks) == 0
    assert {item: response for item, response in responses(run).items() if item not in failing} == kept


def test_a_toolbox_of_another_schema_is_refused_by_the_command(toolbox, tmp_path, capsys):
    folder = tmp_path / "older"
    shutil.copytree(toolbox.folder, folder)
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | {"schema_version": 99}))
    with pytest.raises(SystemExit) as stopped:
        main(["evaluate", "baseline:random", str(folder), "--out", str(tmp_path / "run")])
    said = capsys.readouterr().err
    assert stopped.value.code == 2 and "schema 99" in said and str(folder) in said
    assert not (tmp_path / "run").exists()


OTHER_LANGUAGES = {
    "Antwort: B": "B",
    "La réponse est (B).": "B",
    "答案是 B": "B",
    "Ich sehe 3 Bälle.": "3",
    "Hay 3 pelotas": "3",
    "3つのボールが見えます": "3",
    "das zweite Bild": "B",
    "deux balles": "2",
    "二つ目の画像": None,
    "le premier": None,
}


@pytest.mark.parametrize("said", OTHER_LANGUAGES)
def test_a_reply_in_another_language_is_read_where_it_is_plain_and_else_counted(said, toolbox, tmp_path):
    """What names an answer plainly is read; any other word of another language is unparsed, never guessed at."""
    expected = OTHER_LANGUAGES[said]
    task = "object_counting" if expected in ("2", "3") else "left_right"
    scores = evaluate(Says(lambda question, turn: Reply(text=said)), toolbox, tmp_path / "run", tasks=[task])
    outcomes = scores.task(task).outcomes
    assert (outcomes["unparsed"] == 0) == (expected is not None) and outcomes["failed"] == outcomes["refused"] == 0
    if expected is not None:
        gold = sum(item.turns[0].gold == expected for item in toolbox.items if item.task == task)
        assert outcomes["right"] == gold > 0


def test_a_context_too_short_or_pictures_too_many_fail_those_items_alone(toolbox, checkpoint, tmp_path):
    ask = AskConfig(max_images=2)
    model = choose_respondent(str(checkpoint), toolbox, ask=ask)
    scores = evaluate(model, toolbox, tmp_path / "two", ask=ask)
    assert {task.task: task.scored for task in scores.tasks} == {"left_right": 0, "memory": 0, "object_counting": 12}
    problems = {reply.problem for response in responses(tmp_path / "two").values() for reply in response.replies}
    answered = {problem for problem in problems if problem.startswith("cut off")} | {""}
    assert problems - answered == {"4 pictures, and the model takes 2", "29 pictures, and the model takes 2"}
    model = LocalModel(checkpoint)
    model.context = 200
    scores = evaluate(model, toolbox, tmp_path / "short")
    assert {task.task: task.scored for task in scores.tasks} == {"left_right": 12, "memory": 0, "object_counting": 12}
    assert scores.task("memory").outcomes["failed"] == 45 and scores.task("memory").best == 1.0


def restricted(toolbox, folder):
    shutil.copytree(toolbox.folder, folder)
    licence = "restricted: SAYCam (Databrary)"
    items = [item.model_copy(update={"licence": licence}) for item in read_jsonl(folder / "items.jsonl", Item)]
    write_jsonl(folder / "items.jsonl", items)
    return open_toolbox(folder)


def test_a_report_typed_on_restricted_items_embeds_no_picture_unless_told(toolbox, tmp_path):
    gated = restricted(toolbox, tmp_path / "gated")
    evaluate(RandomGuess(), gated, tmp_path / "run", model="baseline:random")
    main(["report", str(tmp_path / "run"), "--out", str(tmp_path / "kept.html")])
    main(["report", str(tmp_path / "run"), "--out", str(tmp_path / "shared.html"), "--i-may-share", "restricted"])

    def pictures(page):
        files = [tmp_path / page, tmp_path / f"{page.removesuffix('.html')}_files" / "items.html"]
        return [file.read_text().count("data:image/jpeg") for file in files]

    assert pictures("kept.html") == [0, 0] and min(pictures("shared.html")) > 0
    said = (tmp_path / "kept.html").read_text()
    assert f"The pictures of {len(gated.items)} items are not shown" in said and "SAYCam" in said
