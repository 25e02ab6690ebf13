"""The web application: pages, API and files over one core, with the same care for every answer.

It starts no task and knows no trio; the server runs it beside its fleet and adds the routes of
its agents as a blueprint of their own.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from quart import Response
from quart_trio import QuartTrio

import ci
from ci.gate import Gate
from ci.serve import finish_body
from ci.web.access import refuse_stranger
from ci.web.account_page import account_pages
from ci.web.api import api
from ci.web.core import EXTENSION, Core
from ci.web.failures import add_failures
from ci.web.pages import pages
from ci.web.people_page import people_pages
from ci.web.personal import make_personal
from ci.web.query import NumberConverter
from ci.web.quick import Quick, Tell
from ci.web.render import EXTENSION as TEMPLATES_EXTENSION
from ci.web.render import read_templates
from ci.web.rows import EXTENSION as ROWS_EXTENSION
from ci.web.rows import keep_rows
from ci.web.secrets_page import secret_pages
from ci.web.shared import EXTENSION as SHARED_EXTENSION
from ci.web.shared import Shared
from ci.web.static import EXTENSION as STATIC_EXTENSION
from ci.web.static import read_folder, static
from ci.web.strip import EXTENSION as STRIPS_EXTENSION
from ci.web.strip import keep_strips
from ci.web.visitors import Visitors

TOP: Final = Path(ci.__file__).parent.parent  # `templates/` and `static/` lie beside the package

SECURITY_HEADERS: Final = {
    # Nothing inline, nothing from elsewhere: what a build prints can't become a script.
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


def create_app(
    core: Core,
    max_body_bytes: int,
    hosts: frozenset[str] | None = None,
    tell_quick: Tell = lambda _route, _took_s: None,
) -> QuartTrio:
    """Make the application. `max_body_bytes` bounds any body; pages and API take less.

    `hosts` are the names it answers to, beside addresses and `localhost`; None means any.
    `tell_quick` is told the route and the seconds of each request that no hook of the app sees.
    """
    app = QuartTrio(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = max_body_bytes
    app.extensions[EXTENSION] = core
    shared = app.extensions[SHARED_EXTENSION] = Shared(time.monotonic())
    templates = app.extensions[TEMPLATES_EXTENSION] = read_templates(TOP / "templates")
    app.extensions[ROWS_EXTENSION] = keep_rows(templates)
    app.extensions[STRIPS_EXTENSION] = keep_strips(templates)
    app.extensions[STATIC_EXTENSION] = read_folder(TOP / "static")
    app.url_map.converters["number"] = NumberConverter
    app.url_map.merge_slashes = False  # a redirect would turn a POST into a GET
    app.before_request(refuse_stranger)
    app.register_blueprint(pages)
    app.register_blueprint(account_pages)
    app.register_blueprint(people_pages)
    app.register_blueprint(secret_pages)
    app.register_blueprint(api)
    app.register_blueprint(static)
    add_failures(app)
    app.after_request(make_personal)
    app.after_request(_add_security_headers)
    app.after_request(finish_body)
    quick = Quick(app.asgi_app, core, shared, SECURITY_HEADERS, tell_quick)
    visitors = Visitors(quick, core, core.config.trusted_proxies)
    app.asgi_app = Gate(visitors, hosts)  # type: ignore[method-assign] # Quart's own way to wrap
    return app


async def _add_security_headers(response: Response) -> Response:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    return response
