"""What `/metrics` and `/healthz` tell after a story."""

from __future__ import annotations

import errno
from typing import Any

import httpx
import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families
from trio.testing import MockClock

from ci.errors import StoreFailed
from ci.model import AgentState
from tests.story.world import SERVER, World


async def ask(world: World, path: str, address: str = SERVER) -> httpx.Response:
    """Get a page of the server, or of an agent."""
    async with world.network.client() as client:
        return await client.get(f"http://{address}{path}")


async def read(world: World, address: str = SERVER) -> dict[str, float]:
    """All samples: name with its labels in the order of their names → value."""
    answer = await ask(world, "/metrics", address)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))
            found[sample.name.removeprefix("nursery_") + f"{{{labels}}}" * bool(labels)] = (
                sample.value
            )
    return found


async def test_the_server_counts_what_becomes_of_builds(
    world: World, autojump_clock: MockClock
) -> None:
    """Accepted, waiting, handed over, ended, given up, late; each as often as it was."""
    await world.start_server()
    for _ in range(3):
        await world.submit()
    await trio.sleep(20)
    waiting = await read(world)
    assert waiting["ci_builds{status=waiting}"] == 3
    assert waiting["ci_builds_accepted_total"] == 3
    assert 20 <= waiting["ci_queue_oldest_seconds"] < 21
    assert waiting["ci_slots"] == 0

    oak = world.agent(9001, name="oak", slots=2)
    await oak.register()
    await world.wait_count(oak.taken, 2)
    await oak.log("1.1.1", 0, b"one\n")
    busy = await read(world)
    assert (busy["ci_slots"], busy["ci_slots_busy"]) == (2, 2)
    assert busy["ci_builds{status=running}"] == 2
    assert busy["ci_log_bytes_total"] == 4
    assert busy["ci_dispatch_seconds_count"] == 2
    assert 40 <= busy["ci_dispatch_seconds_sum"] < 42

    await oak.finish("1.1.1", log_size=4)
    await world.wait_build(1)
    await world.server.cancel(3)
    oak.down()
    await world.wait_state(AgentState.LOST)
    await trio.sleep(60)
    oak.up()
    await oak.finish("2.1.1")
    lost = await read(world)
    assert lost["ci_builds_ended_total{reason=exited,status=success}"] == 1
    assert lost["ci_builds_ended_total{reason=canceled,status=canceled}"] == 1
    assert lost["ci_build_seconds_sum{status=success}"] == 1.5
    assert lost["ci_attempts_given_up_total{reason=agent_lost}"] == 1
    assert lost["ci_late_results_total"] == 1
    assert lost["ci_agents_lost_total"] == 1
    assert lost["ci_agents{state=lost}"] == 1
    assert lost["ci_queue_oldest_seconds"] > 80
    assert lost["ci_store_commit_seconds_count"] == lost["ci_store_commit_changes_count"] > 5


async def test_a_second_wait_is_measured_from_the_loss(
    world: World, autojump_clock: MockClock
) -> None:
    """What the first agent did with its attempt is no time in the queue."""
    await world.start_server()
    oak, elm = world.agent(9001, name="oak"), world.agent(9002, name="elm")
    await oak.register()
    await world.submit()
    await world.wait_count(oak.taken)
    await trio.sleep(3000)
    oak.down()
    await trio.sleep(60)
    await elm.register()
    await world.wait_count(elm.taken)
    found = await read(world)
    assert found["ci_dispatch_seconds_count"] == 2
    assert found["ci_dispatch_seconds_sum"] < 60


async def test_requests_are_counted_by_their_route(world: World, autojump_clock: MockClock) -> None:
    """Never by their path, of which there are as many as builds, or as anybody invents."""
    await world.start_server()
    for _ in range(3):
        await world.submit()
    for path in ("/build/1", "/build/2", "/build/99", "/nope/1", "/nope/2"):
        await ask(world, path)
    found = await read(world)
    route = "/build/<number:number>"
    assert found[f"ci_http_requests_total{{method=GET,route={route},status=2xx}}"] == 2
    assert found[f"ci_http_requests_total{{method=GET,route={route},status=4xx}}"] == 1
    assert found["ci_http_requests_total{method=GET,route=(none),status=4xx}"] == 2
    assert found[f"ci_http_request_seconds_count{{route={route}}}"] == 3
    assert not any("nope" in name for name in found)


async def test_an_agent_counts_too(world: World, autojump_clock: MockClock) -> None:
    """Attempts, checkouts, and what it had to say twice; the server passes the latter on."""
    await world.start_server()
    await world.start_agent(8081)
    await world.wait_state(AgentState.ONLINE)
    world.network.lose_answers["/notify_build_result"] = 2
    await world.wait_build(await world.submit())
    await trio.sleep(30)
    agent = await read(world, "agent:8081")
    assert agent["agent_attempts_ended_total{reason=exited,status=success}"] == 1
    assert agent["agent_checkout_seconds_count"] == 1
    assert agent["agent_delivery_retries_total{what=result}"] == 2
    number = await world.submit("sleep 100")
    await world.wait_count(world.machine().started, 2)
    await world.server.cancel(number)
    await trio.sleep(30)
    agent = await read(world, "agent:8081")
    assert agent["agent_attempts_ended_total{reason=canceled,status=canceled}"] == 1
    assert (agent["agent_slots"], agent["agent_slots_busy"]) == (1, 0)
    assert agent["agent_server_silence_seconds"] <= 5
    server = await read(world)
    assert server["ci_agent_delivery_retries{agent=agent-8081}"] == 2


async def test_a_reader_of_metrics_is_no_server(world: World, autojump_clock: MockClock) -> None:
    """An agent that is unheard registers again, however often Prometheus asks it."""
    await world.start_agent(8081)
    for _ in range(5):
        await trio.sleep(10)
        assert (await read(world, "agent:8081"))["agent_server_silence_seconds"] == float("inf")


async def test_healthz_tells_what_a_person_on_call_asks_first(
    world: World, autojump_clock: MockClock
) -> None:
    """Is there somebody to build, how long is the line and how old, does the disk write."""
    await world.start_server()
    oak = world.agent(9001, name="oak")
    await oak.register()
    for _ in range(3):
        await world.submit()
    await world.wait_count(oak.taken)
    await trio.sleep(100)
    elm = world.agent(9002, name="elm")
    await elm.register()
    await world.wait_count(elm.taken)
    oak.down()
    await world.wait_state(AgentState.LOST)
    said: dict[str, Any] = (await ask(world, "/healthz")).json()
    assert said["ok"] is True
    assert (said["agents_online"], said["agents_lost"]) == (1, 1)
    assert (said["builds_waiting"], said["builds_running"]) == (1, 2)
    assert 100 <= said["oldest_waiting_s"] < 120
    assert said["store_write_s"] >= 0
    assert said["version"]


async def test_who_was_not_asked_yet_is_not_called_lost(
    world: World, autojump_clock: MockClock
) -> None:
    """An agent that has just registered is no reason for an alarm; one asked in vain is."""
    await world.start_server()
    oak = world.agent(9001, name="oak")
    world.network.delays["agent:9001/status"] = 3
    await oak.register()
    said: dict[str, Any] = (await ask(world, "/healthz")).json()
    assert (said["agents_online"], said["agents_lost"]) == (0, 0)
    world.network.delays["agent:9001/status"] = 300
    await trio.sleep(60)
    said = (await ask(world, "/healthz")).json()
    assert (said["agents_online"], said["agents_lost"]) == (0, 1)


async def test_a_short_disk_is_told_on_both_sides(world: World, autojump_clock: MockClock) -> None:
    """That it is, and how much was refused for that."""
    await world.start_server()
    await world.start_agent(8081)
    await world.wait_state(AgentState.ONLINE)
    assert (await read(world))["ci_disk_short"] == 0
    assert (await read(world, "agent:8081"))["agent_disk_short"] == 0
    world.free_bytes = 1000
    world.machine(8081).free = 1000
    with pytest.raises(StoreFailed):
        await world.submit()
    body = {"id": "1.1.1", "repository": "/srv/git/demo", "commit": "main", "command": "true"}
    async with world.network.client("http://agent:8081") as http:
        assert (await http.post("/build", json=body)).status_code == 409
    server, agent = await read(world), await read(world, "agent:8081")
    assert (server["ci_disk_short"], server["ci_disk_refusals_total"]) == (1, 1)
    assert (agent["agent_disk_short"], agent["agent_disk_refusals_total"]) == (1, 1)


async def test_a_disk_that_can_not_be_measured_has_nothing_free(
    world: World, autojump_clock: MockClock
) -> None:
    """A disk that breaks, or a network's that is gone, is when the numbers are wanted most."""
    await world.start_server()
    assert (await read(world))["ci_disk_free_bytes"] == world.free_bytes
    world.disk_error = OSError(errno.EIO, "Input/output error")
    broken = await read(world)
    assert (broken["ci_disk_free_bytes"], broken["ci_disk_short"]) == (0, 1)
