"""Labels find their words, nearness is nearness, and Wordbank exports are read or refused by line."""

import pytest

from babyvlm.errors import AnnotationError
from babyvlm.toolbox.vocabulary import WordConfig, early_vocabulary, read_wordbank
from babyvlm.words import edit_distance

PHONEMES = "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH"


def test_every_word_has_a_field_an_age_and_phonemes_of_the_set():
    words = early_vocabulary().words
    assert len(words) > 300
    for word in words.values():
        assert word.field and 8 <= word.acquired_months <= 40, word
        assert word.pronunciation and set(word.pronunciation) <= set(PHONEMES.split()), word


@pytest.mark.parametrize(
    ("label", "word"),
    [
        ("tvmonitor", "television"),
        ("Wine_Glasses", None),
        ("leaves", "leaf"),
        ("cookies", "cookie"),
        ("glasses", "glasses"),
        ("teddy-bear", "teddy bear"),
        ("buses", "bus"),
        ("gizmo", None),
    ],
)
def test_labels_find_their_words(label, word):
    found = early_vocabulary().find(label)
    assert (found.word if found else None) == word


def test_nearness_in_meaning_and_in_sound():
    words = early_vocabulary()
    assert words.same_field("cow", "horse") and not words.same_field("cow", "cup")
    assert words.sound_alike("bear", "pear") and not words.sound_alike("dog", "elephant")
    assert not words.same_field("gizmo", "gadget") and not words.sound_alike("gizmo", "gizmos")
    assert edit_distance("kitten", "sitting") == 3 and edit_distance("", "abc") == 3


def test_far_is_neither_near_in_meaning_nor_in_sound():
    far = WordConfig(foils="far")
    assert [far.distance("bear", foil) for foil in ("pear", "wolf", "shoe")] == [1, 1, 0]


def test_a_wordbank_table_by_month_gives_the_first_month_that_reaches_the_share(tmp_path):
    path = tmp_path / "words.csv"
    path.write_text(
        "item_definition,category,16,17,18\nchicken (animal),animals,0.2,0.5,0.7\nsoda/pop,food_drink,0.1,0.2,NA\n"
    )
    found = read_wordbank(path)
    assert found.find("chickens").acquired_months == 17 and found.find("chicken").field == "animals"
    assert found.find("chicken").pronunciation == early_vocabulary().find("chicken").pronunciation
    assert found.find("soda").acquired_months is None


@pytest.mark.parametrize(
    ("text", "named"),
    [("a,b\n1,2\n", "no column of words"), ("word,aoa\ndog,soon\n", "line 2"), ("word,aoa\n", "no word in it")],
)
def test_what_is_no_wordbank_table_is_refused(tmp_path, text, named):
    path = tmp_path / "words.csv"
    path.write_text(text)
    with pytest.raises(AnnotationError, match=named):
        read_wordbank(path)
