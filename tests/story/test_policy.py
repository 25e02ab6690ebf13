"""Stories of rules: what a server or an agent does not allow has ended before anything was run."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from ci.model import Reason, Status
from ci.server.views import BuildView
from tests.story.world import World


def _ended(view: BuildView) -> tuple[Status, Reason | None]:
    return view.build.status, view.build.reason


async def test_what_the_server_does_not_allow_ends_where_it_begins(
    world: World, autojump_clock: MockClock
) -> None:
    """It has a number and its end at once, says why, and no agent ever hears of it."""
    await world.start_server(commands=["make *"])
    await world.start_agent()
    number = await world.submit("make; id")
    view = await world.server.build(number)
    assert _ended(view) == (Status.ERROR, Reason.COMMAND_REFUSED)
    assert "; (another command)" in view.build.message
    assert view.attempts == ()
    assert view.build.finished_at == view.build.created_at

    await world.wait_build(await world.submit("make all"))
    asked = [path for _, path, _ in world.network.requests if path == "/build"]
    assert len(asked) == 1, "the one that is allowed"
    counts = await world.server.counts()
    assert (counts[Status.ERROR], counts[Status.SUCCESS]) == (1, 0)  # there is no `make` there
    health = await world.server.health()
    assert (health.builds_waiting, health.builds_running) == (0, 0)
    metrics = (await world.server.metrics()).decode()
    assert 'builds_ended_total{reason="command_refused",status="error"} 1.0' in metrics
    assert "builds_accepted_total 2.0" in metrics

    await world.kill_server()
    await world.start_server(commands="any")
    assert _ended(await world.server.build(number)) == (Status.ERROR, Reason.COMMAND_REFUSED)


async def test_a_build_that_waits_is_judged_by_the_rules_of_its_time(
    world: World, autojump_clock: MockClock
) -> None:
    """They may have become stricter: then no agent gets it, and it ends."""
    await world.start_server()
    number = await world.submit("rm -rf /")
    assert _ended(await world.server.build(number)) == (Status.WAITING, None)
    await world.kill_server()
    await world.start_server(commands=["make *"])
    await world.start_agent()
    view = await world.wait_build(number)
    assert _ended(view) == (Status.ERROR, Reason.COMMAND_REFUSED)
    assert "no rule allows it; there is make *" in view.build.message
    again = await world.server.rerun(number)
    assert again.status is Status.ERROR, "asked for again, it is judged again"
    assert not world.machine().started
    assert "/build" not in [path for _, path, _ in world.network.requests]


async def test_a_build_of_a_repository_that_was_taken_away_is_not_made(
    world: World, autojump_clock: MockClock
) -> None:
    """The list of the configuration is the rule."""
    await world.start_server(repository="https://ada:secret@git.example.org/demo")
    gone = await world.submit("true")
    await world.kill_server()
    await world.start_server(repository="https://git.example.org/other")
    await world.start_agent()
    view = await world.wait_build(gone)
    assert _ended(view) == (Status.ERROR, Reason.REPOSITORY_REFUSED)
    assert not world.machine().started


async def test_a_password_that_was_changed_is_no_other_repository(
    world: World, autojump_clock: MockClock
) -> None:
    """Its builds go on."""
    await world.start_server(repository="https://ada:old@git.example.org/demo")
    number = await world.submit("true")
    await world.kill_server()
    await world.start_server(repository="https://ada:new@git.example.org/demo")
    await world.start_agent()
    assert (await world.wait_build(number)).build.status is Status.SUCCESS


@pytest.mark.parametrize(
    ("settings", "reason", "why"),
    [
        ({"commands": ["make *"]}, Reason.COMMAND_REFUSED, "no rule allows it; there is make *"),
        (
            {"repositories": ["https://git.example.org/*"]},
            Reason.REPOSITORY_REFUSED,
            "no rule allows /srv/git/demo; there is https://git.example.org/*",
        ),
    ],
)
async def test_what_an_agent_does_not_allow_ends_there(
    world: World,
    autojump_clock: MockClock,
    settings: dict[str, Any],
    reason: Reason,
    why: str,
) -> None:
    """Its owner has the last word: nothing is checked out or run, nor tried elsewhere."""
    await world.start_server()
    agent = await world.start_agent(**settings)
    await world.start_agent(8082, **settings)
    number = await world.submit("echo hello")
    view = await world.wait_build(number)
    assert _ended(view) == (Status.ERROR, reason)
    assert why in view.build.message
    assert len(view.attempts) == 1
    await trio.sleep(60)
    assert _ended(await world.server.build(number)) == (Status.ERROR, reason)
    assert not world.machine(8081).started
    assert not world.machine(8082).started
    assert view.build.commit_hash is None, "nobody looked for it"
    assert agent.attempts.busy == 0


async def test_under_the_rules_of_either_side_there_is_no_shell(
    world: World, autojump_clock: MockClock
) -> None:
    """An agent that allows all runs the words of its server's command by themselves."""
    await world.start_server(commands=["echo *"])
    await world.start_agent()
    await world.wait_build(await world.submit("echo 'a  b' c"))
    (order,) = world.machine().started
    assert order.words == ("echo", "a  b", "c")
    await world.kill_agent()
    await world.kill_server()

    await world.start_server()
    await world.start_agent(8082, commands=["echo *"])
    await world.wait_build(await world.submit("echo x"))
    assert world.machine(8082).started[0].words == ("echo", "x")
    await world.kill_agent(8082)

    await world.start_agent(8083)
    await world.wait_build(await world.submit("echo x"))
    assert world.machine(8083).started[0].words is None, "by a shell: nobody minds"


async def test_all_rules_are_known_to_who_asks(world: World, autojump_clock: MockClock) -> None:
    """Those of the server, and those that agents tell with each sign of life."""
    await world.start_server(commands=["make *", "echo *"])
    await world.start_agent(8081, commands=["make *"], repositories=["/srv/git/*"])
    await world.start_agent(8082)
    await world.agent(9001).register()

    async def told() -> bool:
        return sum(one.commands is not None for one in await world.server.judge()) == 3

    await world.wait_for(told)
    own, first, second, foreign = await world.server.judge(command="echo 1")
    assert (own.agent, own.problem, own.words) == (None, "", ("echo", "1"))
    assert (first.agent, first.repositories) == ("agent-8081", ("/srv/git/*",))
    assert "no rule allows it; there is make *" in first.problem
    assert (second.problem, second.words) == ("", ("echo", "1"))
    assert (foreign.commands, foreign.problem) == (None, "")
    assert not any((await world.server.counts()).values()), "nothing was built"
