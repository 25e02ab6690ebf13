"""`kill -9` of either side in mid-build: every build still ends once, with its whole log."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.real.harness import Program, Server, Site, held, wait_until
from tests.real.repository import Repository

TICKS = "for i in 1 2 3 4 5 6 7 8 9 10; do echo tick $i; sleep 0.5; done"
TICKED = b"".join(b"tick %d\n" % i for i in range(1, 11))


@pytest.fixture
def server(site: Site, repository: Repository) -> Server:
    """A server that is running, and waits for an agent longer than any start takes."""
    server = site.server(repository.path, grace_seconds=120)
    server.start()
    return server


@pytest.fixture
def hasty(site: Site, repository: Repository) -> Server:
    """A server that is running, and gives a lost agent no time."""
    server = site.server(repository.path, grace_seconds=1)
    server.start()
    return server


def start_agent(server: Server, name: str = "agent", **settings: object) -> Program:
    """Start an agent and wait until it is online."""
    agent = server.site.agent(server, name, **settings)
    agent.start()
    server.wait_agents(len([p for p in server.site.programs if p.module == "ci.agent"]))
    return agent


def test_an_agent_killed_in_mid_build_goes_on_with_it(server: Server) -> None:
    """Back within the grace time: the same attempt, no gap in the log, no byte twice."""
    agent = start_agent(server)
    began = time.monotonic()
    number = server.submit(TICKS)
    server.wait_log(number, b"tick 2")
    agent.kill()
    time.sleep(2)
    agent.start()
    build = server.wait_build(number)
    most_s = time.monotonic() - began
    assert build["status"] == "success"
    assert [attempt["id"] for attempt in build["attempts"]] == [f"{number}.1.1"]
    assert server.log_of(number) == TICKED
    assert 4.5 < build["duration_s"] < most_s, "measured over both lives of the agent"


def test_an_agent_killed_for_good_is_replaced(hasty: Server) -> None:
    """Another agent finishes the same number as its next attempt."""
    server = hasty
    first = start_agent(server, "first")
    number = server.submit(TICKS)
    server.wait_log(number, b"tick 2")
    first.kill()
    second = server.site.agent(server, "second")
    second.start()
    build = server.wait_build(number)
    assert build["status"] == "success"
    assert [(a["agent"], a["reason"]) for a in build["attempts"]] == [
        ("first", "agent_lost"),
        ("second", "exited"),
    ]
    assert server.log_of(number) == TICKED


def test_a_server_killed_in_mid_build_takes_the_result(server: Server, tmp_path: Path) -> None:
    """Whether the command ends before the server is back or after."""
    agent = start_agent(server, slots=2)
    early, late = tmp_path / "early", tmp_path / "late"
    short = server.submit(f"echo begin; {held(early)}; echo end; exit 3")
    long = server.submit(f"echo begin; {held(late)}; echo end")
    for number in (short, long):
        server.wait_log(number, b"begin\n")
    server.kill()
    early.touch()
    exit_file = agent.data / "spool" / f"{short}.1.1" / "exit"
    wait_until(lambda: exit_file.read_text().strip(), "the command has ended")
    server.start()
    assert server.build(long)["status"] == "running"
    build = server.wait_build(short)
    assert (build["status"], build["exit_code"]) == ("failure", 3)
    assert server.log_of(short) == b"begin\nend\n"
    late.touch()
    assert server.wait_build(long)["status"] == "success"
    assert server.log_of(long) == b"begin\nend\n"
    assert all(len(server.build(n)["attempts"]) == 1 for n in (short, long))


def test_the_queue_is_kept_in_order(server: Server) -> None:
    """Builds that waited when the server was killed still wait, oldest first."""
    numbers = [server.submit("true") for _ in range(20)]
    server.kill()
    server.start()
    places = {number: server.build(number)["queue_position"] for number in numbers}
    assert places == {number: place for place, number in enumerate(numbers, 1)}
    start_agent(server)
    ended = [server.wait_build(number)["finished_at"] for number in numbers]
    assert ended == sorted(ended)


def test_an_agent_started_before_its_server(server: Server) -> None:
    """It keeps trying, says so, and is there when the server is."""
    server.kill()
    agent = server.site.agent(server)
    agent.start()
    wait_until(lambda: "unreachable" in agent.words, "it says that it can't reach the server")
    time.sleep(2)
    server.start()
    server.wait_agents(1)
    assert server.wait_build(server.submit("echo hi"))["status"] == "success"


def test_cancel_kills_what_left_the_session(server: Server) -> None:
    """Background jobs, daemons in sessions of their own, the shell itself; said at once."""
    start_agent(server)
    number = server.submit(
        "sleep 1000 & setsid sleep 1001 & trap '' TERM; echo started; sleep 1002; sleep 1003"
    )
    server.wait_log(number, b"started")
    wait_until(lambda: len(sleepers(server.site)) == 3, "all have begun")
    answer = server.post(f"/api/builds/{number}/cancel")
    assert answer.json()["status"] == "canceled"
    wait_until(lambda: not sleepers(server.site), "no survivor")
    assert server.wait_build(server.submit("echo next"))["status"] == "success"
    assert server.build(number)["status"] == "canceled"


def test_nothing_outlives_a_command_that_ends(server: Server) -> None:
    """What it left behind is gone when its slot is free."""
    start_agent(server)
    number = server.submit("sleep 1000 & setsid sleep 1001 & echo done")
    assert server.wait_build(number)["status"] == "success"
    assert not sleepers(server.site)


def test_a_frozen_agent_is_lost_and_its_late_result_refused(hasty: Server, tmp_path: Path) -> None:
    """SIGSTOP is no death: when it goes on, its attempt is over and changes nothing."""
    server, go = hasty, tmp_path / "go"
    frozen = start_agent(server, "frozen")
    number = server.submit(f"{held(go)}; exit 5")
    wait_until(lambda: "command started" in frozen.words, "it runs there")
    frozen.send(signal.SIGSTOP)
    go.touch()
    other = server.site.agent(server, "other")
    other.start()
    wait_until(
        lambda: server.build(number)["attempts"],
        "another attempt",
        until=lambda attempts: len(attempts) == 2,
    )
    build = server.wait_build(number)
    frozen.send(signal.SIGCONT)
    wait_until(lambda: "dropped" in frozen.words, "it drops the attempt")
    assert build["agent"] == "other"
    after = server.build(number)
    assert after == build


def test_random_kills_lose_nothing(server: Server) -> None:
    """Sixty builds on two agents with two slots, while either side is killed at random."""
    dice = random.Random(7)
    agents = [start_agent(server, f"agent{n}", slots=2) for n in (1, 2)]
    kinds = {
        "echo q": ("success", b"q\n"),
        "echo f; exit 3": ("failure", b"f\n"),
        "for i in 1 2 3 4; do echo $i; sleep 0.3; done": ("success", b"1\n2\n3\n4\n"),
        "seq 1 20000": ("success", b"".join(b"%d\n" % i for i in range(1, 20001))),
        "setsid sleep 1000 & echo forked": ("success", b"forked\n"),
    }
    asked = {server.submit(command): command for command in dice.choices(list(kinds), k=60)}
    assert sorted(asked) == list(range(1, 61))
    for _ in range(12):
        victim = dice.choice([server, *agents])
        victim.kill()
        time.sleep(dice.choice([0.1, 0.5, 1.5]))
        victim.start()
        time.sleep(dice.uniform(0.1, 1.0))
    for number, command in asked.items():
        status, log = kinds[command]
        build = server.wait_build(number, within_s=90)
        assert build["status"] == status, build
        assert server.log_of(number) == log
        assert sum(attempt["reason"] == "exited" for attempt in build["attempts"]) == 1
    wait_until(lambda: not sleepers(server.site), "no survivor")
    workspaces = [agent.data / "work" for agent in agents]
    wait_until(lambda: not any(list(each.iterdir()) for each in workspaces), "no workspace")


def test_stopping_in_order(server: Server, tmp_path: Path) -> None:
    """SIGTERM: an agent finishes what runs and says so; then the server stops, too."""
    go = tmp_path / "go"
    agent = start_agent(server)
    number = server.submit(f"echo begun; {held(go)}; echo end")
    server.wait_log(number, b"begun")
    agent.send(signal.SIGTERM)
    wait_until(
        lambda: server.get("/api/agents").json()["agents"][0]["state"],
        "it is shown as draining",
        until=lambda state: state == "draining",
    )
    go.touch()
    assert agent.wait_end() == 0
    assert server.build(number)["status"] == "success"
    assert server.stop() == 0


def sleepers(site: Site) -> list[psutil.Process]:
    """The `sleep 10xx` of builds that still run."""
    found = []
    for process in site.survivors():
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if words[:1] == ["sleep"] and words[1].startswith("100"):
            found.append(process)
    return found
