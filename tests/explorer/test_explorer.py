"""An index of a small set, toolbox and run; what its pages show, and what they refuse."""

import json
import re

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from babyvlm.cli import main
from babyvlm.curation.sets import CANDIDATE_SCHEMA, CANDIDATES, UTTERANCE_SCHEMA, RowWriter, write_conversations
from babyvlm.errors import ConfigError, DataFolderError
from babyvlm.explorer.index import open_index
from babyvlm.explorer.queries import PAGE, Explorer, match_expression
from babyvlm.explorer.server import explorer_app, serve_explorer
from babyvlm.explorer.sources import find_sources
from babyvlm.folders import Manifest
from babyvlm.images import ImageStoreWriter, encode_jpeg
from babyvlm.records import Conversation, Item, ItemTurn, Origin, Recording, Turn, write_jsonl
from tests.pages import PHONE, TABLET, chromium, fits_across, serious_findings, serving

WORDS = ("cup", "ball", "shoe")
PAIRS = 3 * PAGE


def write_set(folder, licence):
    with ImageStoreWriter(folder / "images") as images:
        for number in range(PAIRS):
            images.add(f"R1_frame_{number}", encode_jpeg(Image.new("RGB", (16, 16), (number, 90, 120))))
    pairs = [
        Conversation(
            id=f"pair-{number}", format="image", images=(f"R1_frame_{number}",), recording="R1", start_s=number,
            end_s=number + 1, split="train" if number % 4 else "test",
            turns=(Turn(prompt="<image>", answer=f"look at the {WORDS[number % 3]} <b>{number}</b>"),),
        )
        for number in range(PAIRS)
    ]  # fmt: skip
    write_conversations(folder / "image.parquet", pairs)
    with RowWriter(folder / CANDIDATES, CANDIDATE_SCHEMA) as rows:
        frame = {"image": "R1_frame_1", "number": 1, "sharpness": 1.0, "looks": "0" * 16, "score": 0.3125}
        rows.add({"recording": "R1", "start_ms": 1000, "end_ms": 2000, "text": "look", "frames": [frame],
                  "score": None, "split": "train"})  # fmt: skip
    with RowWriter(folder / "utterances.parquet", UTTERANCE_SCHEMA) as rows:
        for pair in pairs:
            rows.add({"recording": "R1", "start_s": pair.start_s, "end_s": pair.end_s, "speaker": "mother",
                      "text": pair.turns[0].answer, "split": pair.split})  # fmt: skip
    recording = Recording(id="R1", child="S", age_months=9, media="R1.mp4", duration_s=PAIRS, licence=licence)
    write_jsonl(folder / "recordings.jsonl", [recording])
    Manifest(kind="pretraining-set").write(folder)


def write_toolbox(folder):
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "a.jpg").write_bytes(encode_jpeg(Image.new("RGB", (16, 16), "red")))
    origin = Origin(source="R1", time_s=3.0)
    items = [
        Item(
            id=f"item-{number}", task="picture_vocabulary", split="test", chance=0.25, category=word,
            turns=(ItemTurn(prompt=f"Touch the image of '{word}' (A)<image> (B)<image> (C)<image> (D)<image>",
                            images=("a.jpg",) * 4, options=tuple("ABCD"), gold="ABCD"[number],
                            labels=(*WORDS, "hat"), origins=(origin,)),),
        )
        for number, word in enumerate(WORDS)
    ]  # fmt: skip
    write_jsonl(folder / "items.jsonl", items)
    Manifest(kind="toolbox").write(folder)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    root = tmp_path_factory.mktemp("whole")
    (root / "data").mkdir()
    write_set(root / "data", "CC0")
    write_toolbox(root / "toolbox")
    for name in ("random", "majority"):
        main(["evaluate", f"baseline:{name}", str(root / "toolbox"), "--out", str(root / "runs" / name)])
    return root


@pytest.fixture(scope="module")
def explorer(whole, tmp_path_factory):
    return Explorer(open_index(find_sources(whole), tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def client(explorer):
    return TestClient(explorer_app(explorer), base_url="http://127.0.0.1")


def test_every_page_opens_and_every_link_on_it_leads_somewhere(client):
    waiting, seen = ["/"], set()
    while waiting and len(seen) < 150:
        path = waiting.pop()
        if path.split("?")[0] in seen:
            continue
        seen.add(path.split("?")[0])
        answer = client.get(path)
        assert answer.status_code == 200, path
        if answer.headers["content-type"].startswith("text/html"):
            assert "<b>" not in answer.text, "an utterance is text, never markup"
            waiting += [link.replace("&amp;", "&") for link in re.findall(r'(?:href|src)="(/[^"]*)"', answer.text)]
    assert {"/recordings/1/R1", "/images/1/R1_frame_3", "/pictures/2/a.jpg"} <= seen
    assert any(path.startswith("/items/item-") for path in seen) and any(path.startswith("/words/") for path in seen)


def test_pages_go_through_everything_once(explorer):
    places, after = [], 0
    while found := explorer.conversations("", format="image", after=after):
        places += [one.record for one in found]
        after = found[-1].id
    assert places == [f"pair-{number}" for number in range(PAIRS)]


def test_a_search_finds_words_within_what_was_chosen(explorer):
    found = explorer.conversations("CUP look", split="test")
    assert [one.record for one in found] == [f"pair-{n}" for n in range(PAIRS) if n % 3 == 0 and n % 4 == 0]
    assert explorer.count("conversations", "cup", facets={"split": "test"}).count == len(found)
    assert explorer.count("utterances", "trainQx").count == 0 and not explorer.utterances("splitQtrain")
    assert match_expression('" OR x:*', {}) == '(text : ("OR" AND "x"))'


def test_from_a_missed_word_to_the_frames_that_held_it(explorer, client, whole):
    run = next(source for source in explorer.of_kind("run") if source.folder.endswith("random"))
    scored = json.loads((whole / "runs" / "random" / "scores.json").read_text())["babyvlm"]["tasks"][0]
    missed = explorer.missed(run.id)
    assert len(missed) == 3 - round(3 * scored["value"])
    page = client.get(f"/items/{missed[0].item.id}").text
    word = missed[0].item.category
    assert f'href="/words/{word}"' in page and all(
        page.count(f"<th>{run.name}</th>") == 1 for run in explorer.of_kind("run")
    )
    heard = explorer.heard(word)
    expected = sum(WORDS[n % 3] == word and n % 4 > 0 for n in range(PAIRS))
    assert heard.pairs.count == heard.utterances.count == expected
    assert "/recordings/1/R1?since=" in client.get(f"/words/{word}").text


def test_an_index_is_made_once_and_anew_when_the_data_change(whole, tmp_path):
    first = open_index(find_sources(whole), tmp_path)
    made = first.stat().st_mtime_ns
    assert open_index(find_sources(whole), tmp_path).stat().st_mtime_ns == made
    other = find_sources(whole / "toolbox")
    assert open_index(other, tmp_path) != first
    assert not [path for path in whole.rglob("*") if path.suffix == ".sqlite"]
    assert not list(tmp_path.glob(".*partial"))


def test_what_is_not_there_is_not_served(client, tmp_path):
    for path in ("/items/none", "/records/99999", "/recordings/1/none", "/images/1/none", "/pictures/2/none.jpg",
                 "/pictures/2/..%2fitems.jsonl", "/pictures/1/a.jpg", "/docs"):  # fmt: skip
        assert client.get(path).status_code == 404, path
    with pytest.raises(DataFolderError, match="nothing to look at"):
        find_sources(tmp_path)


@pytest.mark.case("pages")
@pytest.mark.parametrize(
    "path",
    [
        "/records/99999999999999999999999", "/records/-1", "/records/1e3", "/records/x", "/records/" + "9" * 5000,
        "/recordings/1e20/x", "/recordings/99999999999999999999999/x", "/images/99999999999999999999999/a",
        "/pictures/99999999999999999999999/a.jpg", "/pictures/2/" + "a" * 300 + ".jpg", "/pictures/2/%00.jpg",
        "/pictures/2/..", "/items/" + "x" * 3000, "/nothing", "/%1b%5b31m",
        "/records?after=1e20", "/records?after=99999999999999999999999", "/records?after=-1", "/items?missed=x",
        "/items?missed=99999999999999999999999", "/recordings/1/R1?since=nan", "/recordings/1/R1?since=inf",
        "/recordings/1/R1?since=1e300", "/utterances?q=" + "x+" * 1000,
    ],
)  # fmt: skip
def test_an_address_of_something_absurd_is_a_page_with_a_sentence(client, path):
    got = client.get(path)
    assert got.status_code in (404, 422) and got.headers["content-type"].startswith("text/html"), got.text
    assert "<p>" in got.text and "Traceback" not in got.text


@pytest.mark.case("showing")
@pytest.mark.parametrize(
    ("words", "split"), [("cup", ""), ("shoe", ""), ("cup", "test"), ("cup", "train"), ("zebra", "")]
)
def test_what_a_respondent_missed_is_searched_like_everything_else(explorer, words, split):
    run = explorer.of_kind("run")[0].id
    missed = {one.item.id for one in explorer.missed(run)}
    holding = {one.item.id for one in explorer.items(words, split=split)}
    assert {one.item.id for one in explorer.missed(run, words=words, split=split)} == missed & holding


@pytest.mark.case("pages")
@pytest.mark.parametrize("words", ["_", "\x00", "a\x00b", "\u0301", "NEAR(a b)", '"', "*", "AND", "-cup", "x " * 150])
def test_whatever_is_searched_for_is_searched_for(client, words):
    assert client.get("/utterances", params={"q": words}).status_code == 200


@pytest.mark.case("pages")
@pytest.mark.parametrize("path", ["/", "/records", "/images/1/R1_frame_3", "/pictures/2/a.jpg", "/nothing"])
@pytest.mark.parametrize("host", ["evil.test:8340", "127.0.0.1.evil.test", "192.168.1.20:8340"])
def test_nothing_is_shown_to_another_name(client, path, host):
    got = client.get(path, headers={"Host": host})
    assert got.status_code == 421 and "does not answer to the name" in got.text


def test_restricted_pictures_stay_on_this_machine(tmp_path):
    (tmp_path / "data").mkdir()
    write_set(tmp_path / "data", "restricted: SAYCam")
    explorer = Explorer(open_index(find_sources(tmp_path), tmp_path / "cache"))
    with pytest.raises(ConfigError, match="i-may-share restricted"):
        serve_explorer(explorer, host="0.0.0.0", port=0)


def test_its_pages_fit_a_phone_and_axe_finds_nothing_serious(explorer):
    paths = ("/", "/recordings", "/recordings/1/R1", "/utterances?words=cup", "/records", "/records/1", "/items",
             "/items/item-0", "/words/cup")  # fmt: skip
    with serving(explorer_app(explorer)) as address, chromium() as browser:
        for width, height in (TABLET, PHONE):
            page = browser.new_context(viewport={"width": width, "height": height}).new_page()
            problems = []
            page.on("pageerror", lambda error, problems=problems: problems.append(str(error)))
            page.on("response", lambda got, problems=problems: got.ok or problems.append(f"{got.status} {got.url}"))
            for path in paths:
                assert page.goto(address + path).status == 200, path
                assert fits_across(page), (path, width)
                assert width == TABLET[0] or not serious_findings(page), path
            assert not problems
            page.keyboard.press("Tab")
            assert page.evaluate("() => document.activeElement.innerText") == "Overview"


def test_a_search_by_keyboard_finds_the_words(explorer):
    with serving(explorer_app(explorer)) as address, chromium() as browser:
        page = browser.new_page()
        page.goto(f"{address}/utterances")
        page.get_by_label("Words").focus()
        page.keyboard.type("cup")
        page.keyboard.press("Enter")
        page.wait_for_url("**/utterances?*cup*")
        found = page.get_by_text(re.compile(r"^[\d,]+ found$")).inner_text()
        assert found == f"{len(range(0, PAIRS, 3))} found"
