"""The JSON API: the same as the pages offer, for programs."""

from __future__ import annotations

from quart import Blueprint, Response

from ci import exposition, model
from ci.answers.agents import Agents
from ci.answers.builds import Build, Builds
from ci.answers.news import WhyRed
from ci.answers.secrets import Secrets
from ci.answers.server import Health, Rules
from ci.errors import Conflict, NotFound, Rejected
from ci.web import as_json, openapi, parameters, query
from ci.web.access import refuse_session
from ci.web.bodies import NamedAgent, NamedSecret, NewBuild, NewSecret, Pause, Trust
from ci.web.body import read_body, refuse_cross_site
from ci.web.core import the_core
from ci.web.operation import TEXT, Other, operation
from ci.web.rawlog import raw_log
from ci.web.visitors import the_reader
from ci.wire.fields import read

api = Blueprint("api", __name__)
api.before_request(refuse_cross_site)
api.before_request(refuse_session)


@api.post("/api/builds")
@operation(Build, 201, body=NewBuild)
async def new_build() -> Response:
    """Ask for a build.

    When you have the answer, the build is on disk.
    """
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
@operation(Rules, parameters=(parameters.COMMAND, parameters.REPOSITORY))
async def policy() -> Response:
    """Tell the rules, and what they say of a command.

    Nothing is built.
    """
    command = query.command()
    found = await the_core().judge(repository=query.text("repository"), command=command)
    judged = (as_json.judgement(one, asked=command is not None) for one in found)
    return as_json.answer(Rules(tuple(judged)))


@api.get("/api/builds")
@operation(Builds, parameters=parameters.OF_THE_LIST)
async def builds() -> Response:
    """List builds, newest first.

    All that is given must hold.
    """
    core = the_core()
    wanted = query.build_filter()
    page = await core.builds(wanted)
    views = await core.views(page.builds)
    return as_json.answer(
        Builds(
            builds=tuple(as_json.build(view) for view in views),
            next=page.next,
            newer=page.newer,
            looked_to=page.looked_to,
            counts=await core.counts(wanted.repository),
        )
    )


@api.get("/api/builds/<number:number>")
@operation(Build)
async def one_build(number: int) -> Response:
    """Show a build."""
    return as_json.answer(as_json.build(await the_core().build(number)))


@api.get("/api/builds/<number:number>/log")
@operation(
    TEXT,
    parameters=(parameters.ATTEMPT, parameters.RANGE),
    others=(
        Other(206, "The bytes that were asked for; `Content-Range` says which."),
        Other(416, "There are no such bytes yet; `Content-Range` says how many there are."),
    ),
)
async def build_log(number: int) -> Response:
    """Send the log's bytes.

    As long as it is now, also while it grows. Bytes that were sent once do not change.
    """
    return await raw_log(number)


@api.get("/api/builds/<number:number>/why")
@operation(WhyRed)
async def why_red(number: int) -> Response:
    """Tell what is new in the log of a build that went wrong.

    What it printed that the last green build like it did not. Long logs take up to some seconds.
    """
    return as_json.answer(as_json.why_red(await the_core().why_red(number)))


@api.post("/api/builds/<number:number>/cancel")
@operation(Build, refusals=(Conflict,))
async def cancel_build(number: int) -> Response:
    """End a build now."""
    core = the_core()
    await core.cancel(number, the_reader().asker)
    return as_json.answer(as_json.build(await core.build(number)))


@api.post("/api/builds/<number:number>/front")
@operation(Build, refusals=(Conflict,))
async def move_to_front(number: int) -> Response:
    """Let a build that waits be the next one."""
    core = the_core()
    await core.move_to_front(number, the_reader().asker)
    return as_json.answer(as_json.build(await core.build(number)))


@api.post("/api/builds/<number:number>/rerun")
@operation(Build, 201, parameters=(parameters.EXACT,))
async def rerun_build(number: int) -> Response:
    """Ask for the same once more, as a new build."""
    build = await the_core().rerun(number, the_reader().asker, exact=query.exact())
    return await _created(build)


@api.get("/api/agents")
@operation(Agents)
async def agents() -> Response:
    """List the agents."""
    core = the_core()
    views = await core.agents()
    use = await core.use(views)
    shown = (as_json.agent(view, use[view.agent.name]) for view in views)
    return as_json.answer(Agents(tuple(shown)))


@api.post("/api/agents/pause")
@api.post("/api/agents/<path:name>/pause")
@operation(Agents, body=Pause, refusals=(NotFound,))
async def pause_agent(name: str | None = None) -> Response:
    """Give an agent no more work, and note why.

    It goes on with what it runs, and is paused over restarts. The answer is the list.
    """
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
@operation(Agents, body=NamedAgent, refusals=(NotFound,))
async def resume_agent(name: str | None = None) -> Response:
    """Give an agent work again.

    The answer is the list.
    """
    await the_core().set_paused(await _agent_name(name), paused=False, by=the_reader().asker)
    return await agents()


@api.post("/api/agents/forget")
@api.post("/api/agents/<path:name>/forget")
@operation(Agents, body=NamedAgent, refusals=(NotFound, Conflict))
async def forget_agent(name: str | None = None) -> Response:
    """Leave a lost agent out of the list.

    It is back when it registers again. The answer is the list.
    """
    await the_core().forget_agent(await _agent_name(name), the_reader().asker)
    return await agents()


@api.post("/api/agents/revoke")
@api.post("/api/agents/<path:name>/revoke")
@operation(Agents, body=NamedAgent, refusals=(NotFound,))
async def revoke_agent(name: str | None = None) -> Response:
    """Take nothing more from an agent, whatever it shows.

    The answer is the list.
    """
    await the_core().revoke_agent(await _agent_name(name), the_reader().asker)
    return await agents()


@api.post("/api/agents/readmit")
@api.post("/api/agents/<path:name>/readmit")
@operation(Agents, body=NamedAgent, refusals=(NotFound,))
async def readmit_agent(name: str | None = None) -> Response:
    """Let whoever has the token enrol under the name of an agent.

    The answer is the list.
    """
    await the_core().readmit_agent(await _agent_name(name), the_reader().asker)
    return await agents()


@api.get("/api/secrets")
@operation(Secrets)
async def secrets() -> Response:
    """List the secrets of builds, without their values."""
    core = the_core()
    vault = core.vault
    uses = await vault.last_uses()
    shown = (as_json.secret(one, uses.get(one.key), lost=vault.is_lost(one)) for one in vault.all())
    names = core.config.environment_names
    return as_json.answer(Secrets(tuple(shown), tuple(sorted(await vault.trusted())), names))


@api.post("/api/secrets")
@operation(Secrets, body=NewSecret, refusals=(Conflict,))
async def set_secret() -> Response:
    """Set a secret, or replace it.

    The answer is the list, without values.
    """
    asked = read(NewSecret, await read_body())
    core = the_core()
    await core.vault.put(
        the_reader().asker,
        repository=asked.repository or next(iter(core.repositories), ""),
        name=asked.name,
        value=asked.value.get_secret_value(),
        branches=asked.branches,
        commands=asked.commands,
    )
    return await secrets()


@api.post("/api/secrets/remove")
@operation(Secrets, body=NamedSecret, refusals=(NotFound,))
async def remove_secret() -> Response:
    """Forget a secret.

    The answer is the list.
    """
    asked = read(NamedSecret, await read_body())
    vault = the_core().vault
    await vault.remove(the_reader().asker, repository=asked.repository, name=asked.name)
    return await secrets()


@api.post("/api/secrets/trust")
@operation(Secrets, body=Trust, refusals=(NotFound,))
async def trust_agent() -> Response:
    """Trust an agent with secrets as long as it has its credential, or no more.

    The answer is the list.
    """
    asked = read(Trust, await read_body())
    await the_core().vault.trust(the_reader().asker, asked.agent, trusted=asked.trusted)
    return await secrets()


@api.get("/healthz")
@operation(Health, others=(Other(503, "It can't, and `problems` says why.", Health),))
async def healthz() -> Response:
    """Tell whether the server can take builds, keep them and hand them out."""
    health = await the_core().health()
    return as_json.answer(as_json.health(health), 200 if health.ok else 503)


@api.get(exposition.PATH)
@operation(TEXT)
async def metrics() -> Response:
    """Send all metrics for Prometheus."""
    response = Response(await the_core().metrics(), content_type=exposition.CONTENT_TYPE)
    response.headers["Cache-Control"] = "private, no-cache"
    return response


@api.get("/api/openapi.json")
@operation("application/json")
async def document() -> Response:
    """Describe the API by OpenAPI 3.1."""
    return openapi.answer()


async def _agent_name(named: str | None) -> str:
    return read(NamedAgent, await read_body()).name if named is None else named


async def _created(build: model.Build) -> Response:
    view = await the_core().view_of_new(build)
    response = as_json.answer(as_json.build(view), 201)
    response.headers["Location"] = f"/api/builds/{build.number}"
    return response
