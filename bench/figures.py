"""Figures: what many samples of one thing say, in a form that two runs can be compared by."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Final

PARTS: Final = 5  # in whose medians one sees how far a median can be trusted
ENOUGH: Final = 20  # samples, below which a percentile would only be another word for the worst
DIGITS: Final = 4  # of a figure, more than any of them deserves


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing that was measured, in the unit that its name ends with.

    `low` and `high` are the least and the greatest of the medians of consecutive parts of the run:
    they move when the machine does, not when single samples do. Of a handful of samples each is
    such a part, so these are then the least and the greatest of all.
    """

    median: float
    low: float
    high: float
    count: int
    p95: float | None = None
    p99: float | None = None
    worst: float | None = None

    def as_json(self) -> dict[str, float]:
        """Return what there is of it."""
        return {name: value for name, value in asdict(self).items() if value is not None}


Figures = dict[str, Figure]


def figure(samples: Sequence[float]) -> Figure:
    """Make the figure of samples, of which there is at least one, in the order of their taking."""
    medians = [statistics.median(part) for part in _parts(samples)]
    shown: dict[str, float] = {}
    if len(samples) >= ENOUGH:
        points = statistics.quantiles(samples, n=100, method="inclusive")
        shown = {"p95": points[94], "p99": points[98], "worst": max(samples)}
    return Figure(
        median=rounded(statistics.median(samples)),
        low=rounded(min(medians)),
        high=rounded(max(medians)),
        count=len(samples),
        **{name: rounded(value) for name, value in shown.items()},
    )


def join(runs: Sequence[Figure]) -> Figure:
    """Make one figure of those of several runs, without percentiles: these can't be joined."""
    if len(runs) == 1:
        return runs[0]
    return Figure(
        median=rounded(statistics.median(run.median for run in runs)),
        low=min(run.low for run in runs),
        high=max(run.high for run in runs),
        count=sum(run.count for run in runs),
    )


def rounded(value: float) -> float:
    """Leave off the digits that say nothing."""
    return float(f"{value:.{DIGITS}g}")


def is_better_high(name: str) -> bool:
    """Whether more is better: of what is done in a second; of all else less is."""
    return name.endswith("_per_s")


def _parts(samples: Sequence[float]) -> list[Sequence[float]]:
    count = PARTS if len(samples) >= PARTS * 2 else len(samples)
    ends = [len(samples) * nth // count for nth in range(count + 1)]
    return [samples[begin:end] for begin, end in pairwise(ends)]
