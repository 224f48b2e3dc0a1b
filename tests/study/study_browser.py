"""A participant in a real browser: Debian's chromium, driven by touch or by keyboard."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.pages import serious_findings
from tests.study.study_world import planned_choice


class BrowserTaker:
    """One participant.

    Args:
        browser: Where they sit.
        link: What they were given.
        size: Of the screen, CSS pixels.
        by: ``touch`` or ``keyboard``.
    """

    def __init__(self, browser: Any, link: str, *, size: tuple[int, int], by: str) -> None:
        width, height = size
        viewport = {"width": width, "height": height}
        self.context = browser.new_context(viewport=viewport, has_touch=by == "touch", device_scale_factor=2)
        self.link, self.by, self.base = link, by, link.split("/#")[0]
        self.strangers: list[str] = []
        self.complaints: list[str] = []
        self.page = self.open()

    def open(self) -> Any:
        """Opens the link in a new tab."""
        self.page = self.context.new_page()
        self.page.on("request", lambda request: self._note_stranger(request.url))
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(self.link)
        return self.page

    def _note_stranger(self, url: str) -> None:
        if not url.startswith((self.base, "blob:", "data:")):
            self.strangers.append(url)

    def press(self, name: str) -> None:
        """Presses a button of that name."""
        button = self.page.get_by_role("button", name=name, exact=True)
        button.wait_for()
        if self.by == "touch":
            button.tap()
        else:
            button.focus()
            self.page.keyboard.press("Enter")

    def number(self) -> int | None:
        """Which trial can be answered now, counted from 1; None where the session has ended."""
        seen = self.page.wait_for_function(
            "() => document.querySelector('.trial[data-open]:has(button:enabled):not(:has(.touched))')"
            # not any button: the card before stays until the next trial has come
            "?.dataset.number || (document.querySelector('.card .main')?.textContent.trim() === 'Go on' && 'break')"
            " || (/All done|Sorry/.test(document.body.innerText) && 'end')"
        ).json_value()
        if seen == "break":
            self.press("Go on")
            return self.number()
        return None if seen == "end" else int(seen)

    def choose(self, number: int, place: int) -> None:
        """Answers a trial, and waits until it is gone."""
        option = self.page.locator(f'.trial[data-number="{number}"] [data-place="{place}"]')
        if self.by == "touch":
            option.tap()
        else:
            for _ in range(40):
                if option.evaluate("node => node === document.activeElement"):
                    break
                self.page.keyboard.press("Tab")
            self.page.keyboard.press("Enter")
        self.page.wait_for_selector(f'.trial[data-number="{number}"]:not(:has(.touched))', state="detached")

    def serious_findings(self) -> list[str]:
        """What axe-core finds serious on the page as it stands."""
        return serious_findings(self.page)

    def smallest_target(self) -> float:
        """The shorter side of the smallest option, CSS pixels, and 0 where one is cut off by the screen."""
        return self.page.evaluate(
            "() => Math.min(...[...document.querySelectorAll('[data-place]')].map(node => {"
            " const box = node.getBoundingClientRect();"
            " const inside = box.left >= 0 && box.top >= 0 && box.right <= innerWidth && box.bottom <= innerHeight;"
            " return inside ? Math.min(box.width, box.height) : 0; }))"
        )

    def smallest_picture(self) -> float | None:
        """The shorter side of the smallest picture on the page, CSS pixels; None where there is none."""
        return self.page.evaluate(
            "() => { const sides = [...document.querySelectorAll('.trial img')].map(node => {"
            " const box = node.getBoundingClientRect(); return Math.min(box.width, box.height); });"
            " return sides.length ? Math.min(...sides) : null; }"
        )

    def take(self, service: Any, toolbox: Any, code: str, look: Callable[[Any], None] = lambda plan: None) -> int:
        """Answers everything rightly; ``look`` is called at each trial with its plan. Returns how many there were."""
        answered = 0
        while (number := self.number()) is not None:
            assert number == answered + 1, (number, answered)
            look(service.store.shown_trial(code, answered))
            self.choose(number, planned_choice(service.store, toolbox, code, answered, True))
            answered += 1
        return answered


def save_screenshot(taker: BrowserTaker, folder: Path | None, name: str) -> None:
    """Keeps a picture of the page where a folder is given."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        taker.page.screenshot(path=folder / f"{name}.png")
