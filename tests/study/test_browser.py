"""In a real browser: every task by touch and by keyboard, a lost network, the gate, and what axe-core finds."""

import re
import wave

import pytest

from babyvlm.study import StudyConfig
from babyvlm.study.voices import Voices, sentences_of
from babyvlm.toolbox import TASKS
from tests.pages import PHONE, TABLET, chromium
from tests.study.study_browser import BrowserTaker
from tests.study.study_world import PASSWORD, PIN, SHORT

QUICK = StudyConfig(**(vars(SHORT) | {"items_per_task": 1, "practice_per_task": 0, "attention_every": 0}))
LEAST_TARGET_PX = 44
"""Of WCAG 2.2, enhanced; what a toddler is given is far larger wherever the screen has room."""

LEAST_PICTURE_PX = 90


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


@pytest.fixture
def sit_down(browser, served, begin):
    """Begins a study and seats a participant: (service, taker, code)."""
    takers, contexts = [], []

    def seat(config=QUICK, group="adult", *, size=TABLET, by="touch", **known):
        service = begin(config, **known)
        serving = served(service)
        base = serving.__enter__()
        contexts.append(serving)
        invited = service.store.invite(group, "main")[0]
        taker = BrowserTaker(browser, f"{base}/#{invited.token}", size=size, by=by)
        takers.append(taker)
        return service, taker, invited.code

    yield seat
    for taker in takers:
        taker.context.close()
    for serving in contexts:
        serving.__exit__(None, None, None)


@pytest.mark.parametrize(("size", "by"), [(TABLET, "touch"), pytest.param(PHONE, "keyboard", marks=pytest.mark.slow)])
def test_every_task_is_taken(sit_down, toolbox, size, by):
    service, taker, code = sit_down(size=size, by=by)
    assert not taker.serious_findings()
    taker.press("I agree")
    taker.press("Start")
    looked, small, pictures = set(), {}, []

    def look(plan):
        if (plan.task, plan.turn) not in looked and plan.turn in (0, 1):
            looked.add((plan.task, plan.turn))
            small[plan.task] = taker.smallest_target()
            if (side := taker.smallest_picture()) is not None:
                pictures.append(side)
            if by == "touch":
                assert not taker.serious_findings(), plan.task

    answered = taker.take(service, toolbox, code, look)
    given = service.store.answers(code)
    assert answered == len(given) == 11 + 15 and service.store.participant(code).finished
    assert {task for task, _ in looked} == set(TASKS)
    assert min(small.values()) >= LEAST_TARGET_PX and min(pictures) >= LEAST_PICTURE_PX, (small, pictures)
    assert {answer.pointer for answer in given.values()} == {by}
    assert all(answer.reaction_ms is not None and 0 < answer.reaction_ms < 20_000 for answer in given.values())
    assert 0 < service.store.participant(code).clock_resolution_ms < 20
    items = {item.id: item for item in toolbox.items}
    for trial in service.store.trials(code):
        assert given[trial.plan.position].answer == items[trial.plan.item].turns[trial.plan.turn].gold
    assert not taker.strangers and not taker.complaints and not service.store.events()


def test_an_answer_outlives_a_lost_network_and_a_closed_tab(sit_down):
    service, taker, code = sit_down()
    taker.press("I agree")
    taker.press("Start")
    assert taker.number() == 1
    taker.context.set_offline(True)
    taker.page.locator('[data-place="0"]').tap()
    taker.page.wait_for_function("() => /No network/.test(document.getElementById('banner').innerText)")
    assert not service.store.answers(code)
    taker.page.close()
    taker.context.set_offline(False)
    taker.open()
    taker.press("Go on")
    assert taker.number() == 2 and list(service.store.answers(code)) == [0]


VOICES = """
window.spoken = [];
window.SpeechSynthesisUtterance = class { constructor(text) { this.text = text; } };
Object.defineProperty(window, "speechSynthesis", { value: {
  getVoices: () => [{ lang: "en-US", localService: LOCAL, name: "one" }],
  cancel() {}, speak(words) { spoken.push(words); } } });
"""


@pytest.mark.parametrize("local", [True, False])
def test_only_a_voice_of_the_device_itself_speaks(sit_down, local):
    """Another one would send what it says to somebody's server."""
    _, taker, _ = sit_down(StudyConfig(**(vars(QUICK) | {"speech": "browser"})))
    taker.page.add_init_script(VOICES.replace("LOCAL", str(local).lower()))
    taker.page.reload()
    taker.press("I agree")
    taker.page.get_by_role("button", name="Start").wait_for()
    assert taker.page.get_by_text("This device has no voice").count() == (not local)
    taker.press("Start")
    assert taker.number() == 1
    said = taker.page.evaluate("spoken.map(words => words.text)")
    shown = taker.page.locator(".say").inner_text()
    assert (said[-1] == shown) if local else not said


SPEAKING = VOICES.replace(
    "speak(words) { spoken.push(words); }",
    """speak(words) {
  spoken.push(words); setTimeout(() => words.onstart(), 50); setTimeout(() => words.onend(), SAID_MS); }""",
)
SAID_MS = 450


@pytest.mark.case("who answers")
@pytest.mark.parametrize("by", ["a voice", "a recording", "nobody"])
def test_answers_open_when_the_question_has_been_said(sit_down, toolbox, tmp_path, by):
    tasks = {"tasks": ("picture_vocabulary",), "items_per_task": 2}
    speech = {"a voice": "browser", "a recording": "recorded", "nobody": "silent"}[by]
    config = StudyConfig(**(vars(QUICK) | tasks | {"speech": speech, "reading_ms": SAID_MS // 3, "gap_ms": 20}))
    for sentence in sentences_of(toolbox.items, config):
        with wave.open(str(tmp_path / f"{sentence.stem}.wav"), "wb") as sound:
            sound.setparams((1, 2, 8000, 0, "NONE", ""))
            sound.writeframes(bytes(2 * 8000 * SAID_MS // 1000))
    voices = {"voices": Voices(tmp_path)} if by == "a recording" else {}
    service, taker, code = sit_down(config, **voices)
    taker.page.add_init_script(SPEAKING.replace("LOCAL", "true").replace("SAID_MS", str(SAID_MS)))
    taker.page.reload()
    taker.press("I agree")
    taker.press("Start")
    place = taker.page.locator('.trial[data-number="1"]:not([data-open]) [data-place="1"]')
    place.tap()
    taker.choose(taker.number(), 0)
    assert taker.number() == 2
    answer = service.store.answers(code)[0]
    assert answer.open_ms > SAID_MS - 60 and answer.reaction_ms >= answer.open_ms and answer.early == 1


def test_a_resting_palm_does_not_keep_a_finger_from_answering_and_an_open_menu_spoils_the_time(sit_down):
    service, taker, code = sit_down()
    taker.press("I agree")
    taker.press("Start")
    assert taker.number() == 1
    taker.press("Menu")
    taker.press("Back")
    taker.page.evaluate(
        "() => document.querySelector('[data-place]').dispatchEvent("
        "new PointerEvent('pointerdown', { isPrimary: false, pointerType: 'touch' }))"
    )
    assert taker.number() == 2
    answer = service.store.answers(code)[0]
    assert answer.hidden and answer.pointer == "touch"


def test_only_the_first_of_many_touches_counts(sit_down):
    service, taker, code = sit_down()
    taker.press("I agree")
    taker.press("Start")
    taker.number()
    taker.page.evaluate(
        "() => { for (let again = 0; again < 3; again++) for (const node of document.querySelectorAll('[data-place]'))"
        " node.dispatchEvent(new PointerEvent('pointerdown', { isPrimary: true, pointerType: 'touch' })); }"
    )
    assert taker.number() == 2
    assert list(service.store.answers(code)) == [0] and not service.store.events()


def test_a_child_meets_the_gate_and_the_caregiver_skips_and_deletes(sit_down):
    service, taker, code = sit_down(group="child")
    assert not taker.serious_findings()
    taker.page.get_by_label("PIN").first.fill("1111")
    taker.press("Open")
    taker.page.get_by_text("That is not the PIN.").wait_for()
    taker.page.get_by_label("PIN").first.fill(PIN)
    taker.press("Open")
    taker.page.get_by_label("The child's age in months").fill("30")
    taker.press("I agree")
    taker.press("Start")
    assert taker.number() == 1

    def grown_up(action):
        taker.press("Menu")
        taker.page.locator("#pin").fill(PIN)
        taker.press(action)

    grown_up("Skip this one")
    taker.page.wait_for_selector('.trial[data-number="2"]')
    assert service.store.answers(code)[0].skipped
    taker.page.on("dialog", lambda dialog: dialog.accept())
    grown_up("Stop and delete everything")
    taker.page.get_by_text("Everything is deleted").wait_for()
    assert service.store.participant(code) is None


def test_a_stranger_with_the_link_is_told_so_kindly(browser, sit_down):
    _, taker, _ = sit_down()
    taker.press("I agree")
    other = BrowserTaker(browser, taker.link, size=PHONE, by="touch")
    other.page.get_by_text("in use in another browser").wait_for()
    forged = BrowserTaker(browser, taker.base + "/#forged", size=PHONE, by="touch")
    forged.page.get_by_text("not valid").wait_for()
    for one in (other, forged):
        one.context.close()


def test_the_admin_invites_and_sees_progress(browser, sit_down):
    service, taker, code = sit_down()
    page = taker.context.new_page()
    page.goto(taker.base + "/admin")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("button", name="Make links").click()
    text = page.locator("#links a").inner_text()
    assert re.fullmatch(r"[A-Z0-9]{4}-[A-Z0-9]{4} +http://127.0.0.1:\d+/#[\w-]{32}", text)
    assert page.get_by_role("cell", name=code, exact=True).count()
    taker.page = page
    assert not taker.serious_findings() and len(service.store.participants()) == 2
