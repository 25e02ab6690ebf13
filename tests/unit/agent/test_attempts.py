"""Attempts from the request to the delivered result, and over deaths of the agent."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from ci.agent.spool import folder_name
from tests.fakes.checkout import hash_of
from tests.fakes.stage import Stage, job


async def test_a_small_build_is_two_requests(stage: Stage) -> None:
    """`/build`, and one result that carries the log."""
    async with stage.agent() as (_, http):
        assert (await http.post("/build", json=job())).status_code == 202
        result = await stage.server.wait_result()
        await trio.sleep(1)
    assert stage.server.count("/notify_build_log") == 0
    assert stage.server.count("/notify_build_result") == 1
    assert result["status"] == "success"
    assert result["reason"] == "exited"
    assert result["log"] == "hello\n"
    assert result["exit_code"] == 0
    assert result["commit_hash"] == hash_of("main")
    assert result["branch"] == "main"
    assert stage.kept == []


async def test_a_growing_log_is_sent_while_the_command_runs(stage: Stage) -> None:
    """A line is at the server within a moment, each byte once."""
    async with stage.agent() as (_, http):
        await http.post("/build", json=job(command="echo 1; sleep 5; echo 2; sleep 5"))
        await trio.sleep(1)
        assert stage.server.logs["1.1.1"] == b"1\n"
        await trio.sleep(5)
        assert stage.server.logs["1.1.1"] == b"1\n2\n"
        result = await stage.server.wait_result()
    assert "log" not in result
    assert result["log_size"] == 4
    assert result["duration_s"] == pytest.approx(10, abs=0.5)


async def test_asked_twice_it_is_started_once(stage: Stage) -> None:
    """A server that did not get our answer asks again: before the end, and after it."""
    async with stage.agent() as (_, http):
        for _ in range(2):
            assert (await http.post("/build", json=job(command="sleep 2"))).status_code == 202
        await stage.server.wait_result()
        await trio.sleep(1)
        assert (await http.post("/build", json=job(command="sleep 2"))).status_code == 202
        await trio.sleep(5)
    assert len(stage.machine.started) == 1


async def test_a_request_for_an_earlier_life_is_not_taken(stage: Stage) -> None:
    """It was on its way while the agent did the job and was restarted: it must not do it again."""
    async with stage.agent() as (agent, http):
        late = job(boot_id=agent.boot_id)
        assert (await http.post("/build", json=late)).status_code == 202
        await stage.server.wait_result()
    async with stage.agent() as (agent, http):
        answer = await http.post("/build", json=late)
        assert answer.status_code == 409
        assert "earlier life" in answer.text
        await trio.sleep(5)
        assert len(stage.machine.started) == 1
        fresh = job("2.1.1", boot_id=agent.boot_id)
        assert (await http.post("/build", json=fresh)).status_code == 202


async def test_what_an_earlier_life_took_is_still_taken(stage: Stage) -> None:
    """The answer to a request was lost with that life; the server asks again."""
    async with stage.agent() as (agent, http):
        late = job(command="sleep 60", boot_id=agent.boot_id)
        await http.post("/build", json=late)
    async with stage.agent() as (_, http):
        assert (await http.post("/build", json=late)).status_code == 202
        assert len(stage.machine.started) <= 1


async def test_what_was_refused_is_not_taken_when_it_comes_again(stage: Stage) -> None:
    """An earlier request for it that comes late: its build may be with another agent by now."""
    async with stage.agent() as (_, http):
        for id in ("1.1.1", "2.1.1"):
            await http.post("/build", json=job(id, "sleep 2"))
        refused = await http.post("/build", json=job("3.1.1", lease_mark="1"))
        assert refused.status_code == 409
        await stage.server.wait_result(2)
        late = await http.post("/build", json=job("3.1.1", lease_mark="1"))
        assert (late.status_code, late.text) == (409, refused.text)
        fresh = await http.post("/build", json=job("3.1.1", lease_mark="2"))
        assert fresh.status_code == 202
        await stage.server.wait_result(3)
        assert len(stage.machine.started) == 3


async def test_a_server_of_others_may_ask_again_what_was_refused(stage: Stage) -> None:
    """It has one id for a build, and no other way."""
    async with stage.agent() as (_, http):
        for id in ("1", "2"):
            await http.post("/build", json=job(id, "sleep 2", protocol=0))
        assert (await http.post("/build", json=job("3", protocol=0))).status_code == 409
        await stage.server.wait_result(2)
        assert (await http.post("/build", json=job("3", protocol=0))).status_code == 202


async def test_slots_are_counted(stage: Stage) -> None:
    """One more than the slots is refused; an ended build whose result waits takes none."""
    async with stage.agent() as (_, http):
        for id in ("1.1.1", "2.1.1"):
            assert (await http.post("/build", json=job(id, "sleep 2"))).status_code == 202
        refused = await http.post("/build", json=job("3.1.1"))
        assert refused.status_code == 409
        assert "slot" in refused.json()["error"]["message"]
        stage.server.down = True
        await trio.sleep(3)
        assert (await http.post("/build", json=job("3.1.2"))).status_code == 202
        await trio.sleep(1)
        status = (await http.get("/status")).json()
        assert {state["state"] for state in status["attempts"]} == {"delivering"}
        stage.server.down = False
        await stage.server.wait_result(3)


@pytest.mark.parametrize(
    ("command", "more", "ending", "message"),
    [
        ("exit 3", {}, ("failure", "exited"), ""),
        (
            "exit 137",
            {},
            ("failure", "exited"),
            "Exit code 137 is the shell's word for a command that SIGKILL has ended.",
        ),
        ("sleep 99", {"timeout_s": 2}, ("error", "timeout"), "took longer than 2 seconds"),
        ("sleep 99", {"silence_s": 3}, ("error", "silence"), "printed nothing for 3 seconds"),
        ("kill -9 0", {}, ("error", "killed"), "supervisor was killed"),
        ("true", {"commit": "nope"}, ("error", "checkout_failed"), "no branch, tag or commit nope"),
    ],
)
async def test_each_end_is_said_in_words(
    stage: Stage, command: str, more: dict[str, Any], ending: tuple[str, str], message: str
) -> None:
    """Failure is the command's no; error is ours, with a sentence."""
    stage.checkout.missing.add("nope")
    async with stage.agent() as (_, http):
        await http.post("/build", json=job(command=command, **more))
        result = await stage.server.wait_result()
    assert (result["status"], result["reason"]) == ending
    assert message in result["message"]
    if ending[1] == "checkout_failed":
        assert stage.server.logs["1.1.1"].startswith(b"no branch")


async def test_the_total_limit_counts_the_checkout(stage: Stage) -> None:
    """Time is time."""
    stage.checkout.takes_s = 50
    async with stage.agent() as (_, http):
        await http.post("/build", json=job(timeout_s=5))
        result = await stage.server.wait_result()
    assert result["reason"] == "timeout"
    assert result["duration_s"] == pytest.approx(5, abs=0.1)


@pytest.mark.parametrize("takes_s", [0.0, 100.0])
async def test_cancel_ends_everything(stage: Stage, takes_s: float) -> None:
    """In the checkout as in the command; again, and for unknown ids, it is 202 too."""
    stage.checkout.takes_s = takes_s
    async with stage.agent() as (_, http):
        await http.post("/build", json=job(command="sleep 1000 & sleep 2000"))
        await trio.sleep(1)
        for id in ("1.1.1", "1.1.1", "9.9.9"):
            assert (await http.post("/cancel", json={"id": id})).status_code == 202
        result = await stage.server.wait_result()
        assert result["reason"] == "canceled"
        assert not any(command.alive for command in stage.machine.running.values())


async def test_given_up_by_the_server_it_is_killed_and_forgotten(stage: Stage) -> None:
    """410 to a piece of log: the build runs elsewhere by now."""
    async with stage.agent() as (_, http):
        await http.post("/build", json=job(command="echo 1; sleep 5; echo 2; sleep 1000"))
        await trio.sleep(1)
        stage.server.given_up.add("1.1.1")
        await trio.sleep(10)
        assert not any(command.alive for command in stage.machine.running.values())
        assert stage.kept == []
    assert stage.server.results == []


async def test_a_registration_can_drop_attempts(stage: Stage) -> None:
    """A server that gave an attempt up while we were away says so in its welcome."""
    async with stage.agent() as (_, http):
        await http.post("/build", json=job(command="sleep 1000"))
        await trio.sleep(1)
    stage.server.drop.add("1.1.1")
    async with stage.agent():
        await trio.sleep(1)
        assert not any(command.alive for command in stage.machine.running.values())
        assert stage.kept == []


async def test_killed_in_mid_build_it_goes_on(stage: Stage) -> None:
    """The command outlives the agent; the next life announces, follows and delivers it."""
    command = "echo 1; sleep 10; echo 2; exit 4"
    async with stage.agent() as (_, http):
        await http.post("/build", json=job(command=command))
        await trio.sleep(2)
    async with stage.agent():
        result = await stage.server.wait_result()
    [attempt] = stage.server.registrations[-1]["attempts"]
    assert attempt["id"] == "1.1.1"
    assert attempt["commit_hash"] == hash_of("main")
    assert result["exit_code"] == 4
    assert result["commit_hash"] == hash_of("main")
    assert result["duration_s"] == pytest.approx(10, abs=0.5)
    assert stage.server.logs["1.1.1"] == b"1\n2\n"
    assert len(stage.machine.started) == 1


async def test_its_time_goes_on_while_the_agent_is_away(stage: Stage) -> None:
    """A restart is no way around a time limit."""
    async with stage.agent() as (_, http):
        await http.post("/build", json=job(command="sleep 1000", timeout_s=20))
        await trio.sleep(2)
    await trio.sleep(30)
    async with stage.agent():
        assert (await stage.server.wait_result())["reason"] == "timeout"


async def test_an_end_while_the_agent_was_away_is_delivered(stage: Stage) -> None:
    """The exit code waited on the disk."""
    async with stage.agent() as (_, http):
        await http.post("/build", json=job(command="sleep 2; echo done; exit 9"))
        await trio.sleep(1)
    await trio.sleep(10)
    async with stage.agent():
        result = await stage.server.wait_result()
    assert result["exit_code"] == 9
    assert result["log"] == "done\n"


async def test_an_end_in_time_counts_although_the_agent_came_back_late(stage: Stage) -> None:
    """The command's own end is its verdict; the limit is for what still runs."""
    async with stage.agent() as (_, http):
        await http.post("/build", json=job(command="sleep 5; echo done; exit 3", timeout_s=20))
        await trio.sleep(1)
    await trio.sleep(60)
    async with stage.agent():
        result = await stage.server.wait_result()
    assert (result["status"], result["exit_code"]) == ("failure", 3)


async def test_killed_in_the_checkout_it_begins_again(stage: Stage) -> None:
    """Nothing was started, so nothing is lost."""
    stage.checkout.takes_s = 5
    async with stage.agent() as (_, http):
        await http.post("/build", json=job())
        await trio.sleep(1)
    async with stage.agent():
        assert (await stage.server.wait_result())["status"] == "success"
    assert len(stage.machine.started) == 1


async def test_an_undelivered_result_is_delivered_by_the_next_life(stage: Stage) -> None:
    """From the disk, without another run."""
    async with stage.agent() as (_, http):
        stage.server.down = True
        await http.post("/build", json=job(command="echo 1; exit 2"))
        await trio.sleep(30)
    stage.server.down = False
    async with stage.agent():
        result = await stage.server.wait_result()
        await trio.sleep(1)
    assert (result["exit_code"], result["log"]) == (2, "1\n")
    assert len(stage.machine.started) == 1
    assert stage.kept == []


async def test_after_a_crash_of_the_machine_it_is_said(stage: Stage) -> None:
    """Nobody knows what the command had done: another agent may try."""
    async with stage.agent() as (_, http):
        await http.post("/build", json=job(command="sleep 1000"))
        await trio.sleep(1)
    stage.machine.crash()
    async with stage.agent():
        assert (await stage.server.wait_result())["reason"] == "agent_restarted"


async def test_an_exit_code_that_outlived_the_end_of_its_log_is_no_verdict(stage: Stage) -> None:
    """After a loss of power the disk has what it had time for, in no order."""
    async with stage.agent() as (_, http):
        await http.post("/build", json=job(command="echo one; sleep 10; echo two; exit 0"))
        await trio.sleep(5)
    await trio.sleep(10)
    folder = stage.folder / "spool" / "1.1.1"
    assert (folder / "exit").read_text() == "0\n"
    (folder / "log").write_bytes(b"one\n")
    stage.machine.crash()
    async with stage.agent():
        assert (await stage.server.wait_result())["reason"] == "agent_restarted"


async def test_an_end_that_was_begun_is_finished_by_the_next_life(stage: Stage) -> None:
    """Canceled stays canceled although the agent died while it killed the command."""
    async with stage.agent() as (_, http):
        await http.post("/build", json=job(command="trap '' TERM; sleep 1000"))
        await trio.sleep(1)
        await http.post("/cancel", json={"id": "1.1.1"})
        await trio.sleep(1)
    async with stage.agent():
        assert (await stage.server.wait_result())["reason"] == "canceled"


async def test_what_was_never_answered_is_removed(stage: Stage) -> None:
    """A folder without a whole job, and a workspace of nobody."""
    stage.know()
    (stage.folder / "spool" / "5.1.1").mkdir(parents=True)
    (stage.folder / "spool" / "5.1.1" / "job.json.new").write_text('{"job"')
    (stage.folder / "work" / "6.1.1" / "deep").mkdir(parents=True)
    async with stage.agent():
        await trio.sleep(1)
        assert stage.kept == []


async def test_what_can_not_be_removed_stops_nobody(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container that a build ran as root leaves files that only root may remove."""

    def refuse(path: Path) -> None:
        path.lstat()
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(shutil, "rmtree", refuse)
    stage.know()
    (stage.folder / "spool" / "5.1.1").mkdir(parents=True)
    (stage.folder / "work" / "6.1.1" / "deep").mkdir(parents=True)
    for count in (1, 2):
        async with stage.agent() as (_, http):
            assert (await http.post("/build", json=job(f"{count}.1.1"))).status_code == 202
            assert (await stage.server.wait_result(count))["status"] == "success"
            await trio.sleep(1)
    assert stage.server.registrations[-1]["attempts"] == []
    assert any(name.endswith("6.1.1") for name in stage.kept)


async def test_a_log_that_can_not_be_looked_at_ends_nothing(stage: Stage) -> None:
    """Neither the agent nor the command; the disk may be well again before the end."""
    folder, away = stage.folder / "spool" / "1.1.1", stage.folder / "away"
    async with stage.agent() as (agent, http):
        await http.post("/build", json=job(command="sleep 5; echo end"))
        await trio.sleep(1)
        folder.rename(away)
        folder.touch()
        await trio.sleep(1)
        [attempt] = (await http.get("/status")).json()["attempts"]
        assert (attempt["state"], attempt["log_size"]) == ("running", 0)
        agent.home.call()
        await trio.sleep(1)
        folder.unlink()
        away.rename(folder)
        assert (await stage.server.wait_result())["status"] == "success"


async def test_stray_files_stop_nobody(stage: Stage) -> None:
    """Somebody looked around in the data folder."""
    stage.know()
    for name in ("spool", "work"):
        (stage.folder / name).mkdir()
        (stage.folder / name / "notes").write_text("mine")
    async with stage.agent() as (_, http):
        await http.post("/build", json=job())
        assert (await stage.server.wait_result())["status"] == "success"


@pytest.mark.parametrize(
    "error", [UnicodeEncodeError("ascii", "ä", 0, 1, "not in range"), ValueError("a bug")]
)
async def test_an_attempt_that_breaks_ends_nothing_else(stage: Stage, error: Exception) -> None:
    """Its build is told what happened; the others and the agent go on."""
    async with stage.agent() as (_, http):
        await http.post("/build", json=job("1.1.1", "sleep 5"))
        await trio.sleep(1)
        stage.machine.start_error = error
        await http.post("/build", json=job("2.1.1"))
        broken = await stage.server.wait_result()
        assert (broken["id"], broken["reason"]) == ("2.1.1", "internal")
        assert str(error) in broken["message"]
        assert (await stage.server.wait_result(2))["status"] == "success"
    assert stage.kept == []


async def test_the_command_of_an_attempt_that_breaks_is_ended(stage: Stage) -> None:
    """Nobody else would: its slot is given to another build."""
    stage.machine.wait_error = OSError(5, "Input/output error")
    async with stage.agent() as (_, http):
        await http.post("/build", json=job(command="sleep 1000", silence_s=100))
        result = await stage.server.wait_result()
    assert result["reason"] == "internal"
    assert "Input/output error" in result["message"]
    assert not any(command.alive for command in stage.machine.running.values())


@pytest.mark.parametrize("id", ["../../etc", "a/b", "-rf", ".", "x" * 65, "ä"])
async def test_an_id_never_becomes_a_path(stage: Stage, id: str) -> None:
    """Ids are the server's; ours are folders of the spool, whatever it sends."""
    assert folder_name(id).startswith("~")
    async with stage.agent() as (_, http):
        assert (await http.post("/build", json=job(id))).status_code == 202
        assert (await stage.server.wait_result())["id"] == id


async def test_drained_it_takes_nothing_and_finishes(stage: Stage) -> None:
    """What runs ends by itself and is delivered."""
    async with stage.agent() as (agent, http):
        await http.post("/build", json=job(command="sleep 20; echo 1"))
        await trio.sleep(1)
        agent.attempts.begin_drain()
        assert (await http.post("/build", json=job("2.1.1"))).status_code == 409
        assert (await http.get("/status")).json()["draining"] is True
        await agent.attempts.wait_drained()
        assert stage.server.results[0]["status"] == "success"


async def test_drained_without_a_server_it_keeps_results(stage: Stage) -> None:
    """Ten seconds of trying; the next start goes on."""
    async with stage.agent() as (agent, http):
        stage.server.down = True
        await http.post("/build", json=job(command="sleep 5"))
        began = trio.current_time()
        agent.attempts.begin_drain()
        await agent.attempts.wait_drained()
        assert 14 <= trio.current_time() - began <= 17
    assert stage.kept == ["spool/1.1.1"]


async def test_stopped_now_it_ends_what_runs(stage: Stage) -> None:
    """The second signal."""
    async with stage.agent() as (agent, http):
        await http.post("/build", json=job(command="sleep 1000"))
        await trio.sleep(1)
        agent.attempts.begin_drain()
        agent.attempts.stop_all()
        await agent.attempts.wait_drained()
    assert stage.server.results[0]["reason"] == "agent_stopping"


async def test_the_environment_is_as_documented(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The agent's own settings, secrets among them, stay with the agent."""
    monkeypatch.setenv("CI_AGENT_AGENT_TOKEN", "secret")
    monkeypatch.setenv("VIRTUAL_ENV", "/opt/venv")
    monkeypatch.setenv("PATH", "/opt/venv/bin:/usr/bin")
    async with stage.agent() as (_, http):
        await http.post("/build", json=job(number=12, env={"CI_BRANCH": "mine", "X": "y"}))
        await stage.server.wait_result()
    environment = stage.machine.started[0].environment
    assert environment["CI"] == "true"
    assert environment["CI_BUILD_NUMBER"] == "12"
    assert environment["CI_ATTEMPT"] == "1.1.1"
    assert environment["CI_COMMIT"] == hash_of("main")
    assert environment["CI_BRANCH"] == "mine"
    assert environment["CI_REPOSITORY"] == "/srv/git/demo"
    assert environment["CI_WORKSPACE"].endswith("/work/1.1.1")
    assert environment["X"] == "y"
    assert environment["PATH"] == "/usr/bin"
    assert not {"CI_AGENT_AGENT_TOKEN", "VIRTUAL_ENV"} & set(environment)


async def test_job_json_is_there_before_the_answer(stage: Stage) -> None:
    """202 is a promise."""
    stage.checkout.takes_s = 5
    async with stage.agent() as (_, http):
        assert (await http.post("/build", json=job())).status_code == 202
        kept = json.loads((stage.folder / "spool" / "1.1.1" / "job.json").read_bytes())
        assert kept["job"]["command"] == "echo hello"
        assert isinstance(http, httpx.AsyncClient)


async def test_a_command_that_was_stopped_by_a_signal_is_no_riddle(stage: Stage) -> None:
    """Who asks why it printed nothing is told."""
    async with stage.agent() as (_, http):
        await http.post("/build", json=job(command="echo 1; sleep 1000", silence_s=10))
        await trio.sleep(1)
        [command] = stage.machine.running.values()
        command.stopped = True
        result = await stage.server.wait_result()
    assert result["reason"] == "silence"
    assert "A signal, such as SIGSTOP, had stopped it" in result["message"]
