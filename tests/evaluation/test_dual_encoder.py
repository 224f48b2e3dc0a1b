"""A contrastive checkpoint as a respondent: by likeness alone, and by nothing else."""

import pytest
import torch

from babyvlm.errors import CheckpointError, ConfigError, DataFolderError
from babyvlm.evaluation import choose_respondent, evaluate
from babyvlm.evaluation.contrastive import ContrastiveCheckpoint
from babyvlm.evaluation.dual_encoder import DualEncoderModel
from babyvlm.evaluation.likeness import asked_word
from babyvlm.folders import Manifest
from babyvlm.model import DualEncoder, DualEncoderConfig, ModelShape
from babyvlm.model.configuration import vision_config
from babyvlm.records import QuestionTurn
from babyvlm.toolbox import score

SHAPE = ModelShape(
    image_size=32, patch_size=16, vision_width=32, vision_layers=1, vision_heads=2, text_width=32, text_layers=1,
    text_heads=2, text_kv_heads=2, text_intermediate=64, vocabulary=300, context=64,
)  # fmt: skip
PROMPT = "Touch the image of '{}' (A)<image> (B)<image>"


@pytest.fixture(scope="module")
def dual(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("dual") / "contrastive"
    config = DualEncoderConfig(
        vision_config=vision_config(SHAPE).to_dict(), words=["ball", "cup"], width=16, image_fit="stretch"
    )
    DualEncoder(config).save_pretrained(folder)
    Manifest(kind="checkpoint", configuration={"recipe": "tiny", "stage": "contrastive"}).write(folder)
    return folder


def test_contract(dual, toolbox):
    respondent = choose_respondent(f"clip:{dual}", toolbox)
    questions = [item.question() for item in toolbox.items]
    responses = {response.item: response for response in respondent.answer(questions, toolbox.image)}
    assert sorted(responses) == sorted(question.id for question in questions)
    assert all(len(responses[question.id].replies) == len(question.turns) for question in questions)
    again = choose_respondent(str(dual), toolbox).answer(questions[::-1], toolbox.image)
    for response in again:
        assert [reply.text for reply in response.replies] == [reply.text for reply in responses[response.item].replies]
    assert respondent.name == "dual encoder tiny" and len(respondent.revision) == 16 and not respondent.sends_data_out


def test_the_same_picture_is_found_again_and_a_new_one_told_from_those_seen(dual, toolbox):
    items = [item for item in toolbox.items if item.task in ("left_right", "memory")]
    respondent = DualEncoderModel(ContrastiveCheckpoint(dual))
    scores = score(items, respondent.answer([item.question() for item in items], toolbox.image))
    assert [task.value for task in scores.tasks] == [1.0, 1.0]


def test_a_word_takes_the_picture_nearest_to_it(dual, toolbox):
    encoder = ContrastiveCheckpoint(dual)
    turn = QuestionTurn(prompt=PROMPT.format("ball"), images=("00.jpg", "01.jpg"), options=("A", "B"))
    with torch.no_grad():
        placed = encoder.placed(torch.stack(DualEncoderModel(encoder).features(turn.images, toolbox.image)))
        for place in (1, 0):
            encoder.model.word_vectors.weight[1] = placed[place]
            cosines = DualEncoderModel(encoder).cosines(turn, toolbox.image)
            assert cosines[place] == pytest.approx(1, abs=1e-5) and len(cosines) == 2


def test_an_unknown_word_is_a_guess(dual, toolbox):
    turn = QuestionTurn(prompt=PROMPT.format("walrus"), images=("00.jpg", "01.jpg"), options=("A", "B"))
    assert DualEncoderModel(ContrastiveCheckpoint(dual)).cosines(turn, toolbox.image) == [0, 0]


def test_replies_keep_the_cosines_on_the_checkpoints_own_scale(dual, toolbox):
    encoder = ContrastiveCheckpoint(dual)
    item = next(item for item in toolbox.items if item.task == "left_right")
    turn = item.turns[0]
    (response,) = DualEncoderModel(encoder).answer([item.question()], toolbox.image)
    scores = response.replies[0].scores
    cosines = DualEncoderModel(encoder).cosines(turn, toolbox.image)
    assert scores.kind == "similarity" and not scores.means and not scores.corrected
    assert scores.sums == pytest.approx([10 * cosine for cosine in cosines], abs=1e-5)  # the scale of a new encoder
    assert response.replies[0].text == turn.options[scores.sums.index(max(scores.sums))]


def test_what_it_cannot_answer_is_left_out_and_named(dual, toolbox, tmp_path, capsys):
    scores = evaluate(choose_respondent(str(dual), toolbox), toolbox, tmp_path / "run", model=str(dual))
    assert [task.task for task in scores.tasks] == ["left_right", "memory"]
    assert "left out, for it cannot answer them: object_counting" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="cannot answer object_counting"):
        evaluate(choose_respondent(str(dual), toolbox), toolbox, tmp_path / "other", tasks=["object_counting"])


def test_other_folders_are_refused(tmp_path, checkpoint, toolbox):
    with pytest.raises(CheckpointError, match="no checkpoint here"):
        choose_respondent(f"clip:{tmp_path}", toolbox)
    with pytest.raises((CheckpointError, DataFolderError), match="not a dual encoder"):
        choose_respondent(f"clip:{checkpoint}", toolbox)


@pytest.mark.parametrize(
    ("prompt", "asked"),
    [
        ("Touch the image of 'cup' (A) (B)", "cup"),
        ("Which picture is 'the boy's dog'? Don't guess, it's easy.", "the boy's dog"),
        ("Don't look: that's all", ""),
    ],
)
def test_a_word_between_quotes_is_told_from_apostrophes(prompt, asked):
    turn = QuestionTurn(prompt=prompt, images=("a", "b"), options=("A", "B"))
    assert asked_word(turn) == asked
