"""The server's connections to agents: those that nobody uses are closed, the others are not."""

from __future__ import annotations

from functools import partial

import trio

from ci.server.client import FORGET_S, AgentClient, dial_http

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Agents:
    """Five addresses that answer everything; how many connections to each are open."""

    def __init__(self) -> None:
        self.ports: list[int] = []
        self.open: dict[int, int] = {}

    async def start(self, nursery: trio.Nursery) -> None:
        """Listen."""
        for _ in range(5):
            serve = partial(trio.serve_tcp, self._answer, 0, host="127.0.0.1")
            (listener,) = await nursery.start(serve)
            self.ports.append(listener.socket.getsockname()[1])

    async def _answer(self, stream: trio.SocketStream) -> None:
        port = stream.socket.getsockname()[1]
        self.open[port] = self.open.get(port, 0) + 1
        while await stream.receive_some(65536):
            await stream.send_all(ANSWER)
        self.open[port] -= 1


async def test_agents_that_come_from_new_ports_at_once_close_the_old_connections() -> None:
    """Each is closed once, whoever comes first; what was used again meanwhile stays open."""
    now = 0.0
    agents = Agents()
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery, dial_http(lambda: now) as http:
            await agents.start(nursery)

            async def ask(port: int) -> None:
                await AgentClient(http, "127.0.0.1", port, None).status()

            for port in agents.ports[:3]:
                await ask(port)
            now = FORGET_S + 1
            async with trio.open_nursery() as at_once:
                for port in agents.ports[2:]:
                    at_once.start_soon(ask, port)
            while [agents.open[port] for port in agents.ports] != [0, 0, 1, 1, 1]:
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
