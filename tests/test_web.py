"""Every page served: which names and origins it answers to, what it says to the rest, and who can keep it waiting."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time

import httpx
import pytest
from fastapi import FastAPI

from babyvlm.connections import Bounds
from babyvlm.errors import ConfigError
from babyvlm.refusals import refuse_in_sentences
from babyvlm.web import Guard, Site
from tests.pages import serving

LOCAL, ROOM = Site(), Site(host="0.0.0.0")
NAMED, PUBLIC = Site(host="lab.example.org"), Site(public_url="https://study.example.org")


@pytest.mark.case("pages")
@pytest.mark.parametrize(
    ("site", "host", "known"),
    [
        (LOCAL, "127.0.0.1:8330", True),
        (LOCAL, "127.0.0.1", True),
        (LOCAL, "localhost:9000", True),
        (LOCAL, "LOCALHOST.", True),
        (LOCAL, "[::1]:8330", True),
        (LOCAL, "[0:0:0:0:0:0:0:1]:8330", True),
        (LOCAL, "evil.test:8330", False),
        (LOCAL, "127.0.0.1.evil.test", False),
        (LOCAL, "localhost.evil.test", False),
        (LOCAL, "evil.test:127.0.0.1", False),
        (LOCAL, "user@127.0.0.1", False),
        (LOCAL, "192.168.1.20:8330", False),
        (LOCAL, "0.0.0.0:8330", False),
        (LOCAL, "", False),
        (LOCAL, " 127.0.0.1", False),
        (LOCAL, "127.0.0.1/evil.test", False),
        (LOCAL, "[::1", False),
        (ROOM, "192.168.1.20:8330", True),
        (ROOM, "[fe80::1]:8330", True),
        (ROOM, "127.0.0.1:8330", True),
        (ROOM, f"{socket.gethostname()}:8330", True),
        (ROOM, "evil.test:8330", False),
        (ROOM, "192.168.1.20.evil.test", False),
        (Site(host="::"), "evil.test", False),
        (Site(host="::"), "10.0.0.4", True),
        (NAMED, "lab.example.org:8330", True),
        (NAMED, "LAB.example.org", True),
        (NAMED, "example.org", False),
        (PUBLIC, "study.example.org", True),
        (PUBLIC, "study.example.org:443", True),
        (PUBLIC, "127.0.0.1:8330", True),
        (PUBLIC, "evil.test", False),
        (PUBLIC, "study.example.org.evil.test", False),
    ],
)
def test_a_page_answers_to_its_own_names_alone(site, host, known):
    assert site.knows_host(host) is known


@pytest.mark.case("pages")
@pytest.mark.parametrize(
    ("site", "origin", "host", "known"),
    [
        (LOCAL, "http://127.0.0.1:8330", "127.0.0.1:8330", True),
        (LOCAL, "http://localhost:8330", "localhost:8330", True),
        (LOCAL, "http://localhost:8888", "localhost:8330", False),
        (LOCAL, "http://evil.test:8330", "127.0.0.1:8330", False),
        (LOCAL, "null", "127.0.0.1:8330", False),
        (LOCAL, "http://127.0.0.1:8330@evil.test", "127.0.0.1:8330", False),
        (LOCAL, "file://", "127.0.0.1:8330", False),
        (LOCAL, "chrome-extension://127.0.0.1:8330", "127.0.0.1:8330", False),
        (PUBLIC, "https://study.example.org", "study.example.org", True),
        (PUBLIC, "https://study.example.org", "127.0.0.1:8330", True),
        (PUBLIC, "http://evil.test", "study.example.org", False),
        (Site(public_url="https://example.org:8443"), "https://example.org:8443", "example.org", True),
        (Site(public_url="https://example.org:8443"), "https://example.org:9999", "example.org", False),
    ],
)
def test_a_request_from_another_sites_page_is_known_by_its_origin(site, origin, host, known):
    assert site.knows_origin(origin, host) is known


@pytest.mark.case("pages")
@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/study",
        "https://example.org/study/",
        "study.example.org",
        "ftp://example.org",
        "https://",
        "https://user@example.org",
        "https://example.org?x=1",
        "https://example.org/#x",
        "https://example.org:99999",
    ],
)
def test_a_public_address_that_would_not_work_is_refused_at_the_start(url):
    with pytest.raises(ConfigError, match="--public-url"):
        Site(public_url=url)


def small_app(site=LOCAL, **guard):
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    @app.get("/")
    def page() -> str:
        return "here"

    @app.post("/api/say")
    def say(body: dict) -> dict:
        return body

    @app.get("/fault")
    def fault() -> None:
        raise RuntimeError("\x1b[31m")

    refuse_in_sentences(app)
    noted = []
    app.add_middleware(Guard, site=site, on_refused=noted.append, **guard)
    app.state.noted = noted
    return app


@pytest.fixture(scope="module")
def address():
    with serving(small_app(body_s=0.4), body_s=0.6, head_s=0.6) as served:
        yield served


def raw(address, sent, wait_s=0.0):
    """What comes back for bytes that no client library sends."""
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(sent)
        time.sleep(wait_s)
        got = b""
        with contextlib.suppress(ConnectionError):
            while part := connection.recv(65536):
                got += part
    return got


JSON = "Content-Type: application/json\r\n"
FOREIGN = "Origin: http://evil.test\r\n"


def headed(method="GET", path="/", *, host="127.0.0.1", more=""):
    return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n".encode("latin-1")


@pytest.mark.case("pages")
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (headed(host="evil.test"), 421),
        (headed("POST", "/api/say", host="evil.test", more="Content-Length: 2\r\n") + b"{}", 421),
        (b"GET / HTTP/1.0\r\n\r\n", 421),
        (headed("=1+1"), 400),
        (headed("+cmd|'calc'!A0"), 405),
        (headed("TRACE"), 405),
        (headed("CONNECT"), 405),
        (headed("PATCH", "/api/say"), 405),
        (headed("POST"), 405),
        (headed(path="/nothing"), 404),
        (headed(path="/%1b[31m"), 404),
        (headed(path="/%00"), 404),
        (headed(path="/../../etc/passwd"), 404),
        (headed(path="http://evil.test/"), 404),
        (headed(more="X: y\r\n" * 200), 431),
        (headed("POST", "/api/say", more=f"Content-Length: 20000\r\n{JSON}") + b"x" * 20000, 413),
        (headed("POST", "/api/say", more="Content-Length: 2\r\n") + b"{}", 415),
        (headed("POST", "/api/say", more=f"Content-Length: 50\r\n{JSON}"), 408),
        (headed("POST", "/api/say", more=f"{FOREIGN}Content-Length: 2\r\n{JSON}") + b"{}", 403),
        (headed("GET", "/", more="Upgrade: websocket\r\n"), 200),
        (headed(), 200),
    ],
)  # fmt: skip
def test_whatever_is_sent_gets_a_status_and_the_headers(address, sent, status):
    got = raw(address, sent)
    assert got.split(b" ")[1] == str(status).encode() and b"\x1b" not in got
    assert b"evil.test/" not in got.split(b"\r\n\r\n")[0]
    assert status == 400 or b"default-src 'none'" in got


def test_a_person_gets_a_page_with_a_sentence_and_a_script_json(address):
    page = httpx.get(address + "/nothing")
    assert page.headers["content-type"].startswith("text/html") and "There is nothing here" in page.text
    assert httpx.get(address + "/", headers={"Host": "evil.test"}).headers["content-type"].startswith("text/html")
    assert "nothing here" in httpx.post(address + "/api/nothing", json={}).json()["detail"]


@pytest.mark.case("pages")
@pytest.mark.parametrize(
    "half",
    [
        b"G",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ",
        b"POST /api/say HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n{",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET / HT",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 90\r\n\r\n{",
        b"",
    ],
)
def test_a_request_that_never_ends_is_ended(address, half):
    began = time.monotonic()
    raw(address, half)
    assert time.monotonic() - began < 4


def test_half_sent_requests_beyond_every_bound_keep_nobody_waiting(monkeypatch):
    monkeypatch.setattr("babyvlm.web.most_connections", lambda: 40)
    with serving(small_app()) as address, contextlib.ExitStack() as held:
        host, port = address.removeprefix("http://").split(":")
        for _ in range(200):
            half = held.enter_context(socket.create_connection((host, int(port)), timeout=5))
            half.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
        for _ in range(5):
            assert httpx.get(address, timeout=3).status_code == 200


class Held:
    def __init__(self, address, since):
        self.address, self.waiting_since, self.was_cut = address, since, False

    def cut(self):
        self.was_cut = True


@pytest.mark.case("pages")
@pytest.mark.parametrize(
    ("address", "most", "of_one", "there", "admitted", "cut"),
    [
        ("203.0.113.9", 10, 2, [("203.0.113.9", 5.0), ("203.0.113.9", 3.0)], True, [1]),
        ("203.0.113.9", 10, 2, [("203.0.113.9", None), ("203.0.113.9", 3.0)], True, [1]),
        ("203.0.113.9", 10, 2, [("203.0.113.9", None), ("203.0.113.9", None)], False, []),
        ("203.0.113.9", 10, 2, [("203.0.113.8", 1.0), ("203.0.113.9", 1.0)], True, []),
        ("127.0.0.1", 10, 2, [("127.0.0.1", 1.0), ("127.0.0.1", 1.0)], True, []),
        ("203.0.113.9", 2, 9, [("203.0.113.8", 1.0), ("203.0.113.7", None)], True, [0]),
        ("203.0.113.9", 2, 9, [("203.0.113.8", None), ("203.0.113.7", None)], False, []),
    ],
)
def test_room_is_made_at_the_cost_of_who_keeps_the_server_waiting(address, most, of_one, there, admitted, cut):
    bounds = Bounds(most=most, most_of_an_address=of_one)
    held = [Held(*one) for one in there]
    assert all(map(bounds.admit, held))
    assert bounds.admit(Held(address, 9.0)) is admitted
    assert [place for place, one in enumerate(held) if one.was_cut] == cut


def test_what_is_refused_is_noted_fit_to_be_printed():
    app = small_app()
    with serving(app) as address:
        raw(address, headed("TRACE", "/%1b[31m%0aFORGED%e2%80%ae"))
    assert app.state.noted == ["TRACE /\\x1b[31m\\nFORGED\\u202e: That is nothing that this page does."]


def test_a_fault_is_a_page_with_a_sentence(address):
    got = httpx.get(address + "/fault")
    assert got.status_code == 500 and "Something went wrong" in got.text and "\x1b" not in got.text


def test_the_printed_address_is_one_that_a_tablet_can_open():
    assert Site(host="::1").address("http", 80) == "http://[::1]:80/"
    assert PUBLIC.address("http", 8330) == "https://study.example.org/"
    assert not any(name in ROOM.address("https", 8334) for name in ("0.0.0.0", "::"))


def test_a_websocket_is_not_opened():
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(Guard(small_app(), on_refused=print)({"type": "websocket"}, None, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]
