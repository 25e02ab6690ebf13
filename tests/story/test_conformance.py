"""The conformance kit finds what does not hold, and nothing else; of our server, nothing."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
import trio
from quart_trio import QuartTrio
from trio.testing import MockClock

from ci.conformance.probe import Finding, Verdict
from ci.conformance.report import exit_code
from ci.conformance.server_kit import ServerOptions, hold_server
from tests.fakes.host import Host
from tests.fakes.network import Network
from tests.foreign.little_server import Flaw, LittleServer
from tests.story.world import SERVER, World

_NUMBERS = count(7000)
LIMIT_S = 3600.0  # of the mock clock
NONSENSE = {"unknown result", "empty result", "result that is no JSON"}


class Door:
    """A door of a stand-in in a network without sockets."""

    host = "agent"

    def __init__(self, network: Network, nursery: trio.Nursery, app: QuartTrio) -> None:
        self.network = network
        self.number = next(_NUMBERS)
        self._app: Any = Host(app, nursery)
        app.config["MAX_CONTENT_LENGTH"] = 64 << 20

    async def open(self) -> None:
        """Let callers in."""
        self.network.apps[f"{self.host}:{self.number}"] = self._app

    async def close(self) -> None:
        """Refuse connections."""
        self.network.apps.pop(f"{self.host}:{self.number}")


async def _hold(network: Network, nursery: trio.Nursery) -> tuple[Finding, ...]:
    async with network.client() as http:
        with trio.fail_after(LIMIT_S):
            return await hold_server(
                ServerOptions(f"http://{SERVER}"),
                http,
                lambda app: Door(network, nursery, app),
                None,
                lambda _: None,
            )


async def test_all_of_the_contract_holds_for_our_server(
    world: World, autojump_clock: MockClock
) -> None:
    """And all of it can be told."""
    await world.start_server()
    findings = await _hold(world.network, world.nursery)
    assert {each.name: each.seen for each in findings if each.verdict is not Verdict.HOLDS} == {}
    assert exit_code(findings) == 0


@pytest.mark.parametrize(
    ("flaw", "found"),
    [
        (None, set()),
        (Flaw.NEWEST_FIRST, {"oldest first"}),
        (Flaw.SMALL_BODIES, {"200 KB of output", "2 MB of output"}),
        (Flaw.TWO_AT_ONCE, {"one at a time"}),
        (Flaw.BREAKS_AT_NONSENSE, {*NONSENSE, "output that is no UTF-8", "agent dies in a build"}),
        (Flaw.BELIEVES_ALL, {"result twice", "cancel"}),
        (Flaw.ASKS_AGAIN, {"late reply"}),
        (Flaw.FORGETS_THE_DEAD, {"agent dies in a build"}),
        (Flaw.CANCELS_ALONE, {"cancel"}),
        (Flaw.TAKES_REGISTRATION_FOR_FREE, {"register again"}),
        (Flaw.REFUSAL_IS_THE_END, {"agent says not now"}),
        (Flaw.EVERYTHING_IS_GREEN, {"red build"}),
        (Flaw.ASCII_ONLY, {"unicode"}),
        (Flaw.HANDS_OVER_ANYTHING, {"hand over"}),
    ],
)
async def test_what_does_not_hold_is_found_and_nothing_else(
    autojump_clock: MockClock, nursery: trio.Nursery, flaw: Flaw | None, found: set[str]
) -> None:
    """A server with one flaw fails just the probes that look for it."""
    network = Network()
    flaws = frozenset() if flaw is None else frozenset({flaw})
    async with network.client() as http:
        server = LittleServer(http, nursery, flaws)
        network.apps[SERVER] = Host(server.app(), nursery)
        nursery.start_soon(server.serve)
        findings = await _hold(network, nursery)
    broken = {each.name: each.seen for each in findings if each.verdict is Verdict.DOES_NOT}
    assert set(broken) == found, broken
    assert exit_code(findings) == bool(found)
