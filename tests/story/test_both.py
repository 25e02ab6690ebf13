"""Stories of a server and its agents: whole flows, with commands that are played, not run."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from ci.model import AgentState, Reason, Status
from ci.wire.result import MAX_INLINE_LOG
from tests.fakes.checkout import hash_of
from tests.story.world import World


async def test_a_build_runs_and_its_log_arrives_while_it_runs(
    world: World, autojump_clock: MockClock
) -> None:
    """From the request to the result; what was printed is there long before the end."""
    await world.start_server()
    await world.start_agent()
    number = await world.submit("echo one; sleep 60; echo two; exit 3")
    await world.wait_build(number, Status.RUNNING)
    await trio.sleep(2)
    assert await world.log(number) == b"one\n"
    await trio.sleep(10)
    running = (await world.server.build(number)).build
    assert running.log_size == 4, "known while it runs, too"
    assert running.commit_hash == hash_of("main"), "known while it runs"

    view = await world.wait_build(number)
    assert (view.build.status, view.build.exit_code) == (Status.FAILURE, 3)
    assert 60 <= (view.build.duration_s or 0) < 61
    assert await world.log(number) == b"one\ntwo\n"
    assert (view.build.subject, view.build.branch) == ("Subject of main", "main")


async def test_a_small_build_is_two_requests(world: World, autojump_clock: MockClock) -> None:
    """One that hands it over, one that brings log and result: throughput counts on it."""
    await world.start_server()
    await world.start_agent()
    await _online(world)
    world.network.requests.clear()
    await world.wait_build(await world.submit("echo small"))
    asked = [path for _, path, _ in world.network.requests if path != "/status"]
    assert asked == ["/build", "/notify_build_result"]


async def test_a_log_too_large_to_ride_along(world: World, autojump_clock: MockClock) -> None:
    """It goes in pieces, every byte once, also where a piece's answer was lost."""
    await world.start_server()
    await world.start_agent()
    world.machine().first_output = bytes(range(256)) * (MAX_INLINE_LOG // 64)
    world.network.lose_answers["/notify_build_log"] = 2
    number = await world.submit("echo end")
    assert (await world.wait_build(number)).build.status is Status.SUCCESS
    assert await world.log(number) == world.machine().first_output + b"end\n"


async def test_an_agent_that_starts_before_its_server(
    world: World, autojump_clock: MockClock
) -> None:
    """It keeps trying, for ever, and works as soon as there is a server."""
    await world.start_agent()
    await trio.sleep(7200)
    await world.start_server()
    number = await world.submit("echo hello")
    assert (await world.wait_build(number)).build.status is Status.SUCCESS
    assert trio.current_time() - 7200 < 40, "the longest wait between two tries is 30 s"


async def test_an_agent_dies_in_mid_build_and_picks_the_command_up(
    world: World, autojump_clock: MockClock
) -> None:
    """Same attempt, the log without a gap or a byte twice; the command never noticed."""
    await world.start_server()
    await world.start_agent()
    number = await world.submit("echo one; sleep 10; echo two; sleep 30; echo three")
    await world.wait_build(number, Status.RUNNING)
    await trio.sleep(5)
    await world.kill_agent()
    await trio.sleep(10)
    await world.start_agent()
    view = await world.wait_build(number)
    assert view.build.status is Status.SUCCESS
    assert [attempt.id for attempt in view.attempts] == ["1.1.1"]
    assert await world.log(number) == b"one\ntwo\nthree\n"
    assert len(world.machine().started) == 1


async def test_a_command_that_ends_while_its_agent_is_dead(
    world: World, autojump_clock: MockClock
) -> None:
    """The exit code is on disk; the next life of the agent delivers it."""
    await world.start_server()
    await world.start_agent()
    number = await world.submit("sleep 5; echo done; exit 7")
    await world.wait_build(number, Status.RUNNING)
    await trio.sleep(2)
    await world.kill_agent()
    await trio.sleep(10)
    await world.start_agent()
    view = await world.wait_build(number)
    assert (view.build.exit_code, len(view.attempts)) == (7, 1)
    assert await world.log(number) == b"done\n"


async def test_an_agent_dies_for_good_and_another_takes_over(
    world: World, autojump_clock: MockClock
) -> None:
    """Next attempt of the same number; the first agent ends its command when it is back."""
    await world.start_server()
    await world.start_agent(8081)
    number = await world.submit("echo here; sleep 100; echo end")
    await world.wait_build(number, Status.RUNNING)
    await trio.sleep(1)
    await world.start_agent(8082)
    await world.kill_agent(8081)
    await trio.sleep(60)
    view = await world.server.build(number)
    assert [(a.agent, a.reason) for a in view.attempts] == [
        ("agent-8081", Reason.AGENT_LOST),
        ("agent-8082", None),
    ]
    await world.start_agent(8081)
    await trio.sleep(10)
    assert all(command.alive == 0 for command in world.machine(8081).running.values())
    view = await world.wait_build(number)
    assert view.build.status is Status.SUCCESS
    assert view.build.agent == "agent-8082"
    assert await world.log(number) == b"here\nend\n"


async def test_a_machine_that_loses_power_is_another_attempt(
    world: World, autojump_clock: MockClock
) -> None:
    """Nothing ran on over the restart, so the job is done again."""
    await world.start_server()
    await world.start_agent()
    number = await world.submit("sleep 20; echo end")
    await world.wait_build(number, Status.RUNNING)
    await trio.sleep(1)
    await world.kill_agent()
    world.machine().crash()
    await trio.sleep(5)
    await world.start_agent()
    view = await world.wait_build(number)
    assert [a.reason for a in view.attempts] == [Reason.AGENT_RESTARTED, Reason.EXITED]
    assert view.build.status is Status.SUCCESS


async def test_no_server_at_delivery(world: World, autojump_clock: MockClock) -> None:
    """The result waits on the agent's disk, over a restart of the agent too."""
    await world.start_server()
    await world.start_agent(slots=2)
    numbers = [await world.submit(f"echo {n}; sleep 30; exit {n}") for n in (1, 2)]
    for number in numbers:
        await world.wait_build(number, Status.RUNNING)
    await trio.sleep(3)
    await world.kill_server()
    await trio.sleep(300)
    await world.kill_agent()
    await trio.sleep(300)
    await world.start_agent(slots=2)
    await trio.sleep(300)
    await world.start_server()
    assert (await world.server.build(1)).build.status is Status.RUNNING, "shown as it was"
    for number in numbers:
        view = await world.wait_build(number)
        assert (view.build.exit_code, len(view.attempts)) == (number, 1)
        assert await world.log(number) == b"%d\n" % number


async def test_a_lost_answer_to_a_result_changes_nothing(
    world: World, autojump_clock: MockClock
) -> None:
    """The result is sent again and taken once."""
    await world.start_server()
    await world.start_agent()
    world.network.lose_answers["/notify_build_result"] = 3
    first = await world.submit("exit 4")
    second = await world.submit("exit 5")
    assert (await world.wait_build(first)).build.exit_code == 4
    assert (await world.wait_build(second)).build.exit_code == 5


async def test_more_builds_than_slots(world: World, autojump_clock: MockClock) -> None:
    """Every slot is used, none is used twice, and the whole takes no longer than it must."""
    await world.start_server()
    for port in (8081, 8082):
        await world.start_agent(port, slots=2)
    await _online(world, 2)
    start = trio.current_time()
    numbers = [await world.submit("sleep 10") for _ in range(20)]
    await trio.sleep(5)
    states = [(await world.server.build(number)).build.status for number in numbers]
    assert states.count(Status.RUNNING) == 4
    for number in numbers:
        assert (await world.wait_build(number)).build.status is Status.SUCCESS
    assert 50 <= trio.current_time() - start < 55
    used = [(await world.server.build(number)).build.agent for number in numbers]
    assert used.count("agent-8081") == used.count("agent-8082") == 10


async def test_cancel_ends_all_processes(world: World, autojump_clock: MockClock) -> None:
    """Canceled at once on the page; what the command left behind is gone soon after."""
    await world.start_server()
    await world.start_agent()
    number = await world.submit("sleep 1000 & sleep 1001 & echo started; sleep 1002")
    await world.wait_build(number, Status.RUNNING)
    await trio.sleep(2)
    (command,) = world.machine().running.values()
    assert command.alive == 3
    await world.server.cancel(number)
    assert (await world.server.build(number)).build.status is Status.CANCELED
    await trio.sleep(15)
    assert command.alive == 0
    assert (await world.wait_build(await world.submit("echo next"))).build.exit_code == 0
    assert (await world.server.build(number)).build.status is Status.CANCELED


async def test_time_limits(world: World, autojump_clock: MockClock) -> None:
    """One for the whole and one for silence; both are errors with a sentence, not failures."""
    await world.start_server(buildTimeoutSeconds=100, silenceTimeoutSeconds=30)
    await world.start_agent(slots=2)
    silent = await world.submit("echo one; sleep 500")
    long = await world.submit("; ".join(["echo tick; sleep 15"] * 30))
    view = await world.wait_build(silent)
    assert (view.build.status, view.build.reason) == (Status.ERROR, Reason.SILENCE)
    assert "30 seconds" in view.build.message
    view = await world.wait_build(long)
    assert (view.build.status, view.build.reason) == (Status.ERROR, Reason.TIMEOUT)
    assert len(view.attempts) == 1, "not tried again"
    assert (await world.log(long)).count(b"tick") == 7


async def test_an_agent_drains(world: World, autojump_clock: MockClock) -> None:
    """It finishes what runs and takes nothing new; others do."""
    await world.start_server()
    agent = await world.start_agent(8081)
    first = await world.submit("sleep 60; echo end")
    await world.wait_build(first, Status.RUNNING)
    await trio.sleep(1)
    agent.attempts.begin_drain()
    second = await world.submit("echo other")
    await trio.sleep(10)
    assert (await world.server.agents())[0].state is AgentState.DRAINING
    await world.start_agent(8082)
    assert (await world.wait_build(second)).build.agent == "agent-8082"
    with trio.fail_after(60):
        await agent.attempts.wait_drained()
    assert (await world.server.build(first)).build.status is Status.SUCCESS


async def test_an_agent_that_is_stopped_now_gives_its_builds_to_others(
    world: World, autojump_clock: MockClock
) -> None:
    """What a second signal ends is done again elsewhere at once, not after the grace time."""
    await world.start_server()
    agent = await world.start_agent(8081)
    number = await world.submit("sleep 60")
    await world.wait_build(number, Status.RUNNING)
    await trio.sleep(1)
    await world.start_agent(8082)
    agent.attempts.begin_drain()
    agent.attempts.stop_all()
    await trio.sleep(10)
    view = await world.server.build(number)
    assert [(a.agent, a.reason) for a in view.attempts] == [
        ("agent-8081", Reason.AGENT_STOPPING),
        ("agent-8082", None),
    ]


async def _online(world: World, count: int = 1) -> None:
    async def online() -> bool:
        return (await world.server.health()).agents_online >= count

    await world.wait_for(online)
