"""Pages in a real browser: an application behind a port, Debian's chromium, and what axe-core finds."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe

from babyvlm.web import LOCAL, Site, server_settings

TABLET, PHONE = (820, 1180), (360, 640)
SERIOUS = ("serious", "critical")


@contextmanager
def serving(app: Any, site: Site = LOCAL, **settings: float) -> Iterator[str]:
    """Serves an application in a thread, as serve_until_interrupted sets it up; yields the address."""
    # A socket that says TCP, or asyncio leaves small packets waiting for one another.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, **server_settings(site, **settings)))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=10)


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser; skips where there is none."""
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("no chromium here (Debian: apt-get install chromium)")
    playwright = pytest.importorskip("playwright.sync_api").sync_playwright().start()
    try:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()
    finally:
        playwright.stop()


def serious_findings(page: Any) -> list[str]:
    """What axe-core finds serious on the page as it stands."""
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in found if one["impact"] in SERIOUS]


def fits_across(page: Any) -> bool:
    """Whether nothing makes the page wider than the screen."""
    return page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
