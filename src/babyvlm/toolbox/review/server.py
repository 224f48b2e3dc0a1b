"""The review page: items with their pictures and answers in a browser, decisions into the file.

    GET /                the page, with /review.js and /review.css
    GET /images/NAME     a picture of the toolbox
    GET /api/items       items, filtered, a page at a time, with the decisions about them
    PUT, DELETE /api/decisions/ITEM   decide, take back

Meant for one machine: answers are shown, and nobody logs in. Other machines are let in only when the address says so,
and restricted pictures then only when told so in as many words.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationError

from babyvlm.errors import DataFolderError, MissingExtraError
from babyvlm.licences import refuse_restricted
from babyvlm.records import Item, Record
from babyvlm.refusals import refuse_in_sentences
from babyvlm.toolbox.folder import Toolbox
from babyvlm.toolbox.review.decisions import Decision, Decisions, Verdict, apply_decisions
from babyvlm.toolbox.tasks import row_name
from babyvlm.web import LOCAL, Guard, Site, serve_until_interrupted

if TYPE_CHECKING:
    from fastapi import FastAPI

_FILES = {
    "/": ("review.html", "text/html"),
    "/review.js": ("review.js", "text/javascript"),
    "/review.css": ("review.css", "text/css"),
}
_MAX_BODY_BYTES = 16384
Show = Literal["undecided", "accepted", "rejected", "relabelled", "all"]
_SHOWN: dict[Show, tuple[Verdict | None, ...]] = {
    "undecided": (None,),
    "accepted": ("accept",),
    "rejected": ("reject",),
    "relabelled": ("relabel",),
    "all": (None, "accept", "reject", "relabel"),
}


class Listed(Record):
    """An item as the page shows it."""

    item: Item
    decision: Decision | None


class Listing(Record):
    """One page of items."""

    items: tuple[Listed, ...]
    matching: int = Field(ge=0)
    """Items that fit the filters."""
    decided: int = Field(ge=0)
    """Items of the task, or of all, that are decided on."""
    total: int = Field(ge=0)
    tasks: tuple[str, ...]


class Wish(Record):
    """What the page sends to decide on an item."""

    verdict: Verdict
    answer: str = ""
    note: str = Field(default="", max_length=2000)


def review_app(toolbox: Toolbox, decisions: Decisions, *, reviewer: str = "", site: Site = LOCAL) -> FastAPI:
    """The web application.

    Args:
        toolbox: Items to look through.
        decisions: Where decisions go.
        reviewer: Name or initials noted with each decision.
        site: Where it is reached.

    Raises:
        MissingExtraError: FastAPI is not installed.
    """
    try:
        from fastapi import FastAPI
    except ImportError as error:
        raise MissingExtraError("Reviewing items in the browser", "study") from error

    app = FastAPI(title="babyvlm review", docs_url=None, redoc_url=None, openapi_url=None)
    _add_page(app, toolbox)
    _add_listing(app, toolbox, decisions)
    _add_decisions(app, toolbox, decisions, reviewer)
    refuse_in_sentences(app)
    app.add_middleware(Guard, site=site, on_refused=lambda problem: None, max_body_bytes=_MAX_BODY_BYTES)
    return app


def _add_page(app: FastAPI, toolbox: Toolbox) -> None:
    """The page, its files and the toolbox's pictures."""
    from fastapi import HTTPException, Response
    from fastapi.responses import FileResponse

    pictures = {name for item in toolbox.items for turn in item.turns for name in turn.images}

    def add_file(path: str, name: str, media_type: str) -> None:
        content = resources.files(__package__).joinpath(name).read_bytes()

        @app.get(path)
        def file() -> Any:
            return Response(content, media_type=media_type)

    for path, (name, media_type) in _FILES.items():
        add_file(path, name, media_type)

    @app.get("/images/{name}")
    def image(name: str) -> Any:
        if name not in pictures:
            raise HTTPException(404, "no such picture in this toolbox")
        return FileResponse(toolbox.image_path(name), media_type="image/jpeg" if name.endswith(".jpg") else None)


def _add_listing(app: FastAPI, toolbox: Toolbox, decisions: Decisions) -> None:
    from fastapi import HTTPException

    @app.get("/api/items")
    def listing(task: str = "", show: Show = "undecided", offset: int = 0, limit: int = 20) -> Listing:
        try:
            decisions.refresh()
        except DataFolderError as error:
            raise HTTPException(409, str(error)) from error
        of_task = [item for item in toolbox.items if task in ("", row_name(item.task, item.variant))]
        found = {item.id: decisions.by_item.get(item.id) for item in of_task}
        wanted = [
            item
            for item in of_task
            if (None if (decision := found[item.id]) is None else decision.verdict) in _SHOWN[show]
        ]
        shown = wanted[max(0, offset) : max(0, offset) + min(max(1, limit), 200)]
        return Listing(
            items=tuple(Listed(item=item, decision=found[item.id]) for item in shown),
            matching=len(wanted),
            decided=sum(decision is not None for decision in found.values()),
            total=len(of_task),
            tasks=toolbox.tasks,
        )


def _add_decisions(app: FastAPI, toolbox: Toolbox, decisions: Decisions, reviewer: str) -> None:
    from fastapi import HTTPException

    items = {item.id: item for item in toolbox.items}

    @app.put("/api/decisions/{item_id}")
    def decide(item_id: str, wish: Wish) -> Decision:
        if item_id not in items:
            raise HTTPException(404, "no such item in this toolbox")
        item = items[item_id]
        try:
            decision = Decision(
                item=item_id,
                task=item.task,
                verdict=wish.verdict,
                answer=wish.answer,
                note=wish.note.strip(),
                reviewer=reviewer,
            )
            apply_decisions([item], [decision])
        except ValidationError as error:
            raise HTTPException(422, error.errors()[0]["msg"]) from error
        except DataFolderError as error:
            raise HTTPException(422, str(error)) from error
        try:
            decisions.set(decision)
        except DataFolderError as error:
            raise HTTPException(409, str(error)) from error
        return decision

    @app.delete("/api/decisions/{item_id}")
    def take_back(item_id: str) -> dict[str, bool]:
        try:
            decisions.clear(item_id)
        except DataFolderError as error:
            raise HTTPException(409, str(error)) from error
        return {"taken back": True}


def serve_review(
    toolbox: Toolbox,
    decisions: Decisions,
    *,
    host: str = "127.0.0.1",
    port: int = 8321,
    reviewer: str = "",
    may_share_restricted: bool = False,
) -> None:
    """Serves the page until interrupted.

    Raises:
        ConfigError: Other machines could see restricted pictures, and nobody said that they may.
        MissingExtraError: FastAPI or uvicorn is not installed.
    """
    site = Site(host=host)
    if not site.is_local and not may_share_restricted:
        refuse_restricted(toolbox.items, f"--host {host} lets others in")
    app = review_app(toolbox, decisions, reviewer=reviewer, site=site)
    try:
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("Reviewing items in the browser", "study") from error
    serve_until_interrupted(
        app,
        site=site,
        port=port,
        announce=lambda at: f"Review {len(toolbox.items)} items at {at}; decisions go to {decisions.path}",
    )
