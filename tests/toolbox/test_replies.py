"""Replies as models write them, the traps among them, and that any text at all is read without an error."""

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babyvlm.toolbox import TASKS, read_answer
from babyvlm.toolbox.directions import DIRECTIONS
from babyvlm.toolbox.replies import is_refusal, read_direction, read_letter, read_number


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("A", "A"),
        ("a", "A"),
        ("A.", "A"),
        (" (b) ", "B"),
        ("b)", "B"),
        ("**C**", "C"),
        ("Answer: C", "C"),
        ("The answer is (D).", "D"),
        ("the answer is b", "B"),
        ("A, because it has a handle.", "A"),
        ("I would touch B", "B"),
        ("Option C is right", "C"),
        ("the second image", "B"),
        ("The third one.", "C"),
        ("image 4", "D"),
        ("2", "B"),
        ("(A) A cat", "A"),
        ("It is a cat", None),
        ("A cat sits there", None),
        ("It's a", None),
        ("This is a picture of a dog", None),
        ("The answer is a cat", None),
        ("answer: a dog", None),
        ("A or B", None),
        ("(A) or (B)", None),
        ("both A and C", None),
        ("E", None),
        ("", None),
        ("   ", None),
        ("I don't know", None),
        ("Don't ask", None),
        ("ABCD", None),
        ("first", "A"),
        ("First, look at the dog", None),
    ],
)
def test_letters(reply, answer):
    assert read_letter(reply, "ABCD") == answer


def test_a_letter_that_is_not_on_offer_is_no_answer():
    assert read_letter("D", "ABC") is None and read_letter("the third image", "AB") is None


def test_localization_may_name_the_quadrant():
    spec = TASKS["localization"]
    assert read_answer("upper left", spec, spec.options) == "A"
    assert read_answer("It is in the bottom right of the image.", spec, spec.options) == "D"
    assert read_answer("(B) top right", spec, spec.options) == "B"
    assert read_answer("left", spec, spec.options) is None


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("12", "12"),
        ("twelve", "12"),
        ("Two.", "2"),
        ("There are two cups", "2"),
        ("I see 3 (three) dogs", "3"),
        ("eleven", "11"),
        ("twenty-one", "21"),
        ("seventeen", "17"),
        ("a dozen", "12"),
        ("none", "0"),
        ("007", "7"),
        ("This one has 4", "4"),
        ("2 or 3", None),
        ("2.5", None),
        ("-3", None),
        ("2-3", None),
        ("many", None),
        ("someone", None),
        ("", None),
        ("³", None),
    ],
)
def test_numbers(reply, answer):
    assert read_number(reply) == answer


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("top", "top"),
        ("'Bottom Right'", "bottom right"),
        ("top-left", "top left"),
        ("upper left", "top left"),
        ("TOPLEFT", "top left"),
        ("the lower right corner", "bottom right"),
        ("left top corner", "top left"),
        ("It left the frame through the top.", "top"),
        ("The cup has left via the left side", "left"),
        ("leftmost", "left"),
        ("top or bottom", None),
        ("top, then left", None),
        ("stop", None),
        ("away", None),
    ],
)
def test_directions(reply, answer):
    assert read_direction(reply) == answer


def test_a_refusal_is_told_from_an_answer():
    assert is_refusal("I'm sorry, but I can't help with that.") and not is_refusal("I can see B")


@given(st.text(), st.sampled_from(sorted(TASKS)), st.sampled_from(["default", "reference", "leaderboard"]))
def test_any_text_is_read_as_an_answer_or_none(text, task, scoring):
    spec = TASKS[task]
    answer = read_answer(text, spec, spec.options, scoring=scoring)
    if answer is not None:
        assert answer.isdigit() if spec.answers == "number" else answer in (*spec.options, *DIRECTIONS, *"ABCD")


@given(st.sampled_from("ABCD"), st.sampled_from(["{}", "({})", "{}.", "Answer: {}", "The answer is {}.", " {}\n"]))
def test_every_letter_is_read_in_every_usual_dress(letter, dress):
    assert read_letter(dress.format(letter), "ABCD") == read_letter(dress.format(letter.lower()), "ABCD") == letter


@given(st.integers(0, 999))
def test_every_number_is_read(number):
    assert read_number(f"I count {number} of them") == str(number)


@pytest.mark.case("one datum")
@pytest.mark.parametrize("scoring", ["default", "reference"])
@pytest.mark.parametrize("reply", ["9" * 5_000, "9" * 5_000 + " dozen", "There are " + "1" * 20_000, "²", "٣" * 6_000])
def test_a_number_of_any_length_is_read_without_an_error(reply: str, scoring: Literal["default", "reference"]) -> None:
    answer = read_answer(reply, TASKS["object_counting"], TASKS["object_counting"].options, scoring=scoring)
    assert answer is None or answer not in TASKS["object_counting"].options
