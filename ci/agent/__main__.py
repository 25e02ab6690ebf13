"""`python -m ci.agent`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import trio

from ci import log
from ci.agent.run import run_agent
from ci.config import AgentConfig
from ci.errors import ConfigError

USAGE_EXIT = 2  # the exit code of a wrong setting


def main() -> int:
    """Run an agent; return the exit code."""
    log.configure()
    try:
        config = AgentConfig.load(sys.argv[1:], os.environ, Path.cwd())
        trio.run(run_agent, config)
    except ConfigError as error:
        sys.stderr.write(f"nursery-ci agent: {error}\n")
        return USAGE_EXIT
    return 0


if __name__ == "__main__":
    sys.exit(main())
