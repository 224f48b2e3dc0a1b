"""The batteries of the field: trials keep their places, words are asked within one hand, sentences without pictures."""

import json
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from babyvlm.audits import audit_toolbox
from babyvlm.errors import InputError
from babyvlm.evaluation.baselines import BlindMatch, Majority, RandomGuess
from babyvlm.records import Reply, Response
from babyvlm.toolbox import score
from babyvlm.toolbox.batteries import REGISTRY
from babyvlm.toolbox.devbench import TrialPlace, read_place
from babyvlm.toolbox.published import ImportConfig
from babyvlm.toolbox.replies import read_answer
from babyvlm.toolbox.tasks import task_named


def picture(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)


def imported(name, source, out, **config):
    return REGISTRY.get(name)(source, out, ImportConfig(licence="CC0", **config))


@pytest.fixture
def trials(tmp_path):
    """Twelve trials of four pictures in a set called lex-viz_vocab; the seventh has three."""
    folder = tmp_path / "source" / "lex-viz_vocab"
    rows = ["image1,image2,image3,image4,text1"]
    for number in range(1, 13):
        names = [f"images/{number}-{place}.png" for place in range(1, 5)]
        for place, name in enumerate(names):
            picture(folder / name, 10 * number + place)
        if number == 7:
            names[3] = "NA"
        rows.append(",".join([*names, f"word {number}"]))
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    return tmp_path / "source"


def test_a_trial_keeps_its_number_and_each_option_its_picture(trials, tmp_path):
    toolbox = imported("devbench", trials, tmp_path / "out").toolbox
    assert len(toolbox.items) == 12 and toolbox.tasks == ("devbench_vocabulary",)
    numbers = set()
    for item in toolbox.items:
        (turn,) = item.turns
        places = [read_place(origin.source) for origin in turn.origins]
        (number,) = {place.number for place in places}
        numbers.add(number)
        assert item.category == f"word {number}" and f"'word {number}'" in turn.prompt
        assert turn.labels == tuple(f"{number}-{place.picture}" for place in places)
        assert places[turn.options.index(turn.gold)].picture == 1
        assert {place.picture for place in places} == ({1, 2, 3} if number == 7 else {1, 2, 3, 4})
        assert item.chance == (1 / 3 if number == 7 else 1 / 4)
        for name, place in zip(turn.images, places, strict=True):
            original = trials / "lex-viz_vocab" / f"images/{number}-{place.picture}.png"
            assert toolbox.image_path(name).read_bytes() == original.read_bytes()
    assert numbers == set(range(1, 13))
    assert len({turn.gold for item in toolbox.items for turn in item.turns}) == 4


def test_trials_without_pictures_are_named_and_counted(trials, tmp_path):
    for number in (2, 5):
        (trials / "lex-viz_vocab" / f"images/{number}-3.png").unlink()
    found = imported("devbench", trials, tmp_path / "out")
    assert found.records == 12 and found.problems == {"image: missing": 2}
    assert found.examples["image: missing"] == [f"lex-viz_vocab/manifest.csv, trial {number}" for number in (2, 5)]


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("lex-lwl/37/image2", TrialPlace(trial_set="lex-lwl", number=37, picture=2)),
        ("a/b/1/image1", TrialPlace(trial_set="a/b", number=1, picture=1)),
        ("lex-lwl/0/image2", None),
        ("synthetic", None),
        ("S_20130112_1234_01", None),
    ],
)
def test_a_place_is_read_from_what_it_is_written_to(source, place):
    assert read_place(source) == place
    assert place is None or place.source == source


@pytest.mark.parametrize(
    ("heading", "message"),
    [("word,image1,image2", "have text1"), ("text1,image1", "have text1"), ("text1,image1,image2", "no trial")],
)
def test_a_manifest_of_another_kind_is_refused(heading, message, tmp_path):
    (tmp_path / "manifest.csv").write_text(heading + "\n")
    with pytest.raises(InputError, match=message):
        imported("devbench", tmp_path, tmp_path / "out")


def test_sets_of_another_kind_are_named_beside_those_that_are_read(trials, tmp_path):
    for name, heading in (("gram-winoground", "image1,image2,text1,text2"), ("sem-things", "image1,image2")):
        (trials / name).mkdir()
        (trials / name / "manifest.csv").write_text(f"{heading}\na,b,c,d\n".replace("a,b,c,d", heading))
    found = imported("devbench", trials, tmp_path / "out")
    assert len(found.toolbox.items) == 12
    assert found.examples["manifest: not of one text and its pictures"] == [
        "gram-winoground/manifest.csv",
        "sem-things/manifest.csv",
    ]


@pytest.fixture
def hands(tmp_path):
    """Two hands that draw six words, two of which have one drawing; one hand lacks a word."""
    source = tmp_path / "hands"
    words = {"dog": "dog", "cup": "cup", "bike": "cycle", "bicycle": "cycle", "ice cream": "cone", "hat": "hat"}
    for at, hand in enumerate(("one", "two")):
        for place, word in enumerate(words):
            picture(source / hand / f"{word.replace(' ', '_')}.png", 100 * at + place)
    (source / "two" / "hat.png").unlink()
    (source / "words.tsv").write_text("word\ticon\n" + "\n".join(f"{a}\t{b}" for a, b in words.items()) + "\n")
    return source


def test_foils_are_other_words_of_the_same_hand_and_never_of_one_drawing(hands, tmp_path):
    found = imported("words", hands, tmp_path / "out")
    assert found.problems == {"image: missing": 1} and found.examples["image: missing"] == ["two/hat.png"]
    assert len(found.toolbox.items) == 11
    for item in found.toolbox.items:
        (turn,) = item.turns
        assert len(set(turn.labels)) == 4 and item.category == turn.labels[turn.options.index(turn.gold)]
        assert not {"bike", "bicycle"} <= set(turn.labels)
        assert len({origin.source.partition("/")[0] for origin in turn.origins}) == 1


def test_the_figure_of_words_is_the_mean_over_words(tmp_path):
    source = tmp_path / "words"
    for place, (word, count) in enumerate({"dog": 9, "cup": 1, "hat": 1, "sock": 1}.items()):
        for number in range(count):
            picture(source / word / f"{number}.png", 50 * place + number)
    toolbox = imported("words", source, tmp_path / "out").toolbox
    assert Counter(item.category for item in toolbox.items) == {"dog": 9, "cup": 1, "hat": 1, "sock": 1}
    wrong = {letter: next(other for other in "ABCD" if other != letter) for letter in "ABCD"}
    responses = [
        Response(
            item=item.id,
            replies=(Reply(text=item.turns[0].gold if item.category == "dog" else wrong[item.turns[0].gold]),),
        )
        for item in toolbox.items
    ]
    (task,) = score(toolbox.items, responses).tasks
    assert task.value == task.metrics["acc"] == 0.25 and task.effective_size <= 12
    assert score(toolbox.items, responses).overall is None


def test_a_picture_alone_and_too_few_words_are_handled(tmp_path):
    for word in ("dog", "cup", "hat"):
        picture(tmp_path / "few" / word / "0.png", len(word))
    with pytest.raises(InputError, match="3 words with pictures"):
        imported("words", tmp_path / "few", tmp_path / "out")


def test_sentences_are_options_the_good_one_is_right_and_nothing_is_shown(tmp_path):
    source = tmp_path / "pairs"
    source.mkdir()
    bad_first = [line for n in range(40) for line in (f"he chosen cup {n} .", f"he chose cup {n} .")]
    (source / "irregular.txt").write_text("\n".join([*bad_first, "left over"]) + "\n")
    lines = [
        json.dumps({"sentence_good": "Cats sleep.", "sentence_bad": "Cats sleeps.", "UID": "agreement"}),
        json.dumps({"sentence_good": "Cats sleep.", "sentence_bad": "Cats sleep."}),
        "{not json",
    ]
    (source / "blimp.jsonl").write_text("\n".join(lines) + "\n")
    found = imported("minimal-pairs", source, tmp_path / "out")
    assert found.problems == {
        "pair: its second sentence is missing": 1,
        "pair: the sentences are empty or the same": 1,
        "pair: not an object with sentence_good and sentence_bad": 1,
    }
    items = found.toolbox.items
    assert len(items) == 41 and Counter(item.category for item in items) == {"irregular": 40, "agreement": 1}
    for item in items:
        (turn,) = item.turns
        assert turn.images == () and len(turn.options) == 2 and item.chance == 0.5
        assert turn.gold.startswith(("he chose cup", "Cats sleep."))
        assert all(option in turn.prompt for option in turn.options)
    assert 10 < sum(item.turns[0].options[0] == item.turns[0].gold for item in items) < 31
    for respondent in (RandomGuess(), Majority(items), BlindMatch()):
        responses = list(respondent.answer([item.question() for item in items], found.toolbox.image))
        scores = score(items, responses)
        assert scores.task("minimal_pairs").outcomes["unparsed"] == 0 and scores.overall is None
    assert audit_toolbox(found.toolbox).rows[0].row == "minimal_pairs"


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("Cats sleep.", "Cats sleep ."),
        ('I think "cats sleep" is right', "Cats sleep ."),
        ("Cats sleeps .", "Cats sleeps ."),
        ("Cats sleep. Not: cats sleeps.", None),
        ("the first", None),
        ("", None),
    ],
)
def test_a_sentence_is_read_word_for_word(reply, answer):
    options = ("Cats sleeps .", "Cats sleep .")
    assert read_answer(reply, task_named("minimal_pairs"), options) == answer
    assert read_answer("Cats sleep .", task_named("minimal_pairs"), options, scoring="reference") == "Cats sleep ."


def test_the_real_batteries(shared_data, tmp_path):
    looking = imported("devbench", shared_data / "devbench" / "lex-lwl", tmp_path / "looking")
    assert len(looking.toolbox.items) == looking.records == 76
    words = imported("words", shared_data / "emoji", tmp_path / "words")
    assert len(words.toolbox.items) == 680 and len({item.category for item in words.toolbox.items}) == 170
    pairs = imported("minimal-pairs", shared_data / "zorro", tmp_path / "pairs")
    assert len(pairs.toolbox.items) == 2300 and len({item.category for item in pairs.toolbox.items}) == 23
