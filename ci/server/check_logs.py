"""The logs' part of `python -m ci.server check`: each file beside what the store says of it."""

from __future__ import annotations

import shlex
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from ci import logfile
from ci.model import ATTEMPT_ID
from ci.server.logs import BESIDE, BUILDS_PER_FOLDER, LOG
from ci.server.store.audit import Audit, Finding, KeptLog

_STEP_DIGITS = 15  # those of an attempt's build without the last three: see ATTEMPT_ID
_RESTORE = "restore it from a back-up"
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}


def log_findings(audit: Audit, logs: Path) -> Iterator[Finding]:
    """Find all that is wrong in `logs`, the folder of all logs; each whole one is read.

    Raises OSError when a log or a folder of logs can't be read.
    """
    totals = audit.log_totals()
    names = _names(logs)
    if names is None:
        if totals.count:
            problem = f"is missing, and with it {totals.count} logs of {totals.bytes} bytes"
            advice = f"{_RESTORE}, or make an empty folder in its place if you removed it"
            yield Finding(str(logs), problem, advice)
        return
    steps = {f"{step:06}": step for step in audit.steps()}
    steps |= {name: int(name) for name in names if _is_folder(logs, name)}
    for name in names:
        if name not in steps:
            yield Finding(str(logs / name), "is no folder of logs", "remove it if it is not yours")
    for name, step in sorted(steps.items()):
        yield from _folder_findings(audit, logs / name, step)
    if totals.unhashed:
        problem = f"{totals.unhashed} of them have no checksum: an earlier version took them"
        advice = "of these only the size was compared; nothing is to be done"
        yield Finding("logs", problem, advice, damage=False)


def _names(folder: Path) -> list[str] | None:
    """List a folder; None when it is not there."""
    try:
        return sorted(path.name for path in folder.iterdir())
    except FileNotFoundError:
        return None


def _is_folder(logs: Path, name: str) -> bool:
    is_step = name.isascii() and name.isdecimal() and len(name) <= _STEP_DIGITS
    return is_step and (logs / name).is_dir()


def _folder_findings(audit: Audit, folder: Path, step: int) -> Iterator[Finding]:
    kept = audit.logs(step)
    # An id that can't be one is told with its build, and is no name of a file.
    meant = {f"{id}.log" for id in kept if ATTEMPT_ID.fullmatch(id)}
    for name in sorted(meant | set(_names(folder) or ())):
        if _judge(audit, folder / name, step, kept) is None:
            continue
        # The server may have gone on since the rows were read: what is true stays true.
        finding = _judge(audit, folder / name, step, audit.logs(step))
        if finding is not None:
            yield finding


def _judge(audit: Audit, path: Path, step: int, kept: Mapping[str, KeptLog]) -> Finding | None:
    """Compare one file with what the store says of it."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        status = None
    if path.suffix in BESIDE and path.stem in kept:
        return None  # without it, or without its log, nothing is lost
    id = path.name.removesuffix(".log")
    if id not in kept or id == path.name:
        return None if status is None else _stray(audit, path, step)
    if status is not None and not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "no file")
        advice = "move it away, and restore the log from a back-up"
        return Finding(str(path), f"is {kind}, where a log must be", advice)
    said = kept[id]
    if said.size is None or (status is None and not said.size):
        return None
    if status is None:
        return _missing(audit, path, said.size)
    return _compare(path, status.st_size, said.size, said.sha256)


def _missing(audit: Audit, path: Path, size: int) -> Finding:
    problem = f"is missing; the store says that it has {size} bytes"
    # To make room, logs of builds that have ended may be removed by hand.
    parts = ATTEMPT_ID.fullmatch(path.name.removesuffix(".log"))
    by_hand = parts is not None and audit.has_ended(int(parts[1]))
    return Finding(str(path), problem, f"unless you removed it, {_RESTORE}", damage=not by_hand)


def _compare(path: Path, size: int, said: int, sha256: str | None) -> Finding | None:
    problem = f"has {size} bytes, the store says {said}"
    if size < said:
        return Finding(str(path), f"{problem}: its end is lost", _RESTORE)
    is_right = sha256 is None or logfile.sha256(path, said) == sha256
    if size > said and is_right:
        advice = f"cut off what follows: truncate --size={said} {shlex.quote(str(path))}"
        return Finding(str(path), problem, advice)
    if size > said:
        return Finding(str(path), f"{problem}; and these are others than it had", _RESTORE)
    if not is_right:
        return Finding(str(path), f"has other bytes than the {said} that it had", _RESTORE)
    return None


def _stray(audit: Audit, path: Path, step: int) -> Finding:
    """Say what a file is that belongs to no attempt."""
    what = str(path)
    parts = ATTEMPT_ID.fullmatch(path.stem)
    if parts is None or path.suffix not in (LOG, *BESIDE):
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
