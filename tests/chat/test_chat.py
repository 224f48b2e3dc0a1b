"""A conversation keeps to its order; the page and the terminal say the same."""

import base64
import io

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from babyvlm.chat import ChatConversation, clip_frames
from babyvlm.chat.server import chat_app
from babyvlm.chat.terminal import talk
from babyvlm.errors import ConfigError
from babyvlm.records import Reply, Response


class Echo:
    """Replies with what it was shown."""

    name, family, sends_data_out = "Echo", "baseline", False

    def answer(self, questions, images):
        for question in questions:
            sizes = [images(name).size for turn in question.turns for name in turn.images]
            last = Reply(text=f"{question.turns[-1].prompt} {len(question.history)} {sizes}")
            fails = Reply(text=None, problem="too long") if "fail" in question.turns[-1].prompt else last
            yield Response(item=question.id, replies=(*(Reply(text=said) for said in question.history), fails))

    def option_probabilities(self, prompt, pictures, options):
        return [1 / len(options)] * len(options)


def picture(size=(8, 8)):
    return Image.new("RGB", size, "red")


def test_earlier_turns_are_remembered_and_failed_ones_forgotten():
    conversation = ChatConversation(Echo())
    assert conversation.ask("one", [picture()]).reply == "one 0 [(8, 8)]"
    assert conversation.ask("fail").problem == "too long"
    assert conversation.ask("two", [picture((4, 4))], ["A", " A", "B"]).reply == "two 1 [(8, 8), (4, 4)]"
    said = conversation.ask("three", options=["A", "B"])
    assert [(one.option, one.probability) for one in said.options] == [("A", 0.5), ("B", 0.5)]


@pytest.mark.parametrize(("prompt", "pictures"), [(" ", 0), ("<image>", 1), ("<image> what?", 0), ("what?", 17)])
def test_a_question_that_cannot_be_asked_is_refused(prompt, pictures):
    with pytest.raises(ConfigError):
        ChatConversation(Echo()).ask(prompt, [picture()] * pictures)


def test_the_page_asks_with_pictures_and_clips(make_video, tmp_path):
    client = TestClient(chat_app(Echo()), base_url="http://127.0.0.1")
    buffer = io.BytesIO()
    picture().save(buffer, "PNG")
    image = base64.b64encode(buffer.getvalue()).decode()
    clip = base64.b64encode(make_video(tmp_path / "clip.mp4").read_bytes()).decode()
    said = client.post("/api/ask", json={"prompt": "what?", "pictures": [image], "clip": clip, "options": ["A", "B"]})
    assert said.status_code == 200 and said.json()["reply"].count("(160, 120)") == 8
    assert said.json()["reply"].count("(8, 8)") == 1 and len(said.json()["options"]) == 2
    for wrong in ({"pictures": ["bm8="]}, {"clip": "bm8="}, {"pictures": ["?"]}, {"prompt": ""}):
        assert client.post("/api/ask", json={"prompt": "what?"} | wrong).status_code == 422, wrong
    assert client.post("/api/forget", json={}).status_code == 200
    assert client.post("/api/ask", json={"prompt": "again"}).json()["reply"] == "again 0 []"
    for path in ("/", "/chat.js", "/chat.css"):
        assert client.get(path).status_code == 200
    assert client.post("/api/ask", files={"file": b"x"}).status_code == 415


def test_each_page_has_a_conversation_of_its_own():
    client = TestClient(chat_app(Echo()), base_url="http://127.0.0.1")
    pages = ["one", "two", "one", *(f"page {number}" for number in range(16)), "two"]
    replies = [client.post("/api/ask", json={"prompt": "x", "conversation": page}).json()["reply"] for page in pages]
    assert replies == ["x 0 []", "x 0 []", "x 1 []", *["x 0 []"] * 17]  # "two" was left alone longest, and forgotten


def test_the_terminal_asks_until_nothing_is_typed():
    typed, written = iter(["<image> two", "one", ""]), []
    talk(ChatConversation(Echo()), [picture(), picture()], ["A"], read=lambda _: next(typed), write=written.append)
    assert written[0].startswith("(1 <image>") and written[1].splitlines()[0] == "model: one 0 [(8, 8), (8, 8)]"
    assert written[1].splitlines()[1] == "  100.0%  A"


def test_a_clip_becomes_frames_spread_over_it(make_video, tmp_path):
    frames = clip_frames(make_video(tmp_path / "clip.mp4", seconds=4), 4)
    greys = [frame.convert("L").resize((1, 1)).getpixel((0, 0)) for frame in frames]
    assert greys == sorted(greys) and len(set(greys)) == 4


@pytest.mark.case("pages")
@pytest.mark.parametrize(
    ("host", "sent", "status"),
    [
        ("evil.test:8342", {"prompt": "what?"}, 421),
        ("127.0.0.1.evil.test", {"prompt": "what?"}, 421),
        ("127.0.0.1:8342", {"prompt": "what?", "pictures": ["é"]}, 422),
        ("127.0.0.1:8342", {"prompt": "what?", "pictures": ["AAAA"]}, 422),
        ("127.0.0.1:8342", {"prompt": "what?", "clip": "ab?="}, 422),
        ("127.0.0.1:8342", {"prompt": "x" * 5000}, 422),
        ("127.0.0.1:8342", {}, 422),
        ("127.0.0.1:8342", {"prompt": "what?"}, 200),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused_in_a_sentence(host, sent, status):
    client = TestClient(chat_app(Echo()), base_url="http://127.0.0.1")
    got = client.post("/api/ask", json=sent, headers={"Host": host})
    assert got.status_code == status and (status == 200 or isinstance(got.json()["detail"], str))
    assert client.get("/nothing").headers["content-type"].startswith("text/html")
