"""The documentation that a wheel contains, opened in a browser or served; it needs nothing from the network.

``make docs`` writes it to ``site/`` beside this file, and ``make dist`` packs it; a checkout has none before.
"""

from __future__ import annotations

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from babyvlm.errors import ConfigError, DataFolderError
from babyvlm.loopback import is_loopback

SITE = Path(__file__).with_name("site")


def start_page(site: Path = SITE) -> Path:
    """The page that the documentation begins with.

    Raises:
        DataFolderError: This copy has no built documentation.
    """
    page = site / "index.html"
    if not page.is_file():
        raise DataFolderError(
            "this copy of babyvlm has no built documentation",
            path=site,
            remedy="In a checkout, make docs builds it; the pages as text are in its folder docs",
        )
    return page


class _Pages(SimpleHTTPRequestHandler):
    """Files of the site, to this machine alone and under its own names."""

    def send_head(self):  # type: ignore[no-untyped-def]
        if not is_loopback(self.headers.get("Host", "")):
            self.send_error(421, "This server answers to this machine's own names")
            return None
        return super().send_head()

    def list_directory(self, path):  # type: ignore[no-untyped-def]
        self.send_error(404, "No such page")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""


def site_server(site: Path, port: int) -> ThreadingHTTPServer:
    """A server of the site for this machine alone.

    Args:
        site: Folder of pages.
        port: Port to listen at; 0 for any that is free.

    Raises:
        DataFolderError: There are no pages.
        ConfigError: It could not listen there.
    """
    start_page(site)
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), partial(_Pages, directory=str(site)))
    except (OSError, OverflowError) as error:
        raise ConfigError(f"could not listen at 127.0.0.1:{port}. Is it taken? Choose another --port") from error
