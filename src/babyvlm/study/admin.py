"""The admin page: a password, then links, progress, events; nothing that tells what anybody answered.

POST   /admin/api/login, /admin/api/logout
GET    /admin/api/session                    whether this browser is logged in
GET    /admin/api/overview                   participants with their progress, and what was refused
POST   /admin/api/links                      invite; the links are shown once
POST   /admin/api/participants/CODE/release  let a link be opened in another browser
DELETE /admin/api/participants/CODE          withdraw on somebody's behalf
POST   /admin/api/secrets                    change password or PIN
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import Field

from babyvlm.errors import ConfigError
from babyvlm.records import Record
from babyvlm.study.access import AdminSessions, Rate, RateLimiter, secret_matches
from babyvlm.study.configuration import Group, ServeConfig
from babyvlm.study.notes import RefusedError, too_many
from babyvlm.study.records import Event, Participant
from babyvlm.study.service import StudyService
from babyvlm.web import EVERY_ADDRESS, is_local

ADMIN_COOKIE = "babyvlm-admin"


class Login(Record):
    password: str = Field(max_length=256)


class LinkWish(Record):
    """Participants to invite."""

    group: Group
    site: str = Field(max_length=64)
    age_months: float | None = None
    pilot: bool = False
    """Whether they only try the study."""
    count: int = Field(default=1, ge=1, le=200)


class Link(Record):
    code: str
    url: str


class Secrets(Record):
    """What to change; empty strings change nothing."""

    password: str = Field(default="", max_length=256)
    pin: str = Field(default="", max_length=32)


class ListedParticipant(Record):
    """A participant, as the admin page lists them."""

    code: str
    group: Group
    site: str
    age_months: float | None
    list_number: int | None
    opened: bool
    answered: int
    planned: int
    finished: bool
    consent_version: str | None
    pilot: bool


class Overview(Record):
    title: str
    toolbox: str
    sites: tuple[str, ...]
    participants: tuple[ListedParticipant, ...]
    withdrawn: int
    events: tuple[Event, ...]


def admin_router(service: StudyService, serve: ServeConfig) -> APIRouter:
    """The admin page's requests."""
    router = APIRouter(prefix="/admin/api")
    sessions = AdminSessions()
    store = service.store

    def require_admin(request: Request) -> None:
        if not sessions.is_open(request.cookies.get(ADMIN_COOKIE, "")):
            raise RefusedError(401, "Please log in.", "bad request", "admin page without a session")

    def known(code: str) -> Participant:
        found = store.participant(code)
        if found is None:
            raise RefusedError(404, "There is no such participant.", "bad request", "admin page: unknown code")
        return found

    _add_login(router, sessions, service, serve)

    @router.get("/overview")
    def overview(request: Request) -> Overview:
        require_admin(request)
        return Overview(
            title=service.config.title,
            toolbox=str(service.toolbox.folder),
            sites=service.config.sites,
            participants=tuple(map(_listed, store.participants())),
            withdrawn=store.withdrawn(),
            events=tuple(store.events()),
        )

    @router.post("/links")
    def links(wish: LinkWish, request: Request) -> list[Link]:
        require_admin(request)
        service.refuse_age(wish.group, wish.age_months)
        try:
            made = store.invite(wish.group, wish.site, age_months=wish.age_months, count=wish.count, pilot=wish.pilot)
        except ConfigError as error:
            raise RefusedError(422, str(error), "bad request", "admin page: an invitation that cannot be") from error
        base = _reached_at(request, serve)
        return [Link(code=one.code, url=f"{base}#{one.token}") for one in made]

    @router.post("/participants/{code}/release")
    def release(code: str, request: Request) -> dict[str, bool]:
        require_admin(request)
        service.release(known(code).code)
        return {"released": True}

    @router.delete("/participants/{code}")
    def withdraw(code: str, request: Request) -> dict[str, bool]:
        require_admin(request)
        service.delete(known(code).code, "by the admin")
        return {"deleted": True}

    @router.post("/secrets")
    def change(wish: Secrets, request: Request) -> dict[str, bool]:
        require_admin(request)
        try:
            if wish.pin:
                store.set_pin(wish.pin)
            if wish.password:
                store.set_password(wish.password)
                sessions.close_all()
        except ConfigError as error:
            raise RefusedError(422, str(error), "bad request", "admin page: a weak secret") from error
        return {"changed": bool(wish.pin or wish.password)}

    return router


def _add_login(router: APIRouter, sessions: AdminSessions, service: StudyService, serve: ServeConfig) -> None:
    tries = RateLimiter(Rate(burst=5, every_s=30))

    @router.post("/login")
    def login(entry: Login, request: Request, response: Response) -> dict[str, bool]:
        address = request.client.host if request.client else ""
        if wait_s := tries.wait_s(address):
            raise too_many(wait_s, "passwords tried")
        if not secret_matches(entry.password, service.store.reread().password_hash):
            raise RefusedError(403, "That is not the password.", "wrong password")
        tries.give_back(address)
        response.set_cookie(
            ADMIN_COOKIE, sessions.open(), httponly=True, samesite="strict", secure=serve.secure, path="/admin"
        )
        return {"open": True}

    @router.get("/session")
    def session(request: Request) -> dict[str, bool]:
        return {"open": sessions.is_open(request.cookies.get(ADMIN_COOKIE, ""))}

    @router.post("/logout")
    def logout(request: Request) -> dict[str, bool]:
        sessions.close(request.cookies.get(ADMIN_COOKIE, ""))
        return {"open": False}


def _reached_at(request: Request, serve: ServeConfig) -> str:
    """Where participants reach the server: as the admin does, unless by a name that means this machine alone."""
    asked = request.url.hostname or ""
    elsewhere = serve.public_url or (serve.site.is_everywhere and (is_local(asked) or asked in EVERY_ADDRESS))
    if not elsewhere:
        return str(request.base_url)
    return serve.site.address(request.url.scheme, request.url.port or (443 if request.url.scheme == "https" else 80))


def _listed(found: Participant) -> ListedParticipant:
    return ListedParticipant(
        code=found.code,
        group=found.group,
        site=found.site,
        age_months=found.age_months,
        list_number=found.list_number,
        opened=found.browser_hash is not None,
        answered=found.position,
        planned=found.planned,
        finished=found.finished is not None,
        consent_version=found.consent_version,
        pilot=found.pilot,
    )
