"""What a look at the storage's list leads to: what to take, what to give up. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from ci.model import Status
from ci.origin import Report
from ci.server.external.decide import REPLACED, meanwhile
from ci.server.external.there import There, Word


@dataclass(frozen=True, slots=True)
class Found:
    """What is to be done, the oldest first."""

    wanted: tuple[There, ...]  # to be built
    orphans: tuple[There, ...]  # in progress there, and nobody here knows of them
    dropped: tuple[tuple[Report, str], ...]  # no longer wanted, and why


def sift(
    builds: Iterable[There],
    configuration: str,
    known: Collection[str],
    open_here: Sequence[tuple[Report, Status]],
) -> Found:
    """Compare what the storage has with what is here.

    `builds` are the list's; it may have shifted between two pages, so that some are there twice.
    `known` are the ids that were ever taken; `open_here` was read after the list.
    """
    listed = {build.origin.id: build for build in builds}
    new = sorted(
        (
            build
            for build in listed.values()
            if build.origin.configuration in ("", configuration) and build.origin.id not in known
        ),
        key=lambda build: build.origin.number,
    )
    dropped = []
    for report, status in open_here:
        there = listed.get(report.origin.id)
        if report.origin.configuration not in ("", configuration):
            dropped.append((report, REPLACED))
        elif there is not None and (note := meanwhile(report, status, there)):
            dropped.append((report, note))
    return Found(
        tuple(build for build in new if build.status is Word.WAITING),
        tuple(build for build in new if build.status is Word.IN_PROGRESS),
        tuple(dropped),
    )


def settled(builds: Collection[There], ours: Collection[str]) -> int:
    """Return the number up to which nothing will follow from any build of a whole list.

    An end is for ever. What is in progress does not wait again: it is settled, too, unless it is
    one of `ours`, which may be canceled there.
    """
    unsettled = [
        build.origin.number
        for build in builds
        if build.status is Word.WAITING
        or (build.status is Word.IN_PROGRESS and build.origin.id in ours)
    ]
    if unsettled:
        return min(unsettled) - 1
    return max((build.origin.number for build in builds), default=0)
