"""A log that is removed while somebody reads it."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import Final

from tests.real.harness import START_S, Site, wait_until
from tests.real.repository import Repository

LOG_BYTES: Final = 16_000_000  # more than all the buffers on the way to a reader who does not read


def test_a_log_that_goes_while_it_is_read(site: Site, repository: Repository) -> None:
    """The reader sees that it was cut; nobody else notices, and the next one is told 404."""
    server = site.server(repository.path, keep_builds=1)
    server.start()
    site.agent(server).start()
    for command in (f"head -c {LOG_BYTES} /dev/zero; exit 1", "echo red; exit 1"):
        server.wait_build(server.submit(command), "failure")
    with closing(socket.socket()) as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        reader.settimeout(START_S)
        reader.connect(("127.0.0.1", server.port))
        reader.sendall(b"GET /build/1/log HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert reader.recv(100).startswith(b"HTTP/1.1 200")
        (server.data / "logs" / "000000" / "1.1.1.log").unlink()
        got = 0
        while data := reader.recv(1 << 20):
            got += len(data)
        assert 0 < got < LOG_BYTES
    assert server.get("/healthz").status_code == 200
    assert server.log_of(2) == b"red\n"
    server.stop()
    server.start()
    wait_until(
        lambda: server.get("/build/1/log").status_code, "gone", until=lambda code: code == 404
    )
    assert "removed by the rules" in server.get("/build/1/log").text
    assert "Traceback" not in server.words
