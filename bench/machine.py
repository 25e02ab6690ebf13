"""What one has to know of the machine, and of the program, to make anything of a figure."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psutil

TOP: Final = Path(__file__).parent.parent
GIGABYTE: Final = 1e9


def facts(folder: Path, sandbox: str) -> dict[str, Any]:
    """Tell of the machine as it is now; `folder` is where data are kept."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "--short", "HEAD"),
        "changed": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "cores": os.cpu_count(),
        "processor": _processor(),
        "memory_gb": round(psutil.virtual_memory().total / GIGABYTE),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "disk": _filesystem(folder),
        "sandbox": f"{sandbox}, bwrap {'is' if shutil.which('bwrap') else 'is not'} there",
        "load_before": load(),
    }


class Others:
    """How much of the machine others have used, since this was made."""

    def __init__(self) -> None:
        self._began, self._busy_s, self._ours_s = time.monotonic(), _busy_s(), _ours_s()

    def cores(self) -> float:
        """How many cores, on average; what we have started counts as ours once it has ended."""
        theirs_s = (_busy_s() - self._busy_s) - (_ours_s() - self._ours_s)
        return round(max(0.0, theirs_s) / (time.monotonic() - self._began), 2)


def _busy_s() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)


def _ours_s() -> float:
    return sum(os.times()[:4])


def load() -> float:
    """How many processes wanted a core during the last minute, on average."""
    return round(os.getloadavg()[0], 1)


def leave(number: int, _frame: object) -> None:
    """End as by Ctrl-C: nothing that was started lives on when a run is cut short."""
    sys.exit(128 + number)


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=TOP, capture_output=True, text=True, check=False)
    return done.stdout.strip()  # a copy without its history has nothing to say


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _filesystem(folder: Path) -> str:
    mounted = [
        part
        for part in psutil.disk_partitions(all=True)
        if folder.resolve().is_relative_to(part.mountpoint)
    ]
    return max(mounted, key=lambda part: len(part.mountpoint)).fstype if mounted else "unknown"
