"""A real server under load: 150 builds on ten simulated agents, and more connections than it takes.

The load is that of `bench/load.py`, only smaller; how long things take is measured there, not here.
"""

from __future__ import annotations

import argparse
import signal
import socket
from typing import Any

import trio

from bench.load import Run, parse
from tests.real.harness import Site

CONNECTIONS = 400
LIMIT_S = 240.0  # on a machine that does other things as well
CONNECT_S = 60.0  # on loopback the kernel answers at once, whatever the server does


def test_none_of_many_builds_is_lost(site: Site) -> None:
    """By 20 clients at a time, over a limit that refuses many at first: each ends once."""
    wanted = parse(["--builds=150", "--clients=20", "--agents=10", "--work=0.05", "--limit=60"])
    outcome = trio.run(_run, site, wanted)
    assert outcome["wrong"] == []
    assert outcome["builds"] == outcome["answers"]["submit 201"] == 150
    assert outcome["answers"].keys() <= {
        "submit 201", "submit 503", "/ 200", "/agents 200", "/api/builds 200", "/build/N 200",
    }  # fmt: skip


async def _run(site: Site, wanted: argparse.Namespace) -> dict[str, Any]:
    server = site.server(site.folder / "repository", max_waiting_builds=wanted.limit)
    server.start()
    with trio.fail_after(LIMIT_S):
        async with trio.open_nursery() as nursery:
            outcome = await Run(server, wanted, nursery).run()
            nursery.cancel_scope.cancel()
    return outcome


def test_a_server_that_is_busy_elsewhere_refuses_no_connection(site: Site) -> None:
    """Every open page comes back at the same moment: the kernel keeps them until there is time."""
    server = site.server(site.folder / "repository")
    server.start()
    server.send(signal.SIGSTOP)
    connections = []
    try:
        for _ in range(CONNECTIONS):
            address = ("127.0.0.1", server.port)
            connections.append(socket.create_connection(address, timeout=CONNECT_S))
    finally:
        server.send(signal.SIGCONT)
        for connection in connections:
            connection.close()
    assert len(connections) == CONNECTIONS
    assert server.get("/healthz").status_code == 200
