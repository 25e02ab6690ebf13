"""The agents' page, the page of one agent, and what one may do with an agent.

Our forms have the agent's name in a field: in a path some names would be steps of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from quart import Response, redirect, request, url_for
from quart.typing import ResponseReturnValue

from ci.errors import Conflict, NotFound
from ci.server.views import AgentView, BuildFilter
from ci.web import parts, sparkline
from ci.web.body import read_form
from ci.web.core import Core, the_core
from ci.web.filters import Filters
from ci.web.rows import the_lines
from ci.web.strip import the_strip
from ci.web.visitors import the_reader

DEFAULT_PORT: Final = 80  # what a browser leaves out
LAST_BUILDS: Final = 10  # on the page of an agent; a link leads to all of them
BACK_TO_IT: Final = "agent"  # what a form on that page says, so that one stays there


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
        "uses": await core.use(views),
        "spark": sparkline,
        "v": v,
        "now": core.now(),
        "agents": views,
        "most": core.config.max_agents,
        "here": {"host": here.hostname, "port": here.port or DEFAULT_PORT},
    }
    if parts.wanted_part() is not None:
        return await parts.send_part("_agents.html", **context)
    return await parts.send_page("agents.html", **context)


async def agent(name: str) -> Response:
    """Show one agent, with its last builds."""
    core = the_core()
    view = await _view(core, name)
    moment = partial(parts.stamp, core, parts.EACH_LOOK)
    if parts.wanted_part() is None:
        shown = await _one(core, name)
        return await parts.send_page("agent.html", **shown)
    if parts.is_current(core):
        return parts.no_news(moment())
    return await parts.send_shared_part("_agent.html", moment, partial(_one, core, view.agent.name))


async def _one(core: Core, name: str) -> dict[str, Any]:
    """Say what the page of an agent shows."""
    v = parts.stamp(core, parts.EACH_LOOK)  # it says when the agent was heard, so it always ticks
    view = await _view(core, name)
    use = await core.use([view])
    filters = Filters(url_for("pages.index"), BuildFilter(agent=name))
    page = await core.builds(replace(filters.wanted, limit=LAST_BUILDS))
    return {
        "v": v,
        "now": core.now(),
        "view": view,
        "agent": view.agent,
        "use": use[name],
        "spark": sparkline,
        "filters": filters,
        "more": page.next is not None,
        "rows": (await the_lines(core, filters, page.builds)).rows,
        "strip": await the_strip(core, filters.wanted),
    }


async def _view(core: Core, name: str) -> AgentView:
    """Look an agent up. Raises NotFound."""
    for view in await core.agents():
        if view.agent.name == name:
            return view
    raise NotFound(f"there is no agent {name}", field="name")


async def pause_agent(name: str | None = None) -> ResponseReturnValue:
    """Give an agent no more work; the note tells others why."""
    form = await read_form() if name is None else {}
    name = name or form.get("name", "")
    await the_core().set_paused(
        name, paused=True, note=form.get("note", "").strip(), by=the_reader().asker
    )
    return _back(form)


async def resume_agent(name: str | None = None) -> ResponseReturnValue:
    """Give an agent work again."""
    form = await read_form() if name is None else {}
    await the_core().set_paused(name or form.get("name", ""), paused=False, by=the_reader().asker)
    return _back(form)


async def forget_agent(name: str | None = None) -> ResponseReturnValue:
    """Leave a lost agent out. One that has just come back is shown as it is."""
    form = await read_form() if name is None else {}
    with suppress(Conflict):
        await the_core().forget_agent(name or form.get("name", ""), the_reader().asker)
    return redirect(url_for("pages.agents"), HTTPStatus.SEE_OTHER)


async def revoke_agent(name: str | None = None) -> ResponseReturnValue:
    """Take nothing more from an agent."""
    form = await read_form() if name is None else {}
    await the_core().revoke_agent(name or form.get("name", ""), the_reader().asker)
    return _back(form)


async def readmit_agent(name: str | None = None) -> ResponseReturnValue:
    """Let whoever has the token enrol under this name."""
    form = await read_form() if name is None else {}
    await the_core().readmit_agent(name or form.get("name", ""), the_reader().asker)
    return _back(form)


def _back(form: Mapping[str, str]) -> ResponseReturnValue:
    """Lead to the page whose form it was: that of the agent says so."""
    if form.get("back") == BACK_TO_IT:
        address = url_for("pages.agent", name=form["name"])
    else:
        address = url_for("pages.agents")
    return redirect(address, HTTPStatus.SEE_OTHER)
