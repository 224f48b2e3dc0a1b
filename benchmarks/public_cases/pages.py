"""Links of a study as people open them: the next one in the same tab, and one in a browser that keeps no cookies.

The folders hold no data, only what was done; it is done here again, in Debian's chromium, on a study of our own.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from babyvlm.study import StudyConfig
from babyvlm.study.service import StudyService
from babyvlm.study.store import Store
from tests.pages import TABLET, chromium
from tests.study.study_browser import BrowserTaker
from tests.study.study_world import PASSWORD, PIN, SHORT, build, running

ONE_TASK = {"tasks": ("picture_vocabulary",), "items_per_task": 6, "practice_per_task": 0, "attention_every": 0}
CONFIG = StudyConfig(**(vars(SHORT) | ONE_TASK))


@contextmanager
def study(work: Path) -> Iterator[tuple[Store, str, Any]]:
    """A study that is being served, its address, and a browser."""
    toolbox = build(work / "toolbox")
    store = Store.begin(work / "study.db", toolbox, CONFIG, password=PASSWORD, pin=PIN)
    with running(StudyService(store, toolbox, "Please take part.")) as base, chromium() as browser:
        yield store, base, browser
    store.close()


def second_link_same_tab(case: Path, work: Path) -> str:
    """Two answers given after the second link was entered are the second participant's."""
    assert (case / "README").is_file()
    with study(work) as (store, base, browser):
        first, second = store.invite("adult", "main", count=2)
        taker = BrowserTaker(browser, f"{base}/#{first.token}", size=TABLET, by="touch")
        for invited, count in ((first, 3), (second, 2)):
            taker.page.goto(f"{base}/#{invited.token}")
            taker.page.get_by_text(invited.code).wait_for()
            taker.press("I agree")
            taker.press("Start")
            for number in range(1, count + 1):
                assert taker.number() == number
                taker.choose(number, 0)
        given = [len(store.answers(invited.code)) for invited in (first, second)]
        taker.context.close()
    assert given == [3, 2], given
    return f"first {given[0]} answers, second {given[1]}"


def cookies_blocked(case: Path, work: Path) -> str:
    """The page says so before the consent, and the link opens in another browser."""
    assert (case / "README").is_file()
    profile = work / "profile"
    (profile / "Default").mkdir(parents=True)
    blocked = {"profile": {"default_content_setting_values": {"cookies": 2}, "cookie_controls_mode": 1}}
    (profile / "Default" / "Preferences").write_text(json.dumps(blocked))
    with study(work) as (store, base, browser):
        invited = store.invite("adult", "main")[0]
        link = f"{base}/#{invited.token}"
        context = browser.browser_type.launch_persistent_context(
            profile, executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = context.new_page()
        page.goto(link)
        page.get_by_text("This browser keeps no cookies").wait_for()
        assert not page.get_by_role("button", name="I agree").count()
        context.close()
        assert store.participant(invited.code).browser_hash is None, "the link is spent"
        taker = BrowserTaker(browser, link, size=TABLET, by="touch")
        taker.press("I agree")
        taker.context.close()
    return "told before the consent; the link still opens"


CASES = {"50-second-link-same-tab": second_link_same_tab, "51-cookies-blocked": cookies_blocked}
