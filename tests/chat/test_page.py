"""The talking page in a real browser, by keyboard and on a phone, and what axe-core finds."""

import pytest
from PIL import Image

from babyvlm.chat.server import chat_app
from babyvlm.records import Reply, Response
from tests.pages import PHONE, TABLET, chromium, fits_across, serious_findings, serving


class Counting:
    """Says how many questions and pictures it has met."""

    name, family, sends_data_out = "A <small> model", "baseline", False

    def answer(self, questions, images):
        for question in questions:
            shown = sum(len(turn.images) for turn in question.turns)
            said = f"{len(question.turns)} asked, {shown} shown"
            yield Response(item=question.id, replies=(Reply(text=said),) * len(question.turns))

    def option_probabilities(self, prompt, pictures, options):
        return [1 / len(options)] * len(options)


@pytest.fixture(scope="module")
def address():
    with serving(chat_app(Counting())) as served:
        yield served


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


@pytest.fixture(params=[TABLET, PHONE], ids=["tablet", "phone"])
def page(browser, address, request):
    width, height = request.param
    context = browser.new_context(viewport={"width": width, "height": height})
    opened = context.new_page()
    opened.goto(address)
    yield opened
    context.close()


def replies(page):
    return page.locator(".reply").all_inner_texts()


def asked(page, count):
    page.locator("article").nth(count - 1).wait_for()
    return replies(page)


def focused(page):
    return page.evaluate("() => document.activeElement.id")


def test_a_conversation_by_keyboard_with_pictures_and_options(page, tmp_path):
    assert page.get_by_role("heading").inner_text() == "Talk to A <small> model"
    for number in range(2):
        Image.new("RGB", (400, 100), "teal").save(tmp_path / f"{number}.png")
    page.set_input_files("#files", [tmp_path / "0.png", tmp_path / "1.png"])
    page.locator("#shown img").nth(1).wait_for()
    assert fits_across(page) and not serious_findings(page)
    page.locator("#files").focus()
    page.keyboard.press("Tab")
    assert focused(page) == "prompt"
    page.keyboard.type("Which has more? (A) <image> (B) <image>")
    page.keyboard.press("Tab")
    page.keyboard.type("A, B")
    page.keyboard.press("Enter")
    assert asked(page, 1) == ["1 asked, 2 shown"]
    assert page.locator("article").get_by_text("50.0%").count() == 2
    assert focused(page) == "prompt" and not page.locator("#prompt").input_value()
    page.keyboard.type("And now?" + "?" * 200)
    page.keyboard.press("Enter")
    assert asked(page, 2) == ["1 asked, 2 shown", "2 asked, 2 shown"]
    assert fits_across(page) and not serious_findings(page)
    page.get_by_role("button", name="Begin anew").click()
    page.locator("article").first.wait_for(state="detached")
    page.keyboard.type("Again")
    page.keyboard.press("Enter")
    assert asked(page, 1) == ["1 asked, 0 shown"]


def test_what_cannot_be_asked_is_said_and_kept(page):
    page.locator("#prompt").fill("<image> what?")
    page.keyboard.press("Enter")
    page.get_by_text("1 <image> in the question, and 0 pictures").wait_for()
    assert not serious_findings(page) and fits_across(page)
    assert page.locator("#prompt").input_value() == "<image> what?" and not replies(page)


def test_an_opened_page_begins_anew(page):
    page.locator("#prompt").fill("One")
    page.keyboard.press("Enter")
    assert asked(page, 1) == ["1 asked, 0 shown"]
    page.reload()
    page.locator("#prompt").fill("Another one")
    page.keyboard.press("Enter")
    assert asked(page, 1) == ["1 asked, 0 shown"]
