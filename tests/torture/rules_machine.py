"""What must be true of the machine: nothing is left, nobody is lost, nothing grows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tests.torture.evidence import Evidence

MAX_RSS: Final = 300 << 20  # bytes, at any moment; an idle server has about 80 MiB
MAX_FILES: Final = 300  # open at any moment; each of some dozen connections is one
MAX_RSS_AT_REST: Final = 200 << 20
MAX_FILES_AT_REST: Final = 60  # an idle server has about 25


def nothing_is_left(evidence: Evidence) -> Iterator[str]:
    """No process, no workspace and no folder of an attempt outlives all attempts."""
    for process in evidence.processes:
        yield f"a process is left: {process}"
    for folder in evidence.folders:
        yield f"a folder is left: {folder}"


def agents_are_free(evidence: Evidence) -> Iterator[str]:
    """Each agent is there, and the server believes of it what is true: that it has nothing."""
    for agent in evidence.agents:
        if agent.state != "online":
            yield f"{agent.name} is {agent.state}, although it runs and can be reached"
        if agent.believed:
            yield f"{agent.name} is believed to run {', '.join(agent.believed)}"
        if agent.has:
            yield f"{agent.name} still has {', '.join(agent.has)}"


def nothing_grows(evidence: Evidence) -> Iterator[str]:
    """Memory and open files stay below a bound, and come down to a lower one at rest."""
    for samples, max_rss, max_files, when in (
        (evidence.samples, MAX_RSS, MAX_FILES, "at most"),
        (evidence.at_rest, MAX_RSS_AT_REST, MAX_FILES_AT_REST, "at rest"),
    ):
        for program in sorted({sample.program for sample in samples}):
            rss = max(sample.rss for sample in samples if sample.program == program)
            files = max(sample.files for sample in samples if sample.program == program)
            if rss > max_rss:
                yield f"{program} had {rss >> 20} MiB; {when}: {max_rss >> 20} MiB"
            if files > max_files:
                yield f"{program} had {files} open files; {when}: {max_files}"


def programs_are_sound(evidence: Evidence) -> Iterator[str]:
    """No program ended by itself or logged a traceback, and the store is whole."""
    yield from evidence.complaints
    yield from evidence.problems
    yield from evidence.store_problems
