"""The kit's way with an agent.

run_agent_kit
├─ port        of the stand-in server
├─ agent       if it is ours to start
└─ probes      one after the other
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from ci import blocking
from ci.conformance.agent_faults import PROBES as FAULTS
from ci.conformance.agent_probes import PROBES as PLAIN
from ci.conformance.agent_process import AgentProcess
from ci.conformance.agent_stage import AgentStage
from ci.conformance.calls import Peer, open_peers
from ci.conformance.probe import Finding, chosen, run_probes
from ci.conformance.repository import Repository, make_repository
from ci.conformance.standin_server import StandInServer

PROBES: Final = (*PLAIN, *FAULTS)


@dataclass(frozen=True, slots=True)
class AgentOptions:
    """What is known of the agent. `start` is a command that starts it."""

    url: str
    token: str | None = None
    host: str = "127.0.0.1"
    port: int = 8080
    patience_s: float = 30.0
    repository: str | None = None
    commit: str = "main"
    start: str | None = None


async def run_agent_kit(
    options: AgentOptions, only: Sequence[str] | None, tell: Callable[[Finding], None]
) -> tuple[Finding, ...]:
    """Hold an agent against the contract. Raises ConfigError when that can't be."""
    probes = chosen(PROBES, only, always=PLAIN[:1])
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        if options.repository is None:
            repository = await blocking.run(make_repository, Path(folder) / "repository")
        else:
            repository = Repository(options.repository, options.commit)
        async with open_peers() as http, trio.open_nursery() as nursery:
            server = StandInServer(nursery, options.host, options.port)
            await server.door.open()
            process = (
                None if options.start is None else AgentProcess(options.start, server.door.number)
            )
            stage = AgentStage(
                Peer(http, options.url, options.token),
                server,
                repository,
                process,
                nursery,
                first_number=int(time.time()),
                patience_s=options.patience_s,
            )
            try:
                if process is not None:
                    await process.start()
                else:
                    where = f"http://{options.host}:{server.door.number}"
                    sys.stderr.write(f"Waiting for the agent to register at {where} …\n")
                findings = await run_probes(probes, stage, tell)
            finally:
                if process is not None:
                    with trio.CancelScope(shield=True):
                        await process.stop()
            nursery.cancel_scope.cancel()
    return findings
