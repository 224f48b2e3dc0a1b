"""Ages of words: a known curve comes back, what was not measured stays unknown, and what predicts age is found."""

import math

import numpy as np
import pytest

from babyvlm.children.acquisition import AcquisitionConfig, acquisitions, by_plain_word, read_word_counts
from babyvlm.children.prediction import Prediction, predict, read_ratings, word_counts_of
from babyvlm.errors import ConfigError, InputError
from babyvlm.toolbox.vocabulary import early_vocabulary

HEAD = "form,measure,word,age_months,children,say_so"


def curve(word, middle, slope, *, ages=range(16, 31), children=100, form="WS", measure="produces", rng=None):
    """Lines of a table: how many of the children say it, expected or drawn."""
    lines = []
    for age in ages:
        share = 1 / (1 + math.exp(-slope * (age - middle)))
        count = round(share * children) if rng is None else int(rng.binomial(children, share))
        lines.append(f"{form},{measure},{word},{age},{children},{count}")
    return lines


def write(path, *parts):
    path.write_text("\n".join([HEAD, *(line for part in parts for line in part)]) + "\n")
    return path


def found_in(path, config=None):
    return {one.counts.word: one for one in acquisitions(read_word_counts(path, config))}


def test_a_known_curve_comes_back_and_its_interval_holds_it(tmp_path):
    words = found_in(
        write(tmp_path / "t.csv", curve("ball", 20.3, 0.4, children=10**6), curve("cup", 24, 0.3, children=40))
    )
    assert words["ball"].months == pytest.approx(20.3, abs=1e-3) and words["ball"].slope == pytest.approx(0.4, abs=1e-3)
    assert words["cup"].low < words["cup"].months < words["cup"].high
    assert words["ball"].high - words["ball"].low < 0.05 < words["cup"].high - words["cup"].low


def test_intervals_cover_the_age_behind_the_counts(tmp_path):
    rng = np.random.default_rng(0)
    middles = rng.uniform(20, 27, 400)
    parts = [curve(f"w{n}", middle, 0.35, children=30, rng=rng) for n, middle in enumerate(middles)]
    words = found_in(write(tmp_path / "t.csv", *parts))
    inside = [words[f"w{n}"].low <= middle <= words[f"w{n}"].high for n, middle in enumerate(middles)]
    assert 0.92 <= np.mean(inside) <= 0.98


def test_a_word_acquired_outside_the_months_measured_is_unknown_and_never_the_edge(tmp_path):
    flat = [f"WS,produces,flat,{age},100,{60 - age}" for age in range(16, 31)]
    words = found_in(
        write(
            tmp_path / "t.csv", curve("early", 12, 0.5), curve("late", 36, 0.5), flat,
            [f"WS,produces,nobody,{age},100,0" for age in range(16, 31)],
            [f"WS,produces,all,{age},100,100" for age in range(16, 31)],
            curve("short", 20, 0.5, ages=(19, 21)),
        )
    )  # fmt: skip
    assert all(one.months is None and one.low is None and one.high is None for one in words.values())
    reasons = {word: one.unknown for word, one in words.items()}
    assert reasons == {
        "early": "more than half already at 16 months, the first measured",
        "late": "fewer than half still at 30 months, the last measured",
        "flat": "the share does not rise with age",
        "nobody": "nobody says it",
        "all": "everybody says it",
        "short": "fewer than three months were measured",
    }


def test_an_interval_that_leaves_the_months_measured_is_open_there(tmp_path):
    words = found_in(write(tmp_path / "t.csv", curve("near", 29.5, 0.3, children=12)))
    assert words["near"].low is not None and words["near"].months is not None and words["near"].high is None


def test_measures_are_never_mixed_and_forms_are_pooled_by_rule(tmp_path):
    path = write(
        tmp_path / "t.csv",
        curve("dog", 14, 0.5, ages=range(8, 19), form="WG"),
        curve("dog", 10, 0.5, ages=range(8, 19), form="WG", measure="understands"),
        curve("dog", 14, 0.5),
        curve("because", 26, 0.5),
    )
    pooled = found_in(path)
    assert pooled["dog"].months == pytest.approx(14, abs=0.05) and pooled["dog"].counts.forms == ("WG", "WS")
    assert len(pooled["dog"].counts.ages_A) == 23 and pooled["because"].counts.forms == ("WS",)
    assert found_in(path, AcquisitionConfig(form="WS"))["dog"].months is None
    understood = found_in(path, AcquisitionConfig(measure="understands"))
    assert list(understood) == ["dog"] and understood["dog"].months == pytest.approx(10, abs=0.05)
    with pytest.raises(ConfigError, match="does not ask what a child understands"):
        AcquisitionConfig(measure="understands", form="WS")


def test_of_two_senses_the_one_acquired_first_stands_for_the_word(tmp_path):
    path = write(
        tmp_path / "t.csv", curve("chicken.food", 22, 0.4), curve("chicken.animal", 24, 0.4), curve("a_lot", 25, 0.4)
    )
    plain = by_plain_word(tuple(found_in(path).values()))
    assert set(plain) == {"chicken", "a lot"} and plain["chicken"].counts.word == "chicken.food"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("word,age\ndog,3\n", "line 1: lacks the columns form, measure"),
        (f"{HEAD}\nWS,produces,dog,16,ten,2\n", "line 2: does not parse"),
        (f"{HEAD}\nWS,produces,dog,16,10,12\n", "line 2: 12 of 10 children"),
        (f"{HEAD}\nWG,understands,dog,16,10,2\n", "it has understands in WG, and no produces"),
    ],
)
def test_faults_of_a_table_are_named(text, message, tmp_path):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_word_counts(tmp_path / "t.csv")


@pytest.fixture
def plain(tmp_path):
    rng = np.random.default_rng(2)
    path = write(
        tmp_path / "t.csv", *(curve(f"w{n}", middle, 0.4) for n, middle in enumerate(rng.uniform(18, 29, 120)))
    )
    return by_plain_word(tuple(found_in(path).values()))


def test_what_predicts_age_is_found_with_its_share_of_variance(plain):
    rng = np.random.default_rng(3)
    age = np.array([one.months for one in plain.values()])
    standard = (age - age.mean()) / age.std()
    frequency, noise = -0.8 * standard + 0.6 * rng.normal(size=len(age)), rng.normal(size=len(age))
    predictors = {"frequency": dict(zip(plain, frequency, strict=True)), "noise": dict(zip(plain, noise, strict=True))}
    found = predict(plain, predictors)
    assert isinstance(found, Prediction) and found.words == 120
    first, second = found.coefficients
    assert first.low < -0.8 < first.high < 0 and second.low < 0 < second.high
    columns = np.array([frequency, noise]).T
    fitted = (
        np.column_stack([np.ones(120), columns])
        @ np.linalg.lstsq(np.column_stack([np.ones(120), columns]), age, rcond=None)[0]
    )
    assert found.r_squared == pytest.approx(1 - ((age - fitted) ** 2).sum() / ((age - age.mean()) ** 2).sum())
    assert found.r_squared_low < found.r_squared < found.r_squared_high


def test_predictors_of_no_use_are_named_and_too_few_words_are_refused(plain):
    same = {
        "frequency": {word: float(len(word) + at) for at, word in enumerate(plain)},
        "one": dict.fromkeys(plain, 1.0),
    }
    found = predict(plain, {**same, "twice": {word: 2 * value for word, value in same["frequency"].items()}})
    assert found.constant == ("one", "twice") and len(found.coefficients) == 1
    few = dict(list(same["frequency"].items())[:5])
    assert predict(plain, {"frequency": few}) == "5 words have an age and all of frequency; 10 are needed"
    assert "are needed" in predict(plain, {})


def test_ratings_and_counts(tmp_path):
    (tmp_path / "c.csv").write_text("Word,Conc.M,Conc.SD\nball,4.9,0.1\nidea,NA,1\n")
    assert read_ratings(tmp_path / "c.csv") == ("concreteness", {"ball": 4.9})
    (tmp_path / "c.csv").write_text("word,a,b\nball,1,2\n")
    with pytest.raises(InputError, match="It needs word, and concreteness"):
        read_ratings(tmp_path / "c.csv")
    said = ["two boxes and a box", "ice cream, ice creams!", "the teddybear's"]
    assert word_counts_of(said, ["box", "ice cream", "ice", "bear", ""]) == {
        "box": 2, "ice cream": 2, "ice": 2, "bear": 0, "": 0
    }  # fmt: skip


def test_packaged_ages_are_those_of_the_norms(shared_data):
    """Every packaged age from norms, computed again; with the estimates of the list, none is early on average."""
    found = found_in(shared_data / "wordbank" / "by_age.csv")
    by_word = {name: one for name, one in found.items() if "." not in name}
    senses = {"animals": "animal", "food": "food"}
    checked, differences = 0, []
    for word in early_vocabulary().words.values():
        name = word.word.replace(" ", "_")
        sense = found.get(f"{name}.{senses.get(word.field, 'object')}")
        one = sense or by_word.get(name) or by_word.get(f"{name}s")
        if one is not None and one.months is not None and word.age_from == "norms":
            assert word.acquired_months == pytest.approx(one.months, abs=0.051), word
            differences.append(word.acquired_months - one.months)
            checked += 1
    assert checked >= 250 and abs(np.mean(differences)) < 0.05
    for word in early_vocabulary().words.values():
        if word.age_from == "norms":
            continue
        one = found.get(word.word.replace(" ", "_"))
        assert one is None or one.months is None, f"{word.word} has norms"


def test_packaged_ages_say_where_they_are_from():
    words = early_vocabulary().words.values()
    assert {word.age_from for word in words} == {"norms", "estimate"}
    norms = [word.acquired_months for word in words if word.age_from == "norms"]
    assert len(norms) > 250 and min(norms) > 11 and max(norms) <= 31
