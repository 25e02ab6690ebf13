"""TLS on a socket, the server's side.

It is not trio's, which can't send its last word while somebody waits for the other side's next
one, as a connection always does.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final, TypeVar

import trio

from ci.certificates import ssl_words

T = TypeVar("T")

_READ_BYTES: Final = 1 << 16


class PlainPeer(Exception):
    """Who connected speaks HTTP without TLS."""


class TlsStream:
    """TLS on a socket, for a server: as much of a stream as a connection asks of it.

    Raises trio.BrokenResourceError as that does, also for what is no TLS.
    """

    def __init__(self, stream: trio.SocketStream, context: ssl.SSLContext) -> None:
        self._stream = stream
        self._came, self._goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._came, self._goes, server_side=True)
        self._flushing = trio.Lock()

    async def do_handshake(self) -> None:
        """Agree on keys. Raises PlainPeer as well."""
        try:
            await self._until(self._tls.do_handshake)
        except ssl.SSLError as error:
            if error.reason == "HTTP_REQUEST":
                raise PlainPeer from error
            raise trio.BrokenResourceError(ssl_words(error)) from error

    async def receive_some(self, max_bytes: int) -> bytes:
        """Wait for bytes; none when the client says no more."""
        try:
            return await self._until(partial(self._tls.read, max_bytes))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):  # many clients just leave
            return b""
        except ssl.SSLError as error:
            raise trio.BrokenResourceError(ssl_words(error)) from error

    async def send_all(self, data: bytes) -> None:
        """Send bytes, whole."""
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            raise trio.BrokenResourceError(ssl_words(error)) from error
        await self._flush()

    async def say_no_more(self) -> None:
        """Say that nothing follows; what still comes can be read."""
        with suppress(ssl.SSLError):  # the other side has not said so yet
            self._tls.unwrap()
        await self._flush()

    async def _until(self, ask: Callable[[], T]) -> T:
        """Ask again with each bytes that come, until there is an answer."""
        while True:
            try:
                answer = ask()
            except ssl.SSLWantReadError:
                await self._flush()
            except ssl.SSLError:
                await self._flush()  # it may say what is wrong
                raise
            else:
                await self._flush()
                return answer
            if data := await self._stream.receive_some(_READ_BYTES):
                self._came.write(data)
            else:
                self._came.write_eof()

    async def _flush(self) -> None:
        if not self._goes.pending:
            return
        async with self._flushing:  # what is written first goes first
            while data := self._goes.read():
                await self._stream.send_all(data)
