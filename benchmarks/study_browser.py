"""Every task can be taken on every screen (claim: by touch and by keyboard, on tablet and phone, upright and across,
every option lies on the screen and is at least 44 CSS pixels on its shorter side, axe-core finds nothing serious, and
every answer is stored as touched).

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

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "study"))

from study_world import PASSWORD, PIN, SHORT, build, running

from babyvlm.study import StudyConfig
from babyvlm.study.service import StudyService
from babyvlm.study.store import Store
from babyvlm.toolbox import Toolbox
from pages import PHONE, TABLET, chromium
from study_browser import BrowserTaker, save_screenshot

SCREENS = {
    "tablet upright": TABLET,
    "tablet across": TABLET[::-1],
    "phone upright": PHONE,
    "phone across": PHONE[::-1],
}
CONFIG = StudyConfig(**(vars(SHORT) | {"items_per_task": 1, "practice_per_task": 0}))


def take(browser: object, service: StudyService, toolbox: Toolbox, base: str, screen: str, by: str, shots: Path | None):
    """One session on one screen; what was seen."""
    invited = service.store.invite("adult", "main")[0]
    taker = BrowserTaker(browser, f"{base}/#{invited.token}", size=SCREENS[screen], by=by)
    findings, targets = set(taker.serious_findings()), defaultdict(list)
    save_screenshot(taker, shots, f"{screen} consent")
    taker.press("I agree")
    save_screenshot(taker, shots, f"{screen} ready")
    taker.press("Start")

    def look(plan) -> None:
        name = plan.task or "attention"
        targets[name].append(taker.smallest_target())
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
        "axe_serious_or_critical": sorted(findings),
        "requests_to_others": taker.strangers,
        "errors_in_the_page": taker.complaints,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--screenshots", type=Path, help="folder for a picture of every task on every screen")
    options = parser.parse_args()
    result = {"date": str(datetime.date.today()), "sessions": {}}
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        toolbox = build(Path(folder) / "toolbox")
        store = Store.begin(Path(folder) / "study.db", toolbox, CONFIG, password=PASSWORD, pin=PIN)
        service = StudyService(store, toolbox, "Please take part.")
        result["browser"] = f"chromium {browser.version}"
        with running(service) as base:
            for screen in SCREENS:
                for by in ("touch", "keyboard"):
                    shots = options.screenshots if by == "touch" else None
                    result["sessions"][f"{screen}, {by}"] = take(browser, service, toolbox, base, screen, by, shots)
        store.close()
    out = Path(__file__).parent / "results" / f"study_browser-{datetime.date.today()}.json"
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
