"""A build's page: what was asked, what became of it, the log; and what one may do with it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Any

from quart import Response, redirect, request, url_for
from quart.typing import ResponseReturnValue

from ci.errors import Busy, Conflict, NotFound, Rejected, RequestError, StoreFailed
from ci.model import Status
from ci.server.views import BuildView
from ci.web import as_json, log_page, logtail, logview, parts, query, takehome, timeline, words
from ci.web.core import Core, the_core
from ci.web.failures import retry_later
from ci.web.filters import known_part
from ci.web.logclock import LogClock
from ci.web.rawlog import raw_log
from ci.web.reading import Reading, read_reading
from ci.web.textlog import text_log
from ci.web.visitors import the_reader


async def build(number: int) -> Response:
    """Show a build: what was asked, what became of it, the log."""
    part = parts.wanted_part()
    if part == "head":
        return await _head_part(number)
    if part == "log":
        return await _log_part(number)
    return await _send_build(
        number, read_reading(), begin=query.number("from"), end=query.number("to")
    )


async def cancel_build(number: int) -> ResponseReturnValue:
    """End a build now. One that has just ended by itself is shown as it is."""
    with suppress(Conflict):
        await the_core().cancel(number, the_reader().asker)
    return _back(number)


async def move_to_front(number: int) -> ResponseReturnValue:
    """Let a build be the next one. One that an agent has just taken is shown as it is."""
    with suppress(Conflict):
        await the_core().move_to_front(number, the_reader().asker)
    return _back(number)


async def rerun_build(number: int) -> ResponseReturnValue:
    """Ask for the same once more and lead to the new build."""
    try:
        build = await the_core().rerun(number, the_reader().asker, exact=query.exact())
    except NotFound:
        raise  # there is no page to stay on
    except (Rejected, Busy, StoreFailed) as error:
        return retry_later(await _send_build(number, error=error), error)
    return to_build(build.number)


async def build_log(number: int) -> Response:
    """Send the log's bytes."""
    return await raw_log(number)


async def build_text(number: int) -> Response:
    """Send the build as text, while it runs and to its end."""
    return await text_log(number)


async def build_json(number: int) -> Response:
    """Send what the page tells as JSON, as the API does."""
    return as_json.answer(as_json.build(await the_core().build(number)))


def to_build(number: int, *, at_end: bool = True) -> ResponseReturnValue:
    """Lead to a build's page; at the end of a log that grows, the browser follows it."""
    anchor = "end" if at_end else None
    return redirect(url_for("pages.build", number=number, _anchor=anchor), HTTPStatus.SEE_OTHER)


def _back(number: int) -> ResponseReturnValue:
    """Lead to a build's line in the list, if `back` names the list's filters; else to its page."""
    back = request.args.get("back")
    if back is None:
        return to_build(number, at_end=False)
    address = f"{url_for('pages.index')}?{known_part(back)}#b{number}"
    return redirect(address, HTTPStatus.SEE_OTHER)


async def _head(core: Core, view: BuildView, stamps: tuple[str, str]) -> dict[str, Any]:
    """Say what the upper part of a build's page shows."""
    ticking, resting = stamps
    status = view.build.status
    return {
        "near": await core.neighbours(view.build),
        "spans": timeline.spans(view, core.now()),
        "home": takehome.commands(view.build),
        "configured": view.build.repository in core.repositories,
        "view": view,
        "build": view.build,
        "now": core.now(),
        "v": ticking if status is Status.RUNNING else resting,
        **await _cause(core, view),
    }


async def _cause(core: Core, view: BuildView) -> dict[str, Any]:
    """Find the line of a build that went wrong which says most.

    Where the log was compared, no line that the green build printed as well is the cause.
    """
    if view.build.status not in words.WENT_WRONG:
        return dict.fromkeys(("why", "headline", "first_error"))
    why = await core.compared_with(view)
    headline = await core.headline(why)
    look = headline is None and view.attempts
    first = await core.first_error(view.attempts[-1].id) if look else None
    return {"why": why, "headline": headline, "first_error": first}


async def _send_build(
    number: int,
    reading: Reading = Reading(),  # noqa: B008 - it is frozen
    *,
    begin: int | None = None,
    end: int | None = None,
    error: RequestError | None = None,
) -> Response:
    """Send a build's page; with `error`, why what was asked for on it was refused."""
    core = the_core()
    stamps = parts.stamps(core, parts.EACH_SECOND, number)
    version = parts.stamp(core, parts.NEVER, number)
    view = await core.build(number)
    head = await _head(core, view, stamps)
    line = reading.marked.start if reading.marked else None
    log = await _open_log(core, view, version, reading, begin=begin, end=end, line=line)
    if error is None and begin is None and end is None:
        log["nothing_found"] = log_page.nothing_found(reading)
        log["hits"] = await log_page.list_hits(core, log["log"].tail.attempt, reading)
    answer = HTTPStatus.OK if error is None else error.http_status
    return await parts.send_page("build.html", answer, **(head | log), error=error)


async def _head_part(number: int) -> Response:
    core = the_core()
    moment = partial(parts.stamp, core, parts.EACH_SECOND, number)
    if parts.is_current(core, number):
        present = moment()
        await core.build(number)  # which says 404 if there is none
        return parts.no_news(present, number)

    async def head() -> dict[str, Any]:
        stamps = parts.stamps(core, parts.EACH_SECOND, number)
        return await _head(core, await core.build(number), stamps)

    return await parts.send_shared_part("_build.html", moment, head, number)


async def _log_part(number: int) -> Response:
    """Send what was added to the log, or the log anew where it can't be continued."""
    core = the_core()
    tail = logtail.read_tail()
    reading = replace(read_reading("mark"), attempt=None)  # only the latest one's log has a tail
    version = parts.stamp(core, parts.NEVER, number)
    current = parts.is_current(core, number)
    log = await core.log(number)
    if not logtail.is_out_of_date(tail, log) and not logtail.has_news(tail, log, current=current):
        return parts.no_news(version, number, log)
    # The build first: when it has ended, the log that is asked for after it is the whole log.
    view = await core.build(number)
    log = await core.log(number)
    ended = view.build.status.ended
    added = None
    if not logtail.is_out_of_date(tail, log):
        added = await logview.continue_log(core, tail, log, ended=ended, version=version)
    if added is None:
        shown = await _open_log(core, view, version, reading)
        return await parts.send_part("_log.html", replaces="#log", **shown)
    return await parts.send_part("_tail.html", **await _log(core, view, added, reading))


async def _open_log(
    core: Core,
    view: BuildView,
    version: str,
    reading: Reading,
    *,
    begin: int | None = None,
    end: int | None = None,
    line: int | None = None,
) -> dict[str, Any]:
    log = await core.log(view.build.number, reading.attempt)
    latest = not view.attempts or log.attempt == view.attempts[-1].id
    ended = view.build.status.ended or not latest
    shown = await logview.open_log(
        core, log, begin=begin, end=end, line=line, ended=ended, version=version
    )
    reading = replace(reading, attempt=None if latest else log.attempt)
    return await _log(core, view, shown, reading)


async def _log(
    core: Core, view: BuildView, shown: logview.LogShown, reading: Reading
) -> dict[str, Any]:
    """Say what a log, or what was added to it, needs to be shown."""
    own = next((one for one in view.attempts if one.id == shown.tail.attempt), None)
    clock = None
    if reading.timed and own is not None:
        clock = LogClock(own.started_at, await core.log_times(own.id))
    has_times = clock is None or bool(clock.notes) or shown.tail.growing
    return {
        "view": view,
        "build": view.build,
        "log": shown,
        "attempt": own,
        "reading": reading,
        "clock": clock if has_times else None,
        "has_times": has_times,
        "hits": None,
        "nothing_found": None,
    }
