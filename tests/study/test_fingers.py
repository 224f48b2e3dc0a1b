"""In a real browser: what fingers and keys do on a trial that answers are not open for yet."""

from __future__ import annotations

import functools

import pytest

from babyvlm.study import StudyConfig
from babyvlm.study.service import StudyService
from babyvlm.study.store import Store
from tests.pages import TABLET, chromium
from tests.study.study_browser import BrowserTaker
from tests.study.study_world import PASSWORD, PIN, SHORT, running

GAP_MS, READING_MS = 250, 300  # a busy browser must be asked within the latter what it shows
CONFIG = StudyConfig(
    **(
        vars(SHORT)
        | {"tasks": ("picture_vocabulary",), "items_per_task": 6, "practice_per_task": 0, "attention_every": 0}
        | {"gap_ms": GAP_MS, "reading_ms": READING_MS}
    )
)
CLOSED = ".trial:not([data-open]) [data-place]"


class Hand:
    """Fingers on the glass and on the keys, below the level at which a page can tell them from real ones."""

    def __init__(self, page):
        self.page, self.session = page, page.context.new_cdp_session(page)
        self.points = {}

    def at(self, place):
        box = self.page.locator(f'[data-place="{place}"]').bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def put(self, finger, spot):
        self.points[finger] = {"x": spot[0], "y": spot[1], "id": finger}
        self._send("touchStart")

    def lift(self, finger):
        self.points.pop(finger)
        self._send("touchEnd")

    def tap(self, spot, finger=0):
        self.put(finger, spot)
        self.lift(finger)

    def _send(self, kind):
        self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": list(self.points.values())})

    def key(self, kind, key, code, *, repeat=False, text=""):
        sent = {"type": kind, "key": key, "code": code, "autoRepeat": repeat, "text": text}
        sent["windowsVirtualKeyCode"] = {"Enter": 13, "Space": 32}.get(code, 49)
        self.session.send("Input.dispatchKeyEvent", sent)


@pytest.fixture(scope="module")
def table(toolbox, tmp_path_factory):
    """A study, a browser, and a function that seats somebody at their first trial."""
    store = Store.begin(tmp_path_factory.mktemp("fingers") / "s.db", toolbox, CONFIG, password=PASSWORD, pin=PIN)
    service = StudyService(store, toolbox, "Please take part.", answers_per_s=10_000)
    with running(service) as base, chromium() as browser:

        def seat():
            invited = store.invite("adult", "main")[0]
            taker = BrowserTaker(browser, f"{base}/#{invited.token}", size=TABLET, by="touch")
            taker.press("I agree")
            taker.press("Start")
            return taker, Hand(taker.page), lambda: store.answers(invited.code)

        yield seat
    store.close()


def double_tap(page, hand, apart_ms):
    """On the open trial; the second tap falls where the next trial's picture will lie."""
    spot = hand.at(0)
    hand.tap(spot)
    page.wait_for_timeout(apart_ms)
    hand.tap(spot)


def mashing(page, hand):
    spot = hand.at(0)
    for _ in range(14):
        hand.tap(spot)
        page.wait_for_timeout(110)


def held(page, hand):
    hand.put(0, hand.at(0))
    page.wait_for_selector('.trial[data-number="2"] [data-place]')
    page.wait_for_timeout(3 * GAP_MS + 5 * READING_MS)


def held_and_a_second_finger(page, hand):
    hand.put(0, hand.at(0))
    page.wait_for_selector('.trial[data-number="2"] [data-place]')
    page.wait_for_timeout(GAP_MS + 4 * READING_MS)
    hand.tap(hand.at(1), finger=1)
    page.wait_for_timeout(100)


def two_fingers_at_once(page, hand):
    hand.put(0, hand.at(0))
    hand.put(1, hand.at(1))
    hand.lift(1)
    hand.lift(0)


def tap_before_the_question_is_over(page, hand):
    hand.tap(hand.at(0))
    page.wait_for_selector('.trial[data-number="2"]:not([data-open]) [data-place="1"]')
    hand.tap(hand.at(1))


def press_that_ends_after_the_question(page, hand):
    hand.tap(hand.at(0))
    page.wait_for_selector('.trial[data-number="2"]:not([data-open]) [data-place="1"]')
    hand.put(0, hand.at(1))
    page.wait_for_timeout(GAP_MS + 5 * READING_MS)
    hand.lift(0)
    page.wait_for_timeout(60)


def enter_held(page, hand):
    page.locator('[data-place="0"]').focus()
    hand.key("keyDown", "Enter", "Enter", text="\r")
    for _ in range(12):
        page.wait_for_timeout(80)
        if page.locator('.trial[data-number="2"] [data-place="0"]').count():
            page.locator('[data-place="0"]').focus()
        hand.key("keyDown", "Enter", "Enter", repeat=True, text="\r")


def digit_held(page, hand):
    for number in range(12):
        hand.key("keyDown", "1", "Digit1", repeat=number > 0, text="1")
        page.wait_for_timeout(90)


def space_pressed_before_and_left_after(page, hand):
    hand.tap(hand.at(0))
    page.wait_for_selector('.trial[data-number="2"]:not([data-open]) [data-place="1"]')
    page.locator('[data-place="1"]').focus()
    hand.key("keyDown", " ", "Space", text=" ")
    page.wait_for_timeout(GAP_MS + 5 * READING_MS)
    hand.key("keyUp", " ", "Space")
    page.wait_for_timeout(60)


@pytest.mark.case("who answers")
@pytest.mark.parametrize(
    "act",
    [
        *(
            pytest.param(functools.partial(double_tap, apart_ms=apart_ms), id=f"a double tap {apart_ms} ms apart")
            for apart_ms in (0, 60, 120, 200)
        ),
        *(
            pytest.param(act, id=act.__name__.replace("_", " "))
            for act in (
                mashing,
                held,
                held_and_a_second_finger,
                two_fingers_at_once,
                tap_before_the_question_is_over,
                press_that_ends_after_the_question,
                enter_held,
                digit_held,
                space_pressed_before_and_left_after,
            )
        ),
    ],
)
def test_one_try_answers_one_trial_and_a_new_one_the_next(table, act):
    taker, hand, answers = table()
    assert taker.number() == 1
    act(taker.page, hand)
    assert len(answers()) == 1
    for finger in list(hand.points):
        hand.lift(finger)
    for key, code in (("Enter", "Enter"), ("1", "Digit1")):
        hand.key("keyUp", key, code)
    assert taker.number() == 2
    hand.tap(hand.at(1))
    assert taker.number() == 3
    assert len(answers()) == 2 and not taker.complaints
    first = answers()[1]
    assert first.open_ms >= READING_MS and first.reaction_ms >= first.open_ms
    taker.context.close()
