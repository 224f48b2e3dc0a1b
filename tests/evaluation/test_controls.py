"""Control conditions, right replies as history, likelihoods, and locks."""

import numpy as np
import pytest

from babyvlm.cli import main
from babyvlm.errors import DataFolderError
from babyvlm.evaluation import AskConfig, evaluate, read_run
from babyvlm.evaluation.baselines import BlindMatch, RandomGuess
from babyvlm.evaluation.controls import BlankImage, ShuffledOptions, TextOnly
from babyvlm.evaluation.durable import only_process
from babyvlm.evaluation.local import LocalModel
from babyvlm.records import OptionScores, Reply, Response
from babyvlm.toolbox import score


def texts(respondent, questions, toolbox):
    answered = {response.item: response for response in respondent.answer(questions, toolbox.image)}
    return {name: [reply.text for reply in response.replies] for name, response in answered.items()}


def test_one_that_looks_keeps_its_accuracy_when_options_are_shuffled(toolbox):
    items = [item for item in toolbox.items if item.task == "left_right"]
    questions = [item.question() for item in items]
    shuffled = ShuffledOptions(BlindMatch())
    assert score(items, shuffled.answer(questions, toolbox.image)).task("left_right").value == 1.0
    assert texts(ShuffledOptions(RandomGuess()), questions, toolbox) != texts(RandomGuess(), questions, toolbox)


class Brightness:
    """Scores every option that is a picture by its brightness."""

    name, family, sends_data_out = "brightness", "open-source", False

    def answer(self, questions, images):
        for question in questions:
            replies = []
            for turn in question.turns:
                shown = turn.images[-len(turn.options) :]
                sums = tuple(float(np.asarray(images(name)).mean()) for name in shown)
                scores = OptionScores(kind="score", sums=sums) if len(sums) == len(turn.options) else None
                best = turn.options[sums.index(max(sums))] if scores else turn.options[0]
                replies.append(Reply(text=best, scores=scores))
            yield Response(item=question.id, replies=tuple(replies))


def test_scores_of_shuffled_options_are_put_back_in_their_order(toolbox):
    questions = [item.question() for item in toolbox.items]
    plain = {response.item: response for response in Brightness().answer(questions, toolbox.image)}
    shuffled = {r.item: r for r in ShuffledOptions(Brightness(), seed=2).answer(questions, toolbox.image)}
    assert shuffled == plain
    assert any(reply.scores for response in plain.values() for reply in response.replies)


def test_text_only_and_blank_images_show_nothing(toolbox):
    seen = []

    class Spy(RandomGuess):
        def answer(self, questions, images):
            seen.extend((q, [images(name).getcolors() for t in q.turns for name in t.images]) for q in questions)
            return super().answer(questions, images)

    questions = [toolbox.items[0].question()]
    list(TextOnly(Spy()).answer(questions, toolbox.image))
    list(BlankImage(Spy()).answer(questions, toolbox.image))
    (bare, none), (_, colours) = seen
    assert none == [] and all("<image>" not in turn.prompt for turn in bare.turns)
    assert colours and all(len(colour) == 1 for colour in colours)


@pytest.mark.parametrize("mode", ["generate", "likelihood", "published"])
@pytest.mark.parametrize("gold", [False, True])
def test_replies_do_not_depend_on_the_batch(mode, gold, toolbox, checkpoint):
    questions = [item.question(gold_history=gold) for item in toolbox.items]
    alone = texts(LocalModel(checkpoint, batch_size=1, answer=mode), questions, toolbox)
    assert alone == texts(LocalModel(checkpoint, batch_size=7, answer=mode), questions, toolbox)
    if mode == "likelihood":
        options = {item.id: [turn.options for turn in item.turns] for item in toolbox.items}
        assert all(text in o for name, said in alone.items() for text, o in zip(said, options[name], strict=True))


def test_published_judges_by_likelihood_what_the_leaderboard_does(toolbox, checkpoint):
    """Looking While Listening by the likelier option, with scores; all else as the model writes it."""
    questions = [item.question() for item in toolbox.items]
    listening = [question.model_copy(update={"task": "looking_while_listening"}) for question in questions[:5]]
    questions = [*listening, *questions[5:]]
    told = {
        mode: {
            response.item: response for response in LocalModel(checkpoint, answer=mode).answer(questions, toolbox.image)
        }
        for mode in ("generate", "likelihood", "published")
    }
    for question in questions:
        like = "likelihood" if question.task == "looking_while_listening" else "generate"
        ours, theirs = (told[mode][question.id].replies for mode in ("published", like))
        assert [reply.text for reply in ours] == [reply.text for reply in theirs]
        assert all((mine.scores is None) == (other.scores is None) for mine, other in zip(ours, theirs, strict=True))
        sums = ([one.scores.sums for one in replies if one.scores] for replies in (ours, theirs))
        assert np.allclose(*sums, atol=1e-4)


def test_history_changes_later_rounds_only(toolbox, checkpoint):
    item = next(item for item in toolbox.items if item.task == "memory")
    own, gold = (
        texts(LocalModel(checkpoint), [item.question(gold_history=flag)], toolbox)[item.id] for flag in (False, True)
    )
    assert own[0] == gold[0] and own != gold
    replayed = item.question().model_copy(update={"history": tuple(own[:-1])})
    likeliest = LocalModel(checkpoint, answer="likelihood")
    picked = texts(likeliest, [item.question()], toolbox)[item.id]
    forced = item.question().model_copy(update={"history": tuple(picked[:-1])})
    assert texts(likeliest, [forced], toolbox)[item.id] == picked and replayed.history


def test_nulls_are_runs_beside_the_run(toolbox, checkpoint, tmp_path, capsys):
    run = tmp_path / "run"
    main(["evaluate", str(checkpoint), str(toolbox.folder), "--out", str(run), "--tasks", "left_right", "--nulls"])
    names = {"random", "majority", "blind-match", "text-only", "blank-image", "shuffled-options"}
    assert {path.name for path in (run / "nulls").iterdir()} == names
    assert all((run / "nulls" / name / "scores.json").is_file() for name in names)
    made = read_run(run)
    assert len(made.revision) == 16 and made.started and made.finished and made.hardware and made.options


def test_two_processes_do_not_mix(toolbox, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    with only_process(run), pytest.raises(DataFolderError, match="another process"):
        evaluate(RandomGuess(), toolbox, run)
    evaluate(RandomGuess(), toolbox, run, ask=AskConfig())


def test_a_context_too_short_fails_that_item_alone(toolbox, checkpoint, monkeypatch):
    model = LocalModel(checkpoint)
    monkeypatch.setattr(model, "context", 200)
    responses = {r.item: r.replies[0] for r in model.answer([i.question() for i in toolbox.items], toolbox.image)}
    for item in toolbox.items:
        assert ("context too short" in responses[item.id].problem) == (item.task == "memory")
