"""The pages: the list of builds, a build with its log, the agents. All they change is by form."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from quart import Blueprint, Response, redirect, request, url_for
from quart.typing import ResponseReturnValue

from ci.errors import Busy, Conflict, NotFound, Rejected, RequestError, StoreFailed
from ci.model import Status
from ci.repository import shown_url
from ci.server.views import BuildFilter, BuildView
from ci.web import logview, parts, query, words
from ci.web.body import read_form, refuse_cross_site
from ci.web.core import Core, the_core
from ci.web.failures import retry_later
from ci.web.rawlog import raw_log

pages = Blueprint("pages", __name__)
pages.before_request(refuse_cross_site)

DEFAULT_PORT: Final = 80  # what a browser leaves out
REFRESH_S: Final = 5  # how often a page without JavaScript loads itself while something runs


@pages.get("/")
async def index() -> Response:
    """Show the form and the list of builds."""
    core = the_core()
    wanted = query.build_filter()
    if parts.wanted_part() is None:
        return await parts.send_page(
            "index.html", **_form(core, {}), **await _list(core, wanted), error=None
        )
    moment = partial(parts.stamp, core, parts.EACH_LOOK)
    if parts.is_current(core):
        return parts.no_news(moment())
    return await parts.send_shared_part("_builds.html", moment, partial(_list, core, wanted))


@pages.post("/builds")
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
            **_form(core, form.to_dict()),
            # Without JavaScript the page must not load itself: what was filled in would be lost.
            **(await _list(core, BuildFilter()) | {"refresh_s": None}),
            error=error,
        )
        return retry_later(page, error)
    return _to_build(build.number)


@pages.get("/build/<number:number>")
async def build(number: int) -> Response:
    """Show a build: what was asked, what became of it, the log."""
    part = parts.wanted_part()
    if part == "head":
        return await _head_part(number)
    if part == "log":
        return await _log_part(number)
    return await _send_build(
        number,
        attempt=query.text("attempt"),
        begin=query.number("from"),
        end=query.number("to"),
    )


@pages.post("/build/<number:number>/cancel")
async def cancel_build(number: int) -> ResponseReturnValue:
    """End a build now. One that has just ended by itself is shown as it is."""
    with suppress(Conflict):
        await the_core().cancel(number)
    return _to_build(number, at_end=False)


@pages.post("/build/<number:number>/rerun")
async def rerun_build(number: int) -> ResponseReturnValue:
    """Ask for the same once more and lead to the new build."""
    try:
        build = await the_core().rerun(number)
    except NotFound:
        raise  # there is no page to stay on
    except (Rejected, Busy, StoreFailed) as error:
        return retry_later(await _send_build(number, error=error), error)
    return _to_build(build.number)


@pages.get("/build/<number:number>/log")
async def build_log(number: int) -> Response:
    """Send the log's bytes."""
    return await raw_log(number)


@pages.get("/pulse")
async def pulse() -> Response:
    """Tell an open page that somebody is there."""
    return await parts.send_part("_pulse.html")


@pages.get("/agents")
async def agents() -> Response:
    """Show the agents."""
    core = the_core()
    # It says when each agent was heard, so it always ticks.
    v = parts.stamp(core, parts.EACH_LOOK)
    if parts.wanted_part() is not None and parts.is_current(core):
        return parts.no_news(v)
    here = urlsplit("//" + request.headers["Host"])  # well-formed, by the gate in front of us
    context: dict[str, Any] = {
        "v": v,
        "now": core.now(),
        "agents": await core.agents(),
        "here": {"host": here.hostname, "port": here.port or DEFAULT_PORT},
    }
    if parts.wanted_part() is not None:
        return await parts.send_part("_agents.html", **context)
    return await parts.send_page("agents.html", **context, refresh_s=REFRESH_S)


@pages.post("/agents/<path:name>/pause")
async def pause_agent(name: str) -> ResponseReturnValue:
    """Give an agent no more work."""
    await the_core().set_paused(name, paused=True)
    return redirect(url_for("pages.agents"), HTTPStatus.SEE_OTHER)


@pages.post("/agents/<path:name>/resume")
async def resume_agent(name: str) -> ResponseReturnValue:
    """Give an agent work again."""
    await the_core().set_paused(name, paused=False)
    return redirect(url_for("pages.agents"), HTTPStatus.SEE_OTHER)


@pages.post("/agents/<path:name>/forget")
async def forget_agent(name: str) -> ResponseReturnValue:
    """Leave a lost agent out. One that has just come back is shown as it is."""
    with suppress(Conflict):
        await the_core().forget_agent(name)
    return redirect(url_for("pages.agents"), HTTPStatus.SEE_OTHER)


def _to_build(number: int, *, at_end: bool = True) -> ResponseReturnValue:
    # At the end of a log that grows, the browser follows it.
    anchor = "end" if at_end else None
    return redirect(url_for("pages.build", number=number, _anchor=anchor), HTTPStatus.SEE_OTHER)


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
    ticking, resting = _stamps(core, parts.EACH_LOOK)
    page = await core.builds(wanted)
    running = any(build.status is Status.RUNNING for build in page.builds)
    unfinished = await core.views([build for build in page.builds if not build.status.ended])
    return {
        "wanted": wanted,
        "filters": _filters(wanted),
        "page": page,
        "unfinished": {view.build.number: view for view in unfinished},
        "counts": await core.counts(),
        "agents": words.conditions(await core.agents()),
        "several": len(core.repositories) > 1,
        "names": _names(core),
        "now": core.now(),
        "v": ticking if running else resting,
        "refresh_s": REFRESH_S if unfinished else None,
    }


def _filters(wanted: BuildFilter) -> dict[str, str | int]:
    """Give the parameters that lead to the same list."""
    given = {
        "status": wanted.status,
        "repository": wanted.repository,
        "q": wanted.text,
        "before": wanted.before,
    }
    return {name: value for name, value in given.items() if value is not None}


def _stamps(core: Core, period_s: int, number: int | None = None) -> tuple[str, str]:
    """Stamp a part twice: for when it shows something that runs, and for when it does not."""
    periods = period_s, parts.EACH_MINUTE
    return parts.stamp(core, periods[0], number), parts.stamp(core, periods[1], number)


def _head(core: Core, view: BuildView, stamps: tuple[str, str]) -> dict[str, Any]:
    """Say what the upper part of a build's page shows."""
    ticking, resting = stamps
    status = view.build.status
    return {
        "view": view,
        "build": view.build,
        "several": len(core.repositories) > 1,
        "now": core.now(),
        "v": ticking if status is Status.RUNNING else resting,
        "refresh_s": None if status.ended else REFRESH_S,
    }


async def _send_build(
    number: int,
    *,
    attempt: str | None = None,
    begin: int | None = None,
    end: int | None = None,
    error: RequestError | None = None,
) -> Response:
    """Send a build's page; with `error`, why what was asked for on it was refused."""
    core = the_core()
    stamps = _stamps(core, parts.EACH_SECOND, number)
    version = parts.stamp(core, parts.NEVER, number)
    view = await core.build(number)
    head = _head(core, view, stamps)
    log = await _open_log(core, view, version, attempt=attempt, begin=begin, end=end)
    if error is None:
        return await parts.send_page("build.html", **(head | log), error=None)
    # Without JavaScript the page must not load itself: its address takes no question.
    shown = head | log | {"refresh_s": None, "error": error}
    return await parts.send_page("build.html", error.http_status, **shown)


async def _head_part(number: int) -> Response:
    core = the_core()
    moment = partial(parts.stamp, core, parts.EACH_SECOND, number)
    if parts.is_current(core, number):
        present = moment()
        await core.build(number)  # which says 404 if there is none
        return parts.no_news(present, number)

    async def head() -> dict[str, Any]:
        stamps = _stamps(core, parts.EACH_SECOND, number)
        return _head(core, await core.build(number), stamps)

    return await parts.send_shared_part("_build.html", moment, head, number)


async def _log_part(number: int) -> Response:
    """Send what was added to the log, or the log anew where it can't be continued."""
    core = the_core()
    tail = logview.read_tail()
    version = parts.stamp(core, parts.NEVER, number)
    current = parts.is_current(core, number)
    log = await core.log(number)
    if not logview.is_out_of_date(tail, log) and not logview.has_news(tail, log, current=current):
        return parts.no_news(version, number, log)
    # The build first: when it has ended, the log that is asked for after it is the whole log.
    view = await core.build(number)
    log = await core.log(number)
    if logview.is_out_of_date(tail, log):
        shown = await _open_log(core, view, version)
        return await parts.send_part("_log.html", replaces="#log", **shown)
    ended = view.build.status.ended
    added = await logview.continue_log(core, tail, log, ended=ended, version=version)
    return await parts.send_part("_tail.html", **_log(view, added))


async def _open_log(
    core: Core,
    view: BuildView,
    version: str,
    *,
    attempt: str | None = None,
    begin: int | None = None,
    end: int | None = None,
) -> dict[str, Any]:
    log = await core.log(view.build.number, attempt)
    latest = not view.attempts or log.attempt == view.attempts[-1].id
    ended = view.build.status.ended or not latest
    shown = await logview.open_log(core, log, begin=begin, end=end, ended=ended, version=version)
    return _log(view, shown)


def _log(view: BuildView, shown: logview.LogShown) -> dict[str, Any]:
    """Say what a log, or what was added to it, needs to be shown."""
    own = next((one for one in view.attempts if one.id == shown.tail.attempt), None)
    return {"view": view, "build": view.build, "log": shown, "attempt": own}
