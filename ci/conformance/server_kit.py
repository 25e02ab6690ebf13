"""The kit's way with a server.

run_server_kit
├─ port        of the stand-in agent
└─ probes      one after the other
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import trio

from ci.conformance.calls import Http, Peer, open_peers
from ci.conformance.desk import Wanted, find_desk
from ci.conformance.port import MakeDoor, Port
from ci.conformance.probe import Finding, chosen, run_probes
from ci.conformance.server_faults import PROBES as FAULTS
from ci.conformance.server_probes import PROBES as PLAIN
from ci.conformance.server_stage import ServerStage
from ci.conformance.standin_agent import StandInAgent

PROBES: Final = (*PLAIN, *FAULTS)


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What is known of the server. `submit` is a command that asks it for a build."""

    url: str
    token: str | None = None
    host: str = "127.0.0.1"
    patience_s: float = 30.0
    commit: str = "main"
    command: str = "make test"
    submit: str | None = None
    api_token: str | None = None


async def run_server_kit(
    options: ServerOptions, only: Sequence[str] | None, tell: Callable[[Finding], None]
) -> tuple[Finding, ...]:
    """Hold a server against the contract. Raises ConfigError, PeerError when that can't be."""
    async with open_peers() as http, trio.open_nursery() as nursery:
        make_port = partial(Port, nursery, host=options.host)
        findings = await hold_server(options, http, make_port, only, tell)
        nursery.cancel_scope.cancel()
    return findings


async def hold_server(
    options: ServerOptions,
    http: Http,
    make_door: MakeDoor,
    only: Sequence[str] | None,
    tell: Callable[[Finding], None],
) -> tuple[Finding, ...]:
    """As `run_server_kit`, by any network."""
    probes = chosen(PROBES, only, always=PLAIN[:1])
    people = Peer(http, options.url, options.api_token)
    desk = await find_desk(people, Wanted(options.commit, options.command), options.submit)
    server = Peer(http, options.url, options.token)
    make_agent = partial(StandInAgent, server, make_door)
    agent = make_agent()
    await agent.door.open()
    stage = ServerStage(server, desk, agent, make_agent, options.patience_s)
    return await run_probes(probes, stage, tell)
