"""Start the server; `check`, `init`, `password`, `secret`, `certificate` do what these say."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import trio

from ci.config import ServerConfig
from ci.parent import run_with_parent
from ci.program import keep_what_lasts, run_program
from ci.server import check, init, secret
from ci.server.run import run_server


def main() -> int:
    """Run the server and return its exit code: 0 when it was stopped, 2 when it can't start."""
    if sys.argv[1:2] == ["check"]:
        keep_what_lasts()
        return check.main(sys.argv[2:])

    if sys.argv[1:2] and sys.argv[1] in init.WORDS:
        return init.main(sys.argv[1], sys.argv[2:])

    if sys.argv[1:2] == [secret.WORD]:
        return secret.main(sys.argv[2:])

    if sys.argv[1:2] == ["certificate"]:
        # Nobody else needs what it takes to make one, which is slow to import.
        from ci import newcertificate  # noqa: PLC0415

        return newcertificate.main(ServerConfig, sys.argv[2:])

    def load() -> ServerConfig:
        return ServerConfig.load(sys.argv[1:], os.environ, Path.cwd())

    def run(config: ServerConfig) -> None:
        trio.run(run_with_parent, run_server, config)

    return run_program("nursery-ci server", load, run)
