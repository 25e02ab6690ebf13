"""Log and result reach the server, whatever it answers meanwhile."""

from __future__ import annotations

import httpx
import pytest
import trio

from ci.agent.attempt import MAX_FOREIGN_LOG
from ci.agent.delivery import ANSWER_LIMIT_S, READ_BYTES_PER_S
from ci.wire.result import LOG_MARK_ROOM, MAX_INLINE_LOG, MAX_LOG_CHUNK
from tests.fakes.runner import FakeMachine
from tests.fakes.stage import Stage, job

RESULT = "/notify_build_result"
LOG = "/notify_build_log"


async def build(stage: Stage, http: httpx.AsyncClient, command: str = "echo 1") -> None:
    """Ask for a build that is taken."""
    assert (await http.post("/build", json=job(command=command))).status_code == 202


async def test_an_unreachable_server_gets_it_when_it_is_back(stage: Stage) -> None:
    """An hour later, with the waits grown to half a minute at most."""
    async with stage.agent() as (_, http):
        stage.server.down = True
        await build(stage, http)
        await trio.sleep(3600)
        assert 100 < stage.server.count(RESULT) < 1000
        stage.server.down = False
        with trio.fail_after(31):
            await stage.server.wait_result()


async def test_a_server_that_is_heard_again_gets_it_at_once(stage: Stage) -> None:
    """Its heartbeat tells that it is back."""
    async with stage.agent() as (_, http):
        stage.server.down = True
        await build(stage, http)
        await trio.sleep(3600)
        stage.server.down = False
        await http.get("/status")
        with trio.fail_after(0.1):
            await stage.server.wait_result()


async def test_retry_after_wins(stage: Stage) -> None:
    """A server that knows how long it takes is believed."""
    busy = httpx.Response(503, headers={"Retry-After": "50"})
    async with stage.agent() as (_, http):
        stage.server.answers[RESULT] = [busy]
        await build(stage, http)
        await stage.server.wait_result()
    times = [when for when, path in stage.server.requests if path == RESULT]
    assert times[1] - times[0] == pytest.approx(50)


async def test_a_refusal_is_tried_again_each_minute(stage: Stage) -> None:
    """It is a mistake somewhere that a person mends."""
    async with stage.agent() as (_, http):
        stage.server.answers[RESULT] = [httpx.Response(422, text="no")] * 3
        await build(stage, http)
        await stage.server.wait_result()
    times = [when for when, path in stage.server.requests if path == RESULT]
    assert times[-1] - times[0] == pytest.approx(180)


async def test_a_gap_is_filled_from_where_the_server_says(stage: Stage) -> None:
    """A server that lost bytes gets them again, and no others twice."""
    async with stage.agent() as (_, http):
        await build(stage, http, "echo 123; sleep 2; echo 456; sleep 2; echo 789; sleep 2")
        await trio.sleep(1)
        stage.server.logs["1.1.1"] = b"1"
        await stage.server.wait_result()
    assert stage.server.logs["1.1.1"] == b"123\n456\n789\n"


async def test_a_result_before_its_log_is_sent_again_after_it(stage: Stage) -> None:
    """409 to the result names the size from which to go on."""
    async with stage.agent() as (_, http):
        await build(stage, http, "echo 123; sleep 2")
        await trio.sleep(1)
        stage.server.logs["1.1.1"] = b""
        await stage.server.wait_result()
    assert stage.server.logs["1.1.1"] == b"123\n"
    assert stage.server.count(RESULT) == 2


async def test_a_server_that_wants_it_again_and_again_is_given_time(stage: Stage) -> None:
    """The first time it has lost something; from the second on it is a refusal."""
    again = [httpx.Response(409, json={"size": 0})] * 4
    async with stage.agent() as (_, http):
        stage.server.answers[RESULT] = again
        await build(stage, http, "echo 123; sleep 2")
        await stage.server.wait_result()
    times = [when for when, path in stage.server.requests if path == RESULT]
    assert times[1] - times[0] < 1
    assert times[-1] - times[0] == pytest.approx(180, abs=1)
    assert stage.server.logs["1.1.1"] == b"123\n"


async def test_what_a_survivor_prints_is_no_part_of_the_log(stage: Stage) -> None:
    """The log is what was there when the build ended, however much its file has grown since."""
    stage.machine.survivor_output = b"x\n"
    async with stage.agent() as (_, http):
        await build(stage, http, "echo begin; sleep 2; echo end")
        await trio.sleep(1)
        stage.server.down = True
        await trio.sleep(60)
    stage.server.down = False
    stage.server.requests.clear()
    async with stage.agent():
        with trio.fail_after(5):
            result = await stage.server.wait_result()
    assert b"end\n" in stage.server.logs["1.1.1"][: result["log_size"]]
    assert stage.server.count(RESULT) <= 2


@pytest.mark.parametrize("foreign", [False, True])
async def test_nor_of_one_that_rides_along(stage: Stage, foreign: bool) -> None:
    """Size, hash and text are of the same bytes."""
    stage.machine.survivor_output = b"x\n"
    stage.server.foreign = foreign
    async with stage.agent() as (_, http):
        stage.server.down = True
        await http.post("/build", json=job(command="echo 1", protocol=int(not foreign)))
        await trio.sleep(60)
    stage.server.down = False
    async with stage.agent():
        result = await stage.server.wait_result()
    assert len(result["log"]) == result["log_size"]


async def test_a_log_that_got_shorter_is_delivered_as_it_is(stage: Stage) -> None:
    """A command may cut its own output; the server takes what is left from the start."""
    async with stage.agent() as (_, http):
        await build(stage, http, "echo 12345; sleep 2; sleep 2")
        await trio.sleep(1)
        (stage.folder / "spool" / "1.1.1" / "log").write_bytes(b"new")
        with trio.fail_after(5):
            assert (await stage.server.wait_result())["log_size"] == 3
    assert stage.server.logs["1.1.1"] == b"new"


async def test_a_log_that_can_not_be_read_holds_up_no_other(stage: Stage) -> None:
    """It is tried again after a minute; the agent and its other builds go on."""
    async with stage.agent() as (_, http):
        await build(stage, http, "echo 1; sleep 5")
        await trio.sleep(1)
        path = stage.folder / "spool" / "1.1.1" / "log"
        path.rename(path.with_name("aside"))
        path.mkdir()
        await trio.sleep(10)
        await http.post("/build", json=job("2.1.1"))
        assert (await stage.server.wait_result())["id"] == "2.1.1"
        path.rmdir()
        path.with_name("aside").rename(path)
        with trio.fail_after(61):
            assert (await stage.server.wait_result(2))["id"] == "1.1.1"


async def test_a_large_log_goes_in_pieces(stage: Stage) -> None:
    """None over the limit, then a result without it."""
    text = "x" * (2 * MAX_LOG_CHUNK + 5)
    async with stage.agent() as (_, http):
        write_log(stage.machine, text)
        await build(stage, http, "sleep 1")
        result = await stage.server.wait_result()
    assert stage.server.logs["1.1.1"] == text.encode()
    assert stage.server.count(LOG) == 3
    assert "log" not in result


async def test_bytes_that_are_no_text_are_not_put_into_json(stage: Stage) -> None:
    """A log is bytes; the server has exactly these."""
    async with stage.agent() as (_, http):
        write_log(stage.machine, "\udcff", errors="surrogateescape")
        await build(stage, http, "true")
        await stage.server.wait_result()
    assert stage.server.logs["1.1.1"] == b"\xff"


async def test_a_log_just_over_the_inline_limit_is_sent_before(stage: Stage) -> None:
    """And one at the limit rides along."""
    async with stage.agent() as (_, http):
        write_log(stage.machine, "x" * MAX_INLINE_LOG)
        await build(stage, http, "true")
        assert "log" in await stage.server.wait_result()
        write_log(stage.machine, "x" * (MAX_INLINE_LOG + 1))
        await http.post("/build", json=job("2.1.1", "true"))
        assert "log" not in await stage.server.wait_result(2)


async def test_a_server_that_never_answers_is_asked_again(stage: Stage) -> None:
    """An answer that does not come may have been lost."""
    async with stage.agent() as (_, http):
        stage.server.silent.add(RESULT)
        await build(stage, http)
        await trio.sleep(100)
        assert stage.server.count(RESULT) > 1
        stage.server.silent.clear()
        await stage.server.wait_result()


async def test_a_server_of_others_gets_everything_in_one_result(stage: Stage) -> None:
    """In every spelling, to the path that it knows, and no log beside it."""
    stage.server.foreign = True
    async with stage.agent() as (_, http):
        await trio.sleep(1)
        await http.post("/build", json=job(command="echo 1; sleep 5; exit 1", protocol=0))
        result = await stage.server.wait_result()
    assert stage.server.count(LOG) == 0
    assert result["buildId"] == result["id"] == "1.1.1"
    assert result["success"] is False
    assert result["buildLog"] == result["log"] == result["stdout"] == "1\n"
    assert result["stderr"] == ""
    assert result["duration"] == pytest.approx(5000, abs=200)
    assert result["port"] == 8081


async def test_a_server_that_was_never_met_is_found_to_be_of_others(stage: Stage) -> None:
    """404 to a piece of log says so, before any registration was answered."""
    stage.server.foreign = True
    stage.server.silent.add("/notify_agent")
    async with stage.agent() as (_, http):
        await http.post("/build", json=job(command="echo 1; sleep 5", protocol=0))
        result = await stage.server.wait_result()
    assert stage.server.count(LOG) == 1
    assert result["buildLog"] == "1\n"


LIMIT = 64 << 10  # the least that a server may ask for
LONG = "".join(f"line {number:06}\n" for number in range(50_000))


async def test_of_a_log_over_its_limit_head_and_tail_are_sent(stage: Stage) -> None:
    """The first words of the mark as soon as the limit is reached, the rest at the end."""
    async with stage.agent() as (_, http):
        write_log(stage.machine, LONG)
        await http.post("/build", json=job(command="sleep 5", log_limit=LIMIT))
        await trio.sleep(4)
        early = stage.server.logs["1.1.1"]
        assert early.endswith(b"which come at the end]\n")
        assert stage.server.results == []
        result = await stage.server.wait_result()
    log = stage.server.logs["1.1.1"]
    assert log.startswith(early)
    assert b"bytes are left out here]\nline 0" in log[len(early) :]
    assert log.endswith(b"line 049999\n")
    assert result["log_size"] == len(log) < LIMIT + LOG_MARK_ROOM


async def test_a_cut_log_is_the_same_in_every_life(stage: Stage) -> None:
    """An agent that is killed before, during and after the cut sends no other byte."""
    write_log(stage.machine, LONG[:1000])
    command = f"sleep 2; echo '{LONG[1000:90_000]}'; sleep 2; echo end; sleep 2"
    async with stage.agent() as (_, http):
        answer = await http.post("/build", json=job(command=command, log_limit=LIMIT))
        assert answer.status_code == 202
        await trio.sleep(1)
    for _ in range(2):
        async with stage.agent():
            await trio.sleep(2)
    async with stage.agent():
        result = await stage.server.wait_result()
    log = stage.server.logs["1.1.1"]
    assert (len(log), log[-4:]) == (result["log_size"], b"end\n")
    assert stage.server.count(RESULT) == 1


async def test_a_server_that_takes_no_more_log_gets_the_verdict(stage: Stage) -> None:
    """Its limit was lowered meanwhile: the log ends there, and the result says so."""
    async with stage.agent() as (_, http):
        await build(stage, http, "echo 123; sleep 2; echo 456; sleep 2; exit 3")
        await trio.sleep(1)
        full = httpx.Response(413, json={"size": 4, "error": {"message": "full"}})
        stage.server.answers[LOG] = [full]
        result = await stage.server.wait_result()
    assert stage.server.logs["1.1.1"] == b"123\n"
    assert (result["log_size"], result["exit_code"]) == (4, 3)
    assert result["message"] == "The server took no more than the first 4 bytes of the log."
    assert stage.server.count(LOG) == 2


async def test_a_proxy_that_takes_no_large_body_is_a_refusal(stage: Stage) -> None:
    """Without a size it is not the server's word; a person mends it, and nothing is lost."""
    async with stage.agent() as (_, http):
        await build(stage, http, "echo 123; sleep 2")
        stage.server.answers[LOG] = [httpx.Response(413, text="<h1>Too large</h1>")]
        await stage.server.wait_result()
    assert stage.server.logs["1.1.1"] == b"123\n"


async def test_a_server_of_others_gets_the_head_and_the_tail(stage: Stage) -> None:
    """So much as all that are known take."""
    stage.server.foreign = True
    text = "x" * 99 + "\n"
    async with stage.agent() as (_, http):
        write_log(stage.machine, text * 100_000)
        await http.post("/build", json=job(command="echo end", protocol=0))
        result = await stage.server.wait_result()
    assert len(result["log"]) < MAX_FOREIGN_LOG + LOG_MARK_ROOM
    assert "bytes are left out here]\nxxx" in result["log"]
    assert result["log"].startswith(text)
    assert result["log"].endswith(text + "end\n")


@pytest.mark.parametrize("breaks_off", [False, True], ids=["413", "reset"])
async def test_a_server_of_others_that_takes_little_gets_the_verdict(
    stage: Stage, breaks_off: bool
) -> None:
    """With as much of head and tail as it takes, and the words that say what is left out."""
    stage.server.foreign, stage.server.breaks_off = True, breaks_off
    stage.server.largest = 100_000
    async with stage.agent() as (_, http):
        await trio.sleep(1)
        write_log(stage.machine, "first\n" + LONG)
        await http.post("/build", json=job(command="echo last; exit 1", protocol=0))
        result = await stage.server.wait_result()
        await trio.sleep(1)
    assert stage.kept == []
    assert result["success"] is False
    assert result["log"].startswith("first\n")
    assert result["log"].endswith("last\n")
    assert "bytes are left out here]" in result["log"]
    assert len(result["log"]) > stage.server.largest / 8, "not less than need be"


async def test_a_server_of_others_that_takes_nothing_is_asked_each_minute(stage: Stage) -> None:
    """What is as short as can be is not refused for its size; a person mends that."""
    stage.server.foreign, stage.server.largest = True, 0
    async with stage.agent() as (_, http):
        await trio.sleep(1)
        write_log(stage.machine, LONG)
        await http.post("/build", json=job(protocol=0))
        await trio.sleep(300)
        assert stage.server.count("/notify-build-result") < 20
        stage.server.largest = 10**9
        await stage.server.wait_result()


def write_log(machine: FakeMachine, text: str, errors: str = "strict") -> None:
    """Let the next commands begin with this output."""
    machine.first_output = text.encode("utf-8", errors)


async def test_a_result_has_the_longer_the_longer_its_log_is(stage: Stage) -> None:
    """The server reads all of it for its hash: a second for 50 MB is no reason to ask again."""
    size = 20_000_000
    stage.machine.first_output = b"x" * size
    stage.server.slow[RESULT] = ANSWER_LIMIT_S + size / READ_BYTES_PER_S - 0.1
    async with stage.agent() as (_, http):
        await build(stage, http, "true")
        with trio.fail_after(40):
            await stage.server.wait_result()
    assert stage.server.count(RESULT) == 1
