"""A server whose store was restored gives ids again: late requests of its earlier life."""

from __future__ import annotations

import trio

from tests.fakes.stage import Stage, job

OLD, NEW, NEWER = (f"2030010{day}T000000.000001" for day in (1, 2, 3))


async def test_a_late_build_ends_nothing_that_is_newer(stage: Stage) -> None:
    """It is refused, and the attempt that has its id now goes on."""
    async with stage.agent() as (_, http):
        await http.post("/build", json=job(command="sleep 5; echo new", lease_mark=NEW))
        await trio.sleep(1)
        answer = await http.post("/build", json=job(command="echo old", lease_mark=OLD))
        assert answer.status_code == 409
        assert "older" in answer.json()["error"]["message"]
        assert (await stage.server.wait_result())["log_size"] == len("new\n")


async def test_a_newer_build_ends_what_the_server_has_forgotten(stage: Stage) -> None:
    """It is refused until that is gone, and then taken."""
    async with stage.agent() as (_, http):
        await http.post("/build", json=job(command="sleep 1000", lease_mark=OLD))
        await trio.sleep(1)
        new = job(command="echo new", lease_mark=NEW)
        assert (await http.post("/build", json=new)).status_code == 409
        await trio.sleep(5)
        again = new | {"lease_mark": NEWER}  # the server leases it anew
        assert (await http.post("/build", json=again)).status_code == 202
        assert (await stage.server.wait_result())["log"] == "new\n"


async def test_a_late_cancel_ends_nothing_that_is_newer(stage: Stage) -> None:
    """One that names the present attempt does, and so does one that names no mark."""
    async with stage.agent() as (_, http):
        for number, more in enumerate(({"lease_mark": NEW}, {}), 1):
            id = f"{number}.1.1"
            await http.post("/build", json=job(id, command="sleep 1000", lease_mark=NEW))
            await trio.sleep(1)
            late = await http.post("/cancel", json={"id": id, "lease_mark": OLD})
            assert late.status_code == 202
            await trio.sleep(5)
            assert len(stage.server.results) == number - 1
            await http.post("/cancel", json={"id": id, **more})
            assert (await stage.server.wait_result(number))["reason"] == "canceled"


async def test_a_late_answer_to_a_registration_ends_nothing_that_is_newer(stage: Stage) -> None:
    """It speaks of the attempt that the agent had when it asked."""
    async with stage.agent() as (agent, http):
        await http.post("/build", json=job(command="sleep 1000", lease_mark=OLD))
        await trio.sleep(1)
        stage.server.slow["/notify_agent"] = 5
        stage.server.drop = {"1.1.1"}
        agent.home.call()
        await trio.sleep(1)
        new = job(command="sleep 10; echo new", lease_mark=NEW)
        assert (await http.post("/build", json=new)).status_code == 409
        await trio.sleep(1)
        again = new | {"lease_mark": NEWER}
        assert (await http.post("/build", json=again)).status_code == 202
        with trio.fail_after(60):
            assert (await stage.server.wait_result())["log_size"] == len("new\n")
    assert len(stage.server.registrations) > 1
