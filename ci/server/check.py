"""`python -m ci.server check`: whether a data folder holds what it must, in use or not.

It only reads, and prints one line for each thing that is wrong, with what to do, and what the rules
would remove now. `store/audit.py` looks at the rows, `check_logs.py` at the logs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from ci.config import ServerConfig
from ci.errors import ConfigError, StoreDamaged, StoreError
from ci.program import CAN_NOT_START
from ci.server.check_logs import log_findings
from ci.server.logs import BUILDS_PER_FOLDER, log_sizes
from ci.server.rules import Rules, Sieve
from ci.server.store.audit import Audit, Finding, open_audit

NO_RULES = Rules()
WRONG = 1  # the exit code when something is


def main(arguments: Sequence[str]) -> int:
    """Check a data folder; return 0, 1 if something is wrong, 2 if it can't be read."""
    try:
        config = ServerConfig.load(arguments, os.environ, Path.cwd())
        return WRONG if check_folder(config.data_dir, Rules.of(config)) else 0
    except (ConfigError, StoreError) as error:
        sys.stderr.write(f"nursery-ci server check: {error}\n")
        return WRONG if isinstance(error, StoreDamaged) else CAN_NOT_START
    except PermissionError as error:
        sys.stderr.write(
            f"nursery-ci server check: {error.filename}: can't be read ({error.strerror}); "
            "let its owner do it\n"
        )
        return CAN_NOT_START
    except OSError as error:  # a file in the place of a folder, a link to itself, a broken disk
        sys.stderr.write(
            f"nursery-ci server check: {error.filename}: can't be read ({error.strerror}); "
            "restore a back-up\n"
        )
        return WRONG


def check_folder(folder: Path, rules: Rules = NO_RULES) -> int:
    """Print what is found in `folder`, and return how much of it is damage.

    Raises StoreError, and OSError when a log or a folder of logs can't be read.
    """
    damages = 0
    # So many builds are read at once as have their logs in one folder.
    with open_audit(folder, BUILDS_PER_FOLDER) as audit:
        for finding in findings(audit, folder):
            damages += finding.damage
            sys.stdout.write(f"{finding}\n")
        if not (damages or rules.keep_all):
            for finding in rule_findings(audit, folder / "logs", Sieve(rules, datetime.now(UTC))):
                sys.stdout.write(f"{finding}\n")
        verdict = f"{damages} things are wrong" if damages != 1 else "1 thing is wrong"
        sys.stdout.write(
            f"{folder}: {audit.builds} builds, {audit.attempts} attempts: "
            f"{verdict if damages else 'nothing is wrong'}\n"
        )
    return damages


def findings(audit: Audit, folder: Path) -> Iterator[Finding]:
    """Find all that is wrong in the store and its logs."""
    yield from audit.file_findings()
    if problem := audit.schema_problem():
        yield problem
        return
    if unreadable := list(audit.value_findings()):
        yield from unreadable
        return
    yield from audit.findings()
    yield from log_findings(audit, folder / "logs")


def rule_findings(audit: Audit, logs: Path, sieve: Sieve) -> Iterator[Finding]:
    """Say what a round of the rules would remove now."""
    gone = []
    freed = 0
    for _, builds in groupby(audit.ended(), key=lambda build: build.number // BUILDS_PER_FOLDER):
        page = list(builds)
        sizes = log_sizes(logs, [build.number for build in page])
        for build in page:
            size = sizes.get(build.number, 0)
            if sieve.goes(build, size):
                gone.append(build.number)
                freed += size
    if gone:
        what = f"{len(gone)} builds from {gone[-1]} to {gone[0]} go, with {freed} bytes of logs"
        when = "in the next round, at the server's start or within an hour"
        yield Finding("rules", what, when, damage=False)
    if sieve.spared:
        what = (
            f"{sieve.spared} builds are too old by the clock, which says {sieve.now:%Y-%m-%d}, but "
            f"nothing ended for as long after {sieve.quiet_since:%Y-%m-%d}"
        )
        when = "they go when builds have ended for a day; set the clock if it is ahead"
        yield Finding("rules", what, when, damage=False)
