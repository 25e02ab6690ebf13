"""Agent: everything that one agent is, put together, without sockets and signals.

open_agent
├─ attempts  one task each; those of an earlier life first
├─ home      registers, and again when unheard
└─ cleaning  removes what belongs to no attempt, and mirrors that nobody uses
"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import trio
from quart_trio import QuartTrio

from ci import blocking
from ci.agent.admission import Admission, why_no_secrets
from ci.agent.app import create_app
from ci.agent.attempts import Attempts
from ci.agent.checkout import Checkout
from ci.agent.cleaning import Cleaning
from ci.agent.client import Dial, ServerClient
from ci.agent.door import Door
from ci.agent.home import Home
from ci.agent.line import Line
from ci.agent.metrics import Metrics
from ci.agent.mounts import FOLDERS, Ground, check_known, mark_new
from ci.agent.room import Room
from ci.agent.runner import Runner
from ci.agent.secret import Secret, open_secret
from ci.agent.spool import write_whole
from ci.agent.tools import AgentTools
from ci.certificates import read_certificate
from ci.config import AgentConfig
from ci.errors import ConfigError
from ci.version import program_version
from ci.wire.fields import PROTOCOL

ID_BYTES: Final = 8
NO_SANDBOX: Final = "none"  # what is said of that to servers and people


class Agent:
    """An agent at work. `app` is what its server calls."""

    def __init__(
        self,
        config: AgentConfig,
        *,
        home_id: str,
        ground: Ground,
        runner: Runner,
        checkout: Checkout,
        line: Line,
        certificate: str,
        secret: Secret,
        nursery: trio.Nursery,
    ) -> None:
        self.config = config
        self._certificate = certificate
        self.secret = secret
        self.door = Door(secret)
        self.line = line
        self.boot_id = secrets.token_hex(ID_BYTES)
        self.home_id = home_id
        address = {"host": config.host, "port": config.port}
        self.measured = line.metrics
        data_dir = config.data_dir.absolute()
        self.room = Room(ground, config.min_free_bytes, runner.free_bytes)
        commands = config.sandboxed_policy if runner.sandbox else config.command_policy
        self.admission = Admission(
            commands,
            config.repository_policy,
            config.environment_names,
            why_no_secrets(config.secrets, runner.sandbox),
        )
        self._tools = AgentTools(
            runner,
            checkout,
            self.room,
            self.admission,
            line.metrics,
            line,
            address,
            config.dialect,
        )
        self.attempts = Attempts(data_dir, self.boot_id, config.slots, self._tools, nursery)
        self.cleaning = Cleaning(
            ground, self.attempts.names, checkout, self.room, config.keep_mirrors_days
        )
        self.home = Home(line, self.attempts, secret, self.describe)
        self.app: QuartTrio = create_app(self)

    def drain(self) -> None:
        """Take nothing new from now on, and let the server know at once."""
        self.attempts.begin_drain()
        self.home.call()

    async def describe(self) -> dict[str, Any]:
        """Make the body of a registration; `hostname` and `available` are for servers of others."""
        attempts = self.attempts
        await self.room.look()
        is_free = attempts.busy < attempts.slots
        return {
            "host": self.config.host,
            "hostname": self.config.host,
            "port": self.config.port,
            "available": is_free and not attempts.draining and not self._tools.problem,
            "name": self.config.shown_name,
            "slots": attempts.slots,
            "labels": list(self.config.labels),
            "version": program_version(),
            "boot_id": self.boot_id,
            "home_id": self.home_id,
            "protocol": PROTOCOL,
            "draining": attempts.draining,
            "problem": self._tools.problem,
            "certificate": self._certificate,
            "wants_credential": self.secret.token is not None,
            "attempts": [state.model_dump() for state in attempts.states()],
        }

    async def status(self) -> dict[str, Any]:
        """Make the answer to `/status`; the last three fields are for servers of others."""
        attempts = self.attempts
        states = attempts.states()
        first = attempts.first_running
        free = await self.room.look()
        return {
            "name": self.config.shown_name,
            "home_id": self.home_id,
            "boot_id": self.boot_id,
            "slots": attempts.slots,
            "attempts": [state.model_dump() for state in states],
            "load": _load(),
            "disk_free": free,
            "draining": attempts.draining,
            "problem": self._tools.problem,
            "delivery_retries": self.measured.retries,
            "commands": self.admission.commands.rules,
            "repositories": self.admission.repositories.rules,
            "sandbox": self._tools.runner.sandbox or NO_SANDBOX,
            "takes_secrets": not self.admission.no_secrets,
            "no_secrets": self.admission.no_secrets,
            "isBusy": attempts.busy >= attempts.slots,
            "buildId": first,
            "task": None if first is None else {"id": first, "buildId": first},
        }

    async def metrics(self) -> bytes:
        """Return all metrics as Prometheus reads them."""
        attempts = self.attempts
        free = await self.room.look()
        return self.measured.text(
            states=[state.state for state in attempts.states()],
            slots=attempts.slots,
            busy=attempts.busy,
            disk_free=free,
            disk_short=bool(self.room.problem),
            silence_s=trio.current_time() - self.line.heard_at,
        )


def _load() -> float:
    """The machine's load; 0 when no file can be opened to read it."""
    try:
        return os.getloadavg()[0]
    except OSError:
        return 0.0


@asynccontextmanager
async def open_agent(
    config: AgentConfig, *, dial: Dial, runner: Runner, checkout: Checkout
) -> AsyncIterator[Agent]:
    """Open an agent; it registers and works until the context ends.

    The end is abrupt, as by SIGKILL: commands go on, everything stays on disk. To stop in order,
    drain `attempts` before. Raises ConfigError when the data folder can't be used.
    """
    with _data_folder(config.data_dir):
        home_id = await blocking.run(_home_id, config.data_dir)
        secret = await blocking.run(
            open_secret, config.data_dir, config.shown_name, config.agent_token
        )
        await blocking.run(_mark_volumes, config.data_dir)
        ground = await blocking.run(Ground, config.data_dir.absolute())
    certificate = ""
    if config.certificate is not None:
        certificate = await blocking.run(read_certificate, config.certificate)
    async with dial(config.server_url) as http, trio.open_nursery() as nursery:
        agent = Agent(
            config,
            home_id=home_id,
            ground=ground,
            runner=runner,
            checkout=checkout,
            certificate=certificate,
            line=Line(ServerClient(http, secret), Metrics()),
            secret=secret,
            nursery=nursery,
        )
        with _data_folder(config.data_dir):
            await agent.attempts.pick_up()
        nursery.start_soon(agent.home.serve)
        nursery.start_soon(agent.cleaning.serve)
        yield agent
        nursery.cancel_scope.cancel()


@contextmanager
def _data_folder(data_dir: Path) -> Iterator[None]:
    """Around what opens the data folder: its troubles are a wrong setting."""
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"dataDir = {str(data_dir)!r}: can't be used ({error}); mend it or choose another"
        ) from error


def _mark_volumes(data_dir: Path) -> None:
    """Know later what was mounted before there was any build from what a build has mounted."""
    for name in FOLDERS:
        mark_new(data_dir / name)


def _home_id(data_dir: Path) -> str:
    """Read the random word that names this data folder, whatever the agent is called."""
    data_dir.mkdir(parents=True, exist_ok=True)
    path = data_dir / "home_id"
    check_known(data_dir, path)
    if not path.exists():
        write_whole(path, secrets.token_hex(ID_BYTES).encode(), durable=True)
    return path.read_text(encoding="ascii").strip()
