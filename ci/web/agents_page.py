"""The agents' page, and what one may do with an agent."""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from quart import Response, redirect, request, url_for
from quart.typing import ResponseReturnValue

from ci.errors import Conflict
from ci.web import parts, sparkline
from ci.web.body import read_form
from ci.web.core import the_core

DEFAULT_PORT: Final = 80  # what a browser leaves out


async def agents() -> Response:
    """Show the agents."""
    core = the_core()
    # It says when each agent was heard, so it always ticks.
    v = parts.stamp(core, parts.EACH_LOOK)
    if parts.wanted_part() is not None and parts.is_current(core):
        return parts.no_news(v)
    here = urlsplit("//" + request.headers["Host"])  # well-formed, by the gate in front of us
    views = await core.agents()
    context: dict[str, Any] = {
        "use": await core.use(views),
        "spark": sparkline,
        "v": v,
        "now": core.now(),
        "agents": views,
        "most": core.config.max_agents,
        "here": {"host": here.hostname, "port": here.port or DEFAULT_PORT},
    }
    if parts.wanted_part() is not None:
        return await parts.send_part("_agents.html", **context)
    return await parts.send_page("agents.html", **context, refresh_s=parts.REFRESH_S)


async def pause_agent(name: str | None = None) -> ResponseReturnValue:
    """Give an agent no more work; the note tells others why."""
    note = ""
    if name is None:
        form = await read_form()
        name, note = form.get("name", ""), form.get("note", "").strip()
    await the_core().set_paused(name, paused=True, note=note)
    return redirect(url_for("pages.agents"), HTTPStatus.SEE_OTHER)


async def resume_agent(name: str | None = None) -> ResponseReturnValue:
    """Give an agent work again."""
    await the_core().set_paused(name or await _agent_name(), paused=False)
    return redirect(url_for("pages.agents"), HTTPStatus.SEE_OTHER)


async def forget_agent(name: str | None = None) -> ResponseReturnValue:
    """Leave a lost agent out. One that has just come back is shown as it is."""
    with suppress(Conflict):
        await the_core().forget_agent(name or await _agent_name())
    return redirect(url_for("pages.agents"), HTTPStatus.SEE_OTHER)


async def _agent_name() -> str:
    """Read which agent a form of ours means: in a path some names would be steps of it."""
    return (await read_form()).get("name", "")
