"""Clients that nobody wants: they say nothing, or slowly, or do not read what they asked for."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psutil

from ci.limits import raise_file_limit
from tests.real.harness import START_S, Program, Server, wait_until

SETTLED_FILES: Final = 5  # the store and its threads have some more or less open at any moment


class Crowd:
    """Many connections to one program, opened at once and closed at the end."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.members: list[socket.socket] = []

    def open(self, count: int, words: bytes = b"", *, deaf: bool = False) -> None:
        """Open `count` more, each of which says `words`; `deaf` ones have little room to hear."""
        for _ in range(count):
            member = socket.socket()
            if deaf:
                member.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            member.connect(("127.0.0.1", self.port))
            member.sendall(words)
            member.setblocking(False)
            self.members.append(member)

    def say(self, words: bytes) -> None:
        """Let all say something; those that were thrown out can't."""
        for member in self.members:
            try:
                member.send(words)
            except OSError:
                continue

    def left(self) -> int:
        """Count those that are still connected, without hearing what they are told."""
        poll = select.poll()
        for member in self.members:
            poll.register(member, select.POLLRDHUP)
        return len(self.members) - len(poll.poll(0))

    def close(self) -> None:
        """Let all leave."""
        for member in self.members:
            member.close()
        self.members.clear()


@contextmanager
def open_crowd(port: int) -> Iterator[Crowd]:
    """Make room for a crowd."""
    raise_file_limit()
    crowd = Crowd(port)
    try:
        yield crowd
    finally:
        crowd.close()


class Vitals:
    """What a program holds, against what it held at first."""

    def __init__(self, program: Program) -> None:
        assert program.process is not None
        self._process = psutil.Process(program.process.pid)
        self._files = self.files()
        self._bytes = self._memory()

    def files(self) -> int:
        """Count open files and connections."""
        count: int = self._process.num_fds()
        return count

    def grown(self) -> int:
        """Bytes of memory beyond those at first."""
        return self._memory() - self._bytes

    def wait_files_back(self, within_s: float) -> None:
        """Wait until no more files are open than at first."""
        most = self._files + SETTLED_FILES
        wait_until(self.files, "files are closed", within_s, until=lambda count: count <= most)

    def _memory(self) -> int:
        count: int = self._process.memory_info().rss
        return count


def serve_others(server: Server, times: int = 20) -> None:
    """Ask for pages as a browser and as a program, on connections old and new."""
    for _ in range(times):
        assert server.get("/").status_code == 200
        assert server.get("/healthz").status_code in (200, 503)
        with socket.create_connection(("127.0.0.1", server.port), timeout=START_S) as fresh:
            fresh.sendall(b"GET /agents HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            assert fresh.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
