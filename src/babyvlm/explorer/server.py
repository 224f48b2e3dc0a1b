"""The explorer's pages, made on the server.

/                         what is there              /recordings, /recordings/SOURCE/ID    with their timelines
/utterances               /records, /records/PLACE   pairs, clips, sequences, instruction samples
/items, /items/ID         replies side by side       /words/WORD    what training held of it
/images/SOURCE/ID, /pictures/SOURCE/NAME
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from typing import Annotated, TypeVar
from urllib.parse import quote, urlencode

from fastapi import FastAPI, HTTPException, Path, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse

from babyvlm.explorer.queries import PAGE, Explorer
from babyvlm.images import image_suffix
from babyvlm.licences import refuse_licences
from babyvlm.records import IMAGE_TOKEN
from babyvlm.refusals import refuse_in_sentences
from babyvlm.templates import page_environment
from babyvlm.web import LOCAL, Guard, Site, serve_until_interrupted

FoundT = TypeVar("FoundT")
_LARGEST = 2**63 - 1  # SQLite's
Place = Annotated[int, Path(ge=0, le=_LARGEST)]
After = Annotated[int, Query(ge=0, le=_LARGEST)]
Moment = Annotated[float, Query(ge=0, le=1e9, allow_inf_nan=False)]
Text = Annotated[str, Query(max_length=400)]
_Page = Callable[..., HTMLResponse]


def explorer_app(explorer: Explorer, site: Site = LOCAL) -> FastAPI:
    """The web application over an index.

    Args:
        explorer: The index.
        site: Where it is reached.
    """
    app = FastAPI(title="babyvlm explore", docs_url=None, redoc_url=None, openapi_url=None)
    page = _pages(explorer)
    _add_overview(app, explorer, page)
    _add_recordings(app, explorer, page)
    _add_records(app, explorer, page)
    _add_items(app, explorer, page)
    _add_pictures(app, explorer)
    refuse_in_sentences(app)
    app.add_middleware(Guard, site=site, on_refused=lambda problem: None)
    return app


def _pages(explorer: Explorer) -> _Page:
    """Fills in a template, by its name, for a request."""
    environment = page_environment("babyvlm.explorer", trim=False)
    environment.filters["clock"] = clock
    environment.filters["path"] = lambda text: quote(str(text), safe="")
    environment.filters["words"] = lambda text: " ".join(text.replace(IMAGE_TOKEN, "▢").split())
    environment.globals["sources"] = explorer.sources

    def page(name: str, request: Request, **shown: object) -> HTMLResponse:
        def link(**changed: object) -> str:
            """This page's address with something changed."""
            query = {
                key: value for key, value in (dict(request.query_params) | changed).items() if value not in ("", None)
            }
            return f"{request.url.path}?{urlencode(query)}"

        chosen = dict(request.query_params)
        return HTMLResponse(environment.get_template(name).render(link=link, chosen=chosen, page=PAGE, **shown))

    return page


def _add_overview(app: FastAPI, explorer: Explorer, page: _Page) -> None:
    style = resources.files(__package__).joinpath("templates", "explorer.css").read_bytes()

    @app.get("/")
    def overview(request: Request) -> HTMLResponse:
        counts = {number: explorer.counts(number) for number in explorer.sources}
        return page("overview.html.j2", request, counts=counts)

    @app.get("/explorer.css")
    def stylesheet() -> Response:
        return Response(style, media_type="text/css")


def _add_recordings(app: FastAPI, explorer: Explorer, page: _Page) -> None:
    @app.get("/recordings")
    def recordings(request: Request, after: After = 0) -> HTMLResponse:
        found = explorer.recordings(after=after)
        return page("recordings.html.j2", request, found=found, last=found[-1][0] if len(found) == PAGE else None)

    @app.get("/recordings/{source}/{recording}")
    def timeline(request: Request, source: Place, recording: str, since: Moment = 0) -> HTMLResponse:
        found = _there(explorer.recording(source, recording), "recording")
        said, pairs = explorer.timeline(source, recording, since)
        moments = sorted([(one.start_s, one, None) for one in said] + [(one.start_s or 0, None, one) for one in pairs],
                         key=lambda moment: (moment[0], moment[1] is None))  # fmt: skip
        following = said[-1].start_s + 1e-3 if len(said) == PAGE else None
        return page("timeline.html.j2", request, recording=found, moments=moments, following=following)


def _add_records(app: FastAPI, explorer: Explorer, page: _Page) -> None:
    """Utterances, and the pairs, clips, sequences and instruction samples made of them."""

    @app.get("/utterances")
    def utterances(
        request: Request, q: Text = "", split: Text = "", recording: Text = "", after: After = 0
    ) -> HTMLResponse:
        facets = {"split": split, "recording": recording}
        found = explorer.utterances(q, **facets, after=after)
        count = explorer.count("utterances", q, facets=dict(facets))
        return page("utterances.html.j2", request, found=found, count=count, last=_last(found))

    @app.get("/records")
    def records(
        request: Request, q: Text = "", format: Text = "", split: Text = "", recording: Text = "", after: After = 0
    ) -> HTMLResponse:
        facets = {"format": format, "split": split, "recording": recording}
        found = explorer.conversations(q, **facets, after=after)
        count = explorer.count("conversations", q, facets=dict(facets))
        return page("records.html.j2", request, found=found, count=count, last=_last(found))

    @app.get("/records/{place}")
    def record(request: Request, place: Place) -> HTMLResponse:
        return page("record.html.j2", request, one=_there(explorer.conversation(place), "record"))


def _add_items(app: FastAPI, explorer: Explorer, page: _Page) -> None:
    """Items with the replies to them, and what training held of their words."""

    @app.get("/items")
    def items(
        request: Request, q: Text = "", task: Text = "", split: Text = "", missed: After = 0, after: After = 0
    ) -> HTMLResponse:
        facets = {"task": task, "split": split}
        if missed:
            found = explorer.missed(missed, task, words=q, split=split, after=after)
        else:
            found = explorer.items(q, **facets, after=after)
        count = None if missed else explorer.count("items", q, facets=dict(facets))
        return page(
            "items.html.j2", request, found=found, count=count, last=_last(found), tasks=explorer.tasks(),
            runs=explorer.of_kind("run"),
        )  # fmt: skip

    @app.get("/items/{item}")
    def item(request: Request, item: str) -> HTMLResponse:
        found = _there(explorer.item(item), "item")
        sets = explorer.of_kind("set")
        known = {origin.source for turn in found.item.turns for origin in turn.origins}
        origins = {name: one.id for name in known for one in sets if explorer.recording(one.id, name)}
        return page("item.html.j2", request, one=found, given=explorer.given(found), origins=origins)

    @app.get("/words/{word}")
    def word(request: Request, word: str) -> HTMLResponse:
        return page(
            "word.html.j2", request, heard=explorer.heard(word),
            said=explorer.utterances(word, split="train"),
            pairs=explorer.conversations(word, split="train", format="image"),
        )  # fmt: skip


def _add_pictures(app: FastAPI, explorer: Explorer) -> None:
    @app.get("/images/{source}/{image_id}")
    def image(source: Place, image_id: str) -> Response:
        data = _there(explorer.jpeg(source, image_id), "picture")
        return Response(data, media_type="image/png" if image_suffix(data) == ".png" else "image/jpeg")

    @app.get("/pictures/{source}/{name}")
    def picture(source: Place, name: str) -> FileResponse:
        return FileResponse(_there(explorer.item_picture(source, name), "picture"))


def clock(seconds: float) -> str:
    """A moment of a recording.

    >>> clock(83.5)
    '1:23.5'
    """
    minutes, rest = divmod(round(seconds, 1), 60)
    return f"{int(minutes)}:{rest:04.1f}"


def _there(found: FoundT | None, what: str) -> FoundT:
    if found is None:
        raise HTTPException(404, f"There is no such {what} here.")
    return found


def _last(found: list) -> int | None:
    """The place after which the next page begins; None where there is no next."""
    return found[-1].id if len(found) == PAGE else None


def serve_explorer(explorer: Explorer, *, host: str, port: int, share_restricted: bool = False) -> None:
    """Serves the pages until interrupted.

    Raises:
        ConfigError: Other machines could see restricted pictures, and nobody said that they may.
    """
    site = Site(host=host)
    if not site.is_local and not share_restricted:
        refuse_licences(explorer.licences(), "records", f"--host {host} lets others in")
    serve_until_interrupted(
        explorer_app(explorer, site), site=site, port=port, announce=lambda at: f"Look inside at {at}"
    )
