"""What a server of others has named comes back to it as it was said."""

from __future__ import annotations

import httpx
import pytest
import trio

from tests.fakes.stage import Stage, job


@pytest.mark.parametrize("id", [96, 0, "96", "a-b"])
async def test_an_id_keeps_its_type(stage: Stage, id: int | str) -> None:
    """96 is not "96" to a server that compares by type, also after a restart of the agent."""
    stage.server.foreign = True
    wanted = {**job(command="sleep 5", protocol=0), "buildId": id}
    del wanted["id"]
    async with stage.agent() as (_, http):
        answer = await http.post("/build", json=wanted)
        assert answer.json()["id"] == id
        await trio.sleep(1)
        said = (await http.get("/")).json()
        assert (said["buildId"], said["task"]) == (id, {"id": id, "buildId": id})
    async with stage.agent():
        result = await stage.server.wait_result()
    assert (result["id"], result["buildId"]) == (id, id)


async def test_a_number_and_its_text_are_one_id(stage: Stage) -> None:
    """Whoever cancels by the other one means the same."""
    stage.server.foreign = True
    async with stage.agent() as (_, http):
        for id in (96, "96"):
            await http.post("/build", json=job(command="sleep 500", protocol=0) | {"id": id})
        await trio.sleep(1)
        await http.post("/cancel", json={"id": "96"})
        assert (await stage.server.wait_result())["id"] == 96
        await trio.sleep(10)
    assert len(stage.server.results) == 1


@pytest.mark.parametrize(
    ("answer", "id"),
    [
        (httpx.Response(200, text="agent-17"), "agent-17"),
        (httpx.Response(201, json="agent-17"), "agent-17"),
        (httpx.Response(200, json=17), 17),
        (httpx.Response(200, json={"agentId": 0}), 0),
        (httpx.Response(200, json={"agentId": "agent-17"}), "agent-17"),
        (httpx.Response(200, text="OK"), None),
        (httpx.Response(204), None),
    ],
)
async def test_an_agents_id_comes_with_each_result(
    stage: Stage, answer: httpx.Response, id: int | str | None
) -> None:
    """However it was told."""
    stage.server.foreign = True
    stage.server.answers["/notify-agent"] = [answer]
    async with stage.agent() as (_, http):
        await trio.sleep(1)
        await http.post("/build", json=job(protocol=0))
        assert (await stage.server.wait_result()).get("agentId") == id
