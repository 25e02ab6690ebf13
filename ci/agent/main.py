"""Start an agent; with the word `certificate`, make one for it instead."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import trio

from ci.agent.run import run_agent
from ci.config import AgentConfig
from ci.parent import run_with_parent
from ci.program import return_what_is_free, run_program


def main() -> int:
    """Run an agent and return its exit code: 0 when it was stopped, 2 when it can't start."""
    if sys.argv[1:2] == ["certificate"]:
        # Nobody else needs what it takes to make one, which is slow to import.
        from ci import newcertificate  # noqa: PLC0415

        return newcertificate.main(AgentConfig, sys.argv[2:])

    def load() -> AgentConfig:
        return AgentConfig.load(sys.argv[1:], os.environ, Path.cwd())

    def run(config: AgentConfig) -> None:
        return_what_is_free()
        trio.run(run_with_parent, run_agent, config)

    return run_program("nursery-ci agent", load, run)
