"""A certificate of our own, and clients that believe it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import trio

from ci.certificates import pinned_context, serving_context
from ci.newcertificate import make_certificate

READ_BYTES = 1 << 16


@dataclass(frozen=True)
class Secure:
    """Both sides of TLS, and the files of the serving one."""

    certificate: Path
    key: Path
    serving: ssl.SSLContext
    trusting: ssl.SSLContext


def make_secure(folder: Path, name: str = "own") -> Secure:
    """Make a certificate for 127.0.0.1."""
    paths = folder / f"{name}-certificate.pem", folder / f"{name}-key.pem"
    made = make_certificate(["127.0.0.1"], datetime.now(UTC))
    for path, content in zip(paths, made, strict=True):
        path.write_bytes(content)
    return Secure(*paths, serving_context(*paths), pinned_context(paths[0].read_text()))


async def connect(port: int, trusting: ssl.SSLContext | None) -> trio.abc.Stream:
    """Open a connection, by TLS if there is somebody to trust."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    if trusting is None:
        return stream
    return trio.SSLStream(stream, trusting, server_hostname="127.0.0.1")


class HalfClosed:
    """A client of TLS that says its last word and goes on to listen, which trio's does not."""

    def __init__(self, stream: trio.SocketStream, trusting: ssl.SSLContext) -> None:
        self._stream = stream
        self._came, self._goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = trusting.wrap_bio(self._came, self._goes, server_hostname="127.0.0.1")

    async def ask(self, words: bytes) -> bytes:
        """Say this and nothing more; return all of the answer, to the server's own last word."""
        while not await self._goes_well(self._tls.do_handshake):
            pass
        self._tls.write(words)
        assert not await self._goes_well(self._tls.unwrap, listens=False)
        answer = b""
        while True:
            try:
                answer += self._tls.read(READ_BYTES)
            except ssl.SSLWantReadError:
                await self._receive()
            except ssl.SSLZeroReturnError:
                return answer

    async def _goes_well(self, step: object, *, listens: bool = True) -> bool:
        assert callable(step)
        try:
            step()
        except ssl.SSLWantReadError:
            await self._stream.send_all(self._goes.read())
            if listens:
                await self._receive()
            return False
        await self._stream.send_all(self._goes.read())
        return True

    async def _receive(self) -> None:
        data = await self._stream.receive_some()
        assert data, "the connection was cut"
        self._came.write(data)
