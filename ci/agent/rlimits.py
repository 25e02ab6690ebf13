"""Limits: what a process of a build, or all of them together, may take of the machine.

They are the system's own (`setrlimit`), put on within the sandbox: there the number of processes
is counted for this build alone.
"""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass
from typing import Final

from ci.config import AgentConfig

_LAST_WORDS_S: Final = 5  # between SIGXCPU and SIGKILL


@dataclass(frozen=True, slots=True)
class Limits:
    """None is no limit. `memory`, in bytes, is for one process; `memory.py` looks at their sum."""

    memory: int | None = None
    processes: int | None = None  # of the whole build, threads included
    cpu_s: int | None = None  # of one process
    file_bytes: int | None = None  # of one file
    open_files: int | None = None  # of one process

    @classmethod
    def of(cls, config: AgentConfig) -> Limits:
        """Return what the settings say, or less where the agent itself may not have as much."""
        return cls(
            _at_most(config.max_memory_bytes, resource.RLIMIT_DATA),
            # The system never counts those of the machine's root.
            None if os.geteuid() == 0 else _at_most(config.max_processes, resource.RLIMIT_NPROC),
            _at_most(config.max_cpu_seconds, resource.RLIMIT_CPU),
            _at_most(config.max_file_bytes, resource.RLIMIT_FSIZE),
            _at_most(config.max_open_files, resource.RLIMIT_NOFILE),
        )

    def words(self) -> list[str]:
        """Return the words in front of a command's that put them on."""
        values = {
            "data": (self.memory, self.memory),
            "nproc": (self.processes, self.processes),
            "cpu": (self.cpu_s, (self.cpu_s or 0) + _LAST_WORDS_S),
            "fsize": (self.file_bytes, self.file_bytes),
            "nofile": (self.open_files, self.open_files),
        }
        words = [f"--{k}={soft}:{hard}" for k, (soft, hard) in values.items() if soft is not None]
        return ["prlimit", *words, "--"] if words else []

    def __str__(self) -> str:
        """Say what is limited, for people; empty when nothing is."""
        found = (
            (self.memory, "{:,} bytes of memory"),
            (self.processes, "{:,} processes"),
            (self.cpu_s, "{:,} s of processor time a process"),
            (self.file_bytes, "{:,} bytes a file"),
            (self.open_files, "{:,} open files a process"),
        )
        said = [words.format(limit) for limit, words in found if limit is not None]
        return f"at most {', '.join(said)}" if said else ""


NO_LIMITS: Final = Limits()


def _at_most(limit: int | None, kind: int) -> int | None:
    _, most = resource.getrlimit(kind)
    return limit if limit is None or most == resource.RLIM_INFINITY else min(limit, most)
