"""The study on the web: pages, the participants' requests, and the process that serves them.

    GET  /                     the participants' page; the token stands behind # and reaches no log
    POST /api/browser          get the browser's cookie; says whether it came with one, before any link is bound to it
    POST /api/open             open a link            POST /api/gate      the PIN
    POST /api/consent          agree                  POST /api/answer    answer, and get the next trial
    POST /api/withdraw         be deleted             GET  /api/state     where the session is
    GET  /api/picture/KEY/N    a picture of the trial shown now      GET /api/voice/KEY/MOMENT  a recorded prompt
    /admin                     see admin.py

A participant is the holder of a token (``Authorization: Bearer``) in the browser it is bound to (a cookie).
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError

from babyvlm.licences import refuse_restricted
from babyvlm.refusals import refuse_in_sentences
from babyvlm.study.admin import admin_router
from babyvlm.study.configuration import ServeConfig
from babyvlm.study.notes import RefusedError
from babyvlm.study.records import (
    Consent,
    LinkOpening,
    Moment,
    Participant,
    PinEntry,
    SessionState,
    Stored,
    TrialAnswer,
    Withdrawal,
)
from babyvlm.study.service import StudyService
from babyvlm.study.serving import ServingLock
from babyvlm.web import Guard, serve_until_interrupted

BROWSER_COOKIE = "babyvlm-browser"
SECURE_COOKIE = f"__Host-{BROWSER_COOKIE}"
_COOKIE_SECONDS = 180 * 24 * 3600
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
_PAGES = {"/": "study.html", "/admin": "admin.html"}
_FILES = ("study.js", "trial.js", "glass.js", "link.js", "network.js", "speech.js", "study.css", "admin.js")


def study_app(service: StudyService, serve: ServeConfig = ServeConfig()) -> FastAPI:  # noqa: B008
    """The web application of a study.

    Args:
        service: The study.
        serve: Where it is served.
    """
    app = FastAPI(title="babyvlm study", docs_url=None, redoc_url=None, openapi_url=None)
    _explain_refusals(app, service)
    for path, name in _PAGES.items() | {(f"/{name}", name) for name in _FILES}:
        app.get(path, include_in_schema=False)(_page(name))
    visitors = _Visitors(service, serve)
    _add_session(app, service, visitors)
    _add_trials(app, service, visitors)
    app.include_router(admin_router(service, serve))

    def log_refused(problem: str) -> None:
        service.notes.log("upload", problem)

    app.add_middleware(Guard, site=serve.site, secure=serve.secure, on_refused=log_refused)
    return app


class _Visitors:
    """Who sends a request: the holder of its token, in the browser that its cookie names.

    Args:
        service: The study.
        serve: Where it is served.
    """

    def __init__(self, service: StudyService, serve: ServeConfig) -> None:
        self._service, self._secure = service, serve.secure
        self._cookie = SECURE_COOKIE if serve.secure else BROWSER_COOKIE

    def browser_of(self, request: Request) -> str:
        """The secret in the cookie; empty without one."""
        return request.cookies.get(self._cookie) or request.cookies.get(BROWSER_COOKIE, "")

    def participant(self, request: Request) -> Participant:
        browser = self.browser_of(request)
        return self._service.bound(self._service.identify(_token(request), browser, _address(request)), browser)

    def gone_in(self, request: Request) -> Participant:
        """The participant, behind the PIN."""
        return self._service.require_open_gate(self.participant(request))

    def know(self, request: Request, response: Response) -> tuple[str, bool]:
        """The browser's secret, a new one where it has none of ours; and whether it came with one."""
        browser = self.browser_of(request)
        known = self._service.is_known(browser, _token(request))
        browser = browser if known else self._service.new_browser()
        response.set_cookie(
            self._cookie, browser, max_age=_COOKIE_SECONDS, httponly=True, samesite="strict", secure=self._secure
        )
        return browser, known


def _explain_refusals(app: FastAPI, service: StudyService) -> None:
    """Answers what is refused in sentences, and notes it for the admin page."""

    @app.exception_handler(RefusedError)
    def refused(_: Request, error: RefusedError) -> JSONResponse:
        service.notes.refuse(error)
        said = {"detail": error.message, "kind": error.kind, "wait_s": error.wait_s}
        headers = {"Retry-After": str(error.wait_s)} if error.wait_s else {}
        return JSONResponse(said, status_code=error.status, headers=headers)

    @app.exception_handler(SQLAlchemyError)
    def no_database(_: Request, error: SQLAlchemyError) -> JSONResponse:
        service.notes.note_outage(error)
        headers = {"Retry-After": "1"}
        return JSONResponse({"detail": "One moment please.", "kind": "database"}, status_code=503, headers=headers)

    def log_not_understood(request: Request, problem: str) -> None:
        service.notes.log("bad request", f"{request.method[:20]} {request.url.path[:80]}: {problem}")

    refuse_in_sentences(app, log_not_understood)


def _add_session(app: FastAPI, service: StudyService, visitors: _Visitors) -> None:
    """From the first visit to consent, and withdrawal."""

    @app.post("/api/browser")
    def meet(request: Request, response: Response) -> dict[str, bool]:
        return {"known": visitors.know(request, response)[1]}

    @app.post("/api/open")
    def open_link(opening: LinkOpening, request: Request, response: Response) -> SessionState:
        browser, kept = visitors.know(request, response)
        return service.open(_token(request), browser, _address(request), opening, kept=kept)

    @app.get("/api/state")
    def state(request: Request) -> SessionState:
        return service.state(visitors.participant(request))

    @app.post("/api/gate")
    def gate(entry: PinEntry, request: Request) -> SessionState:
        return service.pass_gate(visitors.participant(request), entry.pin)

    @app.post("/api/consent")
    def consent(consent: Consent, request: Request) -> SessionState:
        return service.consent(visitors.participant(request), consent)

    @app.post("/api/withdraw")
    def withdraw(withdrawal: Withdrawal, request: Request) -> dict[str, bool]:
        service.withdraw(visitors.participant(request), withdrawal)
        return {"deleted": True}


def _add_trials(app: FastAPI, service: StudyService, visitors: _Visitors) -> None:
    """Answers, and the pictures and voices of a trial."""

    @app.post("/api/answer")
    def answer(answer: TrialAnswer, request: Request) -> Stored:
        looking = service.showing.looking_at(_token(request), visitors.browser_of(request), answer.trial)
        return service.answer(looking or visitors.participant(request), answer)

    @app.get("/api/picture/{key}/{number}")
    async def picture(key: str, number: int, request: Request) -> Response:
        data = service.showing.picture_at_hand(_token(request), visitors.browser_of(request), key, number)
        if data is None:  # nothing that may wait runs between other people's requests
            data = await run_in_threadpool(lambda: service.showing.picture(visitors.gone_in(request), key, number))
        return Response(data, media_type="image/jpeg")

    @app.get("/api/voice/{key}/{moment}")
    def voice(key: str, moment: Moment, request: Request) -> Response:
        data, media_type = service.showing.voice(visitors.gone_in(request), key, moment)
        return Response(data, media_type=media_type)


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
        ConfigError: Other machines could see restricted pictures, and nobody said that they may; the port is taken; or
            another process serves this study.
    """
    if not serve.site.is_local:
        if not share_restricted:
            refuse_restricted(service.toolbox.items, f"a study at {serve.public_url or serve.host} shows them")
        if not serve.secure:
            print("Without --certificate, passwords and answers cross the network readable.", flush=True)

    def announce(at: str) -> str:
        service.store.note_address(at)
        return f"Study {service.config.title!r}: admin page at {at}admin"

    with ServingLock(service.store.engine):
        serve_until_interrupted(
            study_app(service, serve),
            site=serve.site,
            port=serve.port,
            certificate=serve.certificate,
            key=serve.key,
            announce=announce,
        )
