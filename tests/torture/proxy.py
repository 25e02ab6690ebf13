"""A bad connection: stands between two programs and does to their requests what networks do.

One thread accepts, one more serves each connection. It knows whole requests and whole answers
(`http_framing`), so that it can lose an answer after its request was handled, or send a request
twice.
"""

from __future__ import annotations

import random
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import Final, TypeVar

from tests.torture.http_framing import Broken, read_answer, read_request

_T = TypeVar("_T")

LATER_S: Final = (1.0, 15.0)  # the asker may have been restarted since, and the asked one too
_BACKLOG: Final = 100
_CONNECT_S: Final = 10.0
_DRAIN: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Weather:
    """What happens to a connection; the probabilities are of each request."""

    cut: bool = False  # whatever is open is closed at once, and nothing new gets through
    silent: bool = False  # half open: everything is taken, nothing is ever answered
    delay_s: float = 0.0  # before a request goes on, and before its answer does
    lose: float = 0.0  # the answer is lost after the request was handled
    twice: float = 0.0  # the request is sent once more, and the second answer goes back
    later: float = 0.0  # the request arrives once more some seconds later, as from a stuck hop


FAIR: Final = Weather()


class Proxy:
    """Listens on one address and passes on to another one; see `open_proxy`.

    `counts` says what was done how often.
    """

    def __init__(self, listen: tuple[str, int], target: tuple[str, int], seed: int) -> None:
        self.target = target
        self.counts: Counter[str] = Counter()
        self._dice = random.Random(seed)
        self._weather = FAIR
        self._open: set[socket.socket] = set()
        self._lock = Lock()
        self._closed = Event()
        self._listener = socket.create_server(listen, backlog=_BACKLOG)
        self.host, self.port = self._listener.getsockname()[:2]
        self._threads: list[Thread] = []
        self._acceptor = Thread(target=self._accept)
        self._acceptor.start()

    @property
    def weather(self) -> Weather:
        """How the connection is now."""
        return self._weather

    @weather.setter
    def weather(self, weather: Weather) -> None:
        self._weather = weather
        if weather.cut:
            self._end_all()

    def close(self) -> None:
        """End all connections and wait for the threads."""
        self._closed.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._end_all()
        self._acceptor.join()  # after it nobody starts threads but those that are waited for here
        while self._threads:
            self._threads.pop().join()

    def _end_all(self) -> None:
        with self._lock:
            for each in self._open:
                with suppress(OSError):  # its other side was faster
                    each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # closed
            self.counts["connections"] += 1
            self._start(self._serve, client)

    def _start(self, work: Callable[[_T], None], argument: _T) -> None:
        thread = Thread(target=work, args=(argument,))
        with self._lock:
            self._threads = [each for each in self._threads if each.is_alive()]
            self._threads.append(thread)
            thread.start()

    @contextmanager
    def _kept(self, connection: socket.socket) -> Iterator[socket.socket]:
        """Have `connection` ended by a cut, and closed at the end."""
        with connection:
            with self._lock:
                self._open.add(connection)
            try:
                if self._closed.is_set() or self._weather.cut:
                    raise Broken("cut")
                yield connection
            finally:
                with self._lock:
                    self._open.remove(connection)

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError, Broken), self._kept(client), client.makefile("rb") as stream:
            while (request := read_request(stream)) is not None:
                answer = self._pass_on(request)
                if answer is None or self._weather.silent:
                    self.counts["swallowed"] += 1
                    while client.recv(_DRAIN):
                        pass  # nothing is answered until the client gives up
                    return
                if self._chance(self._weather.lose):
                    self.counts["answers lost"] += 1
                    return
                client.sendall(answer)

    def _pass_on(self, request: bytes) -> bytes | None:
        weather = self._weather
        if weather.silent:
            return None
        time.sleep(weather.delay_s)
        self.counts["delayed"] += weather.delay_s > 0
        answer = self._ask(request)
        if self._chance(weather.twice):
            self.counts["sent twice"] += 1
            answer = self._ask(request)
        if self._chance(weather.later):
            self._start(self._repeat, request)
        time.sleep(weather.delay_s)
        return answer

    def _repeat(self, request: bytes) -> None:
        """Send it once more when nobody expects it; its answer is nobody's."""
        with self._lock:
            wait_s = self._dice.uniform(*LATER_S)
        if self._closed.wait(wait_s):
            return
        self.counts["sent again later"] += 1
        with suppress(OSError, Broken):
            self._ask(request)

    def _ask(self, request: bytes) -> bytes:
        """Ask on a connection of its own: the two sides' keep-alive have nothing in common."""
        self.counts["requests"] += 1
        upstream = socket.create_connection(self.target, _CONNECT_S)
        upstream.settimeout(None)
        with self._kept(upstream), upstream.makefile("rb") as stream:
            upstream.sendall(request)
            return read_answer(stream)

    def _chance(self, probability: float) -> bool:
        with self._lock:
            return self._dice.random() < probability


@contextmanager
def open_proxy(listen: tuple[str, int], target: tuple[str, int], seed: int = 0) -> Iterator[Proxy]:
    """Run a proxy until the block is left. Port 0 takes any that is free."""
    proxy = Proxy(listen, target, seed)
    try:
        yield proxy
    finally:
        proxy.close()
