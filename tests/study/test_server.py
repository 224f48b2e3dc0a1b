"""Over real HTTP: who gets in, what is refused, and that nothing is lost or counted twice."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from babyvlm.errors import ConfigError, DataFolderError
from babyvlm.study import ServeConfig, StudyConfig
from babyvlm.study.begin import open_study
from babyvlm.study.presentation import bare_jpeg
from babyvlm.study.records import Consent
from babyvlm.study.server import serve_study
from babyvlm.study.store import Store
from tests.study.study_world import PASSWORD, PIN, SHORT, Taker, build, planned_choice


@pytest.fixture
def study(begin, served):
    """A served study: (service, address, a function that invites)."""
    service = begin()

    def invite(group="adult", age_months=None):
        return service.store.invite(group, "main", age_months=age_months)[0]

    with served(service) as base:
        yield service, base, invite


def kinds(service):
    return [event.kind for event in service.store.events()]


def walk(state):
    """Every key and value of what was sent, however deep."""
    if isinstance(state, dict):
        for key, value in state.items():
            yield key
            yield from walk(value)
    elif isinstance(state, list):
        for value in state:
            yield from walk(value)
    else:
        yield str(state)


def test_a_session_from_link_to_end_never_tells_an_answer_or_a_file_name(study, toolbox):
    service, base, invite = study
    invited = invite()
    taker = Taker(base, invited.token)
    state = taker.begin()
    secret = {name for item in toolbox.items for turn in item.turns for name in (*turn.images, *turn.labels)}
    secret |= {item.id for item in toolbox.items} | {"gold", "right answer"}
    seen, answered = set(), 0
    while state["phase"] == "trials":
        seen |= set(walk(state))
        trial = state["trial"]
        picture = taker.http.get(f"/api/picture/{trial['key']}/0")
        assert picture.content[:2] == b"\xff\xd8" and not {"etag", "last-modified"} & set(picture.headers)
        assert taker.http.get(f"/api/picture/{trial['key']}/{trial['show']['pictures']}").status_code == 404
        reply = taker.answer(
            trial, planned_choice(service.store, toolbox, invited.code, answered, True), reaction_ms=1.0
        )
        assert reply.status_code == 200 and reply.json()["right"] in ((True,) if trial["practice"] else (None,))
        state, answered = reply.json()["state"], answered + 1
    assert state["phase"] == "finished" and answered == len(service.store.answers(invited.code))
    assert not seen & secret and set(kinds(service)) == {"bad request"}


def test_a_link_opens_in_one_browser_and_a_forged_one_in_none(study):
    service, base, invite = study
    invited = invite()
    first, second = Taker(base, invited.token), Taker(base, invited.token)
    first.begin()
    assert second.http.post("/api/open", json={}).status_code == 403
    assert second.http.get("/api/state").status_code == 403
    forged = invited.token[:-1] + ("-" if invited.token.endswith("_") else "_")
    assert Taker(base, forged).http.post("/api/open", json={}).status_code == 404
    assert httpx.get(base + "/api/state").status_code == 404
    assert first.http.get("/api/state").status_code == 200
    service.store.release_browser(invited.code)
    assert second.http.post("/api/open", json={}).status_code == 200
    assert first.http.get("/api/state").status_code == 403
    assert kinds(service).count("foreign browser") == 3 and kinds(service).count("forged link") == 2


def test_a_link_whose_opening_got_lost_on_its_way_back_opens_again(study):
    _, base, invite = study
    browser = Taker(base, invite().token)
    assert browser.http.post("/api/browser", json={}).status_code == 200
    cookies = dict(browser.http.cookies)
    browser.open()
    browser.http.cookies = cookies  # what the reply set was never seen
    assert browser.open()["phase"] == "consent"


def test_a_picture_is_for_the_browser_that_is_shown_it(study):
    service, base, invite = study
    invited = invite()
    taker, stranger, other = Taker(base, invited.token), Taker(base, invited.token), Taker(base, invite().token)
    trial = taker.begin()["trial"]
    other.begin()
    following = taker.answer(trial, 0).json()["state"]["trial"]
    path = f"/api/picture/{following['key']}/0"
    assert [taker.http.get(path).status_code for _ in range(2)] == [200, 200]  # from the disk, then from memory
    assert stranger.http.get(path).status_code == 403 and other.http.get(path).status_code == 404
    assert taker.http.get(f"/api/picture/{trial['key']}/0").status_code == 404  # answered
    service.release(invited.code)
    assert stranger.http.post("/api/open", json={}).status_code == 200
    assert taker.http.get(path).status_code == 403 and stranger.http.get(path).status_code == 200
    service.delete(invited.code, "by the admin")
    assert stranger.http.get(path).status_code == 404


def test_a_trial_that_is_shown_again_is_counted(study):
    service, base, invite = study
    invited = invite()
    taker = Taker(base, invited.token)
    taker.answer(taker.begin()["trial"], 0)
    taker.open()
    assert [trial.times_shown for trial in service.store.trials(invited.code)][:3] == [1, 2, 0]


def test_a_flood_of_refusals_is_counted_and_not_kept(begin):
    service = begin()
    for _ in range(400):
        service.notes.log("bad request", "again")
    assert len(service.store.events(limit=1000)) < 350
    service.notes.events = type("Open", (), {"allow": lambda self, key: True})()
    service.notes.log("bad request", "later")
    later, counted, *_ = service.store.events()
    assert later.detail == "later" and counted.detail.endswith("events before this one were only counted")


def test_what_was_withdrawn_is_not_in_the_file_any_more(study, tmp_path):
    _, base, invite = study
    invited = invite()
    taker = Taker(base, invited.token)
    trial = taker.begin()["trial"]
    for number in range(5):
        trial = taker.answer(trial, 0, attempt=f"a-named-attempt-{number}").json()["state"]["trial"]

    def held():
        return b"".join(path.read_bytes() for path in tmp_path.glob("study.db*"))

    assert invited.code.encode() in held() and b"a-named-attempt-4" in held()
    taker.post("/api/withdraw", sure=True)
    assert invited.code.encode() not in held() and b"a-named-attempt" not in held()


@pytest.mark.parametrize("declared", [True, False])
def test_guesses_are_counted_by_the_address_a_declared_proxy_names(begin, served, declared):
    with served(begin(), public_url="http://study.example.org" if declared else "") as base:

        def guess(address):
            return httpx.get(f"{base}/api/state", headers={"X-Forwarded-For": address}).status_code

        assert 429 in [guess("203.0.113.1") for _ in range(30)]
        assert guess("203.0.113.2") == (404 if declared else 429)


def test_guessing_links_is_slowed_down(study):
    _, base, _ = study
    tried = [Taker(base, f"guess-{number}").http.post("/api/open", json={}).status_code for number in range(30)]
    assert tried[:20] == [404] * 20 and 429 in tried


def test_answers_count_once_and_only_for_the_item_shown(study):
    service, base, invite = study
    invited = invite()
    taker = Taker(base, invited.token)
    first = taker.begin()["trial"]
    other = Taker(base, invite().token).begin()["trial"]
    assert taker.answer(other, 0).status_code == 409  # another participant's trial
    assert taker.answer({"key": "0" * 32}, 0).status_code == 409
    assert taker.answer(first, 0, attempt="attempt-1").status_code == 200
    assert taker.answer(first, 0, attempt="attempt-1").status_code == 200  # the same answer, sent again
    assert taker.answer(first, 1, attempt="attempt-2").status_code == 409  # a second answer
    assert taker.http.get(f"/api/picture/{first['key']}/0").status_code == 404
    assert list(service.store.answers(invited.code)) == [0]
    following = taker.http.get("/api/state").json()["trial"]
    assert taker.answer(following, 63).status_code == 422
    assert taker.answer(following, None).status_code == 422  # adults do not skip
    assert taker.answer(following, 0).status_code == 200  # the session goes on
    assert kinds(service) == ["bad request", "bad request", "not shown", "second answer", "not shown", "not shown"]


def test_an_answer_sent_by_many_at_once_is_stored_once(study):
    service, base, invite = study
    invited = invite()
    taker = Taker(base, invited.token)
    trial = taker.begin()["trial"]
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda number: taker.answer(trial, 0, attempt=f"attempt-{number}").status_code, range(16)))
    assert said.count(200) == 1 and said.count(409) == 15
    assert service.store.participant(invited.code).position == 1


@pytest.mark.parametrize("reaction_ms", [-5.0, 1e9, "NaN"])
def test_a_clock_that_jumps_loses_its_reaction_time_and_nothing_else(study, reaction_ms):
    service, base, invite = study
    invited = invite()
    taker = Taker(base, invited.token)
    trial = taker.begin()["trial"]
    sent = {"trial": trial["key"], "attempt": "attempt-1", "choice": 0, "reaction_ms": 0}
    body = json.dumps(sent).replace('"reaction_ms": 0', f'"reaction_ms": {reaction_ms}')
    reply = taker.http.post("/api/answer", content=body, headers={"Content-Type": "application/json"})
    assert reply.status_code == 200 and kinds(service) == ["clock"]
    assert service.store.answers(invited.code)[0].reaction_ms is None
    taker.answer(reply.json()["state"]["trial"], 0, reaction_ms=1.5)
    assert service.store.answers(invited.code)[1].reaction_ms == 1.5


def test_nothing_is_uploaded_and_no_other_site_asks(study):
    service, base, invite = study
    taker = Taker(base, invite().token)
    trial = taker.begin()["trial"]
    assert taker.http.post("/api/answer", content=b"x" * 9000).status_code == 413
    chunks = (b"x" * 1000 for _ in range(20))
    assert taker.http.post("/api/answer", content=chunks).status_code == 413
    assert taker.http.post("/api/answer", files={"file": b"\x00\x01"}).status_code == 415
    assert taker.http.put("/api/answer", content=b"abc").status_code == 415
    assert taker.http.post("/api/upload", json={}).status_code == 404
    assert kinds(service)[0] == "bad request"
    elsewhere = {"Origin": "https://elsewhere.example"}
    assert taker.http.post("/api/answer", json={}, headers=elsewhere).status_code == 403
    assert taker.http.get("/api/picture/..%2f..%2fitems.jsonl/0").status_code == 404
    assert taker.answer(trial, 0).status_code == 200
    assert kinds(service).count("upload") == 5


def test_every_page_carries_the_headers_and_asks_nobody_else(study):
    _, base, _ = study
    for path in ("/", "/admin", "/study.js", "/trial.js", "/network.js", "/speech.js", "/admin.js", "/study.css"):
        page = httpx.get(base + path)
        assert page.status_code == 200 and page.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in page.headers["content-security-policy"] and "server" not in page.headers
        assert "unsafe" not in page.headers["content-security-policy"]
        assert "http://" not in page.text and "https://" not in page.text
    assert httpx.get(base + "/docs").status_code == httpx.get(base + "/openapi.json").status_code == 404


def test_the_gate_opens_by_pin_alone_and_the_caregiver_skips_and_deletes(study):
    service, base, invite = study
    invited = invite("child")
    taker = Taker(base, invited.token)
    state = taker.open()
    assert state["phase"] == "gate" and state["consent_text"] == ""
    assert taker.http.post("/api/consent", json={"version": "x", "age_months": 30}).status_code == 403
    assert taker.http.post("/api/gate", json={"pin": "1111"}).status_code == 403
    state = taker.post("/api/gate", pin=PIN)
    assert state["phase"] == "consent" and state["age_wanted"]
    assert taker.http.post("/api/consent", json={"version": state["consent_version"]}).status_code == 422
    assert taker.http.post("/api/consent", json={"version": "old", "age_months": 30}).status_code == 409
    state = taker.post("/api/consent", version=state["consent_version"], age_months=30)
    assert taker.answer(state["trial"], None, skip_pin="9999").status_code == 403
    assert taker.answer(state["trial"], None, skip_pin=PIN).status_code == 200
    assert service.store.answers(invited.code)[0].skipped
    assert taker.http.post("/api/withdraw", json={"sure": True}).status_code == 403
    assert taker.http.post("/api/withdraw", json={"sure": True, "pin": PIN}).status_code == 200
    assert taker.http.get("/api/state").status_code == 404
    store = service.store
    assert store.participant(invited.code) is None and not store.trials(invited.code) and store.withdrawn() == 1
    assert all(invited.code not in (event.code or "") + event.detail for event in store.events())
    for _ in range(12):
        last = Taker(base, invite("child").token).http.post("/api/gate", json={"pin": "0"})
    assert last.status_code == 403  # a PIN is guessed at only in a browser that opened the link


def test_pins_and_passwords_cannot_be_tried_without_end(study):
    _, base, invite = study
    taker = Taker(base, invite("child").token)
    taker.open()
    assert [taker.http.post("/api/gate", json={"pin": "0"}).status_code for _ in range(11)][-1] == 429
    assert [httpx.post(base + "/admin/api/login", json={"password": "0"}).status_code for _ in range(6)][-1] == 429


def test_the_admin_page_needs_its_password_and_shows_no_answer(study, toolbox):
    _, base, _ = study
    admin = httpx.Client(base_url=base)
    wish = {"group": "adult", "site": "main", "count": 2}
    assert admin.get("/admin/api/overview").status_code == admin.post("/admin/api/links", json=wish).status_code == 401
    assert admin.post("/admin/api/login", json={"password": "wrong"}).status_code == 403
    assert admin.post("/admin/api/login", json={"password": PASSWORD}).status_code == 200
    links = admin.post("/admin/api/links", json=wish).json()
    assert admin.post("/admin/api/links", json=wish | {"site": "moon"}).status_code == 422
    token = links[0]["url"].split("#")[1]
    taker = Taker(base, token)
    taker.answer(taker.begin()["trial"], 0)
    overview = admin.get("/admin/api/overview").json()
    listed = next(one for one in overview["participants"] if one["code"] == links[0]["code"])
    assert listed["answered"] == 1 and listed["opened"] and token not in json.dumps(overview)
    assert not {"answer", "gold", "right", "link_hash"} & set(walk(overview))
    assert admin.post(f"/admin/api/participants/{listed['code']}/release").status_code == 200
    assert Taker(base, token).http.post("/api/open", json={}).status_code == 200
    assert admin.delete(f"/admin/api/participants/{listed['code']}").status_code == 200
    assert admin.delete(f"/admin/api/participants/{listed['code']}").status_code == 404
    assert admin.post("/admin/api/secrets", json={"password": "short"}).status_code == 422
    assert admin.post("/admin/api/secrets", json={"password": "another long one"}).status_code == 200
    assert admin.get("/admin/api/overview").status_code == 401  # everybody is logged out


def test_secrets_and_links_are_kept_as_hashes(begin, tmp_path):
    service = begin()
    token = service.store.invite("adult", "main")[0].token
    service.store.close()
    held = b"".join(path.read_bytes() for path in tmp_path.glob("study.db*"))
    assert token.encode() not in held and PASSWORD.encode() not in held and b"scrypt$" in held


def test_lists_are_given_out_evenly_at_every_site(begin, toolbox):
    service = begin(StudyConfig(**(vars(SHORT) | {"sites": ("north", "south")})))
    for site in ("north", "south"):
        for invited in service.store.invite("adult", site, count=8):
            found = service.store.participant(invited.code)
            service.consent(found, Consent(version=next(iter(service.store.consent_texts()))))
    used = [(who.site, who.list_number) for who in service.store.participants()]
    assert sorted(used) == sorted((site, number) for site in ("north", "south") for number in (0, 1, 2, 3) * 2)


def test_a_new_consent_text_is_a_new_version_and_the_old_one_stays_with_the_session(begin, toolbox):
    service = begin()
    old = service.store.keep_consent("Please take part.")
    new = service.store.keep_consent("Please do take part.")
    assert old != new and set(service.store.consent_texts().values()) == {"Please take part.", "Please do take part."}


def test_pictures_tell_nothing_but_their_pixels(toolbox, tmp_path):
    import io

    from PIL import Image

    image = Image.new("RGB", (8, 8), "red")
    exif = Image.Exif()
    exif[270] = "the right one"
    image.save(tmp_path / "told.jpg", exif=exif)
    image.save(tmp_path / "told.png")
    for name in ("told.jpg", "told.png"):
        bare = bare_jpeg((tmp_path / name).read_bytes())
        assert b"the right one" not in bare and Image.open(io.BytesIO(bare)).format == "JPEG"
    plain = toolbox.image_path(toolbox.items[0].turns[0].images[0]).read_bytes()
    assert bare_jpeg(plain) == plain


def test_a_study_keeps_its_design_and_its_toolbox(begin, toolbox, tmp_path):
    begin()
    other = StudyConfig(**(vars(SHORT) | {"items_per_task": 3}))
    with pytest.raises(ConfigError, match="--items-per-task was 2, now 3"):
        open_study(toolbox, str(tmp_path / "study.db"), other, ServeConfig())
    with pytest.raises(ConfigError, match="not the toolbox"):
        open_study(build(tmp_path / "other", items=4), str(tmp_path / "study.db"), SHORT, ServeConfig())
    assert open_study(toolbox, str(tmp_path / "study.db"), SHORT, ServeConfig()).config == SHORT


def test_restricted_pictures_stay_on_this_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("BABYVLM_STUDY_PASSWORD", PASSWORD)
    monkeypatch.setenv("BABYVLM_STUDY_PIN", PIN)
    gated = build(tmp_path / "gated", items=1, licence="restricted: SAYCam")
    service = open_study(gated, str(tmp_path / "study.db"), SHORT, ServeConfig())
    for out in (ServeConfig(host="0.0.0.0"), ServeConfig(public_url="https://study.example.org")):
        with pytest.raises(ConfigError, match="i-may-share restricted"):
            serve_study(service, out)


def test_what_holds_no_study_is_told(tmp_path):
    (tmp_path / "empty.db").touch()
    for database in (tmp_path / "absent.db", tmp_path / "empty.db"):
        with pytest.raises(DataFolderError):
            Store.open(database)
    (tmp_path / "noise.db").write_bytes(b"no database" * 100)
    with pytest.raises(DataFolderError, match="does not answer"):
        Store.open(tmp_path / "noise.db")
    with pytest.raises(ConfigError, match="mysql"):
        Store.open("mysql://root@localhost/x")


def test_a_study_that_another_version_began_is_told(begin, tmp_path):
    begin().store.close()
    with sqlite3.connect(tmp_path / "study.db") as connection:
        connection.execute("ALTER TABLE trials DROP COLUMN times_shown")
    with pytest.raises(DataFolderError, match="trials lacks times_shown: another version"):
        Store.open(tmp_path / "study.db")


def test_the_command_serves_survives_a_kill_and_goes_on(toolbox, tmp_path):
    """An answer that the server said was stored is there after SIGKILL, and the session goes on at the next trial."""
    environment = os.environ | {"BABYVLM_STUDY_PASSWORD": PASSWORD, "BABYVLM_STUDY_PIN": PIN}
    database = tmp_path / "study.db"
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "babyvlm.cli", "study", "serve", str(toolbox.folder), "--db", str(database),
        "--port", str(port), "--items-per-task", "1",
    ]  # fmt: skip

    def start():
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert any(line.startswith("Study ") for line in process.stdout)  # said once it listens
        return process

    process = start()
    try:
        invited = Store.open(database).invite("adult", "main")[0]
        taker = Taker(f"http://127.0.0.1:{port}", invited.token)
        trial = taker.begin()["trial"]
        following = taker.answer(trial, 0, attempt="attempt-1").json()["state"]["trial"]
        process.send_signal(signal.SIGKILL)
        process.wait()
        process = start()
        assert taker.http.get("/api/state").json()["trial"]["key"] == following["key"]
        assert taker.answer(trial, 0, attempt="attempt-1").status_code == 200
        assert list(Store.open(database).answers(invited.code)) == [0]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=20)


def test_the_first_start_without_a_password_says_what_to_do(toolbox, tmp_path, monkeypatch):
    monkeypatch.delenv("BABYVLM_STUDY_PASSWORD", raising=False)
    with pytest.raises(ConfigError, match="BABYVLM_STUDY_PASSWORD"):
        open_study(toolbox, str(tmp_path / "study.db"), SHORT, ServeConfig())
    assert not (tmp_path / "study.db").exists()
