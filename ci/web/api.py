"""The JSON API: the same as the pages offer, for programs."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict
from quart import Blueprint, Response

from ci import exposition
from ci.errors import Rejected
from ci.model import Build
from ci.web import as_json, query
from ci.web.access import refuse_session
from ci.web.body import read_body, refuse_cross_site
from ci.web.core import the_core
from ci.web.rawlog import raw_log
from ci.web.visitors import the_reader
from ci.wire.fields import Int32, read

api = Blueprint("api", __name__)
api.before_request(refuse_cross_site)
api.before_request(refuse_session)


def _number(value: object) -> object:
    if isinstance(value, str):
        raise ValueError("must be a number, not a string")
    return value


class NewBuild(BaseModel):
    """The body of `POST /api/builds`. An unknown key is refused: it may be a misspelt one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repository: str | None = None
    commit: str
    command: str
    priority: Annotated[Int32, BeforeValidator(_number)] = 0
    labels: tuple[str, ...] = ()


@api.post("/api/builds")
async def new_build() -> Response:
    """Take a build: 201 when it is on disk."""
    asked = read(NewBuild, await read_body())
    core = the_core()
    build = await core.submit(
        repository=asked.repository,
        commit=asked.commit,
        command=asked.command,
        priority=asked.priority,
        labels=asked.labels,
        by=the_reader().asker,
    )
    return await _created(build)


@api.get("/api/policy")
async def policy() -> Response:
    """Tell the rules, and what they say of `command` and `repository`; nothing is built."""
    command = query.command()
    found = await the_core().judge(repository=query.text("repository"), command=command)
    return as_json.answer(
        {"rules": [as_json.judgement(one, asked=command is not None) for one in found]}
    )


@api.get("/api/builds")
async def builds() -> Response:
    """List builds, newest first; `next` is the `before` of the next older ones."""
    core = the_core()
    wanted = query.build_filter()
    page = await core.builds(wanted)
    views = await core.views(page.builds)
    return as_json.answer(
        {
            "builds": [as_json.build(view) for view in views],
            "next": page.next,
            "newer": page.newer,
            "looked_to": page.looked_to,
            "counts": await core.counts(wanted.repository),
        }
    )


@api.get("/api/builds/<number:number>")
async def one_build(number: int) -> Response:
    """Show a build."""
    return as_json.answer(as_json.build(await the_core().build(number)))


@api.get("/api/builds/<number:number>/log")
async def build_log(number: int) -> Response:
    """Send the log's bytes."""
    return await raw_log(number)


@api.get("/api/builds/<number:number>/why")
async def why_red(number: int) -> Response:
    """Tell what a build that went wrong printed that the last green one like it did not."""
    return as_json.answer(as_json.why_red(await the_core().why_red(number)))


@api.post("/api/builds/<number:number>/cancel")
async def cancel_build(number: int) -> Response:
    """End a build now."""
    core = the_core()
    await core.cancel(number, the_reader().asker)
    return as_json.answer(as_json.build(await core.build(number)))


@api.post("/api/builds/<number:number>/front")
async def move_to_front(number: int) -> Response:
    """Let a build that waits be the next one."""
    core = the_core()
    await core.move_to_front(number, the_reader().asker)
    return as_json.answer(as_json.build(await core.build(number)))


@api.post("/api/builds/<number:number>/rerun")
async def rerun_build(number: int) -> Response:
    """Ask for the same once more, as a new build."""
    build = await the_core().rerun(number, the_reader().asker, exact=query.exact())
    return await _created(build)


@api.get("/api/agents")
async def agents() -> Response:
    """List the agents."""
    core = the_core()
    views = await core.agents()
    use = await core.use(views)
    return as_json.answer({"agents": [as_json.agent(view, use[view.agent.name]) for view in views]})


class NamedAgent(BaseModel):
    """The body of a call about an agent, where the address does not have its name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str


class Pause(BaseModel):
    """The body of a call that pauses an agent; if its address has the name there may be none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str | None = None
    note: str = ""


@api.post("/api/agents/pause")
@api.post("/api/agents/<path:name>/pause")
async def pause_agent(name: str | None = None) -> Response:
    """Give an agent no more work, and note why; the answer is the list."""
    body = await read_body()
    asked = read(Pause, body) if body or name is None else Pause()
    if name is None and asked.name is None:
        raise Rejected("name: is missing", field="name")
    await the_core().set_paused(
        name or asked.name or "", paused=True, note=asked.note, by=the_reader().asker
    )
    return await agents()


@api.post("/api/agents/resume")
@api.post("/api/agents/<path:name>/resume")
async def resume_agent(name: str | None = None) -> Response:
    """Give an agent work again; the answer is the list."""
    await the_core().set_paused(await _agent_name(name), paused=False, by=the_reader().asker)
    return await agents()


@api.post("/api/agents/forget")
@api.post("/api/agents/<path:name>/forget")
async def forget_agent(name: str | None = None) -> Response:
    """Leave a lost agent out of the list; the answer is the list."""
    await the_core().forget_agent(await _agent_name(name), the_reader().asker)
    return await agents()


@api.post("/api/agents/revoke")
@api.post("/api/agents/<path:name>/revoke")
async def revoke_agent(name: str | None = None) -> Response:
    """Take nothing more from an agent; the answer is the list."""
    await the_core().revoke_agent(await _agent_name(name), the_reader().asker)
    return await agents()


@api.post("/api/agents/readmit")
@api.post("/api/agents/<path:name>/readmit")
async def readmit_agent(name: str | None = None) -> Response:
    """Let whoever has the token enrol under this name; the answer is the list."""
    await the_core().readmit_agent(await _agent_name(name), the_reader().asker)
    return await agents()


@api.get("/healthz")
async def healthz() -> Response:
    """Answer 200 only when builds can be taken and run."""
    health = await the_core().health()
    return as_json.answer(as_json.health(health), 200 if health.ok else 503)


@api.get(exposition.PATH)
async def metrics() -> Response:
    """Send all metrics."""
    response = Response(await the_core().metrics(), content_type=exposition.CONTENT_TYPE)
    response.headers["Cache-Control"] = "private, no-cache"
    return response


async def _agent_name(named: str | None) -> str:
    return read(NamedAgent, await read_body()).name if named is None else named


async def _created(build: Build) -> Response:
    (view,) = await the_core().views([build])
    response = as_json.answer(as_json.build(view), 201)
    response.headers["Location"] = f"/api/builds/{build.number}"
    return response
