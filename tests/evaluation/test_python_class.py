"""Anyone's Python class as a respondent: the example of the documentation, both methods, and what is refused."""

import re
from pathlib import Path

import pytest

from babyvlm.errors import BabyVLMError, ConfigError, InputError
from babyvlm.evaluation import choose_respondent, evaluate
from babyvlm.records import Question, QuestionTurn

PAGE = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text(encoding="utf-8")
ASKED = Question(
    id="x", task="picture_vocabulary",
    turns=(QuestionTurn(prompt="Touch 'ball'", images=("00.jpg", "01.jpg"), options=("A", "B")),),
)  # fmt: skip


@pytest.fixture
def written(tmp_path):
    """Writes a file of Python and says how it is named on the command line."""

    def write(body, name="Mine"):
        path = tmp_path / "mine.py"
        path.write_text(f"class {name}:\n{body}" if body.startswith("    ") else body)
        return f"python:{path}:{name}"

    return write


def ask(model, toolbox, question=ASKED):
    (response,) = choose_respondent(model, toolbox).answer([question], toolbox.image)
    return response.replies


def test_the_example_of_the_documentation(written, toolbox, tmp_path):
    (example,) = [code for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "def score" in code]
    assert len(example.splitlines()) <= 20
    (name,) = re.findall(r"class (\w+)", example)
    model = written(example, name)
    (reply,) = ask(model, toolbox)
    assert reply.scores.kind == "score" and len(reply.scores.sums) == 2
    assert reply.text == "AB"[reply.scores.sums.index(max(reply.scores.sums))]
    respondent = choose_respondent(model, toolbox)
    assert respondent.takes("picture_vocabulary.hard") and not respondent.takes("left_right")
    with pytest.raises(ConfigError, match="cannot answer"):  # of this toolbox it can answer nothing
        evaluate(respondent, toolbox, tmp_path / "run")


def test_answer_may_reply_with_text_or_with_figures(written, toolbox):
    model = written(
        "    name = 'counter'\n    sends_data_out = True\n"
        "    def answer(self, question, images):\n"
        "        asked = question.turns[-1]\n"
        "        assert len(images) == sum(len(turn.images) for turn in question.turns)\n"
        "        assert len(question.history) == len(question.turns) - 1\n"
        "        return [float(option == 'B') for option in asked.options] if len(asked.options) > 1 else 'A'\n"
    )
    memory = next(item.question() for item in toolbox.items if item.task == "memory")
    respondent = choose_respondent(model, toolbox)
    assert (respondent.name, respondent.sends_data_out, len(respondent.revision)) == ("counter", True, 16)
    assert respondent.takes("object_counting")
    (response,) = respondent.answer([memory], toolbox.image)
    assert [reply.text for reply in response.replies] == ["A", *["B"] * 14]
    assert response.replies[0].scores is None and response.replies[1].scores.sums == (0.0, 1.0)


def test_equal_figures_are_a_guess_by_item_alone(written, toolbox):
    model = written("    def score(self, texts, images):\n        return [[0.0] * len(images)]\n")
    others = [ASKED.model_copy(update={"id": str(number)}) for number in range(40)]
    first, again = ([ask(model, toolbox, other)[0].text for other in others] for _ in range(2))
    assert first == again and set(first) == {"A", "B"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("    def score(self, texts, images):\n        return [[1.0]]\n", "gave 1 x 1 figures, .* matrix of 1 x 2 fig"),
        ("    def score(self, texts, images):\n        return 1\n", "gave one figure, where"),
        ("    def score(self, texts, images):\n        return [[1.0, float('nan')]]\n", "not finite .* place 1, 2"),
        ("    def score(self, texts, images):\n        return ['x']\n", "gave a list .could not convert"),
        ("    def score(self, texts, images):\n        x = 1\n        return 1 / 0\n", "line 4: score.. failed: Zero"),
        ("    def answer(self, question, images):\n        pass\n", "gave .* a text, or 2 figures"),
        ("    def __init__(self, path):\n        pass\n    def score(self): pass\n", "making it failed: TypeError"),
        ("    def score(self): pass\n    def answer(self): pass\n", "has both score and answer"),
        ("    pass\n", "has neither score nor answer"),
        ("class Other:\n    pass\n", "no class 'Mine'.*It has Other"),
        ("x = 1\n", "It has no class at all"),
        ("import math\nmath.no_such_thing\n", "line 2: running the file failed: AttributeError"),
        ("x = 1\ndef (\n", "line 2: running the file failed: SyntaxError"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(body, message, written, toolbox):
    with pytest.raises(InputError, match=rf"mine\.py.*{message}"):
        ask(written(body), toolbox)


def test_a_name_without_file_or_class(toolbox, tmp_path):
    with pytest.raises(ConfigError, match=r"write python:FILE\.py:CLASS"):
        choose_respondent("python:mine.py", toolbox)
    with pytest.raises(BabyVLMError, match="no such file"):
        choose_respondent(f"python:{tmp_path}/mine.py:Mine", toolbox)


def test_what_lies_beside_the_file_can_be_imported(written, toolbox, tmp_path):
    (tmp_path / "beside_it_here.py").write_text("def figures(count):\n    return [list(range(count))]\n")
    body = "import beside_it_here\nclass Mine:\n    def score(self, texts, images):\n"
    assert ask(written(body + "        return beside_it_here.figures(len(images))\n"), toolbox)[0].text == "B"
