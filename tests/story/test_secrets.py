"""Secrets from the administrator to the command: who is sent them, and who is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import trio

from ci.config import ServerConfig
from ci.errors import Rejected
from ci.model import AgentState, Reason, Status
from ci.people import Role
from ci.secretrules import MAX_BRANCH_RULES, MAX_SECRETS, MAX_VALUE_BYTES
from ci.wire.sealed import open_secrets
from tests.fakes.people import NOBODY
from tests.story.test_credentials import TOKEN, enrol
from tests.story.world import World

VALUE = "a-secret-value"
OPEN: dict[str, Any] = {"agentToken": TOKEN, "secretsInClear": True}
TRUSTING: dict[str, Any] = {"agentToken": TOKEN, "secrets": "always"}


async def set_secret(world: World, **more: Any) -> None:
    """Set one for the repository of all stories, and make somebody who may."""
    if not world.server.people.accounts:
        await world.server.people.accounts.add("ann", Role.ADMIN, "a long sentence", NOBODY)
    given = {"repository": "/srv/git/demo", "name": "TOKEN", "value": VALUE, "branches": ["main"]}
    await world.server.vault.put(NOBODY, **given | more)


async def trust(world: World, name: str = "agent-8081") -> None:
    """Trust an agent as soon as it is enrolled."""

    async def is_trusted() -> bool:
        if name in {view.agent.name for view in await world.server.agents()}:
            await world.server.vault.trust(NOBODY, name, trusted=True)
        return name in await world.server.vault.trusted()

    await world.wait_for(is_trusted, 300)


async def note(world: World, number: int) -> str:
    """Say what the page says of a build's secrets."""
    return (await world.server.build(number)).attempts[-1].secrets


async def test_a_trusted_agent_gives_it_to_the_command(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    """The log has it masked, the page tells its name, the data folder of neither has it."""
    await world.start_server(**OPEN)
    await world.start_agent(**TRUSTING)
    await set_secret(world)
    await trust(world)
    number = await world.submit(f"echo {VALUE[:6]} {VALUE}; sleep 9; echo {VALUE}")
    view = await world.wait_build(number)
    assert view.build.status is Status.SUCCESS
    assert world.machine().started[0].environment["TOKEN"] == VALUE
    assert await world.log(number) == f"{VALUE[:6]} ***\n***\n".encode()
    assert await note(world, number) == "It had TOKEN."
    entries = await world.server.people.accounts.audit_log(None)
    assert "secret TOKEN of /srv/git/demo" in {entry.subject for entry in entries}
    assert VALUE not in str(entries) + str(world.server.vault.all())
    await world.kill_server()
    for path in world.folder.rglob("*"):
        # The command itself names it here, so the store has it as its words.
        if path.is_file() and "sqlite" not in path.name:
            assert VALUE.encode() not in path.read_bytes()


async def test_it_is_kept_over_restarts_and_replaced(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    """By the one that was set last; a removed one is gone. Nothing of them is on the disk."""
    await world.start_server(**OPEN)
    await set_secret(world, name="OTHER_TOKEN", branches=["*"])
    await set_secret(world, value="an older value")
    await set_secret(world, value="the newer value")
    await world.kill_server()
    await world.start_server(**OPEN)
    await world.server.vault.remove(NOBODY, repository="/srv/git/demo", name="OTHER_TOKEN")
    await world.start_agent(**TRUSTING)
    await trust(world)
    await world.wait_build(await world.submit())
    environment = world.machine().started[0].environment
    assert environment["TOKEN"] == "the newer value"
    assert "OTHER_TOKEN" not in environment
    uses = await world.server.vault.last_uses()
    assert list(uses.values()) != [None]
    await world.kill_server()
    files = [path.read_bytes() for path in world.folder.rglob("*") if path.is_file()]
    for value in (VALUE, "an older value", "the newer value"):
        assert not any(value.encode() in data for data in files)


async def test_where_nobody_has_to_log_in_nobody_is_sent_any(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    """Else a build could ask for a build that has them."""
    await world.start_server(**OPEN)
    agent = await enrol(world, takes_secrets=True)
    await trust(world, "agent-9001")
    await world.server.vault.put(
        NOBODY, repository="/srv/git/demo", name="TOKEN", value=VALUE, branches=["main"]
    )
    number = await world.submit()
    await world.wait_count(agent.taken)
    assert "secrets" not in str(agent.jobs)
    assert "nobody has to log in" in await note(world, number)


@pytest.mark.parametrize("how", ["by a word", "forgotten", "enrolled again", "revoked"])
async def test_trust_in_an_agent_ends(
    world: World, autojump_clock: trio.testing.MockClock, how: str
) -> None:
    """With its credential: whoever comes under its name next may be another one."""
    await world.start_server(**OPEN)
    agent = await enrol(world, takes_secrets=True)
    await set_secret(world)
    await trust(world, "agent-9001")
    if how == "by a word":
        await world.server.vault.trust(NOBODY, "agent-9001", trusted=False)
    else:
        agent.down()
        await world.wait_state(AgentState.LOST)
        if how == "revoked":
            await world.server.revoke_agent("agent-9001")
        if how == "forgotten":
            await world.server.forget_agent("agent-9001")
        else:
            await world.server.readmit_agent("agent-9001")
        agent = await enrol(world, takes_secrets=True)
    number = await world.submit()
    await world.wait_count(agent.taken)
    assert "secrets" not in str(agent.jobs)
    assert "is not trusted" in await note(world, number)


@pytest.mark.parametrize(
    ("settings", "said", "why"),
    [
        ({}, {}, "does not say that it masks"),
        ({}, {"takes_secrets": False, "no_secrets": "no sandbox"}, "takes none (no sandbox)"),
        ({"secretsInClear": False}, {"takes_secrets": True}, "could read them"),
    ],
)
async def test_an_agent_that_can_t_have_it_safely_is_sent_none(
    world: World,
    autojump_clock: trio.testing.MockClock,
    settings: dict[str, Any],
    said: dict[str, Any],
    why: str,
) -> None:
    """Old ones, those without a sandbox, those behind a network that others see."""
    await world.start_server(**OPEN | settings)
    agent = await enrol(world, **said)
    await set_secret(world)
    await trust(world, "agent-9001")
    number = await world.submit()
    await world.wait_count(agent.taken)
    assert "secrets" not in str(agent.jobs)
    assert why in await note(world, number)


async def test_it_is_sent_in_the_one_request_that_hands_the_build_over(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    """With the rules for branches, by which the agent judges."""
    await world.start_server(**OPEN)
    agent = await enrol(world, takes_secrets=True)
    await set_secret(world, branches=["main", "release/*"])
    await trust(world, "agent-9001")
    await world.submit()
    await world.wait_count(agent.taken)
    (job,) = agent.jobs.values()
    assert VALUE not in str(job), "whoever listens in the agent's place would read it"
    opened = json.loads(open_secrets(json.dumps(job).encode(), agent.secret))
    given = {"name": "TOKEN", "value": VALUE, "branches": ["main", "release/*"]}
    assert opened["secrets"] == [given]


async def test_it_is_for_its_repository_and_its_commands(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    """Other builds get nothing; where the command is another one, the page says so."""
    await world.start_server(**OPEN, repositories={"other": "/srv/git/other"})
    agent = await enrol(world, takes_secrets=True, slots=3)
    await set_secret(world, commands=["make deploy"])
    await trust(world, "agent-9001")
    deploy = await world.submit("make deploy")
    print_it = await world.submit("make deploy; env")
    build = await world.server.submit(repository="other", commit="main", command="make deploy")
    await world.wait_count(agent.taken, 3)
    had = {int(id.partition(".")[0]) for id, job in agent.jobs.items() if "secrets" in job}
    assert had == {deploy}
    assert await note(world, print_it) == "It did not have TOKEN: that is for other commands."
    assert await note(world, build.number) == ""


async def test_of_one_host_each_user_of_ssh_has_secrets_of_his_own(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    """The same path of another user may be another repository; by HTTPS it is the same one."""
    urls = {
        "ada": "ssh://ada@host.example/~/app",
        "bob": "ssh://bob@host.example/~/app",
        "web": "https://ada:key@host.example/app",
        "web2": "https://bob@host.example/app",
    }
    await world.start_server(**OPEN, repositories=urls)
    agent = await enrol(world, takes_secrets=True, slots=4)
    await set_secret(world, repository="ada")
    await set_secret(world, repository="web")
    await trust(world, "agent-9001")
    numbers = {}
    for name in urls:
        build = await world.server.submit(repository=name, commit="main", command="make")
        numbers[build.number] = name
    await world.wait_count(agent.taken, 4)
    had = {numbers[int(id.split(".")[0])] for id, job in agent.jobs.items() if "secrets" in job}
    assert had == {"ada", "web", "web2"}


async def test_with_another_key_file_it_is_lost_and_the_rest_goes_on(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    """Builds that would be sent it are an error that names it; set again, it is back."""
    await world.start_server(**OPEN, repositories={"other": "/srv/git/other"})
    await set_secret(world)
    await world.kill_server()
    (world.folder / "server.key").unlink()
    await world.start_server(**OPEN, repositories={"other": "/srv/git/other"})
    agent = await enrol(world, takes_secrets=True)
    await trust(world, "agent-9001")
    assert [world.server.vault.is_lost(secret) for secret in world.server.vault.all()] == [True]
    view = await world.wait_build(await world.submit())
    assert (view.build.status, view.build.reason) == (Status.ERROR, Reason.SECRET_LOST)
    assert "TOKEN" in view.build.message
    build = await world.server.submit(repository="other", commit="main", command="true")
    await world.wait_count(agent.taken)
    await agent.finish(agent.taken[0])
    assert (await world.wait_build(build.number)).build.status is Status.SUCCESS
    await set_secret(world)
    await world.submit()
    await world.wait_count(agent.taken, 2)
    assert "sealed" in str(agent.jobs)


async def test_what_is_changed_in_the_store_is_lost(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    """Who writes there can't give a secret to other branches."""
    await world.start_server(**OPEN)
    await set_secret(world)
    ((key, kept),) = world.server._store.safe.kept.items()
    for change in ({"branches": ("*",)}, {"commands": ("id",)}, {"name": "OTHER"}):
        world.server._store.safe.kept[key] = type(kept)(
            **{name: getattr(kept, name) for name in type(kept).__dataclass_fields__} | change
        )
        assert world.server.vault.is_lost(world.server.vault.all()[0])


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": "LD_PRELOAD"}, "name"),
        ({"name": "A B"}, "name"),
        ({"value": "short"}, "value"),
        ({"branches": []}, "branches"),
        ({"branches": ["a b"]}, "branches"),
        ({"commands": ["make; id"]}, "commands"),
        ({"repository": "/srv/git/none"}, "repository"),
    ],
)
async def test_a_wrong_one_is_refused(
    world: World,
    autojump_clock: trio.testing.MockClock,
    wrong: dict[str, Any],
    field: str,
) -> None:
    """With the field that is wrong; and nothing is kept."""
    await world.start_server(**OPEN)
    with pytest.raises(Rejected) as refusal:
        await set_secret(world, **wrong)
    assert refusal.value.field == field
    assert VALUE not in str(refusal.value)
    assert not world.server.vault.all()


def test_the_key_is_not_in_the_data_folder(tmp_path: Path) -> None:
    """So that a back-up of that has no secret."""
    config = ServerConfig.check({"repository": "/r", "dataDir": str(tmp_path / "data")})
    assert not config.key_path.is_relative_to(tmp_path / "data")


@pytest.mark.parametrize(
    ("command", "status"),
    [("echo " + "x" * 99_000, Status.SUCCESS), ("echo " + "\x01" * 99_000, Status.ERROR)],
    ids=["long", "too long"],
)
async def test_as_many_as_there_can_be_reach_the_command(
    world: World, autojump_clock: trio.testing.MockClock, command: str, status: Status
) -> None:
    """All in one request; where that gets too large the build ends, and says so."""
    await world.start_server(**OPEN)
    await world.start_agent(**TRUSTING)
    branches = ["main", *(f"{n:02}/{'x' * 200}" for n in range(MAX_BRANCH_RULES - 1))]
    values = {f"SECRET_{n}": f"{n:03}-token" * (MAX_VALUE_BYTES // 9) for n in range(MAX_SECRETS)}
    for name, value in values.items():
        await set_secret(world, name=name, value=value, branches=branches)
    await trust(world)
    view = await world.wait_build(await world.submit(command))
    assert view.build.status is status, view.build
    if status is Status.SUCCESS:
        assert values.items() <= world.machine().started[0].environment.items()
    else:
        assert view.build.reason is Reason.COMMAND_REFUSED
        assert "bytes" in view.build.message
        assert len(view.attempts) == 1
