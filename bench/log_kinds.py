"""Measure the page of logs that are made to be slow, and whether it hurts others.

    python bench/log_kinds.py

Each kind of log fills some windows. Its page is asked for while somebody else asks for the list.
Prints a line of JSON for each: median and worst of the page, and of the list meanwhile, in
milliseconds.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.log_page import beside, shown, typical
from tests.real.harness import Server, Site
from tests.real.repository import Repository

LOG_BYTES: Final = 1 << 20  # four windows
RANDOM: Final = random.Random(1)  # each run the same
KINDS: Final = {
    "usual": b"".join(b"step %d: compiled src/module_%d.c\n" % (n, n % 97) for n in range(9999)),
    "line ends": b"\n",
    "carriage returns": b"\r",
    "progress": b"\rx",
    "erased lines": b"\r\x1b[K",
    "returns and backspaces": b"\r\b",
    "coloured progress": b"\r\x1b[31mx",
    "control characters": b"\x01",
    "backspaces": b"\bx",
    "a colour per letter": b"\x1b[31mx\x1b[32my",
    "a colour per line": b"\x1b[31mx\x1b[0m\n",
    "a colour of 16 million per letter": b"".join(
        b"\x1b[38;2;%d;%d;%dmx" % tuple(RANDOM.choices(range(256), k=3)) for _ in range(50_000)
    ),
    "escapes": b"\x1b",
    "escapes in a section": b"::group::x\n" + b"\x1b[31m\x1b" * 40_000,
    "random": RANDOM.randbytes(LOG_BYTES),
}


def main() -> None:
    """Measure and print."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory(prefix="nursery-ci-log-kinds-") as folder:
        site = Site(Path(folder))
        try:
            run(site)
        finally:
            site.close()


def run(site: Site) -> None:
    """Make the logs and look at them."""
    repository = Repository(site.folder / "repository")
    repository.commit({"README.md": "A project.\n"})
    server = site.server(repository.path)
    server.start()
    agent = site.agent(server)
    agent.start()
    server.wait_agents(1)
    builds = {kind: server.submit("exit 2") for kind in KINDS}
    for number in builds.values():
        server.wait_build(number)
    agent.stop()
    for kind, number in builds.items():
        figures = measure(server, number, KINDS[kind])
        print(json.dumps({"kind": kind, **figures}))  # noqa: T201 - the result


def measure(server: Server, number: int, unit: bytes) -> dict[str, Any]:
    """Look at one log."""
    path = server.data / "logs" / "000000" / f"{number}.1.1.log"
    path.write_bytes((unit * (LOG_BYTES // len(unit) + 1))[:LOG_BYTES])
    page: list[float] = []
    others = beside(server, lambda: page.extend(typical(server, f"/build/{number}")))
    return {"page": page, "list_meanwhile": shown(others) if others else []}


if __name__ == "__main__":
    main()
