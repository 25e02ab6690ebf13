"""Templates become pages in one go, in the task that asks.

Quart makes each template a chain of asynchronous generators, and asks for what all pages show in
threads. Ours never wait for anything, so they are rendered plainly, which takes a fifth less.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, cast

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from quart import current_app, request, url_for

from ci.answers.writing import iso
from ci.errors import Unauthorized
from ci.people import Role
from ci.repository import shown_url
from ci.web import words
from ci.web.core import the_core
from ci.web.linehtml import lines_html
from ci.web.personal import may, token_field, who_mark
from ci.web.refresh import REFRESH_S, is_refreshing, own_address
from ci.web.shared import pace
from ci.web.static import static_url

EXTENSION: Final = "templates"  # where an app keeps them


def read_templates(folder: Path) -> Environment:
    """Take the templates of a folder, with the functions that they call."""
    templates = Environment(
        loader=FileSystemLoader(folder),
        auto_reload=False,
        autoescape=True,
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )
    templates.globals.update(
        REFRESH_S=REFRESH_S,
        is_refreshing=is_refreshing,
        iso=iso,
        lines_html=lines_html,
        may=may,
        own_address=own_address,
        pace=pace,
        request=request,
        shown_url=shown_url,
        static_url=static_url,
        token_field=token_field,
        url_for=url_for,
        who_mark=who_mark,
        words=words,
    )
    return templates


def keep_made(
    templates: Environment, template: str, name: str, most: int
) -> Callable[[Hashable], Markup]:
    """Return what makes a piece of a page of what it shows, unless it has made the same one lately.

    The template knows it by `name`; the last `most` pieces are kept.
    """

    @lru_cache(most)
    def make(shown: Hashable) -> Markup:
        html = templates.get_template(template).render({name: shown}).strip()
        return Markup(html)  # noqa: S704  the template has escaped all that is not ours

    return make


def render(template: str, **context: Any) -> str:
    """Make a page, or a part of one, for the present request; no other task runs meanwhile."""
    templates = cast(Environment, current_app.extensions[EXTENSION])
    return templates.get_template(template).render(trouble=_trouble(), **context)


def _trouble() -> str | None:
    """Say what is wrong, to who may see anything here."""
    try:
        return the_core().trouble() if may(Role.VIEWER) else None
    except Unauthorized:
        return None
