"""A credential of its own for each agent: who gets one, what it opens, what takes it away."""

from __future__ import annotations

import json
from typing import Any
from unittest.mock import ANY

import pytest
import trio

from ci.errors import NotFound
from ci.model import Reason, Standing, Status
from ci.server.turnedaway import REMIND_S
from ci.wire.token import server_secret
from tests.fakes.agent import FakeAgent
from tests.story.world import World

TOKEN = "the-token-of-all"


async def enrol(world: World, port: int = 9001, **said: Any) -> FakeAgent:
    """Let an agent by hand get its credential, and show it."""
    agent = world.agent(port, wants_credential=True, **said)
    agent.secret = TOKEN
    agent.secret = (await agent.register())["credential"]
    assert "credential" not in await agent.register()
    return agent


async def standing(world: World) -> list[Standing]:
    """How the agents stand, by name."""
    return [view.agent.standing for view in await world.server.agents()]


async def status_of(agent: FakeAgent, **said: Any) -> int:
    """What a registration is answered with."""
    agent.up()
    return (await agent.post("/notify_agent", json=agent.said | said)).status_code


async def wait_enrolled(world: World) -> None:
    """Wait until the only agent is enrolled."""

    async def is_enrolled() -> bool:
        return await standing(world) == [Standing.ENROLLED]

    await world.wait_for(is_enrolled, 300)


async def test_a_real_agent_enrols_and_both_ends_take_nothing_else(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    """From its first registration on, over restarts of both."""
    await world.start_server(agentToken=TOKEN)
    await world.start_agent(agentToken=TOKEN)
    await wait_enrolled(world)
    file = world.folder / "agent-8081" / "credential.json"
    assert file.stat().st_mode & 0o777 == 0o600
    kept = json.loads(file.read_text())["credential"]
    assert TOKEN not in kept
    async with world.network.client() as http:
        for secret, path, wanted in (
            (TOKEN, "status", 401),
            (kept, "status", 401),
            (server_secret(kept), "status", 401),  # the server signs, and shows nothing
            (TOKEN, "metrics", 200),  # a monitor knows the token alone, and only looks
        ):
            headers = {"Authorization": f"Bearer {secret}"}
            answer = await http.get(f"http://agent:8081/{path}", headers=headers)
            assert answer.status_code == wanted
    number = await world.submit()
    assert (await world.wait_build(number)).build.status is Status.SUCCESS
    await world.kill_agent()
    await world.kill_server()
    await world.start_server(agentToken=TOKEN)
    await world.start_agent(agentToken=TOKEN)
    number = await world.submit()
    assert (await world.wait_build(number)).build.status is Status.SUCCESS
    assert json.loads(file.read_text())["credential"] == kept


@pytest.mark.parametrize("when", ["before /notify_agent", "after /notify_agent"])
@pytest.mark.parametrize("who", ["agent", "server"])
@pytest.mark.parametrize("at", [1, 2])
async def test_whoever_dies_at_any_step_of_it_the_agent_enrols(
    world: World, autojump_clock: trio.testing.MockClock, when: str, who: str, at: int
) -> None:
    """Before or after either call reached the server."""
    await world.start_server(agentToken=TOKEN)
    dead: list[str] = []

    def die() -> None:
        dead.append(who)
        (world.agent_life() if who == "agent" else world.server_life).die()

    def second() -> None:
        world.network.on_the_way[when] = die

    world.network.on_the_way[when] = die if at == 1 else second
    await world.start_agent(agentToken=TOKEN)
    await world.wait_count(dead)
    if who == "agent":
        await world.kill_agent()
        await world.start_agent(agentToken=TOKEN)
    else:
        await world.kill_server()
        await world.start_server(agentToken=TOKEN)
    await wait_enrolled(world)
    number = await world.submit()
    assert (await world.wait_build(number)).build.status is Status.SUCCESS


async def test_a_full_disk_keeps_no_agent_from_its_work(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    """It goes on with the token, and enrols when there is room."""
    await world.start_server(agentToken=TOKEN)
    obstacle = world.folder / "agent-8081" / "credential.json.new" / "in the way"
    obstacle.mkdir(parents=True)
    await world.start_agent(agentToken=TOKEN)
    number = await world.submit()
    assert (await world.wait_build(number)).build.status is Status.SUCCESS
    assert await standing(world) == [Standing.OPEN]
    obstacle.rmdir()
    obstacle.parent.rmdir()
    await world.kill_server()
    await trio.sleep(60)
    await world.start_server(agentToken=TOKEN)
    await wait_enrolled(world)


async def test_a_lost_answer_brings_the_same_credential(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    """Until it is shown the token still counts; to another data folder another one is given."""
    await world.start_server(agentToken=TOKEN)
    agent = world.agent(wants_credential=True)
    agent.secret = TOKEN
    first = (await agent.register())["credential"]
    assert (await agent.register())["credential"] == first
    agent.down()
    await trio.sleep(60)
    agent.said["home_id"] = "another"
    other = (await agent.register())["credential"]
    assert other != first
    agent.secret = first
    assert await status_of(agent) == 401
    assert await standing(world) == [Standing.OPEN]


async def test_the_name_of_an_enrolled_agent_is_its_own(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    """Also while it is away: who has the token alone gets neither its name nor its attempt."""
    await world.start_server(agentToken=TOKEN)
    agent = await enrol(world)
    number = await world.submit()
    await world.wait_count(agent.taken)
    agent.down()
    thief = world.agent(9002, name="agent-9001", wants_credential=True)
    thief.secret = TOKEN
    for home in ("home-9001", "home-9002"):
        assert await status_of(thief, home_id=home) == 409
    thief.secret = ""
    assert await status_of(thief) == 401
    other = await enrol(world, 9003)
    other.said["name"] = "agent-9001"
    assert await status_of(other) == 403
    agent.up()
    assert (await agent.register())["attempts"] == {f"{number}.1.1": "keep"}
    assert (await agent.finish(f"{number}.1.1")).status_code == 200


@pytest.mark.parametrize("secret", ["token", "other"])
async def test_only_its_holder_tells_of_an_attempt(
    world: World, autojump_clock: trio.testing.MockClock, secret: str
) -> None:
    """What another one says is 403 and changes nothing; once it is over, 410."""
    await world.start_server(agentToken=TOKEN)
    agent = await enrol(world)
    number = await world.submit()
    await world.wait_count(agent.taken)
    id = agent.taken[0]
    assert (await agent.log(id, 0, b"true")).status_code == 200
    forger = world.agent(9002, wants_credential=True)
    forger.secret = TOKEN if secret == "token" else (await enrol(world, 9002)).secret
    assert (await forger.log(id, 4, b" false")).status_code == 403
    assert (await forger.finish(id, exit_code=1, log_size=4)).status_code == 403
    assert await world.log(number) == b"true"
    assert (await agent.finish(id, log_size=4)).status_code == 200
    assert (await world.wait_build(number)).build.status is Status.SUCCESS
    assert (await forger.finish(id, exit_code=1, log_size=4)).status_code == 410


async def test_agents_that_know_of_no_credentials_go_on_with_the_token(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    """One with a credential tells nothing of their attempts."""
    await world.start_server(agentToken=TOKEN)
    other = await enrol(world, 9002, slots=1)
    await world.server.set_paused("agent-9002", paused=True)
    foreign = world.agent(protocol=0)
    foreign.secret = TOKEN
    assert "credential" not in await foreign.register()
    number = await world.submit()
    await world.wait_count(foreign.taken)
    assert (await other.finish(foreign.taken[0])).status_code == 403
    assert (await foreign.finish(foreign.taken[0])).status_code == 200
    assert (await world.wait_build(number)).build.status is Status.SUCCESS
    assert set(foreign.seen) == {TOKEN}
    assert other.secret is not None
    assert other.seen[-1] == server_secret(other.secret)
    assert other.secret not in other.seen, "who listens in its place would come in its name"


async def test_without_a_token_nobody_is_asked(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    """Nor given anything, on one machine."""
    await world.start_server()
    await world.start_agent()
    number = await world.submit()
    assert (await world.wait_build(number)).build.status is Status.SUCCESS
    assert await standing(world) == [Standing.OPEN]


async def test_a_revoked_agent_is_out_at_once(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    """Whatever it shows, also after a restart; another one takes its build after the grace time."""
    await world.start_server(agentToken=TOKEN)
    agent = await enrol(world)
    number = await world.submit()
    await world.wait_count(agent.taken)
    await world.server.revoke_agent("agent-9001")
    for secret in (agent.secret, TOKEN):
        agent.secret = secret
        assert await status_of(agent) == 401
    assert (await agent.finish(agent.taken[0])).status_code == 403
    other = await enrol(world, 9002)
    await world.wait_count(other.taken)
    asked = len(agent.seen)
    await world.kill_server()
    await world.start_server(agentToken=TOKEN)
    await trio.sleep(60)
    assert await status_of(agent) == 401
    assert len(agent.seen) == asked
    assert (await other.finish(other.taken[0])).status_code == 200
    view = await world.wait_build(number)
    assert [one.reason for one in view.attempts] == [Reason.AGENT_LOST, Reason.EXITED]
    with pytest.raises(NotFound):
        await world.server.revoke_agent("nobody")


async def test_who_comes_as_a_revoked_agent_is_in_the_audit_log(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    """With its credential or the token, once an hour: he must not fill the disk with that."""
    server = await world.start_server(agentToken=TOKEN)
    agents = [await enrol(world), await enrol(world, 9002)]
    for agent in agents:
        await server.revoke_agent(str(agent.said["name"]))

    async def told() -> list[tuple[str, str]]:
        entries = await server.people.accounts.audit_log()
        found = [(one.subject, one.address) for one in entries if one.action == "was refused"]
        return found[::-1]

    assert await told() == []
    for _ in range(3):
        for agent in agents:
            own = agent.secret
            for agent.secret in (own, TOKEN, own):
                assert await status_of(agent) == 401
                assert (await agent.log("1.1.1", 0, b"x")).status_code in (401, 403, 404, 410)
    assert await told() == [("agent agent-9001", ANY), ("agent agent-9002", ANY)]
    await trio.sleep(REMIND_S)
    assert await status_of(agents[0]) == 401
    assert [name for name, _ in await told()].count("agent agent-9001") == 2


async def test_an_agent_that_lost_its_folder_is_let_in_again(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    """By a word of an administrator; what the old folder had counts no more."""
    await world.start_server(agentToken=TOKEN)
    await world.start_agent(agentToken=TOKEN)
    await wait_enrolled(world)
    await world.kill_agent()
    file = world.folder / "agent-8081" / "credential.json"
    old = json.loads(file.read_text())["credential"]
    file.unlink()
    await world.start_agent(agentToken=TOKEN)
    await trio.sleep(120)
    assert not file.exists()
    await world.server.readmit_agent("agent-8081")
    await wait_enrolled(world)
    assert json.loads(file.read_text())["credential"] != old
    number = await world.submit()
    assert (await world.wait_build(number)).build.status is Status.SUCCESS
    stale = world.agent(9005, name="agent-8081")
    stale.secret = old
    assert await status_of(stale) == 401
    with pytest.raises(NotFound):
        await world.server.readmit_agent("nobody")


async def test_a_revoked_agent_comes_back_by_itself_once_it_may(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    """Nobody has to go to its machine."""
    await world.start_server(agentToken=TOKEN)
    await world.start_agent(agentToken=TOKEN)
    await wait_enrolled(world)
    await world.server.revoke_agent("agent-8081")
    await trio.sleep(300)
    assert await standing(world) == [Standing.REVOKED]
    await world.server.readmit_agent("agent-8081")
    await wait_enrolled(world)
    number = await world.submit()
    assert (await world.wait_build(number)).build.status is Status.SUCCESS


async def test_another_key_of_the_server_makes_all_enrol_again(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    """Whoever removes the key file to end all sessions must not lock out the agents."""
    await world.start_server(agentToken=TOKEN)
    await world.start_agent(agentToken=TOKEN)
    await wait_enrolled(world)
    await world.kill_server()
    (world.folder / "server.key").unlink()
    server = await world.start_server(agentToken=TOKEN)
    number = await world.submit()
    assert (await world.wait_build(number)).build.status is Status.SUCCESS
    assert server.enrolments.standing("agent-8081") is Standing.ENROLLED


async def test_a_forgotten_agent_is_welcome_with_and_without_its_credential(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    """Forgetting is a word of an administrator, too; but who was revoked stays so."""
    await world.start_server(agentToken=TOKEN)
    for port in (9001, 9002, 9003):
        agent = await enrol(world, port)
        agent.down()
    await trio.sleep(60)
    await world.server.revoke_agent("agent-9003")
    for port in (9001, 9002, 9003):
        await world.server.forget_agent(f"agent-{port}")
    for port, status in ((9001, 200), (9003, 401)):
        agent = world.agent(port, wants_credential=True)
        agent.secret = TOKEN
        assert await status_of(agent) == status
    agent = world.agent(9002)
    agent.secret = world.server.enrolments.credential("agent-9002", 1)
    assert await status_of(agent) == 200
    assert await standing(world) == [Standing.OPEN, Standing.ENROLLED]
