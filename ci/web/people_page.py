"""For administrators: everybody's account, everybody's tokens, and who did what."""

from __future__ import annotations

from http import HTTPStatus

from quart import Blueprint, Response, redirect, url_for
from quart.typing import ResponseReturnValue

from ci.errors import RequestError
from ci.people import Role
from ci.web import parts, query
from ci.web.access import refuse_forged_form
from ci.web.body import read_form, refuse_cross_site
from ci.web.core import the_core
from ci.web.fields import read_role
from ci.web.visitors import the_reader

people_pages = Blueprint("people", __name__)
people_pages.before_request(refuse_cross_site)
people_pages.before_request(refuse_forged_form)


@people_pages.get("/people")
async def people() -> Response:
    """List accounts and tokens."""
    return await _send_people()


@people_pages.post("/people")
async def add_account() -> ResponseReturnValue:
    """Make an account."""
    form = await read_form()
    name = form.get("name", "").strip()
    try:
        role = read_role("role", form.get("role", ""))
        accounts = the_core().people.accounts
        await accounts.add(name, role, form.get("password", ""), the_reader().asker)
    except RequestError as error:
        return await _send_people(error=error, name=name)
    return _back()


@people_pages.post("/people/role")
async def set_role() -> ResponseReturnValue:
    """Give an account another role."""
    form = await read_form()
    role = read_role("role", form.get("role", ""))
    await the_core().people.accounts.set_role(form.get("name", ""), role, the_reader().asker)
    return _back()


@people_pages.post("/people/enabled")
async def set_enabled() -> ResponseReturnValue:
    """Shut an account out, or let it in again."""
    form = await read_form()
    enabled = form.get("enabled") == "yes"
    by = the_reader().asker
    await the_core().people.accounts.set_enabled(form.get("name", ""), enabled=enabled, by=by)
    return _back()


@people_pages.post("/people/password")
async def set_password() -> ResponseReturnValue:
    """Give an account another password."""
    form = await read_form()
    name, password = form.get("name", ""), form.get("password", "")
    try:
        await the_core().people.accounts.set_password(name, password, the_reader().asker)
    except RequestError as error:
        return await _send_people(error=error)
    return _back()


@people_pages.post("/people/logout")
async def log_out_everywhere() -> ResponseReturnValue:
    """End every session of an account."""
    name = (await read_form()).get("name", "")
    await the_core().people.accounts.log_out_everywhere(name, the_reader().asker)
    return _back()


@people_pages.post("/people/tokens/<int:id>/revoke")
async def revoke_token(id: int) -> ResponseReturnValue:
    """Revoke anybody's API token."""
    await the_core().people.tokens.revoke(id, None, the_reader().asker)
    return _back()


@people_pages.get("/audit")
async def audit_log() -> Response:
    """List who did what, newest first."""
    before = query.number("before")
    core = the_core()
    entries = await core.people.accounts.audit_log(before)
    return await parts.send_page("audit.html", entries=entries, before=before, now=core.now())


async def _send_people(error: RequestError | None = None, name: str = "") -> Response:
    core = the_core()
    status = HTTPStatus.OK if error is None else error.http_status
    return await parts.send_page(
        "people.html",
        status,
        accounts=core.people.accounts.all(),
        tokens=core.people.tokens.all(),
        roles=list(Role),
        name=name,
        me=the_reader().account,
        error=error,
        now=core.now(),
    )


def _back() -> ResponseReturnValue:
    return redirect(url_for("people.people"), HTTPStatus.SEE_OTHER)
