"""`python -m ci.server check`: whether a data folder holds what it must, in use or not.

It only reads, and prints one line for each thing that is wrong, with what to do, and what the rules
would remove now. The rows are looked at in `store/audit.py`; here the logs are compared with them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from ci.config import ServerConfig
from ci.errors import ConfigError, StoreDamaged, StoreError
from ci.model import ATTEMPT_ID
from ci.program import CAN_NOT_START
from ci.server.logs import BUILDS_PER_FOLDER, log_sizes
from ci.server.rules import Rules, Sieve
from ci.server.store.audit import Audit, Finding, open_audit

NO_RULES = Rules()
WRONG = 1  # the exit code when something is
_STEP_DIGITS = 15  # those of an attempt's build without the last three: see ATTEMPT_ID


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
    logs = folder / "logs"
    names = _names(logs)
    steps = {f"{step:06}": step for step in audit.steps()}
    steps |= {name: int(name) for name in names if _is_folder(logs, name)}
    for name in names:
        if name not in steps:
            yield Finding(str(logs / name), "is no folder of logs", "remove it if it is not yours")
    for name, step in sorted(steps.items()):
        yield from _folder_findings(audit, logs / name, step)


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


def _names(folder: Path) -> list[str]:
    """List a folder; one that is not there is empty."""
    try:
        return sorted(path.name for path in folder.iterdir())
    except FileNotFoundError:
        return []


def _is_folder(logs: Path, name: str) -> bool:
    is_step = name.isascii() and name.isdecimal() and len(name) <= _STEP_DIGITS
    return is_step and (logs / name).is_dir()


def _folder_findings(audit: Audit, folder: Path, step: int) -> Iterator[Finding]:
    sizes = audit.log_sizes(step)
    # An id that can't be one is told with its build, and is no name of a file.
    meant = {f"{id}.log" for id in sizes if ATTEMPT_ID.fullmatch(id)}
    for name in sorted(meant | set(_names(folder))):
        if _judge(audit, folder / name, step, sizes) is None:
            continue
        # The server may have gone on since the rows were read: what is true stays true.
        finding = _judge(audit, folder / name, step, audit.log_sizes(step))
        if finding is not None:
            yield finding


def _judge(audit: Audit, path: Path, step: int, sizes: Mapping[str, int | None]) -> Finding | None:
    """Compare one file with what the store says of it."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        size = None
    id = path.name.removesuffix(".log")
    what = str(path)
    if id not in sizes or id == path.name:
        return None if size is None else _stray(audit, path, step)
    said = sizes[id]
    if said is None or said == (size or 0):
        return None
    if size is None:
        problem = f"is missing; the store says that it has {said} bytes"
        # To make room, logs of builds that have ended may be removed by hand.
        by_hand = (parts := ATTEMPT_ID.fullmatch(id)) and audit.has_ended(int(parts[1]))
        advice = "unless you removed it, restore it from a back-up"
        return Finding(what, problem, advice, damage=not by_hand)
    problem = f"has {size} bytes, the store says {said}"
    if size < said:
        return Finding(what, f"{problem}: its end is lost", "restore it from a back-up")
    return Finding(what, problem, f"what follows byte {said} is no part of it")


def _stray(audit: Audit, path: Path, step: int) -> Finding:
    """Say what a file is that belongs to no attempt."""
    what = str(path)
    parts = ATTEMPT_ID.fullmatch(path.name.removesuffix(".log"))
    if parts is None or path.suffix != ".log":
        return Finding(what, "is no log of an attempt", "remove it if it is not yours")
    number = int(parts[1])
    if number // BUILDS_PER_FOLDER != step:
        right = f"{number // BUILDS_PER_FOLDER:06}"
        return Finding(what, f"lies in the wrong folder, {right} is right", "move it there")
    if number > audit.newest:
        problem = f"is of build {number}, and the store has given no number above {audit.newest}"
        return Finding(what, problem, "it is newer than the store: remove it")
    if audit.has_build(number):
        return Finding(what, f"build {number} has no such attempt", "remove it")
    problem = f"build {number} was removed"
    return Finding(what, problem, "it goes in the next round of the rules", damage=False)
