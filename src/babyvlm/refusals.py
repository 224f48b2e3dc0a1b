"""What is said where a request cannot be met: a sentence, on a page for people and as JSON for a page's script."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI, Request, Response

_PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>{title}</title>
  <link rel="icon" href="data:,">
</head>
<body><main><h1>{title}</h1><p>{sentence}</p></main></body>
</html>
"""
_TITLES = {404: "Not found", 405: "Not possible", 421: "Another address, please", 500: "Something went wrong"}
NOTHING_HERE = "There is nothing here. If you followed a link, open it again exactly as it was given to you."
WENT_WRONG = "Something went wrong here. The terminal in which the page was started says what."


def refusal_body(method: str, path: str, status: int, sentence: str, kind: str = "") -> tuple[bytes, bytes]:
    """Content and media type of a refusal: a page where a person opened an address, else JSON."""
    if method in ("GET", "HEAD") and "/api/" not in path:
        page = _PAGE.format(title=_TITLES.get(status, "Not possible"), sentence=html.escape(sentence))
        return page.encode(), b"text/html; charset=utf-8"
    return json.dumps({"detail": sentence} | ({"kind": kind} if kind else {})).encode(), b"application/json"


def refusal(request: Request, status: int, sentence: str, kind: str = "") -> Response:
    """The refusal of a request."""
    from fastapi import Response

    content, media_type = refusal_body(request.method, request.url.path, status, sentence, kind)
    return Response(content, status_code=status, media_type=media_type.decode())


def refuse_in_sentences(app: FastAPI, log: Callable[[Request, str], None] = lambda request, problem: None) -> None:
    """Makes an application answer in a sentence whatever it has no answer to.

    Args:
        app: The application.
        log: Notes what was refused.
    """
    from fastapi.exceptions import RequestValidationError
    from starlette.exceptions import HTTPException

    @app.exception_handler(HTTPException)
    def nothing_there(request: Request, error: HTTPException) -> Response:
        if request.method not in ("GET", "HEAD"):
            log(request, "nothing there")
        usual = error.status_code in (404, 405) and error.detail in ("Not Found", "Method Not Allowed")
        return refusal(request, error.status_code, NOTHING_HERE if usual else str(error.detail), "bad request")

    @app.exception_handler(RequestValidationError)
    def not_understood(request: Request, error: RequestValidationError) -> Response:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"])
        log(request, f"{place}: {problem['msg']}")
        if problem["loc"][0] == "path" and "/api/" not in request.url.path:
            return refusal(request, 404, NOTHING_HERE, "bad request")
        return refusal(
            request, 422, f"That was not understood: {problem['loc'][-1]} ({problem['msg']}).", "bad request"
        )

    @app.exception_handler(Exception)
    def went_wrong(request: Request, error: Exception) -> Response:
        return refusal(request, 500, WENT_WRONG, "fault")
