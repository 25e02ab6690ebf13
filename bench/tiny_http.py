"""As much HTTP as a load needs, both ends, in few instructions: what measures must cost little.

Bodies have a Content-Length, connections stay open. Nothing else that HTTP allows is understood.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import trio

LOOPBACK = "127.0.0.1"
RECEIVE_BYTES = 1 << 16
_HEADER = re.compile(rb"\r\n([^:\r\n]+): *([^\r\n]*)")


@dataclass(frozen=True, slots=True)
class Message:
    """A request or an answer: its first line, its headers in small letters, its body."""

    first: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def status(self) -> int:
        """Of an answer."""
        return int(self.first.split(" ", 2)[1])

    @property
    def path(self) -> str:
        """Of a request."""
        return self.first.split(" ", 2)[1]

    def json(self) -> Any:
        """Return the body as data."""
        return json.loads(self.body)


class Reader:
    """Takes messages out of a stream."""

    def __init__(self, stream: trio.abc.ReceiveStream) -> None:
        self._stream = stream
        self._buffer = bytearray()

    async def message(self) -> Message | None:
        """Return the next message, or None at the stream's end."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if not await self._more():
                return None
        head = bytes(self._buffer[:end])
        del self._buffer[: end + 4]
        headers = {name.decode().lower(): value.decode() for name, value in _HEADER.findall(head)}
        size = int(headers.get("content-length", 0))
        while len(self._buffer) < size:
            if not await self._more():
                return None
        body = bytes(self._buffer[:size])
        del self._buffer[:size]
        return Message(head.partition(b"\r\n")[0].decode(), headers, body)

    async def _more(self) -> bool:
        data = await self._stream.receive_some(RECEIVE_BYTES)
        self._buffer += data
        return bool(data)


@contextmanager
def open_client(port: int, headers: dict[str, str] | None = None) -> Iterator[Client]:
    """Make a client of the server at `port` that sends these headers with each request."""
    client = Client(port, headers or {})
    try:
        yield client
    finally:
        client.close()


class Client:
    """One connection to the server, opened anew when it was closed. For one task."""

    def __init__(self, port: int, headers: dict[str, str]) -> None:
        self._port = port
        extra = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._headers = f"Host: {LOOPBACK}:{port}\r\n{extra}"
        self._stream: trio.SocketStream | None = None
        self._reader: Reader

    async def ask(self, method: str, path: str, body: object = None) -> Message:
        """Send a request, with `body` as JSON, and return the answer."""
        content = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\n{self._headers}Content-Length: {len(content)}\r\n\r\n"
        for fresh in (self._stream is None, True):
            if fresh:
                self._stream = await trio.open_tcp_stream(LOOPBACK, self._port)
                self._reader = Reader(self._stream)
            assert self._stream is not None
            with suppress(trio.BrokenResourceError):
                await self._stream.send_all(head.encode() + content)
                if (answer := await self._reader.message()) is not None:
                    return answer
            await self._stream.aclose()  # it was idle for too long
        raise ConnectionError(f"{path}: no answer, twice")

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._stream is not None:
            self._stream.socket.close()


Handler = Callable[[Message], Awaitable[tuple[int, object]]]


async def serve(handler: Handler, task_status: trio.TaskStatus[int]) -> None:
    """Answer requests by `handler`, with JSON, on a free port."""
    listeners = await trio.open_tcp_listeners(0, host=LOOPBACK)
    port: int = listeners[0].socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, partial(_answer, handler), listeners)
        task_status.started(port)


async def _answer(handler: Handler, stream: trio.SocketStream) -> None:
    reader = Reader(stream)
    try:
        while (request := await reader.message()) is not None:
            status, answer = await handler(request)
            body = json.dumps(answer).encode()
            head = f"HTTP/1.1 {status} x\r\nContent-Length: {len(body)}\r\n\r\n"
            await stream.send_all(head.encode() + body)
    except trio.BrokenResourceError:
        return  # whoever asked has left
