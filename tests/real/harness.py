"""Real programs on a real clock: servers, agents, git, for tests that kill them.

Everything is plain, without trio, so that Playwright's synchronous API can stand in the same test.
Nothing survives a test: every process carries the cookie of its `Site` in its environment, and
whatever still has it at the end is killed.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
import psutil

T = TypeVar("T")

TOP: Final = Path(__file__).parent.parent.parent
POLL_S: Final = 0.02  # between two looks at a condition
# Who waits sees it at once: only a failure takes so long. A loaded machine is slow at any moment.
START_S: Final = 60.0  # a start takes under a second
BUILD_S: Final = 60.0  # a small build takes about as long
IDLE_S: Final = 1.0  # so long a connection is used again: no server here closes it that early
_KILL_LOOKS: Final = 5  # then what is left can't be killed, and the test that looks says so
_HELD_LOOKS: Final = 4000  # a command that nobody lets go on ends by itself after some minutes
COOKIE: Final = "CI_TEST_COOKIE"
_URL: Final = re.compile(r'\blistening\b.*\burl(?:=|": ")https?://\S+?:(\d+)')
ENDED: Final = frozenset({"success", "failure", "error", "canceled"})


def wait_until(
    look: Callable[[], T],
    what: str,
    within_s: float = BUILD_S,
    *,
    until: Callable[[T], object] = bool,
) -> T:
    """Look again and again until what is seen is right, and return it.

    Fails, naming `what` and what was seen last. An answer that does not come is not there yet.
    """
    deadline = time.monotonic() + within_s
    last: object = None
    is_over = False
    while not is_over:
        is_over = time.monotonic() >= deadline  # known before the look, so the last one is fresh
        try:
            last = seen = look()
            if until(seen):
                return seen
        except httpx.TransportError as error:
            last = error
        time.sleep(POLL_S)
    raise AssertionError(f"not within {within_s:g} s: {what}; last seen: {last!r}")


def held(go: Path) -> str:
    """The part of a command that waits until the test makes the file `go`."""
    look = f"[ -e {shlex.quote(str(go))} ] && break; sleep 0.05"
    return f"for _ in $(seq {_HELD_LOOKS}); do {look}; done"


class Program:
    """One `python -m MODULE` process that can be killed and started again on the same port."""

    def __init__(self, module: str, flags: dict[str, object], site: Site, name: str) -> None:
        self.module = module
        self.flags = flags
        self.site = site
        self.name = name
        self.log = site.folder / f"{name}.log"
        self.data = Path(str(flags["data-dir"]))
        self.environment = dict(site.environment)
        self.prefix: list[str] = []  # the words of a program that becomes this one
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        scheme = "https" if "certificate" in self.flags else "http"
        return f"{scheme}://127.0.0.1:{self.port}"

    @property
    def words(self) -> str:
        """All that it has logged, over all its lives."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def start(self, *, wait: bool = True) -> None:
        """Start it, on the port of its last life if it had one, and wait until it listens."""
        flags = self.flags | {"port": self.port}
        begin = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *self.prefix,
                    sys.executable,
                    "-m",
                    self.module,
                    *(f"--{k}={v}" for k, v in flags.items()),
                ],
                cwd=self.site.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if wait:
            self.wait_listening(begin)

    def wait_listening(self, begin: int = 0) -> None:
        """Wait for the log line that names the port, and fail at once if it has ended instead."""

        def listening() -> str | None:
            words = self.log.read_bytes()[begin:].decode(errors="replace")
            match = _URL.search(words)
            assert match or self.running, f"{self.name} has ended: {words}"
            return match[1] if match else None

        self.port = int(wait_until(listening, f"{self.name} listens", START_S) or 0)

    @property
    def running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """`kill -9`: nothing in it gets a chance to tidy up."""
        self.send(signal.SIGKILL)
        self.wait_end()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, and nobody else."""
        assert self.process is not None
        self.process.send_signal(number)

    def wait_end(self, within_s: float = START_S) -> int:
        """Wait for its end and return the exit code, negative for a signal."""
        assert self.process is not None
        try:
            return self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end in {within_s:g} s") from None

    def stop(self) -> int:
        """SIGTERM, in order."""
        self.send(signal.SIGTERM)
        return self.wait_end()


class Server(Program):
    """A server with the calls that tests make."""

    def get(self, path: str, **parameters: Any) -> httpx.Response:
        """Ask for `path`."""
        return self.site.http.get(self.url + path, params=parameters or None)

    def post(self, path: str, body: object = None) -> httpx.Response:
        """Send `body` as JSON to `path`."""
        return self.site.http.post(self.url + path, json=body)

    def submit(self, command: str, commit: str = "main", **more: Any) -> int:
        """Ask for a build and return its number."""
        answer = self.post("/api/builds", {"commit": commit, "command": command, **more})
        assert answer.status_code == 201, answer.text
        number: int = answer.json()["number"]
        return number

    def build(self, number: int) -> dict[str, Any]:
        """Get a build as the API tells it."""
        answer = self.get(f"/api/builds/{number}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def log_of(self, number: int) -> bytes:
        """Get the log of a build's latest attempt."""
        answer = self.get(f"/api/builds/{number}/log")
        assert answer.status_code == 200, answer.text
        return answer.content

    def wait_build(self, number: int, *statuses: str, within_s: float = BUILD_S) -> dict[str, Any]:
        """Wait until a build has one of `statuses`, by default any end, and return it."""
        wanted = set(statuses) or ENDED
        return wait_until(
            lambda: self.build(number),
            f"build {number} is {' or '.join(sorted(wanted))}",
            within_s,
            until=lambda build: build["status"] in wanted,
        )

    def wait_log(self, number: int, text: bytes, within_s: float = BUILD_S) -> bytes:
        """Wait until `text` is in a build's log, and return the log."""
        return wait_until(
            lambda: self.log_of(number),
            f"{text!r} in the log of build {number}",
            within_s,
            until=lambda log: text in log,
        )

    def wait_agents(self, count: int, state: str = "online") -> None:
        """Wait until `count` agents are in `state`."""
        wait_until(
            lambda: [agent["state"] for agent in self.get("/api/agents").json()["agents"]],
            f"{count} agents {state}",
            START_S,
            until=lambda states: states.count(state) == count,
        )


class Site:
    """A folder with servers, agents and repositories, and the end of all of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cookie = uuid.uuid4().hex
        self.http = httpx.Client(
            trust_env=False,
            timeout=START_S,
            limits=httpx.Limits(keepalive_expiry=IDLE_S),
            verify=False,
        )
        self.environment = clean_environment() | {
            COOKIE: self.cookie,
            "PYTHONPATH": str(TOP),
            "HOME": str(folder),
            # Most tests talk with their commands by files outside of a workspace.
            "CI_AGENT_SANDBOX": "none",
        }
        self.programs: list[Program] = []

    def server(self, repository: str | Path, **settings: object) -> Server:
        """Make a server; `settings` are flags with `_` for `-`. It is not started yet."""
        return self.one_server("server", {"repository": repository} | settings)

    def one_server(self, name: str, settings: dict[str, object]) -> Server:
        """Make one of several servers."""
        return self._keep(Server("ci.server", self._flags(name, settings), self, name))

    def program(self, module: str, name: str, **settings: object) -> Program:
        """Make another program of ours. It is not started yet."""
        return self._keep(Program(module, self._flags(name, settings), self, name))

    def agent(self, server: Program, name: str = "agent", **settings: object) -> Program:
        """Make an agent of `server`. It is not started yet."""
        flags = self._flags(name, {"server_port": server.port, "name": name} | settings)
        return self._keep(Program("ci.agent", flags, self, name))

    def close(self) -> None:
        """Kill everything that was started here, and what that started."""
        self.http.close()
        for program in self.programs:
            if program.process is not None:
                program.process.kill()
                program.process.wait()
        for _ in range(_KILL_LOOKS):  # what one of them has just started is met by the next look
            left = self.survivors()
            for process in left:
                with suppress(psutil.NoSuchProcess):  # a shell ends when its child was killed
                    process.kill()
            if not left:
                return

    def survivors(self) -> list[psutil.Process]:
        """Processes that carry our cookie or work in our folder, whoever their parent is."""
        found = []
        for process in psutil.process_iter():
            try:
                ours = process.environ().get(COOKIE) == self.cookie
                if ours or Path(process.cwd()).is_relative_to(self.folder):
                    found.append(process)
            except psutil.Error:
                continue  # gone, or somebody else's
        return [process for process in found if process.pid != os.getpid()]

    def _flags(self, name: str, settings: dict[str, object]) -> dict[str, object]:
        flags = {"data_dir": self.folder / "data" / name} | settings
        return {key.replace("_", "-"): value for key, value in flags.items()}

    _Program = TypeVar("_Program", bound=Program)

    def _keep(self, program: _Program) -> _Program:
        self.programs.append(program)
        return program


def is_alive(process: psutil.Process) -> bool:
    """Whether it runs; where nobody buries orphans, the dead stay in the list as zombies."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def clean_environment() -> dict[str, str]:
    """The environment without settings of this program, of git, and of the way to the world."""
    hidden = ("CI_", "GIT_", "PYTHON")
    found = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(hidden) and name != "CI" and not name.lower().endswith("_proxy")
    }
    return found | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
