"""The study on the web: pages, the participants' requests, and the process that serves them.

    GET  /                     the participants' page; the token stands behind # and reaches no log
    POST /api/browser          get the browser's cookie, before a link is bound to it: a lost reply locks nobody out
    POST /api/open             open a link            POST /api/gate      the PIN
    POST /api/consent          agree                  POST /api/answer    answer, and get the next trial
    POST /api/withdraw         be deleted             GET  /api/state     where the session is
    GET  /api/picture/KEY/N    a picture of the trial shown now      GET /api/voice/KEY/MOMENT  a recorded prompt
    /admin                     see admin.py

A participant is the holder of a token (``Authorization: Bearer``) in the browser it is bound to (a cookie).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from importlib import resources

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from babyvlm.licences import refuse_restricted
from babyvlm.study.admin import admin_router
from babyvlm.study.configuration import ServeConfig
from babyvlm.study.records import (
    Answer,
    Consent,
    Moment,
    Opening,
    Participant,
    PinEntry,
    SessionState,
    Stored,
    Withdrawal,
)
from babyvlm.study.service import RefusedError, StudyService
from babyvlm.web import LOCAL_HOSTS, Guard, serve_until_interrupted

BROWSER_COOKIE = "babyvlm-browser"
_COOKIE_SECONDS = 180 * 24 * 3600
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
_PAGES = {"/": "study.html", "/admin": "admin.html"}
_FILES = ("study.js", "trial.js", "network.js", "speech.js", "study.css", "admin.js")


def study_app(service: StudyService, serve: ServeConfig = ServeConfig()) -> FastAPI:  # noqa: B008
    """The web application of a study.

    Args:
        service: The study.
        serve: Where it is served.
    """
    app = FastAPI(title="babyvlm study", docs_url=None, redoc_url=None, openapi_url=None)

    @app.exception_handler(RefusedError)
    def refused(_: Request, error: RefusedError) -> JSONResponse:
        service.refuse(error)
        return JSONResponse({"detail": error.message, "kind": error.kind}, status_code=error.status)

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"])
        service.log("bad request", f"{request.url.path}: {place}: {problem['msg']}")
        return JSONResponse({"detail": "That was not understood.", "kind": "bad request"}, status_code=422)

    @app.exception_handler(HTTPException)
    def nothing_there(request: Request, error: HTTPException) -> JSONResponse:
        if request.method not in ("GET", "HEAD"):
            service.log("bad request", f"{request.method} {request.url.path[:80]}: nothing there")
        return JSONResponse({"detail": "There is nothing here.", "kind": "bad request"}, status_code=error.status_code)

    @app.exception_handler(SQLAlchemyError)
    def no_database(_: Request, error: SQLAlchemyError) -> JSONResponse:
        service.note_outage(error)
        headers = {"Retry-After": "1"}
        return JSONResponse({"detail": "One moment please.", "kind": "database"}, status_code=503, headers=headers)

    for path, name in _PAGES.items() | {(f"/{name}", name) for name in _FILES}:
        app.get(path, include_in_schema=False)(_page(name))

    def participant(request: Request) -> Participant:
        found = service.identify(_token(request), request.cookies.get(BROWSER_COOKIE, ""), _address(request))
        service.require_bound(found)
        return found

    def know(request: Request, response: Response) -> str:
        """The browser's secret, a new one where it has none."""
        browser = request.cookies.get(BROWSER_COOKIE) or secrets.token_urlsafe(24)
        response.set_cookie(
            BROWSER_COOKIE, browser, max_age=_COOKIE_SECONDS, httponly=True, samesite="strict", secure=serve.secure
        )
        return browser

    @app.post("/api/browser")
    def meet(request: Request, response: Response) -> dict[str, bool]:
        know(request, response)
        return {"known": True}

    @app.post("/api/open")
    def open_link(opening: Opening, request: Request, response: Response) -> SessionState:
        return service.open(_token(request), know(request, response), _address(request), opening)

    @app.get("/api/state")
    def state(request: Request) -> SessionState:
        return service.state(participant(request))

    @app.post("/api/gate")
    def gate(entry: PinEntry, request: Request) -> SessionState:
        return service.pass_gate(participant(request), entry.pin)

    @app.post("/api/consent")
    def consent(consent: Consent, request: Request) -> SessionState:
        return service.consent(participant(request), consent)

    @app.post("/api/answer")
    def answer(answer: Answer, request: Request) -> Stored:
        looking = service.looking_at(_token(request), request.cookies.get(BROWSER_COOKIE, ""), answer.trial)
        return service.answer(looking or participant(request), answer)

    @app.post("/api/withdraw")
    def withdraw(withdrawal: Withdrawal, request: Request) -> dict[str, bool]:
        service.withdraw(participant(request), withdrawal)
        return {"deleted": True}

    @app.get("/api/picture/{key}/{number}")
    async def picture(key: str, number: int, request: Request) -> Response:
        data = service.picture_at_hand(_token(request), request.cookies.get(BROWSER_COOKIE, ""), key, number)
        if data is None:  # nothing that may wait runs between other people's requests
            data = await run_in_threadpool(lambda: service.picture(participant(request), key, number))
        return Response(data, media_type="image/jpeg")

    @app.get("/api/voice/{key}/{moment}")
    def voice(key: str, moment: Moment, request: Request) -> Response:
        data, media_type = service.voice(participant(request), key, moment)
        return Response(data, media_type=media_type)

    app.include_router(admin_router(service, serve))

    def log_refused(problem: str) -> None:
        service.log("upload", problem)

    app.add_middleware(Guard, secure=serve.secure, on_refused=log_refused)
    return app


def _page(name: str) -> Callable[[], Response]:
    suffix = name[name.rindex(".") :]
    content = resources.files(__package__).joinpath("pages", name).read_bytes()

    def page() -> Response:
        return Response(content, media_type=_TYPES[suffix])

    return page


def _token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip()[:128] if scheme.lower() == "bearer" else ""


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def serve_study(service: StudyService, serve: ServeConfig, *, share_restricted: bool = False) -> None:
    """Serves a study until interrupted.

    Raises:
        ConfigError: Other machines could see restricted pictures, and nobody said that they may; or the port is taken.
    """
    if serve.host not in LOCAL_HOSTS or serve.public_url:
        if not share_restricted:
            refuse_restricted(service.toolbox.items, f"a study at {serve.public_url or serve.host} shows them")
        if not serve.secure:
            print("Without --certificate, passwords and answers cross the network readable.", flush=True)

    def announce(at: str) -> str:
        return f"Study {service.config.title!r}: admin page at {(serve.public_url or at).rstrip('/')}/admin"

    serve_until_interrupted(
        study_app(service, serve),
        host=serve.host,
        port=serve.port,
        certificate=serve.certificate,
        key=serve.key,
        announce=announce,
    )
