"""Start an agent."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import trio

from ci.agent.run import run_agent
from ci.config import AgentConfig
from ci.parent import run_with_parent
from ci.program import run_program


def main() -> int:
    """Run an agent and return its exit code: 0 when it was stopped, 2 when it can't start."""

    def load() -> AgentConfig:
        return AgentConfig.load(sys.argv[1:], os.environ, Path.cwd())

    def run(config: AgentConfig) -> None:
        trio.run(run_with_parent, run_agent, config)

    return run_program("nursery-ci agent", load, run)
