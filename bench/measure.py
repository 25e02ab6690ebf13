"""What a run keeps of what it sees: times by name, and the memory and processor of a process."""

from __future__ import annotations

import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import trio

LOOK_S = 0.5  # between two looks at the memory
_MB = 1e6


class Times:
    """How long things of each name took, in milliseconds."""

    def __init__(self) -> None:
        self._times: defaultdict[str, list[float]] = defaultdict(list)

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Note how long the block takes."""
        began = time.perf_counter()
        yield
        self._times[name].append((time.perf_counter() - began) * 1000)

    def names(self) -> list[str]:
        """Return the names of all that was measured."""
        return sorted(self._times)

    def of(self, name: str) -> list[float]:
        """Return all times of a name, in their order."""
        return self._times[name]

    def restart(self) -> None:
        """Forget what was measured so far."""
        self._times.clear()

    def summary(self) -> dict[str, dict[str, float]]:
        """Return count, p50, p95, p99 and the worst for each name."""
        return {name: _summary(times) for name, times in sorted(self._times.items())}


def _summary(times: list[float]) -> dict[str, float]:
    points = statistics.quantiles(times, n=100, method="inclusive") if len(times) > 1 else times
    shown = {"p50": points[len(points) // 2], "p95": points[94 % len(points)], "p99": points[-1]}
    return {"count": len(times)} | {
        name: round(value, 1) for name, value in (shown | {"worst": max(times)}).items()
    }


class Usage:
    """Memory and processor time of one process."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._began = time.monotonic()
        self._cpu_s = self._cpu()
        self.before_mb = self.peak_mb = self.rss_mb()

    def rss_mb(self) -> float:
        """Return the memory that it has now."""
        return round(self._process.memory_info().rss / _MB, 1)

    def restart(self) -> None:
        """Count the processor's time from now on."""
        self._began, self._cpu_s = time.monotonic(), self._cpu()

    async def watch(self) -> None:
        """Note the most memory, until canceled."""
        while True:
            self.peak_mb = max(self.peak_mb, self.rss_mb())
            await trio.sleep(LOOK_S)

    def summary(self) -> dict[str, float]:
        """Return memory in MB, and the processor in per cent of one core."""
        elapsed_s = time.monotonic() - self._began
        return {
            "rss_before_mb": self.before_mb,
            "rss_peak_mb": max(self.peak_mb, self.rss_mb()),
            "rss_after_mb": self.rss_mb(),
            "cpu_percent": round(100 * (self._cpu() - self._cpu_s) / elapsed_s, 1),
            "cpu_s": round(self._cpu() - self._cpu_s, 1),
        }

    def _cpu(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


Counts = Counter[str]
