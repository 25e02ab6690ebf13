"""Everything that a torture run happens to: a server, three agents, repositories, bad connections.

    clients ──────────────> server <── 127.0.0.2N:P ── agent N     proxies: `agentN>server`
    lossy clients ── proxy ──^  └───── 127.0.0.1N:Q ──> agent N    proxies: `server>agentN`

An agent says that it is at 127.0.0.1N and listens at 127.0.0.1, on the same port.
"""

from __future__ import annotations

import json
import os
import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.real.harness import Program, Server, Site
from tests.real.repository import Repository, open_git_server
from tests.torture import disks
from tests.torture.kinds import BUILD_TIMEOUT_S, SILENCE_S, WORKLOAD
from tests.torture.plan import AGENTS, SLOTS
from tests.torture.proxy import Proxy, Weather, open_proxy

HEARTBEAT_S: Final = 1
GRACE_S: Final = 10

CLIENT_WEATHER: Final = Weather(lose=0.15, twice=0.1, delay_s=0.02)
_CLOCK: Final = Path(__file__).with_name("clock")
_PORTS: Final = range(15_000, 30_000)  # no port of these is given to anybody who asks for any


@dataclass(frozen=True, slots=True)
class Stage:
    """What was set up. `notes` is the folder in which commands note what they do."""

    site: Site
    server: Server
    agents: dict[str, Program]
    proxies: dict[str, Proxy]  # by link
    client_proxy: Proxy
    repositories: tuple[str, ...]
    notes: Path
    has_disks: bool

    @property
    def programs(self) -> dict[str, Program]:
        """Server and agents by name."""
        return {"server": self.server, **self.agents}

    def set_clock(self, program: str, offset_s: float) -> None:
        """Let a program's wall clock be off by so many seconds."""
        _set_clock(self.site.folder, program, offset_s)


@contextmanager
def open_stage(folder: Path, seed: int) -> Iterator[Stage]:
    """Set all up and start it; end all of it when the block is left."""
    with ExitStack() as stack:
        site = Site(folder)
        stack.callback(site.close)
        notes = folder / "notes"
        notes.mkdir()
        repository = _repository(folder / "git" / "project")
        over_http = stack.enter_context(open_git_server(folder / "git")) + "/project/.git"
        repositories = {"local": str(repository.path), "http": over_http}

        data = [folder / "data" / name for name in ("server", *AGENTS)]
        has_disks = all([disks.mount(each) for each in data])  # noqa: C419 - try each of them
        for each in data:
            stack.callback(disks.unmount, each)
        server = site.server(
            repository.path,
            repositories=json.dumps(repositories),
            heartbeat_seconds=HEARTBEAT_S,
            grace_seconds=GRACE_S,
            build_timeout_seconds=BUILD_TIMEOUT_S,
            silence_timeout_seconds=SILENCE_S,
        )
        server.port = _free_port("127.0.0.1")
        _start(server)
        at_server = ("127.0.0.1", server.port)
        proxies: dict[str, Proxy] = {}
        agents: dict[str, Program] = {}
        for number, name in enumerate(AGENTS, 1):
            host = f"127.0.0.1{number}"
            up = stack.enter_context(open_proxy((f"127.0.0.2{number}", 0), at_server, seed))
            agent = site.agent(
                server,
                name,
                slots=SLOTS,
                labels=name,
                host=host,
                bind="127.0.0.1",
                server_host=up.host,
                kill_grace_seconds=2,
            )
            agent.flags["server-port"] = up.port
            agent.port = _free_port("127.0.0.1", host)
            target = ("127.0.0.1", agent.port)
            down = stack.enter_context(open_proxy((host, agent.port), target, seed))
            proxies |= {f"{name}>server": up, f"server>{name}": down}
            agents[name] = agent
            _start(agent)
        client_proxy = stack.enter_context(open_proxy(("127.0.0.30", 0), at_server, seed))
        client_proxy.weather = CLIENT_WEATHER
        stage = Stage(
            site, server, agents, proxies, client_proxy, tuple(repositories), notes, has_disks
        )
        # What stands still, or waits for what stands still, could not be ended.
        stack.callback(site.close)
        yield stage


def _start(program: Program) -> None:
    site = program.site
    _set_clock(site.folder, program.name, 0)
    program.environment = site.environment | {
        "PYTHONPATH": os.pathsep.join([site.environment["PYTHONPATH"], str(_CLOCK)]),
        "TORTURE_CLOCK": str(_clock_file(site.folder, program.name)),
    }
    program.start()


def _repository(path: Path) -> Repository:
    repository = Repository(path)
    files = {f"src/file{n}.txt": f"{n}\n" * 50 for n in range(50)}
    repository.commit(files | {WORKLOAD.name: WORKLOAD.read_text(encoding="utf-8")})
    return repository


def _free_port(*hosts: str) -> int:
    """Find a port that nobody has, and that nobody gets while its program is down."""
    for port in random.SystemRandom().sample(_PORTS, 100):
        with ExitStack() as stack:
            try:
                for host in hosts:
                    stack.enter_context(socket.create_server((host, port)))
            except OSError:
                continue
            return port
    raise AssertionError("100 ports were tried and all are taken")


def _clock_file(folder: Path, program: str) -> Path:
    return folder / f"{program}.clock"


def _set_clock(folder: Path, program: str, offset_s: float) -> None:
    path = _clock_file(folder, program)
    new = path.with_suffix(".new")
    new.write_text(f"{offset_s:g}", encoding="ascii")
    new.rename(path)
