"""The start page: the form for a new build, and the list of builds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from quart import Response, url_for
from quart.typing import ResponseReturnValue

from ci.errors import Busy, Rejected, StoreFailed
from ci.model import Build, Status
from ci.repository import shown_url
from ci.server.views import BuildFilter, BuildPage, BuildView
from ci.web import parts, query, words
from ci.web.body import read_form
from ci.web.build_page import to_build
from ci.web.core import Core, the_core
from ci.web.failures import retry_later
from ci.web.filters import Filters
from ci.web.rows import Row, the_rows


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


def _form(core: Core, filled: Mapping[str, str]) -> dict[str, Any]:
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
    wanted, page = await _page(core, wanted)
    filters = Filters(url_for("pages.index"), wanted)
    running = any(build.status is Status.RUNNING for build in page.builds)
    agents = await core.agents()
    unfinished = await core.views([build for build in page.builds if not build.status.ended])
    return {
        "filters": filters,
        "page": page,
        "rows": the_rows(await _rows(core, filters, page.builds, unfinished)),
        "counts": await core.counts(wanted.repository),
        "agents": words.conditions(agents),
        "pauses": words.pauses(agents),
        "several": len(core.repositories) > 1,
        "names": _names(core),
        "v": ticking if running else resting,
        "refresh_s": parts.REFRESH_S if unfinished else None,
    }


async def _page(core: Core, wanted: BuildFilter) -> tuple[BuildFilter, BuildPage]:
    """Return the page, and what was wanted: at the top it is the newest builds, a page full."""
    page = await core.builds(wanted)
    if wanted.after is None or page.newer is not None:
        return wanted, page
    wanted = replace(wanted, after=None)
    return wanted, await core.builds(wanted)


async def _rows(
    core: Core, filters: Filters, builds: Iterable[Build], unfinished: Iterable[BuildView]
) -> list[Row]:
    """Say what each line shows."""
    views = {view.build.number: view for view in unfinished}
    several, now = len(core.repositories) > 1, core.now()
    rows, above = [], None
    for build in builds:
        running = build.status is Status.RUNNING
        rows.append(
            Row(
                build,
                filters,
                several=several,
                same_commit=above is not None and _is_same_commit(above, build),
                when=_when(build, now),
                took=words.took(build, now),
                why=_why(build, views.get(build.number)),
                typical_s=await core.typical_s(build) if running else None,
                gone_s=(now - build.started_at).seconds if running and build.started_at else 0,
            )
        )
        above = build
    return rows


def _is_same_commit(one: Build, other: Build) -> bool:
    same = one.commit_hash == other.commit_hash and one.repository == other.repository
    return same and one.commit_hash is not None


def _when(build: Build, now: datetime) -> str:
    if build.started_at is None:
        return f"asked {words.ago(build.created_at, now)}"
    return words.ago(build.started_at, now)


def _why(build: Build, view: BuildView | None) -> str:
    """Say what it waits for, what is done with it, or why it ended as it did; mostly nothing."""
    if view is None:
        return words.brief(build)
    return view.waiting_for or view.phase or ""
