"""Every task can be taken on every screen (claim: by touch and by keyboard, on tablet and phone, upright and across,
every option lies on the screen and is at least 44 CSS pixels on its shorter side, every picture at least 90, axe-core
finds nothing serious, and every answer is stored as touched; the pages around the trials, a caregiver's and the
admin's among them, hold to the same).

    python benchmarks/study_browser.py [--screenshots FOLDER]

A study on a drawn toolbox is served here and taken in Debian's chromium, as the tests of the study do; their
participant is used.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import babyvlm
from babyvlm.study import StudyConfig
from babyvlm.study.service import StudyService
from babyvlm.study.store import Store
from babyvlm.toolbox import Toolbox
from tests.pages import PHONE, TABLET, chromium
from tests.study.study_browser import BrowserTaker, save_screenshot
from tests.study.study_world import PASSWORD, PIN, SHORT, build, running

SCREENS = {
    "tablet upright": TABLET,
    "tablet across": TABLET[::-1],
    "phone upright": PHONE,
    "phone across": PHONE[::-1],
}
CONFIG = StudyConfig(**(vars(SHORT) | {"items_per_task": 1, "practice_per_task": 0}))
SLOW = StudyConfig(**(vars(SHORT) | {"practice_per_task": 1, "frame_ms": 300, "delay_ms": 500, "break_every": 5}))
CONSENT = (Path(babyvlm.__file__).parent / "study" / "pages" / "consent.txt").read_text(encoding="utf-8")


def take(browser: object, service: StudyService, toolbox: Toolbox, base: str, screen: str, by: str, shots: Path | None):
    """One session on one screen; what was seen."""
    invited = service.store.invite("adult", "main")[0]
    taker = BrowserTaker(browser, f"{base}/#{invited.token}", size=SCREENS[screen], by=by)
    findings, targets, pictures = set(taker.serious_findings()), defaultdict(list), defaultdict(list)
    save_screenshot(taker, shots, f"{screen} consent")
    taker.press("I agree")
    taker.page.get_by_role("button", name="Start").wait_for()
    save_screenshot(taker, shots, f"{screen} ready")
    taker.press("Start")

    def look(plan) -> None:
        name = plan.task or "attention"
        targets[name].append(taker.smallest_target())
        pictures[name].append(taker.smallest_picture())
        if plan.turn in (0, 1):
            findings.update(taker.serious_findings())
            save_screenshot(taker, shots, f"{screen} {name} {plan.turn}")

    answered = taker.take(service, toolbox, invited.code, look)
    save_screenshot(taker, shots, f"{screen} end")
    taker.context.close()
    given = service.store.answers(invited.code).values()
    return {
        "trials": answered,
        "answers_stored": len(given),
        "answers_by": sorted({answer.pointer for answer in given}),
        "smallest_option_css_px": {name: round(min(sides), 1) for name, sides in sorted(targets.items())},
        "smallest_picture_css_px": {
            name: round(min(sides), 1) for name, sides in sorted(pictures.items()) if None not in sides
        },
        "axe_serious_or_critical": sorted(findings),
        "requests_to_others": taker.strangers,
        "errors_in_the_page": taker.complaints,
    }


def around(browser: object, service: StudyService, base: str, screen: str, shots: Path | None) -> list[str]:
    """The pages around the trials, of a child's session and of the admin: what axe-core finds serious on them."""
    invited = service.store.invite("child", "main")[0]
    taker = BrowserTaker(browser, f"{base}/#{invited.token}", size=SCREENS[screen], by="touch")
    findings = []

    def look(name: str) -> None:
        findings.extend(taker.serious_findings())
        save_screenshot(taker, shots, f"{screen} around {name}")

    taker.page.get_by_label("PIN").first.wait_for()
    look("gate")
    taker.page.get_by_label("PIN").first.fill("1111")
    taker.press("Open")
    taker.page.get_by_text("That is not the PIN.").wait_for()
    look("gate, wrong PIN")
    taker.page.get_by_label("PIN").first.fill(PIN)
    taker.press("Open")
    taker.page.get_by_label("The child's age in months").fill("30")
    look("consent")
    taker.press("I agree")
    taker.press("Start")
    seen, stage = set(), ""
    while stage != "end":
        stage = taker.page.wait_for_function(
            "() => document.querySelector('.mark.star') ? 'end' : document.querySelector('.mark') ? 'praise'"
            " : document.querySelector('.card .main') ? 'break' : document.querySelector('.curtain') ? 'curtain'"
            " : document.querySelector('.trial[data-open]:not(:has(.touched))') ? 'trial'"
            " : document.querySelector('.trial .framed') && !document.querySelector('[data-place]') ? 'film' : ''"
        ).json_value()
        if stage not in seen:
            seen.add(stage)
            look(stage)
        if stage == "trial":
            if "menu" not in seen:
                seen.add("menu")
                taker.press("Menu")
                look("menu")
                taker.press("Back")
            taker.page.locator("[data-place]").first.tap()
        elif stage == "break":
            taker.press("Go on")
        taker.page.wait_for_timeout(30)
    taker.page.goto(f"{base}/admin")
    taker.page.get_by_label("Password", exact=True).fill(PASSWORD)
    look("admin, log in")
    taker.page.get_by_role("button", name="Log in").tap()
    taker.page.get_by_role("button", name="Make links").tap()
    taker.page.locator("#links a").first.wait_for()
    look("admin")
    taker.context.close()
    missing = {"trial", "film", "curtain", "praise", "break", "end"} - seen
    assert not missing, missing
    return findings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--screenshots", type=Path, help="folder for a picture of every task on every screen")
    options = parser.parse_args()
    result = {"date": str(datetime.date.today()), "sessions": {}}
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        toolbox = build(Path(folder) / "toolbox")
        store = Store.begin(Path(folder) / "study.db", toolbox, CONFIG, password=PASSWORD, pin=PIN)
        service = StudyService(store, toolbox, CONSENT)
        result["browser"] = f"chromium {browser.version}"
        with running(service) as base:
            for screen in SCREENS:
                for by in ("touch", "keyboard"):
                    shots = options.screenshots if by == "touch" else None
                    result["sessions"][f"{screen}, {by}"] = take(browser, service, toolbox, base, screen, by, shots)
        store.close()
        store = Store.begin(Path(folder) / "slow.db", toolbox, SLOW, password=PASSWORD, pin=PIN)
        service = StudyService(store, toolbox, CONSENT)
        result["around_the_trials"] = {}
        with running(service) as base:
            for screen in SCREENS:
                findings = around(browser, service, base, screen, options.screenshots)
                result["around_the_trials"][screen] = {"axe_serious_or_critical": sorted(set(findings))}
        store.close()
    out = Path(__file__).parent / "results" / f"study_browser-{datetime.date.today()}.json"
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
