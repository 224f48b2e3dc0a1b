"""In a real browser that several people use: whose session a page stands for, whatever way a link reaches its tab."""

from __future__ import annotations

import json
import shutil

import pytest

from babyvlm.study import StudyConfig
from babyvlm.study.service import StudyService
from babyvlm.study.store import Store
from tests.pages import TABLET, chromium
from tests.study.study_browser import BrowserTaker
from tests.study.study_world import PASSWORD, PIN, SHORT, running

CONFIG = StudyConfig(
    **(
        vars(SHORT)
        | {"tasks": ("picture_vocabulary", "looking_while_listening"), "items_per_task": 1, "practice_per_task": 0}
        | {"child_items_per_task": 4, "attention_every": 0, "gap_ms": 20}
    )
)


class Room:
    """One browser of a lab, a study, and people who are invited to it."""

    def __init__(self, store, base, browser):
        self.store, self.base, self.browser = store, base, browser
        self.context = None

    def invite(self, group="adult", **known):
        made = self.store.invite(group, "main", **known)[0]
        return made.code, f"{self.base}/#{made.token}"

    def sit(self, link):
        if self.context is not None:
            self.context.close()
        taker = BrowserTaker(self.browser, link, size=TABLET, by="touch")
        self.context = taker.context
        self.context.set_default_timeout(6000)
        taker.page.on("dialog", lambda dialog: dialog.accept())
        return taker

    def answers(self, code):
        return len(self.store.answers(code))


@pytest.fixture(scope="module")
def room(toolbox, tmp_path_factory):
    store = Store.begin(tmp_path_factory.mktemp("whose") / "s.db", toolbox, CONFIG, password=PASSWORD, pin=PIN)
    with running(StudyService(store, toolbox, "Please take part.", answers_per_s=1000)) as base, chromium() as browser:
        made = Room(store, base, browser)
        yield made
        if made.context is not None:
            made.context.close()
    store.close()


def begin(taker):
    taker.press("I agree")
    taker.press("Start")
    assert taker.number() == 1


def enter_pin(taker, pin=PIN):
    taker.page.locator("#stage input[type=password]").fill(pin)
    taker.press("Open")


# How far the first person is when the second one's link reaches the tab.


def at_the_consent(taker):
    taker.page.get_by_role("button", name="I agree").wait_for()


def at_a_trial(taker):
    begin(taker)
    taker.choose(1, 0)
    taker.number()


def at_the_end(taker):
    begin(taker)
    while (number := taker.number()) is not None:
        taker.choose(number, 0)


# How the link reaches the tab.


def typed(page, link):
    page.goto(link)


def pasted_behind_the_page(page, link):
    page.evaluate("link => { location.href = link; }", link)


def only_its_end_replaced(page, link):
    page.evaluate("token => { location.hash = token; }", link.split("#")[1])


def tapped_in_the_page(page, link):
    page.evaluate(
        "link => { const a = document.createElement('a'); a.href = link; document.body.append(a); a.click(); }", link
    )


def typed_and_loaded_again(page, link):
    page.goto(link)
    page.get_by_text("Before we start").wait_for()
    page.reload()


def typed_and_gone_back_and_forward(page, link):
    page.goto(link)
    page.get_by_text("Before we start").wait_for()
    page.go_back()
    page.wait_for_timeout(100)
    page.go_forward()


@pytest.mark.case("who answers")
@pytest.mark.parametrize(
    "state",
    [
        pytest.param(at_the_consent, marks=pytest.mark.slow),
        at_a_trial,
        pytest.param(at_the_end, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize(
    "way",
    [
        typed,
        pasted_behind_the_page,
        only_its_end_replaced,
        tapped_in_the_page,
        typed_and_loaded_again,
        typed_and_gone_back_and_forward,
    ],
)
def test_a_second_link_in_the_tab_is_the_second_persons_alone(room, way, state):
    (first, link), (second, other) = room.invite(), room.invite()
    taker = room.sit(link)
    state(taker)
    before = room.answers(first)
    way(taker.page, other)
    taker.page.get_by_text(second).wait_for()
    assert taker.page.url == f"{room.base}/"
    begin(taker)
    taker.choose(1, 0)
    assert taker.number() == 2
    assert (room.answers(first), room.answers(second)) == (before, 1)
    # And everything that the second person deletes is their own.
    taker.press("Menu")
    taker.press("Stop and delete everything")
    taker.page.get_by_text("Everything is deleted").wait_for()
    assert room.store.participant(second) is None and room.store.participant(first) is not None
    taker.page.go_back()
    taker.page.wait_for_timeout(150)
    assert not taker.page.get_by_text(first).count()


@pytest.mark.case("who answers")
@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("#%E0%A4%A", "This link is damaged"),
        ("#%", "This link is damaged"),
        ("#好", "This link is damaged"),
        ("#a b", "This link is damaged"),
        ("#" + "x" * 500, "This link is damaged"),
        ("#.", "This link is damaged"),
        ("#forged", "not valid"),
        ("#", "No link"),
        ("", "No link"),
        ("?x=1", "No link"),
    ],
)
def test_a_link_that_is_none_says_so_and_shows_nobodys_session(room, written, seen):
    code, link = room.invite()
    taker = room.sit(link)
    taker.page.get_by_text(code).wait_for()
    if written in ("", "#", "?x=1"):  # nothing else in the address: another tab, for this one has its link still
        taker.page = taker.context.new_page()
    taker.page.goto(f"{room.base}/{written}")
    taker.page.get_by_text(seen).wait_for()
    assert not taker.page.get_by_text(code).count()


@pytest.mark.case("who answers")
@pytest.mark.parametrize("around", ["{}.", "({})", "<{}>", "{},", "%20{}", "{}%20"])
def test_a_link_with_what_a_messenger_put_around_it_opens(room, around):
    code, link = room.invite()
    token = link.split("#")[1]
    taker = room.sit(f"{room.base}/#{around.format(token.strip('-_'))}")
    if token.strip("-_") == token:
        taker.page.get_by_text(code).wait_for()
    assert not taker.complaints or token.strip("-_") != token


@pytest.mark.case("who answers")
@pytest.mark.parametrize("state", [at_the_consent, at_a_trial])
def test_a_childs_session_asks_the_pin_again_whenever_it_is_come_back_to(room, state):
    code, link = room.invite("child", age_months=26)
    taker = room.sit(link)
    taker.page.get_by_text(f"Session {code}, child, 26 months").wait_for()
    enter_pin(taker)
    taker.page.get_by_text(f"Session {code}, child, 26 months").wait_for()
    state(taker)
    taker.page.reload()
    taker.page.get_by_text("Please enter the PIN").wait_for()
    again = taker.context.new_page()
    again.goto(link)
    again.get_by_text("Please enter the PIN").wait_for()


@pytest.mark.case("who answers")
@pytest.mark.parametrize("group", ["adult", "child"])
def test_after_another_session_in_the_browser_a_childs_page_takes_no_answer_before_the_pin(room, group):
    code, link = room.invite("child", age_months=26)
    taker = room.sit(link)
    enter_pin(taker)
    begin(taker)
    other = taker.context.new_page()
    other.goto(room.invite(group)[1])
    other.get_by_text("Session").first.wait_for()
    taker.page.bring_to_front()
    taker.page.locator('[data-place="0"]').tap()
    taker.page.get_by_text("Please enter the PIN").wait_for()
    assert room.answers(code) == 0
    enter_pin(taker, "1111")
    taker.page.get_by_text("That is not the PIN.").wait_for()
    enter_pin(taker)
    taker.press("Start")
    taker.page.get_by_text("Ready?").wait_for(state="detached")
    taker.choose(taker.number(), 0)
    assert taker.number() == 2 and room.answers(code) == 1


@pytest.mark.case("who answers")
def test_a_browser_without_cookies_is_told_before_the_consent_and_the_link_still_opens_elsewhere(room, tmp_path):
    code, link = room.invite()
    (tmp_path / "Default").mkdir()
    blocked = {"profile": {"default_content_setting_values": {"cookies": 2}, "cookie_controls_mode": 1}}
    (tmp_path / "Default" / "Preferences").write_text(json.dumps(blocked))
    context = room.browser.browser_type.launch_persistent_context(
        tmp_path, executable_path=shutil.which("chromium"), args=["--no-sandbox"]
    )
    try:
        page = context.new_page()
        page.goto(link)
        page.get_by_text("This browser keeps no cookies").wait_for()
        assert not page.get_by_role("button", name="I agree").count()
    finally:
        context.close()
    found = room.store.participant(code)
    assert found.browser_hash is None and found.consented is None
    begin(room.sit(link))


@pytest.mark.case("who answers")
def test_a_pin_that_is_wrong_or_tried_too_often_says_so_and_skips_nothing_by_itself(room):
    code, link = room.invite("child", age_months=26)
    taker = room.sit(link)
    enter_pin(taker)
    begin(taker)
    taker.press("Menu")
    problem = taker.page.locator("#dialog-problem")
    for number in range(10):
        taker.page.locator("#pin").fill(f"{number}111")
        taker.press("Skip this one")
        taker.page.wait_for_function("() => document.getElementById('dialog-problem').textContent")
        assert problem.inner_text() == "That is not the PIN."
    taker.page.locator("#pin").fill(PIN)
    taker.press("Skip this one")
    taker.page.wait_for_function("() => /wait \\d+ second/.test(document.getElementById('dialog-problem').textContent)")
    taker.press("Back")
    taker.page.wait_for_timeout(800)
    assert room.answers(code) == 0 and taker.number() == 1 and not taker.page.locator("#banner").inner_text()
    assert not taker.page.evaluate("() => JSON.stringify({ ...localStorage })").count(PIN)
    taker.choose(1, 0)
    assert taker.number() == 2 and not room.store.answers(code)[0].skipped


@pytest.mark.case("who answers")
def test_without_network_a_skip_is_not_sent_later(room):
    code, link = room.invite("child", age_months=26)
    taker = room.sit(link)
    enter_pin(taker)
    begin(taker)
    taker.context.set_offline(True)
    taker.press("Menu")
    taker.page.locator("#pin").fill(PIN)
    taker.press("Skip this one")
    taker.page.get_by_text("No network. Please try again").wait_for()
    taker.press("Back")
    taker.context.set_offline(False)
    taker.page.wait_for_timeout(600)
    assert room.answers(code) == 0 and taker.number() == 1


@pytest.mark.case("who answers")
def test_an_age_in_years_is_asked_back_and_one_the_study_has_nothing_for_is_refused(room):
    code, link = room.invite("child")
    taker = room.sit(link)
    enter_pin(taker)
    age = taker.page.get_by_label("The child's age in months")
    for typed_age in ("0", "-3", "300"):
        age.fill(typed_age)
        taker.press("I agree")
        taker.page.get_by_text("This study is for children of").wait_for()
    age.fill("2")
    taker.press("I agree")
    taker.page.get_by_text("2 years are 24 months").wait_for()
    assert room.store.participant(code).planned == 0
    age.fill("24")
    taker.press("I agree")
    taker.press("Start")
    assert taker.number() == 1 and room.store.participant(code).age_months == 24
