"""`python -m ci.server`: start the server."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import trio

from ci import log
from ci.config import ServerConfig
from ci.errors import ConfigError, StoreError
from ci.server.run import run_server


def main() -> int:
    """Run the server and return its exit code: 0 when it was stopped, 2 when it can't start."""
    log.configure()
    try:
        config = ServerConfig.load(sys.argv[1:], os.environ, Path.cwd())
        trio.run(run_server, config)
    except (ConfigError, StoreError) as error:
        return _complain(error)
    except BaseExceptionGroup as group:
        matched, rest = group.split((ConfigError, StoreError))
        if matched is None or rest is not None:
            raise
        return _complain(matched)
    return 0


def _complain(error: BaseException) -> int:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    print(f"nursery-ci server: {error}", file=sys.stderr)  # noqa: T201  a word to the person who started it
    return 2


if __name__ == "__main__":
    sys.exit(main())
