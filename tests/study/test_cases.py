"""Over real HTTP, without a browser: who answers, what strangers send, ages, earlier designs, one server."""

from __future__ import annotations

import csv
import json
import os
import signal
import sqlite3
import subprocess
import sys

import httpx
import pytest

from babyvlm.cli import main
from babyvlm.errors import ConfigError
from babyvlm.study import ExclusionRules, ServeConfig, StudyConfig, plan_session
from babyvlm.study.access import Rate, RateLimiter, is_browser_secret, new_browser_secret
from babyvlm.study.begin import open_study
from babyvlm.study.export import export_study
from babyvlm.study.serving import ServingLock
from babyvlm.study.tables import open_engine
from tests.study.study_world import PASSWORD, PIN, SHORT, Taker


@pytest.fixture
def study(begin, served):
    """A served study: (service, address, a function that invites)."""
    service = begin()

    def invite(group="adult", **known):
        return service.store.invite(group, "main", **known)[0]

    with served(service) as base:
        yield service, base, invite


def child(base, invited, http=None):
    taker = Taker(base, invited.token)
    if http is not None:
        taker.http.cookies = http.cookies
    return taker


# Who answers


@pytest.mark.case("who answers")
@pytest.mark.parametrize("meanwhile", ["opened again", "another child", "an adult", "a finished session"])
def test_a_gate_closes_when_somebody_else_may_have_sat_down(study, meanwhile):
    service, base, invite = study
    invited = invite("child", age_months=26)
    taker = child(base, invited)
    trial = taker.begin(pin=PIN)["trial"]
    other = {"another child": "child", "an adult": "adult", "a finished session": "adult"}.get(meanwhile)
    second = taker if other is None else child(base, invite(other), taker.http)
    if meanwhile == "a finished session":
        state = second.begin()
        while state["phase"] == "trials":
            state = second.answer(state["trial"], 0).json()["state"]
    else:
        second.open()
    for refused in (
        taker.answer(trial, 0),
        taker.http.get(f"/api/picture/{trial['key']}/0"),
        taker.answer(trial, None, skip_pin=PIN),
    ):
        assert refused.status_code == 403 and refused.json()["kind"] == "gate closed"
    assert taker.http.get("/api/state").json()["phase"] == "gate"
    assert not service.store.answers(invited.code)
    trial = taker.post("/api/gate", pin=PIN)["trial"]
    assert taker.answer(trial, 0).status_code == 200


@pytest.mark.case("who answers")
@pytest.mark.parametrize("elsewhere", ["another browser", "no cookie at all"])
def test_a_gate_stays_open_whatever_happens_in_another_browser(study, elsewhere):
    _, base, invite = study
    taker = Taker(base, invite("child", age_months=26).token)
    trial = taker.begin(pin=PIN)["trial"]
    Taker(base, invite().token).open()
    if elsewhere == "no cookie at all":
        httpx.post(base + "/api/open", json={}, headers={"Authorization": f"Bearer {invite().token}"})
    assert taker.answer(trial, 0).status_code == 200


@pytest.mark.case("who answers")
@pytest.mark.parametrize("cookie", [None, "x", "forged.0123", "a.b.c", "é"])
def test_a_link_is_not_spent_on_a_browser_that_keeps_no_cookie_of_ours(study, cookie):
    service, base, invite = study
    invited = invite()
    headers = {"Authorization": f"Bearer {invited.token}"}
    if cookie is not None:
        headers["Cookie"] = f"babyvlm-browser={cookie}".encode().decode("latin-1")

    def ask(path, **body):
        return httpx.post(base + path, json=body, headers={k: v.encode("latin-1") for k, v in headers.items()})

    assert ask("/api/browser").json() == ask("/api/browser").json() == {"known": False}
    version = ask("/api/open").json()["consent_version"]
    refused = ask("/api/consent", version=version)
    assert refused.status_code == 403 and refused.json()["kind"] in ("no cookies", "foreign browser")
    assert service.store.participant(invited.code).browser_hash is None
    assert Taker(base, invited.token).begin()["phase"] == "trials"


@pytest.mark.case("who answers")
def test_a_browser_says_whether_it_kept_its_cookie_before_any_link_is_opened(study):
    _, base, invite = study
    taker = Taker(base, invite().token)
    assert [taker.post("/api/browser")["known"] for _ in range(2)] == [False, True]


@pytest.mark.case("who answers")
@pytest.mark.parametrize("path", ["/api/gate", "/api/answer", "/api/withdraw"])
def test_a_pin_is_tried_by_a_person_and_says_how_long_to_wait(study, path):
    service, base, invite = study
    invited = invite("child", age_months=26)
    taker = Taker(base, invited.token)
    trial = taker.begin(pin=PIN)["trial"]
    sent = {
        "/api/gate": {"pin": "0"},
        "/api/answer": {"trial": trial["key"], "attempt": "an-attempt", "choice": None, "skip_pin": "0"},
        "/api/withdraw": {"pin": "0", "sure": True},
    }[path]
    said = [taker.http.post(path, json=sent) for _ in range(12)]
    assert {one.status_code for one in said[:10]} == {403} and said[0].json()["detail"] == "That is not the PIN."
    late = said[-1]
    assert late.status_code == 429 and 0 < late.json()["wait_s"] <= 30
    assert late.headers["retry-after"] == str(late.json()["wait_s"]) in late.json()["detail"]
    found = service.store.participant(invited.code)
    assert found.position == 0 and not service.store.answers(invited.code)
    assert taker.answer(trial, 0).status_code == 200  # the child's turn is not spoilt


def test_right_tries_are_not_counted_against_anybody(study):
    _, base, invite = study
    taker = Taker(base, invite("child", age_months=26).token)
    taker.open()
    assert {taker.http.post("/api/gate", json={"pin": PIN}).status_code for _ in range(25)} == {200}
    logins = [httpx.post(base + "/admin/api/login", json={"password": PASSWORD}).status_code for _ in range(12)]
    assert set(logins) == {200}


def test_an_adults_link_is_no_place_to_guess_the_pin(study):
    _, base, invite = study
    taker = Taker(base, invite().token)
    taker.open()
    wrong, right = (taker.http.post("/api/gate", json={"pin": pin}).json() for pin in ("0000", PIN))
    assert wrong == right


def test_the_wait_is_the_time_until_the_next_try():
    limiter = RateLimiter(Rate(burst=2, every_s=30))
    assert [limiter.wait_s("a") for _ in range(3)] == [0, 0, 30]
    limiter.give_back("a")
    assert limiter.wait_s("a") == 0 and limiter.wait_s("b") == 0


def test_a_browser_secret_is_this_studys_own():
    secret, other = "ab" * 32, "cd" * 32
    made = new_browser_secret(secret)
    assert is_browser_secret(secret, made)
    assert not any(
        is_browser_secret(*one) for one in ((other, made), (secret, made[:-1]), (secret, ""), (secret, "é.é"))
    )


# What strangers send


@pytest.mark.case("pages")
@pytest.mark.parametrize(
    ("send", "seen"),
    [
        (lambda b, t: httpx.request("=1+1", b + "/x"), None),
        (lambda b, t: httpx.request("+CMD|'X'!A0", b + "/x"), "'+CMD|'X'!A0 /x: That is nothing that this page does."),
        (lambda b, t: httpx.post(b + "/%1b%5b31m%0aFORGED", json={}), "POST /\\x1b[31mFORGED: nothing there"),
        (lambda b, t: httpx.post(b + "/%e2%80%aeevil", json={}), "POST /\\u202eevil: nothing there"),
        (lambda b, t: t.http.post("/api/consent", json={"version": "=1+1"}), "'=1+1"),
        (lambda b, t: t.http.post("/api/consent", json={"version": "\n=1+1\x1b"}), "\\n=1+1\\x1b"),
        (lambda b, t: t.http.post("/api/open", json={"x\nFORGED": 1}), None),
        (lambda b, t: t.http.post("/api/answer", json={"trial": "\x1b]0;x\x07"}), None),
        (lambda b, t: httpx.get(b + "/", headers={"Host": "evil.test"}), None),
        (lambda b, t: httpx.get(b + "/api/voice/x/%1b"), None),
    ],
)
def test_nothing_a_stranger_sends_is_obeyed_in_the_export_or_at_the_terminal(study, tmp_path, caplog, send, seen):
    service, base, invite = study
    taker = Taker(base, invite().token)
    taker.open()
    try:
        got = send(base, taker)
        assert got.status_code < 500
    except httpx.HTTPError:
        pass
    done = Taker(base, invite().token)
    state = done.begin()
    while state["trial"]["number"] < 5:
        state = done.answer(state["trial"], 0).json()["state"]
    export_study(service.store, tmp_path / "out")
    text = (tmp_path / "out" / "events.csv").read_text()
    with (tmp_path / "out" / "events.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert not set("\x1b\u202e\x07") & set(text) and len(text.splitlines()) == len(rows) + bool(rows)
    assert not any(cell.startswith(tuple("=+-@")) for row in rows for cell in row.values())
    assert seen is None or seen in [row["detail"] for row in rows]
    assert all(record.getMessage().isprintable() for record in caplog.records if record.name == "babyvlm.study")


@pytest.mark.case("pages")
@pytest.mark.parametrize(
    "path",
    ["/nothing", "/admin/nothing", "/%23token", "/..%2f..%2fetc", "/index.php", "/%00", "/study", "/" + "x" * 3000],
)
def test_an_address_that_is_none_is_a_page_with_a_sentence(study, path):
    _, base, _ = study
    got = httpx.get(base + path)
    assert got.status_code == 404 and got.headers["content-type"].startswith("text/html") and "<p>" in got.text


@pytest.mark.case("pages")
@pytest.mark.parametrize("number", ["-1", "99999999999999999999999", "1e20", "x", "0x10", "%00"])
def test_a_picture_of_an_absurd_number_is_refused(study, number):
    _, base, invite = study
    taker = Taker(base, invite().token)
    trial = taker.begin()["trial"]
    assert taker.http.get(f"/api/picture/{trial['key']}/{number}").status_code in (404, 422)


# Ages


@pytest.mark.case("one datum")
@pytest.mark.parametrize(
    ("age", "sure", "status", "said"),
    [
        (26, False, 200, ""),
        (24.5, False, 200, ""),
        (0, False, 422, "children of 1 to 216 months"),
        (-4, False, 422, "children of"),
        (217, False, 422, "children of"),
        (1e300, False, 422, "children of"),
        ("NaN", False, 422, "children of"),
        ("Infinity", False, 422, "children of"),
        (2, False, 409, "2 years are 24 months"),
        (2, True, 200, ""),
        (1, False, 409, "1 month old"),
        (6, False, 409, "6 years are 72 months"),
        (7, False, 200, ""),
        (2.5, False, 200, ""),
        (None, False, 422, "age in months"),
    ],
)
def test_an_age_is_believed_asked_back_or_refused_in_a_sentence(study, age, sure, status, said):
    service, base, invite = study
    invited = invite("child")
    taker = Taker(base, invited.token)
    taker.open()
    version = taker.post("/api/gate", pin=PIN)["consent_version"]
    body = json.dumps({"version": version, "age_months": 0, "age_sure": sure})
    body = body.replace('"age_months": 0', f'"age_months": {"null" if age is None else age}')
    got = taker.http.post("/api/consent", content=body, headers={"Content-Type": "application/json"})
    assert got.status_code == status and said in got.text
    assert bool(service.store.participant(invited.code).planned) is (status == 200)


@pytest.mark.case("one datum")
@pytest.mark.parametrize(
    ("group", "age"), [("adult", 30), ("child", 0), ("child", -1), ("child", 300), ("child", float("nan"))]
)
def test_an_invitation_with_an_age_that_cannot_be_is_refused(begin, group, age):
    store = begin().store
    with pytest.raises(ConfigError, match="age"):
        store.invite(group, "main", age_months=age)
    assert not store.participants()


# Rules of each group, and designs of earlier versions


@pytest.mark.case("accounting")
@pytest.mark.parametrize(
    ("group", "config", "checks"),
    [
        ("adult", SHORT, True),
        ("child", SHORT, False),
        ("child", StudyConfig(**(vars(SHORT) | {"child_attention_every": 2})), True),
        ("adult", StudyConfig(**(vars(SHORT) | {"attention_every": 0, "child_attention_every": 2})), False),
    ],
)
def test_children_have_no_attention_checks_unless_the_design_says_so(toolbox, group, config, checks):
    age = 26 if group == "child" else None
    plan = plan_session(toolbox.items, config, group=group, age_months=age, list_number=0)
    assert any(trial.kind == "attention" for trial in plan) is checks


def test_each_group_is_left_out_by_its_own_rules():
    strict, lenient = ExclusionRules(min_attention=1.0), ExclusionRules(min_attention=0.0)
    config = StudyConfig(rules=strict, child_rules=lenient)
    assert config.rules_for("adult") is strict and config.rules_for("child") is lenient
    assert StudyConfig.from_json(config.as_json()) == config


@pytest.mark.case("versions")
@pytest.mark.parametrize("lacking", [(), ("gap_ms", "reading_ms"), ("gap_ms", "child_rules"), None])
def test_a_design_frozen_by_an_earlier_version_opens_with_what_it_said(lacking):
    """Before there were settings for children, those for everybody were theirs too."""
    new = ("child_attention_every", "child_rules", "gap_ms", "reading_ms")
    found = json.loads(SHORT.as_json())
    for name in new if lacking is None else lacking:
        del found[name]
    opened = StudyConfig.from_json(json.dumps(found))
    assert opened.items_per_task == SHORT.items_per_task and opened.rules == SHORT.rules
    assert opened.child_rules == SHORT.rules
    assert opened.attention_checks_every("child") == (SHORT.attention_every if lacking is None else 0)


@pytest.mark.case("versions")
def test_a_study_that_an_earlier_version_began_goes_on_with_its_answers(begin, served, toolbox, tmp_path):
    service = begin()
    with served(service) as base:
        taker = Taker(base, service.store.invite("adult", "main")[0].token)
        following = taker.answer(taker.begin()["trial"], 0).json()["state"]["trial"]
    service.store.close()
    with sqlite3.connect(tmp_path / "study.db") as old:
        for table, column in (
            ("answers", "open_ms"),
            ("answers", "early"),
            ("participants", "pilot"),
            ("study", "address"),
        ):
            old.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        design = json.loads(old.execute("SELECT design FROM study").fetchone()[0])
        for name in ("child_attention_every", "child_rules", "gap_ms", "reading_ms"):
            del design[name]
        old.execute("UPDATE study SET design = ?", [json.dumps(design)])
    again = open_study(toolbox, str(tmp_path / "study.db"), StudyConfig(), ServeConfig())
    with served(again) as base:
        old_cookies, taker.http = taker.http.cookies, httpx.Client(base_url=base, headers=taker.http.headers)
        taker.http.cookies = dict(old_cookies)
        assert taker.open()["trial"]["key"] == following["key"]
        assert taker.answer(following, 0, open_ms=0.5, reaction_ms=1.0, early=2).status_code == 200
    stored = again.store.answers(again.store.participants()[0].code)
    assert [(one.open_ms, one.early) for one in stored.values()] == [(None, None), (0.5, 2)]
    again.store.close()


@pytest.mark.case("promises")
@pytest.mark.parametrize(
    ("frozen", "later", "refused"),
    [
        ({"sites": ("lab", "home")}, {}, None),
        ({"sites": ("lab", "home")}, {"sites": ("lab", "home")}, None),
        ({"sites": ("lab", "home")}, {"sites": ("lab",)}, "--sites"),
        ({"items_per_task": 2, "seed": 7}, {"seed": 7}, None),
        ({"items_per_task": 2}, {"items_per_task": 3}, "--items-per-task"),
        ({"rules": ExclusionRules(hasty_ms=100)}, {}, None),
        ({"rules": ExclusionRules(hasty_ms=100)}, {"rules": ExclusionRules(hasty_ms=150)}, "--rules.hasty-ms"),
        ({"child_rules": ExclusionRules(max_hasty=1)}, {"rules": ExclusionRules(max_hasty=0.5)}, "--rules.max-hasty"),
        ({}, {"gap_ms": 900}, "--gap-ms"),
    ],
)
def test_a_later_start_keeps_what_it_leaves_out_and_refuses_what_it_changes(
    begin, toolbox, tmp_path, capsys, frozen, later, refused
):
    design = StudyConfig(**frozen)
    begin(design)
    start = (toolbox, str(tmp_path / "study.db"), StudyConfig(**later), ServeConfig())
    if refused:
        with pytest.raises(ConfigError, match=refused):
            open_study(*start)
    else:
        assert open_study(*start).config == design
        if not later:
            assert "keeps the design it was begun with: --" in capsys.readouterr().out


# Withdrawals and pilots


@pytest.mark.case("accounting")
@pytest.mark.parametrize(
    ("how_far", "pilot", "withdrawals"),
    [("never opened", False, 0), ("opened", False, 0), ("agreed", False, 1), ("agreed", True, 0), ("opened", True, 0)],
)
def test_only_who_took_part_can_withdraw(study, how_far, pilot, withdrawals):
    service, base, invite = study
    invited = invite(pilot=pilot)
    taker = Taker(base, invited.token)
    if how_far != "never opened":
        taker.open()
    if how_far == "agreed":
        taker.begin()
    service.delete(invited.code, "by the admin")
    assert service.store.withdrawn() == withdrawals and service.store.participant(invited.code) is None


@pytest.mark.case("accounting")
def test_a_pilot_is_exported_and_neither_pooled_nor_balanced(study, tmp_path):
    service, base, invite = study
    for pilot in (True, False):
        taker = Taker(base, invite(pilot=pilot).token)
        state = taker.begin()
        while state["phase"] == "trials":
            state = taker.answer(state["trial"], 0, reaction_ms=None).json()["state"]
    export_study(service.store, tmp_path / "out")
    with (tmp_path / "out" / "participants.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert first["left_out"].startswith("pilot") and not second["left_out"].startswith("pilot")
    assert first["list"] == second["list"] == "0"


@pytest.mark.case("accounting")
@pytest.mark.parametrize(
    ("reaction_ms", "open_ms", "hasty"),
    [
        (1500.0, 1400.0, True),
        (1500.0, 1200.0, False),
        (150.0, None, True),
        (250.0, None, False),
        (5000.0, 4999.0, True),
    ],
)
def test_an_answer_is_hasty_counted_from_when_answers_opened(toolbox, reaction_ms, open_ms, hasty):
    import datetime

    from babyvlm.study.exclusion import conduct
    from babyvlm.study.records import StoredAnswer, StoredTrial

    plan = next(
        t for t in plan_session(toolbox.items, SHORT, group="adult", age_months=None, list_number=0) if t.kind == "test"
    )
    now = datetime.datetime(2026, 1, 1)
    answer = StoredAnswer(
        position=plan.position, attempt="x" * 8, answer="A", skipped="", reaction_ms=reaction_ms, open_ms=open_ms,
        early=0, pointer="touch", hidden=False, stored=now,
    )  # fmt: skip
    acted = conduct([StoredTrial(plan=plan, shown=now, times_shown=1)], {plan.position: answer}, ExclusionRules())
    assert acted.hasty == float(hasty)


# One server, secrets, addresses


@pytest.mark.case("shared trouble")
def test_a_second_server_is_refused_by_name_and_none_after_a_kill(begin, tmp_path):
    begin().store.close()
    database = tmp_path / "study.db"
    held = (
        "import time; from babyvlm.study.serving import ServingLock; from babyvlm.study.tables import open_engine\n"
        f"with ServingLock(open_engine({str(database)!r})): print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", held], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "held\n"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("babyvlm.study.serving._PATIENCE_S", 0.0)
            with pytest.raises(ConfigError, match=f"served already, by process {process.pid} on "):
                ServingLock(open_engine(database)).__enter__()
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    with ServingLock(open_engine(database)):
        pass


@pytest.mark.case("shared trouble")
def test_a_second_server_on_postgresql_is_refused_by_name(postgresql, monkeypatch):
    monkeypatch.setattr("babyvlm.study.serving._PATIENCE_S", 0.3)
    address, _ = postgresql
    by_name = f"served already, by babyvlm process {os.getpid()} on "
    with ServingLock(open_engine(address)), pytest.raises(ConfigError, match=by_name):
        ServingLock(open_engine(address)).__enter__()
    with ServingLock(open_engine(address)):
        pass


@pytest.mark.case("promises")
@pytest.mark.parametrize("which", ["password", "pin", "both"])
def test_other_secrets_are_chosen_by_a_command_and_a_running_server_takes_them(study, tmp_path, monkeypatch, which):
    _, base, invite = study
    taker = Taker(base, invite("child", age_months=26).token)
    taker.open()
    if which != "pin":
        monkeypatch.setenv("BABYVLM_STUDY_PASSWORD", "quite another one")
    if which != "password":
        monkeypatch.setenv("BABYVLM_STUDY_PIN", "8642")
    main(["study", "password", str(tmp_path / "study.db")])
    password, pin = ("quite another one" if which != "pin" else PASSWORD), ("8642" if which != "password" else PIN)
    assert httpx.post(base + "/admin/api/login", json={"password": password}).status_code == 200
    assert taker.http.post("/api/gate", json={"pin": pin}).status_code == 200


@pytest.mark.case("promises")
@pytest.mark.parametrize(
    ("served_at", "given", "expected"),
    [
        (None, (), "http://127.0.0.1:8330/#"),
        ("https://192.168.1.5:8334/", (), "https://192.168.1.5:8334/#"),
        ("https://a.example/", ("--url", "https://b.example"), "https://b.example/#"),
    ],
)
def test_links_lead_to_where_the_study_is_served(begin, tmp_path, capsys, served_at, given, expected):
    store = begin().store
    if served_at:
        store.note_address(served_at)
    main(["study", "invite", str(tmp_path / "study.db"), *given])
    assert expected in capsys.readouterr().out
