"""As much of HTTP/1.1 as a proxy must know: where a request, and its answer, ends."""

from __future__ import annotations

from typing import BinaryIO, Final

MAX_HEAD: Final = 1 << 16  # bytes of a request's or answer's head
_BODILESS: Final = (204, 304)


class Broken(Exception):
    """The other side ended, or said what is no HTTP."""


def read_request(stream: BinaryIO) -> bytes | None:
    """Read one whole request; None when there is no further one. Raises Broken, OSError."""
    head = _read_head(stream)
    if not head:
        return None
    return head + _read_body(stream, head, until_end=False)


def read_answer(stream: BinaryIO) -> bytes:
    """Read one whole answer to anything but a HEAD. Raises Broken, OSError."""
    while True:
        head = _read_head(stream)
        if not head:
            raise Broken("no answer")
        if not status(head) < 200:
            break  # what was before is `100 Continue`, which nobody here waits for
    if status(head) in _BODILESS:
        return head
    return head + _read_body(stream, head, until_end=True)


def status(answer: bytes) -> int:
    """Return an answer's status. Raises Broken."""
    words = answer.split(b" ", 2)
    if len(words) < 2 or not words[1][:3].isdigit():
        raise Broken(f"no status line: {answer[:50]!r}")
    return int(words[1][:3])


def _read_head(stream: BinaryIO) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline(MAX_HEAD)
        if not line and not head:
            return b""
        head += line
        if not line.endswith(b"\n") or len(head) > MAX_HEAD:
            raise Broken("ended in the middle of a head")
    return head


def _read_body(stream: BinaryIO, head: bytes, *, until_end: bool) -> bytes:
    headers = {
        name.strip().lower(): value.strip().lower()
        for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
    }
    if headers.get(b"transfer-encoding") == b"chunked":
        return _read_chunks(stream)
    if (length := headers.get(b"content-length")) is not None:
        return _exactly(stream, int(length))
    return stream.read() if until_end else b""


def _read_chunks(stream: BinaryIO) -> bytes:
    body = b""
    while True:
        line = stream.readline(MAX_HEAD)
        try:
            size = int(line, 16)
        except ValueError:
            raise Broken(f"no size of a chunk: {line[:50]!r}") from None
        body += line + _exactly(stream, size + 2)
        if size == 0:
            return body


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise Broken(f"ended after {len(data)} of {size} bytes")
    return data
