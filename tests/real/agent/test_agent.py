"""The program itself: killed, stopped, started wrongly."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil

from tests.real.agent.scene import Server, build
from tests.real.harness import Program, Site, held, wait_until
from tests.real.repository import Repository


def test_killed_in_mid_build_nothing_is_lost(
    agent: Program, server: Server, repository: Repository
) -> None:
    """The command goes on; the log has no gap and no doubled byte."""
    agent.start()
    command = "for i in $(seq 40); do echo line $i; sleep 0.05; done; exit 3"
    assert build(agent, repository, command) == 202
    wait_until(lambda: b"line 5\n" in server.logs.get("1.1.1", b""), "the log grows")
    agent.kill()
    time.sleep(0.5)
    agent.start()
    result = wait_until(lambda: server.results.get("1.1.1"), "the result")
    assert result is not None
    assert result["exit_code"] == 3
    assert server.logs["1.1.1"] == b"".join(b"line %d\n" % n for n in range(1, 41))
    wait_until(lambda: not list((agent.data / "spool").iterdir()), "the folder is gone")
    wait_until(lambda: not list((agent.data / "work").iterdir()), "the workspace is gone")


def test_an_end_while_it_was_away(
    agent: Program, server: Server, repository: Repository, tmp_path: Path
) -> None:
    """The exit code waited on the disk."""
    go = tmp_path / "go"
    agent.start()
    build(agent, repository, f"{held(go)}; echo done; exit 9")
    folder = agent.data / "spool" / "1.1.1"
    wait_until((folder / "pid").exists, "the command runs")
    agent.kill()
    go.touch()
    wait_until(lambda: (folder / "exit").read_text().strip(), "the command has ended")
    agent.start()
    result = wait_until(lambda: server.results.get("1.1.1"), "the result")
    assert result is not None
    assert (result["exit_code"], server.logs["1.1.1"]) == (9, b"done\n")


def test_cancel_leaves_no_survivor(agent: Program, server: Server, repository: Repository) -> None:
    """Neither in the background nor in a session of its own."""
    agent.start()
    build(agent, repository, "sleep 1000.25 & setsid sleep 1001.25 & sleep 1002.25")
    wait_until(lambda: len(_sleepers(agent)) == 3, "they sleep")
    agent.site.http.post(f"{agent.url}/cancel", json={"id": "1.1.1"})
    wait_until(lambda: not _sleepers(agent), "none is left")
    result = wait_until(lambda: server.results.get("1.1.1"), "the result")
    assert result is not None
    assert result["reason"] == "canceled"


def test_a_survivor_that_prints_on_does_not_hold_up_the_result(
    agent: Program, server: Server, repository: Repository, tmp_path: Path
) -> None:
    """Nobody finds it: it does not come from the build and has the log as none of its outputs."""
    go = tmp_path / "go"
    agent.start()
    assert build(agent, repository, f"{held(go)}; echo end") == 202
    path = tmp_path / "agent" / "spool" / "1.1.1" / "log"
    wait_until(path.exists, "the command runs")
    endless = 'exec 3>>"$0"; while echo x >&3; do sleep 0.01; done'
    with subprocess.Popen(["sh", "-c", endless, str(path)]) as survivor:
        try:
            wait_until(path.read_bytes, "it prints")
            go.touch()
            result = wait_until(lambda: server.results.get("1.1.1"), "the result")
            assert survivor.poll() is None
        finally:
            survivor.kill()
    assert result is not None
    assert result["exit_code"] == 0
    assert b"end\n" in server.logs["1.1.1"][: result["log_size"]]


def test_stopped_it_finishes_and_takes_nothing(
    agent: Program, server: Server, repository: Repository, tmp_path: Path
) -> None:
    """SIGTERM drains."""
    go = tmp_path / "go"
    agent.start()
    build(agent, repository, f"{held(go)}; echo end")
    agent.send(signal.SIGTERM)
    wait_until(lambda: "stopping after what runs" in agent.words, "it drains")
    assert build(agent, repository, "true", "2.1.1") == 409
    go.touch()
    assert agent.wait_end() == 0
    assert server.results["1.1.1"]["status"] == "success"


def test_stopped_twice_it_ends_what_runs(
    agent: Program, server: Server, repository: Repository
) -> None:
    """The second signal cancels."""
    agent.start()
    build(agent, repository, "sleep 1000.25")
    wait_until(lambda: _sleepers(agent), "it sleeps")
    agent.send(signal.SIGTERM)
    wait_until(lambda: "stopping after what runs" in agent.words, "it drains")
    agent.send(signal.SIGTERM)
    assert agent.wait_end() == 0
    assert server.results["1.1.1"]["reason"] == "agent_stopping"
    assert not _sleepers(agent)


def test_wrong_starts_are_one_line(agent: Program, site: Site, tmp_path: Path) -> None:
    """A setting, the port, the folder: exit code 2 and no traceback."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        agent.start()
        (tmp_path / "y" / "home_id").mkdir(parents=True)
        (tmp_path / "z").mkdir()
        (tmp_path / "z" / "spool").touch()
        for flags, word in [
            ([f"--port={port}", f"--data-dir={tmp_path / 'x'}"], f"port = {port}"),
            (["--port=0", f"--data-dir={agent.data}"], "dataDir"),
            (["--slots=0"], "slots"),
            (["--data-dir=/proc/x"], "dataDir"),
            (["--port=0", f"--data-dir={tmp_path / 'y'}"], "dataDir"),
            (["--port=0", f"--data-dir={tmp_path / 'z'}"], "dataDir"),
        ]:
            done = subprocess.run(
                [sys.executable, "-m", "ci.agent", *flags],
                cwd=site.folder,
                env=site.environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 2, done.stderr
            lines = [line for line in done.stderr.splitlines() if " info " not in line]
            assert len(lines) == 1, "beside what it says of its start"
            assert lines[0].startswith("nursery-ci agent: ")
            assert word in lines[0]


def test_a_locale_without_utf_8_is_one_line(site: Site, tmp_path: Path) -> None:
    """A command would come to the shell in other bytes than were asked for, or not at all."""
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "ci.agent", "--port=0", f"--data-dir={tmp_path / 'agent'}"],
        cwd=site.folder,
        env=site.environment | locale,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    [line] = [line for line in done.stderr.splitlines() if " info " not in line]
    assert "LC_ALL=C.UTF-8" in line


def _sleepers(agent: Program) -> list[int]:
    found = []
    for process in agent.site.survivors():
        try:
            line = process.cmdline()
        except psutil.NoSuchProcess:
            continue
        if line[:1] == ["sleep"] and line[1].endswith(".25"):
            found.append(process.pid)
    return found
