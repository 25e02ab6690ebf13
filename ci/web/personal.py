"""What a page has for its reader alone: put into it when it is sent.

All else in it is the same for all who may do the same, and is made once for all of them.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Final, cast

from jinja2 import Environment
from markupsafe import Markup
from quart import Response, current_app, request

from ci.people import Role
from ci.web.core import the_core
from ci.web.visitors import the_reader

EXTENSION: Final = "templates"  # where an app keeps them, see ci/web/render.py
FORM_FIELD: Final = "form_token"  # the field of each form
# What stands in the place of it: nobody can guess it, or a log could hold it and be given a token.
TOKEN_MARK: Final = f"token-{secrets.token_hex(16)}"
WHO_MARK: Final = f"who-{secrets.token_hex(16)}"


def token_field() -> Markup:
    """For templates: the field by which a form shows that it is one of our own pages'."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(FORM_FIELD, TOKEN_MARK)


def who_mark() -> Markup:
    """For templates: the place where a page says who its reader is."""
    return Markup(WHO_MARK)  # noqa: S704 - ours


def may(role: str) -> bool:
    """For templates: whether the reader may do what needs that role."""
    return the_reader().may(Role(role))


def form_token() -> str:
    """Return the token of the present reader's forms."""
    return the_core().people.sessions.form_token(the_reader().session)


def is_form_token(shown: str) -> bool:
    """Whether that is it; takes a time that tells nothing."""
    return hmac.compare_digest(shown.encode(), form_token().encode())


def with_token(html: str, token: str) -> str:
    """Put the token of a reader's forms into a page or a part of one."""
    return html.replace(TOKEN_MARK, token)


async def make_personal(response: Response) -> Response:
    """Put into a page what is for its reader alone: for `app.after_request`."""
    if response.mimetype != "text/html":
        return response
    html = await response.get_data(as_text=True)
    if TOKEN_MARK in html or WHO_MARK in html:
        html = with_token(html, form_token())
        response.set_data(html.replace(WHO_MARK, _who()))
    return response


def _who() -> str:
    templates = cast(Environment, current_app.extensions[EXTENSION])
    people = the_core().people
    return templates.get_template("_who.html").render(
        has_accounts=bool(people.accounts), reader=the_reader(), here=request.full_path.rstrip("?")
    )
