"""``babyvlm docs``: the pages that a wheel contains, opened or served to this machine alone."""

from __future__ import annotations

import http.client
import threading
import webbrowser

import pytest

from babyvlm import documentation
from babyvlm.cli import main
from babyvlm.documentation import site_server


@pytest.fixture
def site(tmp_path, monkeypatch):
    (tmp_path / "site" / "_static").mkdir(parents=True)
    (tmp_path / "site" / "index.html").write_text("<h1>babyvlm</h1>")
    (tmp_path / "secret.txt").write_text("not of the site")
    monkeypatch.setattr(documentation, "SITE", tmp_path / "site")
    return tmp_path / "site"


def test_a_copy_without_pages_says_how_to_build_them(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(documentation.start_page, "__defaults__", (tmp_path / "site",))
    with pytest.raises(SystemExit) as stopped:
        main(["docs"])
    assert stopped.value.code == 2 and "make docs" in capsys.readouterr().err


@pytest.mark.parametrize("browser", [True, False])
def test_the_start_page_is_opened(site, monkeypatch, capsys, browser):
    opened = []
    monkeypatch.setattr(documentation.start_page, "__defaults__", (site,))
    monkeypatch.setattr(webbrowser, "open", opened.append)
    main(["docs"] if browser else ["docs", "--no-browser"])
    address = capsys.readouterr().out.strip()
    assert address == (site / "index.html").as_uri() and opened == [address] * browser


def asked(server, path: str, host: str = "127.0.0.1") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(*server.server_address)
    connection.request("GET", path, headers={"Host": host})
    reply = connection.getresponse()
    return reply.status, reply.read()


def test_the_site_is_served_to_this_machine_alone(site):
    with site_server(site, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert server.server_address[0] == "127.0.0.1"
        assert asked(server, "/") == (200, b"<h1>babyvlm</h1>")
        assert asked(server, "/", host="evil.example:8324")[0] == 421
        assert asked(server, "/_static/")[0] == 404
        assert asked(server, "/../secret.txt")[0] == 404
        server.shutdown()


def test_the_command_serves_until_it_is_interrupted(site, monkeypatch, capsys):
    seen = []

    def once(server):
        threading.Thread(target=lambda: seen.append(asked(server, "/")), daemon=True).start()
        server.handle_request()
        raise KeyboardInterrupt

    monkeypatch.setattr(documentation.ThreadingHTTPServer, "serve_forever", once)
    main(["docs", "--serve", "--port", "0"])
    address = capsys.readouterr().out
    assert address.startswith("http://127.0.0.1:") and "Ctrl-C" in address


def test_a_port_that_is_taken_is_named(site, capsys):
    with site_server(site, 0) as server, pytest.raises(SystemExit) as stopped:
        main(["docs", "--serve", "--port", str(server.server_address[1])])
    assert stopped.value.code == 2 and "Choose another --port" in capsys.readouterr().err
