"""No secret is shown: who listens in the server's place speaks neither for an agent nor to it."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import structlog
import trio

from ci.model import AgentState, Standing, Status
from ci.wire.token import server_secret
from tests.fakes.impostor import Impostor, Older
from tests.story.test_credentials import TOKEN, standing, wait_enrolled
from tests.story.world import SERVER, World

TO_SERVER = ("/notify_agent", "/notify_build_log", "/notify_build_result")


def credential(world: World) -> str:
    """What the only agent has on its disk."""
    text = (world.folder / "agent-8081" / "credential.json").read_text()
    return str(json.loads(text)["credential"])


def shown(world: World) -> list[str]:
    """Every secret that the network has heard, in a request or an answer."""
    secrets = (TOKEN, credential(world), server_secret(credential(world)))
    words = [f"{letter.headers} {letter.content!r}" for letter in world.network.letters]
    words += [f"{answer.headers} {answer.content!r}" for answer in world.network.answers]
    return [word for word in words if any(secret in word for secret in secrets)]


async def send_again(world: World, letter: httpx.Request, **changed: Any) -> int:
    """Send what was heard, or something made of it; return the status."""
    async with world.network.client() as http:
        said: dict[str, Any] = {"url": letter.url, "content": letter.content} | changed
        request = http.build_request(letter.method, **said)
        for name in ("Content-Digest", "Signature-Input", "Signature"):
            request.headers[name] = letter.headers[name]
        return (await http.send(request)).status_code


async def begin_two(world: World) -> list[int]:
    """Let an agent enrol and begin two builds, one of which will have log to send, and one none."""
    await world.start_server(agentToken=TOKEN)
    await world.start_agent(agentToken=TOKEN, slots=2)
    await wait_enrolled(world)
    commands = ("echo hello; sleep 20; echo world; exit 3", "sleep 20; exit 4")
    numbers = [await world.submit(command) for command in commands]
    for number in numbers:
        await world.wait_build(number, Status.RUNNING)
    await trio.sleep(5)
    return numbers


async def listen_instead(world: World, impostor: Impostor) -> list[httpx.Request]:
    """Let somebody else have the port of a dead server for a while; return what he has heard."""
    await world.kill_server()
    before = len(world.network.letters)
    world.network.apps[SERVER] = impostor
    await trio.sleep(200)
    del world.network.apps[SERVER]
    heard = [one for one in world.network.letters[before:] if one.url.path in TO_SERVER]
    assert {letter.url.path for letter in heard} == set(TO_SERVER)
    return heard


async def test_from_its_first_registration_on_an_agent_shows_nothing(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    """Neither the token nor its credential, and the server shows it neither; over restarts."""
    await world.start_server(agentToken=TOKEN)
    await world.start_agent(agentToken=TOKEN)
    await wait_enrolled(world)
    for _ in range(2):
        number = await world.submit("echo hello; sleep 5; echo world")
        view = await world.wait_build(number)
        assert view.build.status is Status.SUCCESS
        assert await world.log(number) == b"hello\nworld\n"
        await world.kill_agent()
        await world.kill_server()
        await world.start_server(agentToken=TOKEN)
        await world.start_agent(agentToken=TOKEN)
    assert shown(world) == []
    assert {path for _, path, _ in world.network.requests} >= set(TO_SERVER)


@pytest.mark.parametrize(
    "impostor",
    [
        Impostor(200, {"ok": True, "protocol": 1, "attempts": {"1.1.1": "drop"}, "size": 99}),
        Impostor(200, {"protocol": 1, "credential": "nca_b2Fr.his"}),
        Impostor(401, {"error": {"field": "Authorization", "message": "show it"}}),
        Impostor(404, {}),
        Impostor(409, {"size": 0}),
        Impostor(410, {}),
        Impostor(413, {"size": 0}),
        Impostor(503, {}, **{"Retry-After": "300"}),
    ],
    ids=lambda impostor: str(impostor.status),
)
async def test_whatever_is_said_in_the_servers_place_the_build_ends_as_it_did(
    world: World, autojump_clock: trio.testing.MockClock, impostor: Impostor
) -> None:
    """Its agent waits for the server itself, and has shown nothing meanwhile."""
    numbers = await begin_two(world)
    kept = credential(world)
    with structlog.testing.capture_logs() as said:
        await listen_instead(world, impostor)
    told = [line["error"] for line in said if line["event"].startswith("server ")]
    words = "without the proof that it is the server that this agent knows"
    assert f"answered {impostor.status}, {words}" in told
    assert len(told) < 10
    await world.start_server(agentToken=TOKEN)
    for number, log in zip(numbers, (b"hello\nworld\n", b""), strict=True):
        view = await world.wait_build(number)
        assert view.build.status is Status.FAILURE
        assert len(view.attempts) == 1
        assert await world.log(number) == log
    assert shown(world) == []
    assert credential(world) == kept


async def test_what_was_heard_is_worth_nothing(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    """Neither as it was, when the server is back, nor with another path, query or body."""
    number, _ = await begin_two(world)
    heard = await listen_instead(world, Impostor(200, {"ok": True}))
    await world.kill_agent()
    await world.start_server(agentToken=TOKEN)
    result = {"id": f"{number}.1.1", "status": "success", "reason": "exited", "protocol": 1}
    others: list[dict[str, Any]] = [
        {"content": json.dumps(result).encode()},
        {"url": f"http://{SERVER}/notify_build_result", "content": json.dumps(result).encode()},
        {"url": f"http://{SERVER}/notify_build_log?id={number}.1.1&offset=0"},
        {},
    ]
    for letter in heard:
        for changed in others:
            assert await send_again(world, letter, **changed) == 401
    assert (await world.server.build(number)).build.status is Status.RUNNING
    await world.start_agent(agentToken=TOKEN)
    assert (await world.wait_build(number)).build.status is Status.FAILURE


async def test_what_is_heard_on_the_way_can_only_be_said_again(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    """While the server is there: the same bytes at the same place, the same verdict."""
    await world.start_server(agentToken=TOKEN)
    await world.start_agent(agentToken=TOKEN)
    await wait_enrolled(world)
    number = await world.submit("echo hello; sleep 60; exit 3")
    await trio.sleep(30)
    [letter] = [one for one in world.network.letters if one.url.path == "/notify_build_log"]
    assert await send_again(world, letter) == 200
    changes: list[tuple[dict[str, Any], str]] = [
        ({"content": b"HELLO\n"}, "Content-Digest"),
        ({"content": b""}, "Content-Digest"),
        ({"url": str(letter.url).replace("offset=0", "offset=6")}, "Signature"),
        ({"url": str(letter.url).replace("/notify", "/api/notify")}, "Signature"),
        ({"url": f"{letter.url}&cut=1"}, "Signature"),
    ]
    for changed, field in changes:
        assert await send_again(world, letter, **changed) == 401
        assert world.network.answers[-1].json()["error"]["field"] == field
    assert (await world.wait_build(number)).build.status is Status.FAILURE
    assert await world.log(number) == b"hello\n"
    [letter] = [one for one in world.network.letters if one.url.path == "/notify_build_result"]
    assert await send_again(world, letter) == 200
    assert (await world.server.build(number)).build.status is Status.FAILURE


async def test_a_registration_counts_once(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    """An old one would lead the server's calls to where the agent once was."""
    await world.start_server(agentToken=TOKEN)
    await world.start_agent(agentToken=TOKEN)
    await wait_enrolled(world)
    letters = [one for one in world.network.letters if one.url.path == "/notify_agent"]
    signed_by_it = [one for one in letters if "ncp_" in one.headers["Signature-Input"]]
    assert signed_by_it
    for letter in signed_by_it:
        assert await send_again(world, letter) == 401


async def test_who_listens_in_the_agents_place_gets_no_job_and_can_ask_for_nothing(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    """The agent counts as lost, whatever he says; what he has heard is nothing when it is back."""
    await world.start_server(agentToken=TOKEN, graceSeconds=900)
    await world.start_agent(agentToken=TOKEN, slots=2)
    await wait_enrolled(world)
    number = await world.submit("sleep 400; exit 3")
    await world.wait_build(number, Status.RUNNING)
    await trio.sleep(5)
    await world.kill_agent()
    impostor = Impostor(200, {"name": "agent-8081", "attempts": [], "slots": 9})
    before = len(world.network.letters)
    world.network.apps["agent:8081"] = impostor
    await world.wait_state(AgentState.LOST)
    waiting = await world.submit()
    await trio.sleep(100)
    await world.server.cancel(waiting)
    assert set(impostor.heard) == {"/status"}
    (view,) = await world.server.agents()
    assert view.state is AgentState.LOST
    assert view.problem == "answered 200, without the proof that it is the agent of this name"
    heard = [one for one in world.network.letters[before:] if one.url.path == "/status"]
    await world.start_agent(agentToken=TOKEN, slots=2)
    cancel = {"id": f"{number}.1.1"}
    ways: list[dict[str, Any]] = [
        {},
        {"url": "http://agent:8081/cancel", "content": json.dumps(cancel).encode()},
        {"url": "http://agent:8081/build", "content": b"{}"},
    ]
    for letter in heard:
        for changed in ways:
            assert await send_again(world, letter, **changed) == 401
    assert (await world.wait_build(number)).build.status is Status.FAILURE
    assert shown(world) == []


async def test_what_the_server_asks_can_only_be_asked_again(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    """By who hears it on the way: not with another body, nor of another path."""
    await world.start_server(agentToken=TOKEN)
    await world.start_agent(agentToken=TOKEN)
    await wait_enrolled(world)
    number = await world.submit("sleep 60; exit 3")
    await trio.sleep(30)
    build = next(one for one in world.network.letters if one.url.path == "/build")
    assert await send_again(world, build) == 202
    job = json.loads(build.content) | {"command": "true"}
    for changed, field in (
        ({"content": json.dumps(job).encode()}, "Content-Digest"),
        ({"url": "http://agent:8081/cancel"}, "Signature"),
    ):
        assert await send_again(world, build, **changed) == 401
        assert world.network.answers[-1].json()["error"]["field"] == field
    assert (await world.wait_build(number)).build.status is Status.FAILURE
    assert await send_again(world, build) == 202
    assert len(world.machine().started) == 1


async def test_who_has_no_secret_can_sign_nothing(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    """Each refusal names what is wrong, and is not proved to him."""
    await world.start_server(agentToken=TOKEN)
    agent = world.agent()
    agent.up()
    good = 'sig=("@method" "@request-target" "content-digest");nonce="";keyid="{}";alg="{}"'
    for key, kind, field in (
        ("agentToken", "hmac-sha256", "Signature"),
        ("nca_b2Fr", "hmac-sha256", "Signature"),
        ("agentToken", "none", "Signature-Input"),
    ):
        headers = {
            "Content-Digest": "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:",
            "Signature-Input": good.format(key, kind),
            "Signature": f"sig=:{'A' * 43}=:",
        }
        async with world.network.client() as http:
            answer = await http.post(f"http://{SERVER}/notify_agent", headers=headers)
        assert answer.status_code == 401
        assert answer.json()["error"]["field"] == field
        assert "Signature" not in answer.headers


async def test_an_older_server_is_shown_what_it_wants_and_a_newer_one_no_more(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    """From the first proof on nothing is shown, whoever is there then; the log says both."""
    await world.start_server(agentToken=TOKEN)
    newer = world.network.apps[SERVER]
    world.network.apps[SERVER] = Older(newer)
    with structlog.testing.capture_logs() as said:
        await world.start_agent(agentToken=TOKEN)
        await wait_enrolled(world)
    assert [line["secret"] for line in said if line["event"] == "secret shown"] == [
        "the agentToken",
        "this agent's credential",
    ]
    number = await world.submit()
    assert (await world.wait_build(number)).build.status is Status.SUCCESS
    assert shown(world)
    await world.kill_agent()
    world.network.apps[SERVER] = newer
    world.network.letters.clear()
    world.network.answers.clear()
    await world.start_agent(agentToken=TOKEN)
    number = await world.submit()
    assert (await world.wait_build(number)).build.status is Status.SUCCESS
    await world.kill_agent()
    world.network.apps[SERVER] = Older(newer)
    await world.start_agent(agentToken=TOKEN)
    await trio.sleep(300)
    assert shown(world) == []
    world.network.apps[SERVER] = newer
    number = await world.submit()
    assert (await world.wait_build(number)).build.status is Status.SUCCESS


async def test_an_agent_whose_server_wants_no_token_any_more_works_on(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    """And enrols when it wants one again."""
    await world.start_server(agentToken=TOKEN)
    await world.start_agent(agentToken=TOKEN)
    await wait_enrolled(world)
    await world.kill_server()
    await world.start_server()
    number = await world.submit()
    assert (await world.wait_build(number)).build.status is Status.SUCCESS
    await world.start_agent(8082, agentToken="another")

    async def has_come() -> bool:
        return len(await standing(world)) == 2

    await world.wait_for(has_come)
    await world.kill_server()
    await world.start_server(agentToken=TOKEN)
    number = await world.submit()
    assert (await world.wait_build(number)).build.status is Status.SUCCESS
    assert sorted(await standing(world)) == [Standing.ENROLLED, Standing.OPEN]
    assert shown(world) == []
