"""What a program costs between two moments, as the kernel counts it: processor and memory."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final, Protocol

import psutil

MEGABYTE: Final = 1e6
_FORGET_PEAK: Final = "5"  # proc(5): to `clear_refs`, sets the peak of memory to what there is now


class Started(Protocol):
    """Whatever has a process."""

    process: subprocess.Popen[bytes] | None


class Cost:
    """The cost of one running program from now on."""

    def __init__(self, program: Started) -> None:
        assert program.process is not None
        self._process = psutil.Process(program.process.pid)
        self._folder = Path(f"/proc/{program.process.pid}")
        self.restart()

    def restart(self) -> None:
        """Count from now on."""
        (self._folder / "clear_refs").write_text(_FORGET_PEAK, encoding="ascii")
        self._before_mb = self.memory_mb
        self._own_s, self._children_s = self._processor()

    @property
    def whole_ms(self) -> float:
        """Milliseconds of a core that the program itself has used since its start."""
        return self._processor()[0] * 1000

    @property
    def own_ms(self) -> float:
        """Milliseconds of a core that the program itself has used from then on."""
        return (self._processor()[0] - self._own_s) * 1000

    @property
    def children_ms(self) -> float:
        """The same of processes that it has started and that have ended."""
        return (self._processor()[1] - self._children_s) * 1000

    @property
    def memory_mb(self) -> float:
        """Megabytes that are its own or mapped by it."""
        return self._process.memory_info().rss / MEGABYTE

    @property
    def growth_mb(self) -> float:
        """By how many megabytes its memory was more than at the beginning, when it was most."""
        words = (self._folder / "status").read_text(encoding="ascii")
        peak_mb = int(words.partition("VmHWM:")[2].split()[0]) * 1024 / MEGABYTE
        return peak_mb - self._before_mb

    def _processor(self) -> tuple[float, float]:
        times = self._process.cpu_times()
        return times.user + times.system, times.children_user + times.children_system
