"""The review page: items with their pictures and answers in a browser, decisions into the file.

    GET /                the page
    GET /images/NAME     a picture of the toolbox
    GET /api/items       items, filtered, a page at a time, with the decisions about them
    PUT, DELETE /api/decisions/ITEM   decide, take back

Meant for one machine: answers are shown, and nobody logs in. Other machines are let in only when the address says so,
and restricted pictures then only when told so in as many words.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError

from babyvlm.errors import DataFolderError, MissingExtraError
from babyvlm.licences import refuse_restricted
from babyvlm.records import Item, Record
from babyvlm.toolbox.folder import Toolbox
from babyvlm.toolbox.review.decisions import Decision, Decisions, Verdict, apply_decisions
from babyvlm.toolbox.tasks import row_name
from babyvlm.web import LOCAL_HOSTS, serve_until_interrupted

if TYPE_CHECKING:
    from fastapi import FastAPI

_PAGE = "review.html"
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


def review_app(toolbox: Toolbox, decisions: Decisions, *, reviewer: str = "") -> FastAPI:
    """The web application.

    Args:
        toolbox: Items to look through.
        decisions: Where decisions go.
        reviewer: Name or initials noted with each decision.

    Raises:
        MissingExtraError: FastAPI is not installed.
    """
    try:
        from fastapi import FastAPI, HTTPException, Request
        from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
    except ImportError as error:
        raise MissingExtraError("Reviewing items in the browser", "study") from error

    app = FastAPI(title="babyvlm review", docs_url=None, redoc_url=None, openapi_url=None)
    items = {item.id: item for item in toolbox.items}
    pictures = {name for item in toolbox.items for turn in item.turns for name in turn.images}
    page = resources.files(__package__).joinpath(_PAGE).read_text(encoding="utf-8")

    @app.middleware("http")
    async def guard(request: Request, call_next: Any) -> Any:
        # Another site's page in the same browser must not decide on items.
        origin = request.headers.get("origin")
        if request.method not in ("GET", "HEAD") and origin and urlsplit(origin).netloc != request.headers.get("host"):
            return JSONResponse({"detail": "not from this page"}, status_code=403)
        response = await call_next(request)
        response.headers["Content-Security-Policy"] = (
            "default-src 'self'; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'; "
            "frame-ancestors 'none'"
        )
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    @app.get("/", response_class=HTMLResponse)
    def index() -> str:
        return page

    @app.get("/images/{name}")
    def image(name: str) -> Any:
        if name not in pictures:
            raise HTTPException(404, "no such picture in this toolbox")
        return FileResponse(toolbox.image_path(name), media_type="image/jpeg" if name.endswith(".jpg") else None)

    @app.get("/api/items")
    def listing(task: str = "", show: Show = "undecided", offset: int = 0, limit: int = 20) -> Listing:
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
        decisions.set(decision)
        return decision

    @app.delete("/api/decisions/{item_id}")
    def take_back(item_id: str) -> dict[str, bool]:
        decisions.clear(item_id)
        return {"taken back": True}

    return app


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
    if host not in LOCAL_HOSTS and not may_share_restricted:
        refuse_restricted(toolbox.items, f"--host {host} lets others in")
    app = review_app(toolbox, decisions, reviewer=reviewer)
    try:
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("Reviewing items in the browser", "study") from error
    serve_until_interrupted(
        app,
        host=host,
        port=port,
        announce=lambda at: f"Review {len(toolbox.items)} items at {at}; decisions go to {decisions.path}",
    )
