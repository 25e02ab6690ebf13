"""What one has to be for each address. What is not in the table nobody gets.

An address is named by its endpoint: the blueprint, and the function that answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from quart import redirect, request, url_for
from quart.typing import ResponseReturnValue

from ci.errors import Forbidden, Unauthorized
from ci.people import Role
from ci.web.body import SAFE_METHODS, CrossSite, read_form
from ci.web.failures import wants_page
from ci.web.personal import FORM_FIELD, is_form_token
from ci.web.visitors import the_reader
from ci.wire.token import BROWSER_HEADERS

_AGENTS: Final = "agents."  # what agents call looks at their own token
_ANYBODY: Final = None
_VIEWER, _RUNNER, _ADMIN = Role

NEEDS: Final[Mapping[str, Role | None]] = {
    "static.static_file": _ANYBODY,
    "static.favicon": _ANYBODY,
    "static.robots": _ANYBODY,
    "api.healthz": _ANYBODY,
    "api.document": _ANYBODY,  # it says what the source says
    "account.log_in_page": _ANYBODY,
    "account.log_in": _ANYBODY,
    "account.log_out": _ANYBODY,
    "account.go_to_provider": _ANYBODY,
    "account.come_back": _ANYBODY,
    # Looking.
    "pages.index": _VIEWER,
    "pages.build": _VIEWER,
    "pages.build_text": _VIEWER,
    "pages.build_json": _VIEWER,
    "pages.build_log": _VIEWER,
    "pages.find_in_log": _VIEWER,
    "pages.why_red": _VIEWER,
    "pages.agents": _VIEWER,
    "pages.agent": _VIEWER,
    "pages.badge": _VIEWER,
    "pages.policy": _VIEWER,
    "pages.api": _VIEWER,
    "pages.feed": _VIEWER,
    "pages.pulse": _VIEWER,
    "pages.lead_back": _VIEWER,
    "api.builds": _VIEWER,
    "api.one_build": _VIEWER,
    "api.build_log": _VIEWER,
    "api.why_red": _VIEWER,
    "api.agents": _VIEWER,
    "api.metrics": _VIEWER,
    "api.policy": _VIEWER,
    "account.account": _VIEWER,
    # Builds.
    "pages.new_build": _RUNNER,
    "pages.cancel_build": _RUNNER,
    "pages.move_to_front": _RUNNER,
    "pages.rerun_build": _RUNNER,
    "api.new_build": _RUNNER,
    "api.cancel_build": _RUNNER,
    "api.move_to_front": _RUNNER,
    "api.rerun_build": _RUNNER,
    # One's own account.
    "account.change_password": _VIEWER,
    "account.log_out_everywhere": _VIEWER,
    "account.make_token": _VIEWER,
    "account.revoke_token": _VIEWER,
    # Agents and people.
    "pages.pause_agent": _ADMIN,
    "pages.resume_agent": _ADMIN,
    "pages.forget_agent": _ADMIN,
    "pages.revoke_agent": _ADMIN,
    "pages.readmit_agent": _ADMIN,
    "api.pause_agent": _ADMIN,
    "api.resume_agent": _ADMIN,
    "api.forget_agent": _ADMIN,
    "api.revoke_agent": _ADMIN,
    "api.readmit_agent": _ADMIN,
    "secrets.secrets": _ADMIN,
    "secrets.set_secret": _ADMIN,
    "secrets.remove_secret": _ADMIN,
    "secrets.trust_agent": _ADMIN,
    "api.secrets": _ADMIN,
    "api.set_secret": _ADMIN,
    "api.remove_secret": _ADMIN,
    "api.trust_agent": _ADMIN,
    "people.people": _ADMIN,
    "people.add_account": _ADMIN,
    "people.set_role": _ADMIN,
    "people.set_enabled": _ADMIN,
    "people.set_password": _ADMIN,
    "people.log_out_everywhere": _ADMIN,
    "people.revoke_token": _ADMIN,
    "people.audit_log": _ADMIN,
}


# Of somebody who has logged in, also where others may look without.
OF_SOMEBODY: Final = frozenset(
    name for name, needed in NEEDS.items() if name.startswith("account.") and needed is not None
)


async def refuse_stranger() -> ResponseReturnValue | None:
    """Refuse, before each request, who may not ask it; lead who is nobody yet to the log-in."""
    endpoint = request.endpoint
    if endpoint is None or endpoint.startswith(_AGENTS):
        return None  # there is nothing, or it looks for itself
    needed = NEEDS[endpoint]
    if needed is None:
        return None
    reader = the_reader()
    if reader.may(needed) and (reader.account or endpoint not in OF_SOMEBODY):
        return None
    if reader.account:
        who = f"{reader.account} is a {reader.role}"
        message = f"{who}; this needs the role {needed}, which an administrator can give"
        raise Forbidden(message)
    is_part = "HX-Request" in request.headers
    if request.method in SAFE_METHODS and wants_page() and not is_part:
        here = request.full_path.rstrip("?")
        return redirect(url_for("account.log_in_page", next=here), HTTPStatus.SEE_OTHER)
    raise Unauthorized(f"this needs the role {needed}; log in, or send an API token")


async def refuse_forged_form() -> None:
    """Refuse a form that is not from one of our own pages, though a reader's browser sends it.

    A program that sends no cookie has nothing that another site could use, so it needs no token.
    """
    if request.method in SAFE_METHODS:
        return
    if not the_reader().session and not any(name in request.headers for name in BROWSER_HEADERS):
        return
    if not is_form_token((await read_form()).get(FORM_FIELD, "")):
        raise CrossSite("the form is not of this page, or too old; load the page again")


async def refuse_session() -> None:
    """Refuse a change by the API for which a cookie speaks: another site can let it be sent."""
    if request.method not in SAFE_METHODS and the_reader().session:
        raise Forbidden("a change by the API needs an API token, not the session of a browser")


def safe_next(address: str) -> str:
    r"""Return where somebody wanted to go, if that is one of our own pages; else the start page.

    Browsers take `//host`, `/\host` and a tab within them for another site.
    """
    parts = urlsplit(address)
    is_ours = not parts.scheme and not parts.netloc and address.startswith("/")
    plain = address.isprintable() and "\\" not in address and not address.startswith("//")
    return address if is_ours and plain else url_for("pages.index")
