"""Conversations in a browser: one model, a conversation for each opened page, one question at a time.

    GET /    POST /api/ask    POST /api/forget

Pictures and clips stay on this machine: they are read in memory or from a temporary file, and kept nowhere.
"""

from __future__ import annotations

import base64
import html
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from fastapi import FastAPI, HTTPException, Response
from PIL import Image
from pydantic import Field

from babyvlm.chat.conversation import MOST_PICTURES, ChatConversation, ChatReply, TalkingModel, clip_frames
from babyvlm.errors import ConfigError, MediaError
from babyvlm.records import Record
from babyvlm.refusals import refuse_in_sentences
from babyvlm.shown_pictures import open_image
from babyvlm.web import LOCAL, Guard, Site, serve_until_interrupted

_MAX_BODY_BYTES = 64 * 2**20
_BODY_S = 300.0
_MOST_CONVERSATIONS = 16
_FILES = {
    "/": ("chat.html", "text/html"),
    "/chat.js": ("chat.js", "text/javascript"),
    "/chat.css": ("chat.css", "text/css"),
}


class Conversing(Record):
    """Which page's conversation this is about."""

    conversation: str = Field(default="", max_length=64)


class Ask(Conversing):
    """A question from the page."""

    prompt: str = Field(max_length=4000)
    options: tuple[str, ...] = Field(default=(), max_length=26)
    pictures: tuple[str, ...] = Field(default=(), max_length=MOST_PICTURES)
    """Base64 of image files."""
    clip: str = ""
    """Base64 of a video file; its frames come before the pictures."""


def chat_app(model: TalkingModel, site: Site = LOCAL) -> FastAPI:
    """The web application of a conversation.

    Args:
        model: Who answers.
        site: Where it is reached.
    """
    app = FastAPI(title="babyvlm chat", docs_url=None, redoc_url=None, openapi_url=None)
    conversations: OrderedDict[str, ChatConversation] = OrderedDict()
    lock = threading.Lock()

    def conversation_of(page: Conversing) -> ChatConversation:
        """The page's conversation, begun now if need be; the least recently used one is evicted."""
        found = conversations.setdefault(page.conversation, ChatConversation(model))
        conversations.move_to_end(page.conversation)
        if len(conversations) > _MOST_CONVERSATIONS:
            conversations.popitem(last=False)
        return found

    def add_file(path: str, name: str, media_type: str) -> None:
        text = resources.files(__package__).joinpath("pages", name).read_text(encoding="utf-8")
        content = text.replace("__MODEL__", html.escape(model.name))

        @app.get(path)
        def file() -> Response:
            return Response(content, media_type=media_type)

    for path, (name, media_type) in _FILES.items():
        add_file(path, name, media_type)

    @app.post("/api/ask")
    def ask(asked: Ask) -> ChatReply:
        try:
            pictures = [*_clip(asked.clip), *map(_picture, asked.pictures)]
            with lock:
                return conversation_of(asked).ask(asked.prompt, pictures, asked.options)
        except (ConfigError, MediaError) as error:
            raise HTTPException(422, str(error)) from error

    @app.post("/api/forget")
    def forget(page: Conversing) -> dict[str, bool]:
        with lock:
            conversations.pop(page.conversation, None)
        return {"forgotten": True}

    refuse_in_sentences(app)
    app.add_middleware(
        Guard, site=site, on_refused=lambda problem: None, max_body_bytes=_MAX_BODY_BYTES, body_s=_BODY_S
    )
    return app


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:  # binascii's, or of text that is not ASCII
        raise ConfigError("a file did not arrive whole") from error


def _picture(text: str) -> Image.Image:
    return open_image(_bytes(text))


def _clip(text: str) -> Sequence[Image.Image]:
    if not text:
        return ()
    with tempfile.NamedTemporaryFile(suffix=".video") as file:
        file.write(_bytes(text))
        file.flush()
        return clip_frames(Path(file.name))


def serve_chat(model: TalkingModel, *, host: str, port: int) -> None:
    """Serves the page until interrupted."""
    site = Site(host=host)
    serve_until_interrupted(
        chat_app(model, site), site=site, port=port, announce=lambda at: f"Talk to {model.name} at {at}", body_s=_BODY_S
    )
