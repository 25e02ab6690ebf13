"""What is answered when a request can't be met: a page for browsers, JSON for programs."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from quart import Quart, Response, request
from werkzeug.exceptions import HTTPException

from ci.errors import RequestError, Unauthorized
from ci.web import as_json
from ci.web.render import render

_MESSAGES: Final = {
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
    408: "The request took too long to arrive.",
    413: "The request is larger than the limit.",
    500: "Something went wrong inside the server; its log says what.",
}

# For people: what to do about it. Whoever sees 500 can't mend it, but can say when it was.
_ADVICE: Final = {
    401: "Log in, then come back.",
    403: "Ask an administrator of this server if you need it.",
    404: "The address may be cut, or of something that is no longer kept. Look in the list.",
    405: "Go back and use the buttons of the page.",
    408: "Go back and try again: the connection may be slow, or was interrupted.",
    413: "Go back and make it shorter.",
    422: "Go back and change it.",
    500: "It is not your mistake, and builds go on. Go back and try again; if it stays so, tell "
    "whoever runs this server the time below.",
    503: "Nothing was changed. Go back and try again in a moment.",
}


def add_failures(app: Quart) -> None:
    """Answer every failed request of `app` in the reader's form."""
    app.register_error_handler(RequestError, _request_error)
    app.register_error_handler(HTTPException, _http_error)


async def _request_error(error: RequestError) -> Response:
    response = await _failure(error.http_status, error.message, error.field)
    if isinstance(error, Unauthorized):
        response.headers["WWW-Authenticate"] = "Bearer"  # what programs log in with
        if "HX-Request" in request.headers:  # an open page whose session has ended
            response.headers["HX-Refresh"] = (
                "true"  # it loads itself again, and is led to the log-in
            )
    return retry_later(response, error)


def retry_later(response: Response, error: RequestError) -> Response:
    """Say when to ask again, if the error says so."""
    if error.retry_after_s is not None:
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


async def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    message = _MESSAGES.get(status, error.description or HTTPStatus(status).phrase)
    response = await _failure(status, message, None)
    # Allow (405) and Location (308) matter; the body's own headers are ours.
    for name, value in error.get_headers():
        if name not in ("Content-Type", "Content-Length"):
            response.headers[name] = value
    return response


async def _failure(status: int, message: str, field: str | None) -> Response:
    if not wants_page():
        return as_json.answer(as_json.error(message, field), status)
    page = render(
        "error.html",
        whole=True,
        status=status,
        phrase=HTTPStatus(status).phrase,
        message=message,
        advice=_ADVICE.get(status),
        now=datetime.now(UTC),
    )
    return Response(page, status, headers={"Cache-Control": "private, no-cache"})


def wants_page() -> bool:
    """Say whether a person reads the answer: a browser names HTML, a program takes anything."""
    if request.path.startswith("/api/") or request.path in ("/healthz", "/metrics"):
        return False
    accepted = request.accept_mimetypes
    named = any(kind == "text/html" for kind, _ in accepted)
    return named and accepted["text/html"] >= accepted["application/json"]
