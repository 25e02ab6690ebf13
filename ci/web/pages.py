"""The addresses of the pages. All that pages change is by form."""

from __future__ import annotations

from http import HTTPStatus

from quart import Blueprint, Response, redirect, url_for
from quart.typing import ResponseReturnValue

from ci.web import (
    agents_page,
    api_page,
    badge,
    build_page,
    feed,
    list_page,
    log_page,
    parts,
    policy_page,
    why_page,
)
from ci.web.access import refuse_forged_form
from ci.web.body import refuse_cross_site

pages = Blueprint("pages", __name__)
pages.before_request(refuse_cross_site)
pages.before_request(refuse_forged_form)

pages.get("/")(list_page.index)
pages.post("/builds")(list_page.new_build)

pages.get("/build/<number:number>")(build_page.build)
pages.get("/build/<number:number>.txt")(build_page.build_text)
pages.get("/build/<number:number>.json")(build_page.build_json)
pages.post("/build/<number:number>/cancel")(build_page.cancel_build)
pages.post("/build/<number:number>/front")(build_page.move_to_front)
pages.post("/build/<number:number>/rerun")(build_page.rerun_build)
pages.get("/build/<number:number>/log")(build_page.build_log)
pages.get("/build/<number:number>/find")(log_page.find_in_log)
pages.get("/build/<number:number>/why")(why_page.why_red)

pages.get("/agents")(agents_page.agents)
pages.get("/agents/<path:name>")(agents_page.agent)
pages.post("/agents/pause")(agents_page.pause_agent)
pages.post("/agents/<path:name>/pause")(agents_page.pause_agent)  # for scripts
pages.post("/agents/resume")(agents_page.resume_agent)
pages.post("/agents/<path:name>/resume")(agents_page.resume_agent)  # for scripts
pages.post("/agents/forget")(agents_page.forget_agent)
pages.post("/agents/<path:name>/forget")(agents_page.forget_agent)  # for scripts
pages.post("/agents/revoke")(agents_page.revoke_agent)
pages.post("/agents/<path:name>/revoke")(agents_page.revoke_agent)  # for scripts
pages.post("/agents/readmit")(agents_page.readmit_agent)
pages.post("/agents/<path:name>/readmit")(agents_page.readmit_agent)  # for scripts

pages.get("/policy")(policy_page.policy)
pages.get("/api")(api_page.api)
pages.get("/badge/<path:name>.svg")(badge.badge)
pages.get("/feed.atom")(feed.feed)


@pages.get("/builds")
@pages.get("/build/<number:number>/cancel")
@pages.get("/build/<number:number>/front")
@pages.get("/build/<number:number>/rerun")
@pages.get("/agents/<any(pause, resume, forget, revoke, readmit):change>")
@pages.get("/agents/<path:name>/<any(pause, resume, forget, revoke, readmit):change>")
async def lead_back(number: int | None = None, **agent: str) -> ResponseReturnValue:
    """Lead whoever comes to a form's address without its form to the page that has it."""
    page = "agents" if agent else "index" if number is None else "build"
    return redirect(url_for(f"pages.{page}", number=number), HTTPStatus.SEE_OTHER)


@pages.get("/pulse")
async def pulse() -> Response:
    """Tell an open page that somebody is there."""
    return await parts.send_lasting_part("_pulse.html")
