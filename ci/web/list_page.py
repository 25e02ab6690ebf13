"""The start page: the form for a new build, and the list of builds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from markupsafe import Markup
from quart import Response, url_for
from quart.typing import ResponseReturnValue

from ci.errors import Busy, Rejected, StoreFailed
from ci.model import Status
from ci.repository import shown_url
from ci.server.views import BuildFilter, BuildPage
from ci.web import parts, query, words
from ci.web.body import read_form
from ci.web.build_page import to_build
from ci.web.core import Core, the_core
from ci.web.failures import retry_later
from ci.web.filters import Filters
from ci.web.rows import the_lines
from ci.web.strip import the_strip
from ci.web.visitors import the_reader


async def index() -> Response:
    """Show the form and the list of builds."""
    core = the_core()
    wanted = query.build_filter()
    if parts.wanted_part() is None:
        return await parts.send_shared_page(
            "index.html", core, partial(_page, core, wanted, await _filled(core))
        )
    moment = partial(parts.stamp, core, parts.EACH_LOOK)
    if parts.is_current(core):
        return parts.no_news(moment())
    return await parts.send_shared_part("_builds.html", moment, partial(_list, core, wanted))


async def new_build() -> ResponseReturnValue:
    """Take a new build and lead to its page, at the end of its log.

    Browsers end the lines of a field as Windows does, which a shell takes for a part of a word.
    """
    core = the_core()
    form = await read_form()
    try:
        build = await core.submit(
            repository=form.get("repository") or None,
            commit=form.get("commit", "").strip(),
            command=form.get("command", "").replace("\r\n", "\n").strip(),
            labels=query.split_labels(form.get("labels", "")),
            by=the_reader().asker,
        )
    except (Rejected, Busy, StoreFailed) as error:
        page = await parts.send_page(
            "index.html",
            error.http_status,
            **_form(core, form),
            **await _list(core, BuildFilter()),
            error=error,
        )
        return retry_later(page, error)
    return to_build(build.number)


async def _page(core: Core, wanted: BuildFilter, filled: Mapping[str, str]) -> dict[str, Any]:
    """Say what the whole page shows."""
    return _form(core, filled) | await _list(core, wanted) | {"error": None}


async def _filled(core: Core) -> dict[str, str]:
    """Say what fills the form: a build as it was asked for, what the address says, or nothing.

    The build is read here, since a command may be longer than any address. Raises NotFound.
    """
    number, said = query.again(), query.form()
    if number is None:
        return said
    build = (await core.build(number)).build
    filled = {"commit": build.commit, "command": build.command}
    if build.labels:
        filled["labels"] = " ".join(build.labels)
    if build.repository in core.repositories:
        filled["repository"] = shown_url(build.repository)
    return filled | said


def _names(core: Core) -> list[str]:
    """Name the repositories as readers may see them; the core knows them by these names, too."""
    return [shown_url(name) for name in core.repositories]


def _form(core: Core, filled: Mapping[str, str]) -> dict[str, Any]:
    """Say what the form for a new build holds."""
    names = _names(core)
    return {
        "repositories": names,
        "limited": not core.config.command_policy.allows_any,
        "from_storage": core.config.api_base_url is not None,
        "form": {
            "repository": next(iter(names), ""),
            "commit": core.config.default_commit,
            "command": core.config.default_command,
            "labels": "",
            **filled,
        },
    }


async def _list(core: Core, wanted: BuildFilter) -> dict[str, Any]:
    """Say what the list shows."""
    ticking, resting = parts.stamps(core, parts.EACH_LOOK)
    wanted, page = await _builds(core, wanted)
    filters = Filters(url_for("pages.index"), wanted)
    running = any(build.status is Status.RUNNING for build in page.builds)
    agents = await core.agents()
    lines = await the_lines(core, filters, page.builds)
    return {
        "filters": filters,
        "page": page,
        "ended": _newest_end(wanted, page),
        "rows": lines.rows,
        "reasons": lines.reasons,
        "counts": await core.count(wanted),
        "agents": words.conditions(agents),
        "labels": sorted({label for view in agents for label in view.agent.labels}),
        "pauses": words.pauses(agents, [reason.because for reason in lines.reasons]),
        "strip": await _strip(core, wanted),
        "several": len(core.repositories) > 1,
        "names": _names(core),
        "v": ticking if running else resting,
    }


def _newest_end(wanted: BuildFilter, page: BuildPage) -> Status | None:
    """Say how the newest build ended, for the tab; an older page, or one status, can't tell."""
    is_newest = wanted.before is None and wanted.after is None and wanted.status is None
    return words.last_end(page.builds) if is_newest else None


async def _strip(core: Core, wanted: BuildFilter) -> Markup | None:
    """Draw how the last builds ended; those of several repositories together say nothing."""
    if len(core.repositories) > 1 and not (wanted.repository or wanted.agent):
        return None
    return await the_strip(core, wanted)


async def _builds(core: Core, wanted: BuildFilter) -> tuple[BuildFilter, BuildPage]:
    """Return the page, and what was wanted: at the top it is the newest builds, a page full."""
    page = await core.builds(wanted)
    if wanted.after is None or page.newer is not None:
        return wanted, page
    wanted = replace(wanted, after=None)
    return wanted, await core.builds(wanted)
