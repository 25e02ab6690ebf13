"""A server of others that hangs, or never answers a result, gets it all the same."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
import structlog
import trio

from ci.agent.client import ServerClient
from ci.agent.delivery import (
    ANSWER_LIMIT_S,
    MOST_UNANSWERED,
    REFUSED_S,
    SLOW_BYTES_PER_S,
    Delivery,
)
from ci.agent.line import Line
from ci.agent.metrics import Metrics
from ci.agent.output import Output
from ci.agent.secret import Secret
from ci.model import Outcome, Reason, Status
from ci.wire.job import Job
from ci.wire.registration import Welcome
from tests.fakes.server import FakeServer
from tests.fakes.stage import Stage, job

RESULT = "/notify-build-result"
HOUR_S = 3600


@pytest.fixture
def stage(stage: Stage) -> Stage:
    """Have a server of others, and an agent with one slot."""
    stage.server.foreign = True
    stage.settings["slots"] = 1
    return stage


async def _build(http: httpx.AsyncClient, id: str = "1", command: str = "echo 1") -> None:
    answer = await http.post("/build", json=job(id, command, protocol=0))
    assert answer.status_code == 202, answer.text


async def test_one_that_hangs_gets_the_result_when_it_is_well_again(stage: Stage) -> None:
    """However long that takes, since nobody can know whether it has read it."""
    async with stage.agent() as (_, http):
        await trio.sleep(1)
        stage.server.silent |= {RESULT, "/notify-agent"}
        await _build(http)
        await trio.sleep(2 * HOUR_S)
        assert stage.server.count(RESULT) < 2 * HOUR_S / ANSWER_LIMIT_S
        stage.server.silent.clear()
        with trio.fail_after(61):
            assert (await stage.server.wait_result())["buildId"] == "1"
        await trio.sleep(1)
    assert stage.kept == []


async def test_so_does_one_that_hangs_when_the_agent_is_started_again(stage: Stage) -> None:
    """What it has not answered is on the agent's disk."""
    async with stage.agent() as (_, http):
        await trio.sleep(1)
        stage.server.silent.add(RESULT)
        await _build(http)
        await trio.sleep(100)
    stage.server.silent.clear()
    async with stage.agent():
        assert (await stage.server.wait_result())["buildId"] == "1"


async def test_meanwhile_the_agent_is_free_and_says_so(stage: Stage) -> None:
    """Some servers hand over the next build before they answer the result of the last."""
    async with stage.agent() as (agent, http):
        await trio.sleep(1)
        stage.server.silent.add(RESULT)
        await _build(http)
        await trio.sleep(1)
        said = (await http.get("/")).json()
        assert (said["isBusy"], said["buildId"], said["task"]) == (False, None, None)
        assert (await agent.describe())["available"]
        await _build(http, "2", "sleep 3")
        await trio.sleep(1)
        said = (await http.get("/")).json()
        assert (said["isBusy"], said["buildId"]) == (True, "2")
        stage.server.silent.clear()
        assert {(await stage.server.wait_result(count))["id"] for count in (1, 2)} == {"1", "2"}


async def test_one_that_lives_and_never_answers_is_not_told_for_ever(stage: Stage) -> None:
    """One of those that exist does so; its builds must not fill the disk."""
    async with stage.agent() as (_, http):
        await trio.sleep(1)
        stage.server.silent.add(RESULT)
        with structlog.testing.capture_logs() as said:
            await _build(http)
            for _ in range(3 * MOST_UNANSWERED):
                await trio.sleep(ANSWER_LIMIT_S / 2)
                await http.get("/ping")
        assert stage.server.count(RESULT) == MOST_UNANSWERED
        assert stage.kept == []
    assert sum(line["event"] == "result not answered" for line in said) < 10
    assert sum(line["event"] == "result never answered" for line in said) == 1
    assert not [line for line in said if line["event"] == "server reachable again"]


@pytest.mark.parametrize("hangs", [True, False], ids=["hangs", "breaks"])
@pytest.mark.parametrize("status", [400, 409, 422])
async def test_one_that_refuses_what_it_did_not_answer_has_had_it(
    stage: Stage, status: int, hangs: bool
) -> None:
    """It has read it when it was well again, and knows no such build under way any more."""
    async with stage.agent() as (_, http):
        await trio.sleep(1)
        if hangs:
            stage.server.silent.add(RESULT)
        else:
            stage.server.breaks_off, stage.server.largest = True, 0
        await _build(http)
        await trio.sleep(20)
        stage.server.silent.clear()
        stage.server.answers[RESULT] = [httpx.Response(status)] * 5
        await trio.sleep(60)
        assert stage.kept == []
    assert len(stage.server.answers[RESULT]) == 4


async def test_one_that_has_forgotten_its_builds_is_asked_for_a_day(tmp_path: Path) -> None:
    """Nobody can mend that; whatever else it may be is mended by then."""
    server = FakeServer(foreign=True)
    server.answers[RESULT] = [httpx.Response(400) for _ in range(10_000)]
    (tmp_path / "log").write_bytes(b"")
    async with server.dial("http://server") as http:
        line = Line(ServerClient(http, Secret(tmp_path, "agent", None)), Metrics())
        line.welcome = Welcome()
        delivery = Delivery(
            Job.model_validate(job("1", protocol=0)),
            Output(tmp_path / "log", 1000),
            line,
            address={},
        )
        began = trio.current_time()
        await delivery.finish(Outcome(Status.SUCCESS, Reason.EXITED))
    assert REFUSED_S <= trio.current_time() - began < REFUSED_S + 100


async def test_one_that_does_not_answer_other_spellings_is_found_by_its_own(stage: Stage) -> None:
    """What it does not know it leaves alone, too."""
    stage.server.silent |= {"/notify_agent", "/notify_build_result"}
    async with stage.agent() as (_, http):
        await trio.sleep(60)
        await _build(http)
        assert (await stage.server.wait_result())["id"] == "1"
        assert len(stage.server.registrations) == 1


async def test_the_spelling_that_it_knows_of_one_call_is_tried_first_of_the_other(
    stage: Stage,
) -> None:
    """Else each result would be sent twice, with all its output."""
    async with stage.agent() as (_, http):
        await trio.sleep(1)
        await _build(http)
        await stage.server.wait_result()
    assert stage.server.count("/notify_build_result") == 0


async def test_a_server_that_has_all_its_calls_below_api_is_found(stage: Stage) -> None:
    """As some have."""
    stage.server.prefix = "/api"
    async with stage.agent() as (_, http):
        await trio.sleep(1)
        await _build(http)
        await stage.server.wait_result()
    assert len(stage.server.registrations) == 1


async def test_a_long_result_has_the_time_that_a_slow_link_takes(stage: Stage) -> None:
    """It is not sent again and again from its beginning."""
    size = 5_000_000
    stage.machine.first_output = b"x" * size
    stage.server.slow[RESULT] = size / SLOW_BYTES_PER_S
    async with stage.agent() as (_, http):
        await trio.sleep(1)
        await _build(http)
        await stage.server.wait_result()
    assert stage.server.count(RESULT) == 1


async def test_an_id_that_means_another_build_now_gets_that_one(stage: Stage) -> None:
    """A server that keeps its builds in memory begins anew when it is back."""
    async with stage.agent() as (_, http):
        await trio.sleep(1)
        stage.server.down = True
        await _build(http, "1", "echo old")
        await trio.sleep(100)
        await _build(http, "1", "echo new")
        stage.server.down = False
        await trio.sleep(100)
    assert [result["log"] for result in stage.server.results] == ["new\n"]


async def test_one_that_still_runs_under_that_id_is_ended_first(stage: Stage) -> None:
    """Its end would else be taken for that of the other."""
    async with stage.agent() as (_, http):
        await trio.sleep(1)
        await _build(http, "1", "sleep 1000; echo old")
        await trio.sleep(1)
        again = job("1", "echo new", protocol=0)
        assert (await http.post("/build", json=again)).status_code == 409
        await trio.sleep(10)
        assert (await http.post("/build", json=again)).status_code == 202
        await trio.sleep(10)
    assert [result["log"] for result in stage.server.results] == ["new\n"]


async def test_the_same_build_again_is_told_once_it_is_over(stage: Stage) -> None:
    """The answer to the first request may have been lost."""
    async with stage.agent() as (_, http):
        await trio.sleep(1)
        stage.server.down = True
        await _build(http, "1", "echo 1")
        await trio.sleep(100)
        await _build(http, "1", "echo 1")
        stage.server.down = False
        await trio.sleep(100)
    assert len(stage.server.results) == 1
