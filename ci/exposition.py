"""Metrics as Prometheus reads them: a registry for one program, and its text.

prometheus-client keeps the numbers and writes the format. It offers one registry for all of a
process; each program, and each test, makes its own instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Gauge, Metric, ProcessCollector, generate_latest

from ci.version import program_version

PATH: Final = "/metrics"
# The oldest text format that every collector reads.
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def make_registry(prefix: str) -> CollectorRegistry:
    """Make a registry that knows the process (memory, files, CPU time) and our version."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    info = Gauge(f"{prefix}_build_info", "Always 1.", ["version"], registry=registry)
    info.labels(program_version()).set(1)
    return registry


def write_text(registry: CollectorRegistry) -> bytes:
    """Write all metrics down. Costs as much as there are series, whatever they have counted."""
    return generate_latest(_WithoutBirthdays(registry))


class _WithoutBirthdays:
    """Leaves out when each series was made: as many lines again, and nobody asks for them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        """Yield each metric."""
        for metric in self._registry.collect():
            metric.samples = [each for each in metric.samples if not each.name.endswith("_created")]
            yield metric
