"""`python -m ci.storage_api`; what it does is in `run.py`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import trio

from ci.parent import run_with_parent
from ci.program import run_program
from ci.storage_api.run import run_storage
from ci.storage_api.settings import StorageConfig


def main() -> int:
    """Run the stand-in and return its exit code: 0 when it was stopped, 2 when it can't start."""

    def load() -> StorageConfig:
        return StorageConfig.load(sys.argv[1:], os.environ, Path.cwd())

    def run(config: StorageConfig) -> None:
        trio.run(run_with_parent, run_storage, config)

    return run_program("nursery-ci storage API", load, run)


if __name__ == "__main__":
    sys.exit(main())
