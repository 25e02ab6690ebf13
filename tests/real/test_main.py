"""`python -m ci`: both programs with one command, and both gone with one Ctrl-C."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.real.harness import START_S, Server, Site, held, is_alive, wait_until

URL = re.compile(r"nursery-ci runs at +http://127\.0\.0\.1:(\d+)")


class Both(Server):
    """`python -m ci`, with the calls of a server."""

    def __init__(self, site: Site) -> None:
        super().__init__("ci", {"data-dir": site.folder / "data"}, site, "both")
        site.programs.append(self)

    def start_both(self, **environment: str) -> None:
        """Start it on free ports."""
        free = {"CI_SERVER_PORT": "0", "CI_AGENT_PORT": "0"}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ci"],
                cwd=self.site.folder,
                env=self.site.environment | free | environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_greeting(self) -> None:
        """Wait for the URL and for the agent."""
        shown = wait_until(lambda: URL.search(self.words), "it says its URL", START_S)
        assert shown
        self.port = int(shown[1])
        self.wait_agents(1)

    def child(self, module: str) -> psutil.Process:
        """Find the server or the agent."""
        assert self.process is not None
        children = psutil.Process(self.process.pid).children()
        return next(child for child in children if module in child.cmdline())


@pytest.fixture(autouse=True)
def a_closed_terminal_is_heard() -> Iterator[None]:
    """Undo what `nohup` leaves to its children, or ours would ignore SIGHUP, as it asks for."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def both(site: Site) -> Both:
    """Make `python -m ci` in an empty folder. It is not started yet."""
    return Both(site)


@pytest.fixture
def taken_port() -> Iterator[int]:
    """Listen on a port, as another program would."""
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        yield other.getsockname()[1]


def test_one_command_gives_a_green_and_a_red_build(both: Both) -> None:
    """With nothing configured, the form as it is filled in is green, `broken` is red."""
    both.start_both()
    both.wait_greeting()
    green = both.submit("./test.sh", "main")
    red = both.submit("./test.sh", "broken")
    assert both.wait_build(green)["status"] == "success"
    assert both.wait_build(red)["status"] == "failure"
    assert b"AssertionError" in both.log_of(red)
    page = both.get("/").text
    assert 'value="main"' in page
    assert "./test.sh" in page


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_one_signal_stops_both_in_order(both: Both, number: signal.Signals, tmp_path: Path) -> None:
    """The agent first, then the server; a running build is finished."""
    go = tmp_path / "go"
    both.start_both()
    both.wait_greeting()
    build = both.submit(f"echo begun; {held(go)}; echo done")
    both.wait_log(build, b"begun")
    both.send(number)
    wait_until(lambda: "Waiting for running builds to end" in both.words, "it says so")
    go.touch()
    assert both.wait_end() == 0
    assert both.words.endswith("Stopped.\n")
    assert not both.site.survivors()
    assert _status_on_disk(both, build) == "success"


def test_a_second_signal_cancels_what_runs(both: Both) -> None:
    """Nobody has to wait for a build of an hour, and nothing of it goes on."""
    both.start_both()
    both.wait_greeting()
    build = both.submit("echo begun; sleep 1000")
    both.wait_log(build, b"begun")
    both.send(signal.SIGINT)
    wait_until(lambda: "Waiting for running builds" in both.words, "it says what it waits for")
    both.send(signal.SIGINT)
    assert both.wait_end() == 0
    assert not both.site.survivors()


def test_a_taken_port_is_one_line(both: Both, taken_port: int) -> None:
    """Exit code 2, no traceback, nothing left running."""
    both.start_both(CI_SERVER_PORT=str(taken_port))
    assert both.wait_end() == 2
    assert f"port = {taken_port}" in both.words
    assert both.words.count("\n") == 1
    assert not both.site.survivors()


def test_an_agent_that_cant_start_stops_the_server(both: Both, taken_port: int) -> None:
    """Its exit code is ours."""
    both.start_both(CI_AGENT_PORT=str(taken_port))
    assert both.wait_end() == 2
    assert f"port = {taken_port}" in both.words
    assert "Traceback" not in both.words
    assert not both.site.survivors()


@pytest.mark.parametrize("module", ["ci.server", "ci.agent"])
def test_if_one_dies_the_other_is_stopped(both: Both, module: str) -> None:
    """The exit code says by which signal, as a shell does."""
    both.start_both()
    both.wait_greeting()
    both.child(module).kill()
    assert both.wait_end() == 128 + signal.SIGKILL
    assert not both.site.survivors()


def test_killed_it_leaves_no_program_behind(both: Both) -> None:
    """Nor a taken port: the next start goes on with the build that ran."""
    both.start_both(CI_AGENT_NAME="one")
    both.wait_greeting()
    build = both.submit("echo begun; while [ ! -e go ]; do sleep 0.1; done; echo ended")
    both.wait_log(build, b"begun")
    programs = [both.child(module) for module in ("ci.server", "ci.agent")]
    both.kill()
    wait_until(lambda: not any(map(is_alive, programs)), "both are gone")
    both.start_both(CI_AGENT_NAME="one")
    both.wait_greeting()
    workspace = both.site.folder / "data" / "agent" / "work" / f"{build}.1.1"
    (workspace / "go").touch()
    assert both.wait_build(build)["status"] == "success"
    assert both.log_of(build) == b"begun\nended\n"


def test_the_next_start_has_the_builds_of_the_last(both: Both) -> None:
    """Everything is in the data folder."""
    both.start_both()
    both.wait_greeting()
    build = both.submit("echo hello")
    both.wait_build(build, "success")
    both.stop()
    both.start_both()
    both.wait_greeting()
    assert both.build(build)["status"] == "success"
    assert both.log_of(build) == b"hello\n"


def _status_on_disk(both: Both, build: int) -> str:
    """Ask a server of its own, without an agent."""
    data = both.site.folder / "data" / "server"
    alone = both.site.server("/nowhere", data_dir=data)
    alone.start()
    try:
        status: str = alone.build(build)["status"]
        return status
    finally:
        alone.stop()


def test_help_is_for_people(site: Site, tmp_path: Path) -> None:
    """And an unknown flag is a line of usage with exit code 2."""
    for flag, code in (("--help", 0), ("--prot", 2)):
        done = subprocess.run(
            [sys.executable, "-m", "ci", flag],
            cwd=tmp_path,
            env=site.environment,
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == code
        assert "python -m ci" in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
