"""Logging in and out, and what everybody may do about their own account."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from quart import Blueprint, Response, request, url_for
from quart.typing import ResponseReturnValue

from ci.errors import Forbidden, NotFound, RequestError
from ci.people import Reader, Role
from ci.server.people.logins import LoggedIn
from ci.server.people.openid import BEGUN_S, OpenID
from ci.server.people.sessions import DEVICE_DAYS
from ci.web import parts
from ci.web.access import refuse_forged_form, safe_next
from ci.web.body import read_form, refuse_cross_site
from ci.web.core import the_core
from ci.web.failures import retry_later
from ci.web.fields import read_days, read_role
from ci.web.visitors import DEVICE, OPENID, SESSION, the_reader, the_visitor

account_pages = Blueprint("account", __name__)
account_pages.before_request(refuse_cross_site)
account_pages.before_request(refuse_forged_form)

_DAY_S: Final = 24 * 60 * 60


@account_pages.get("/login")
async def log_in_page() -> Response:
    """Show the form to log in."""
    next = request.args.get("next", "")
    return await parts.send_page("login.html", **_login(next))


@account_pages.post("/login")
async def log_in() -> ResponseReturnValue:
    """Log somebody in and lead to where they wanted to go."""
    form = await read_form()
    visitor = the_visitor()
    name, next = form.get("name", "").strip(), form.get("next", "")
    try:
        logged_in = await the_core().people.logins.log_in(
            name,
            form.get("password", ""),
            address=visitor.address,
            device=visitor.cookie(DEVICE),
        )
    except RequestError as error:
        shown = _login(next, name, error)
        page = await parts.send_page("login.html", error.http_status, **shown)
        return retry_later(page, error)
    return _with_cookies(_to(safe_next(next)), logged_in)


@account_pages.get("/login/openid")
async def go_to_provider() -> ResponseReturnValue:
    """Send somebody to the OpenID provider, with a cookie to come back with."""
    begun = await _openid().begin(request.args.get("next", ""))
    response = _to(begun.address)
    _set_cookie(response, OPENID, begun.cookie, int(BEGUN_S))
    return response


@account_pages.get("/login/openid/back")
async def come_back() -> ResponseReturnValue:
    """Log in who comes back from the provider, and lead to where they wanted to go."""
    visitor = the_visitor()
    try:
        who = await _openid().finish(visitor.cookie(OPENID), request.args.to_dict())
        logins = the_core().people.logins
        logged_in = await logins.log_in_from_elsewhere(who, visitor.address)
    except RequestError as error:
        return await parts.send_page("login.html", error.http_status, **_login(error=error))
    response = _with_cookies(_to(safe_next(who.next)), logged_in)
    _set_cookie(response, OPENID, "", 0)
    return response


@account_pages.post("/logout")
async def log_out() -> ResponseReturnValue:
    """End this browser's session."""
    visitor = the_visitor()
    await the_core().people.logins.log_out(visitor.cookie(SESSION), visitor.reader.asker)
    response = _to(url_for("pages.index"))
    _set_cookie(response, SESSION, "", 0)
    return response


@account_pages.get("/account")
async def account() -> Response:
    """Show somebody their own account, and their API tokens."""
    return await _send_account()


@account_pages.post("/account/password")
async def change_password() -> ResponseReturnValue:
    """Change one's own password."""
    form, reader = await read_form(), _own()
    logins = the_core().people.logins
    old, new = form.get("old", ""), form.get("new", "")
    try:
        logged_in = await logins.change_password(reader.account, old, new, reader.asker)
    except RequestError as error:
        return retry_later(await _send_account(error=error), error)
    return _with_cookies(_to(url_for("account.account", changed="password")), logged_in)


@account_pages.post("/account/logout")
async def log_out_everywhere() -> ResponseReturnValue:
    """End every session of one's own, this one, too."""
    reader = _own()
    await the_core().people.accounts.log_out_everywhere(reader.account, reader.asker)
    response = _to(url_for("account.log_in_page"))
    _set_cookie(response, SESSION, "", 0)
    return response


@account_pages.post("/account/tokens")
async def make_token() -> ResponseReturnValue:
    """Make an API token and show it, this once."""
    form, reader = await read_form(), _own()
    try:
        text = await the_core().people.tokens.make(
            reader.account,
            form.get("name", "").strip(),
            read_role("scope", form.get("scope", "")),
            days=read_days(form.get("days", "").strip()),
            by=reader.asker,
        )
    except RequestError as error:
        return await _send_account(error=error)
    # No redirect: the token would have to be kept somewhere in between.
    return await _send_account(made=text)


@account_pages.post("/account/tokens/<int:id>/revoke")
async def revoke_token(id: int) -> ResponseReturnValue:
    """Revoke one of one's own API tokens."""
    reader = _own()
    await the_core().people.tokens.revoke(id, reader.account, reader.asker)
    return _to(url_for("account.account", changed="token"))


def _login(next: str = "", name: str = "", error: RequestError | None = None) -> dict[str, Any]:
    """Say what the form to log in shows."""
    return {
        "next": next,
        "name": name,
        "error": error,
        "openid": the_core().people.openid is not None,
    }


def _openid() -> OpenID:
    openid = the_core().people.openid
    if openid is None:
        raise NotFound("nobody logs in by an OpenID provider here")
    return openid


async def _send_account(made: str | None = None, error: RequestError | None = None) -> Response:
    people, reader = the_core().people, _own()
    response = await parts.send_page(
        "account.html",
        HTTPStatus.OK if error is None else error.http_status,
        account=people.accounts.get(reader.account),
        tokens=people.tokens.all(reader.account),
        scopes=[role for role in Role if reader.may(role)],
        made=made,
        changed=request.args.get("changed"),
        error=error,
        now=the_core().now(),
    )
    if made is not None:
        response.headers["Cache-Control"] = "no-store"
    return response


def _own() -> Reader:
    """Return the reader, who must be somebody, at a browser. Raises Forbidden.

    A token must not make further tokens: they would outlive it.
    """
    reader = the_reader()
    if not reader.session:
        raise Forbidden("this is for somebody who has logged in with a browser")
    return reader


def _to(address: str) -> Response:
    return Response(b"", HTTPStatus.SEE_OTHER, headers={"Location": address})


def _with_cookies(response: Response, logged_in: LoggedIn) -> Response:
    left = logged_in.expires_at - the_core().now()
    _set_cookie(response, SESSION, logged_in.session, int(left.total_seconds()))
    _set_cookie(response, DEVICE, logged_in.device, DEVICE_DAYS * _DAY_S)
    return response


def _set_cookie(response: Response, name: str, text: str, max_age_s: int) -> None:
    visitor = the_visitor()
    response.set_cookie(
        visitor.cookie_name(name),
        text,
        max_age=max_age_s,
        path="/",
        secure=visitor.is_https,
        httponly=True,
        samesite="Lax",  # Strict would forget who comes by a link from a chat
    )
