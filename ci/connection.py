"""One client's connection: Hypercorn speaks HTTP/1.1 on it, we say how long it may take.

Connection.run                reads, until either side ends it; agrees on keys before, for TLS
└─ _answer                    the app, for the request under way

Hypercorn's own connection has no limit for a write, and waits for ever to tell something to an app
that no longer listens. Hence neither the socket nor the app is in its hands here.
"""

from __future__ import annotations

import math
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import Enum, auto
from typing import Final, cast

import h11
import structlog
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import (
    AppWrapper,
    ASGIFramework,
    ASGIReceiveEvent,
    ASGISendEvent,
    ConnectionState,
    Scope,
    TaskGroup,
)
from hypercorn.utils import parse_socket_addr

from ci.crowd import Crowd
from ci.gate import NO_PAGE
from ci.http1 import HTTP1, INVITE
from ci.tls import PlainPeer, TlsStream

log = structlog.get_logger()

# Longer than any client of ours keeps an idle connection, so that it is never closed under one.
KEEP_ALIVE_S: Final = 75.0
# After our last word we read on: bytes that are unread when a connection is closed destroy what its
# client has not read yet, such as the answer that its body is too large.
LINGER_S: Final = 2.0
READ_BYTES: Final = 1 << 16
# What a browser shows that was led here by `http://`.
PLAIN_ANSWER: Final = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 45\r\n"
    + "".join(f"{name}: {value}\r\n" for name, value in NO_PAGE.items()).encode()
    + b"Connection: close\r\n\r\nThis port speaks TLS only: write https:// ...\n"
)
_RESET: Final = struct.pack("ii", 1, 0)  # linger for 0 s
_GONE: Final = frozenset({"http.disconnect", "websocket.disconnect"})

AppSend = Callable[[ASGISendEvent | None], Awaitable[None]]
AppReceive = trio.MemoryReceiveChannel[ASGIReceiveEvent]


class _State(Enum):
    IDLE = auto()  # between two requests
    HEAD = auto()  # of a request, or the time before the first byte of the first one
    BODY = auto()  # the app limits the time for it, and can say so
    ANSWER = auto()  # the whole request is here
    CLOSING = auto()  # what still comes is thrown away


class Connection:
    """One connection, from accept to close."""

    def __init__(
        self,
        app: ASGIFramework,
        config: Config,
        context: WorkerContext,
        crowd: Crowd,
        stream: trio.SocketStream,
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._app = app
        self._config = config
        self._context = context
        self._crowd = crowd
        self._socket = stream.socket
        self._plain = stream
        self._stream = stream if tls is None else TlsStream(stream, tls)
        self._state = _State.HEAD
        self._deadline = math.inf  # for the next bytes of the client
        self._reading = trio.CancelScope()
        self._sending = trio.Lock()
        self._our_turn_over = trio.Event()
        self._protocol: HTTP1
        self._nursery: trio.Nursery

    async def run(self) -> None:
        """Serve the connection until either side ends it."""
        raw = self._socket
        try:
            ends = [
                parse_socket_addr(raw.family, a) for a in (raw.getpeername(), raw.getsockname())
            ]
        except OSError:  # its client has left already
            raw.close()
            return
        try:
            async with trio.open_nursery() as self._nursery:
                self._protocol = HTTP1(
                    ASGIWrapper(self._app),
                    self._config,
                    self._context,
                    cast(TaskGroup, self),  # of which only `spawn_app` is asked
                    ConnectionState({}),
                    ssl=isinstance(self._stream, TlsStream),
                    client=ends[0],
                    server=ends[1],
                    send=self._take,
                )
                self._crowd.enter(self)
                self._wait(_State.HEAD, self._crowd.limits.client_s)
                if await self._greet():
                    await self._read()
        except Exception:  # whatever the bytes of a stranger do, they end his connection alone
            if self._crowd.broken.failed() is not None:
                log.exception("connection broken", client=ends[0])
        finally:
            self._close()

    def stop(self) -> None:
        """End it, unless a request is under way."""
        if self._state in (_State.IDLE, _State.HEAD):
            self.drop()

    def drop(self) -> None:
        """End it now, also in the middle of a request."""
        self._close()
        self._nursery.cancel_scope.cancel()

    def _close(self) -> None:
        self._crowd.leave(self)
        if self._sending.locked():
            # Else the kernel keeps what is unsent and offers it for many minutes.
            with suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._socket.close()

    async def _greet(self) -> bool:
        """Agree on keys, in the time that there is for the head; say if that went well."""
        if not isinstance(self._stream, TlsStream):
            return True
        self._reading = trio.CancelScope(deadline=self._deadline)
        with self._reading, suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            try:
                await self._stream.do_handshake()
            except PlainPeer:
                await self._plain.send_all(PLAIN_ANSWER)
            else:
                return True
        return False

    async def _read(self) -> None:
        while (data := await self._receive()) is not None:
            if data:
                await self._hear(data)
            elif not await self._wait_answered():
                if self._protocol.stream is None:  # all that it asked is answered
                    await self._say_no_more()
                break
        await self._protocol.handle(Closed())

    async def _receive(self) -> bytes | None:
        """Wait for bytes; none when the client says no more, None when it is gone or too slow."""
        self._reading = trio.CancelScope(deadline=self._deadline)
        with self._reading, suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            return bytes(await self._stream.receive_some(READ_BYTES))
        return None

    async def _hear(self, data: bytes) -> None:
        if self._state is _State.CLOSING:
            return
        if self._state is _State.IDLE:
            self._wait(_State.HEAD, self._crowd.limits.client_s)
        elif self._state is _State.BODY:
            self._wait(_State.BODY, math.inf)
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            # raised by an inbox that nobody reads any more: the answer is there already
            await self._protocol.handle(RawData(data))

    async def _wait_answered(self) -> bool:
        """Let a client that says no more have the answer that it waits for; say if it got one.

        Who has asked may close his half of the connection (`nc -N`). That looks just as if he had
        left, until an answer is sent to him; so one that does not begin in time is given up.
        """
        if self._state is _State.BODY or self._protocol.stream is None:
            return False
        self._crowd.wait(self)  # whoever may have left makes room for those who have not
        self._our_turn_over = trio.Event()
        with trio.move_on_after(self._crowd.limits.client_s):
            await self._our_turn_over.wait()
        if self._answering():  # of which each piece has a limit of its own
            await self._our_turn_over.wait()
        return self._our_turn_over.is_set()

    def _wait(self, state: _State, within_s: float) -> None:
        """It is the client's turn."""
        self._our_turn_over.set()
        self._state = state
        self._deadline = self._reading.deadline = trio.current_time() + within_s
        self._crowd.wait(self)

    def _work(self) -> None:
        """It is our turn."""
        self._state = _State.ANSWER
        self._deadline = self._reading.deadline = math.inf
        self._crowd.work(self)

    async def _take(self, event: Event) -> None:
        """Do what Hypercorn asks for. Only the sending of bytes is a checkpoint.

        Quart-Trio cancels a handler as soon as it hears that its client has left, and Hypercorn
        says so at the end of each answer, before it says that the connection is idle.
        """
        if isinstance(event, RawData):
            if event.data:
                await self._send(event.data)
        elif isinstance(event, Updated):
            if event.idle:
                self._crowd.release(self)
                self._wait(_State.IDLE, KEEP_ALIVE_S)
            else:
                self._wait(_State.BODY, math.inf)
        elif isinstance(event, Closed):
            if self._answering():
                self._state = _State.CLOSING  # what follows the request is wrong; its answer is not
                return
            self._wait(_State.CLOSING, LINGER_S)
            await self._say_no_more()
            await self._protocol.handle(Closed())

    async def _say_no_more(self) -> None:
        try:
            if isinstance(self._stream, TlsStream):
                with trio.move_on_after(LINGER_S, shield=True):  # see above
                    await self._stream.say_no_more()
            self._socket.shutdown(socket.SHUT_WR)
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            self.drop()

    def _answering(self) -> bool:
        begun = self._sending.locked() or self._protocol.connection.our_state is h11.SEND_BODY
        return begun and self._protocol.stream is not None

    async def _send(self, data: bytes) -> None:
        """Send bytes; what can't be sent whole and in time ends the connection."""
        async with self._sending:
            self._crowd.wait(self)
            whole = False
            try:
                with trio.move_on_after(self._crowd.limits.client_s):
                    await self._stream.send_all(data)
                    whole = True
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass  # its client has left
            finally:
                if not whole:
                    self.drop()
            # Whatever comes next of this answer may be long in coming: who follows a silent build
            # must not keep the agent out that brings its end.
            self._crowd.wait(self)

    async def spawn_app(
        self, _app: AppWrapper, config: Config, scope: Scope, send: AppSend
    ) -> Callable[[ASGIReceiveEvent], Awaitable[None]]:
        """Start the app for a request; return what tells it of the body. Hypercorn calls this."""
        if scope["type"] == "http":
            scope["extensions"] = {INVITE: {"call": self._protocol.invite}}
        inbox, receive = trio.open_memory_channel[ASGIReceiveEvent](config.max_app_queue_size)
        self._nursery.start_soon(self._answer, scope, receive, send)

        async def put(message: ASGIReceiveEvent) -> None:
            if message["type"] in _GONE:
                inbox.close()
                return
            if message["type"] == "http.request":
                self._crowd.hold(self, len(message["body"]))
                if not message["more_body"] and self._state is _State.BODY:
                    self._work()
            await inbox.send(message)

        return put

    async def _answer(self, scope: Scope, inbox: AppReceive, send: AppSend) -> None:
        async def receive() -> ASGIReceiveEvent:
            try:
                return await inbox.receive()
            except trio.EndOfChannel:
                return {"type": "http.disconnect"}

        with inbox:
            try:
                await self._app(scope, receive, send)
            except* h11.LocalProtocolError as group:
                # Such as a log that was removed while it was read: its client sees the cut, too.
                log.warning(
                    "answer cut", asked=scope.get("raw_path"), error=str(group.exceptions[0])
                )
            except* Exception:  # of Quart itself; it has a page for those of our handlers
                if self._crowd.broken.failed() is not None:
                    log.exception("request broken", asked=scope.get("raw_path"))
        await send(None)  # which answers 500 if there is no answer yet
