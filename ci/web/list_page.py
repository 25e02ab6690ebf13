"""The start page: the form for a new build, and the list of builds."""

from __future__ import annotations

from functools import partial
from typing import Any

from quart import Response
from quart.typing import ResponseReturnValue

from ci.errors import Busy, Rejected, StoreFailed
from ci.model import Status
from ci.repository import shown_url
from ci.server.views import BuildFilter
from ci.web import parts, query, words
from ci.web.body import read_form
from ci.web.build_page import to_build
from ci.web.core import Core, the_core
from ci.web.failures import retry_later


async def index() -> Response:
    """Show the form and the list of builds."""
    core = the_core()
    wanted = query.build_filter()
    if parts.wanted_part() is None:
        filled = query.form()
        shown = await _list(core, wanted)
        if filled:  # else, without JavaScript, what is edited would be lost
            shown["refresh_s"] = None
        return await parts.send_page("index.html", **_form(core, filled), **shown, error=None)
    moment = partial(parts.stamp, core, parts.EACH_LOOK)
    if parts.is_current(core):
        return parts.no_news(moment())
    return await parts.send_shared_part("_builds.html", moment, partial(_list, core, wanted))


async def new_build() -> ResponseReturnValue:
    """Take a new build and lead to its page, at the end of its log."""
    core = the_core()
    form = await read_form()
    try:
        build = await core.submit(
            repository=form.get("repository") or None,
            commit=form.get("commit", "").strip(),
            command=form.get("command", "").strip(),
        )
    except (Rejected, Busy, StoreFailed) as error:
        page = await parts.send_page(
            "index.html",
            error.http_status,
            **_form(core, form),
            # Without JavaScript the page must not load itself: what was filled in would be lost.
            **(await _list(core, BuildFilter()) | {"refresh_s": None}),
            error=error,
        )
        return retry_later(page, error)
    return to_build(build.number)


def _names(core: Core) -> list[str]:
    """Name the repositories as readers may see them; the core knows them by these names, too."""
    return [shown_url(name) for name in core.repositories]


def _form(core: Core, filled: dict[str, str]) -> dict[str, Any]:
    """Say what the form for a new build holds."""
    names = _names(core)
    return {
        "repositories": names,
        "form": {
            "repository": next(iter(names), ""),
            "commit": core.config.default_commit,
            "command": core.config.default_command,
            **filled,
        },
    }


async def _list(core: Core, wanted: BuildFilter) -> dict[str, Any]:
    """Say what the list shows."""
    ticking, resting = parts.stamps(core, parts.EACH_LOOK)
    page = await core.builds(wanted)
    running = any(build.status is Status.RUNNING for build in page.builds)
    agents = await core.agents()
    unfinished = await core.views([build for build in page.builds if not build.status.ended])
    return {
        "wanted": wanted,
        "filters": _filters(wanted),
        "page": page,
        "unfinished": {view.build.number: view for view in unfinished},
        "counts": await core.counts(),
        "agents": words.conditions(agents),
        "pauses": words.pauses(agents),
        "several": len(core.repositories) > 1,
        "names": _names(core),
        "now": core.now(),
        "v": ticking if running else resting,
        "refresh_s": parts.REFRESH_S if unfinished else None,
    }


def _filters(wanted: BuildFilter) -> dict[str, str | int]:
    """Give the parameters that lead to the same list."""
    given = {
        "status": wanted.status,
        "repository": wanted.repository,
        "branch": wanted.branch,
        "agent": wanted.agent,
        "q": wanted.text,
        "before": wanted.before,
        "after": wanted.after,
    }
    return {name: value for name, value in given.items() if value is not None}
