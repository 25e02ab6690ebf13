"""What must be true of builds: accepted once, never lost, ended once, as their kind must end."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Final

from ci.model import LEGAL_CHANGES, MAX_ATTEMPTS, TRY_AGAIN, Reason, Status
from tests.torture.evidence import Asked, Evidence, Told
from tests.torture.kinds import BUILD_TIMEOUT_S, KINDS, NO_SPACE_EXIT, End

_LOSSY_COPIES: Final = 2  # a proxy sends a request at most once more
_TIMEOUT: Final = End(Status.ERROR, Reason.TIMEOUT)
_CANCELED: Final = End(Status.CANCELED, Reason.CANCELED)


def accepted_are_kept(evidence: Evidence) -> Iterator[str]:
    """Each number that was answered is a build, with what was asked for."""
    builds = {build.number: build for build in evidence.builds}
    for asked in evidence.asked:
        if asked.number is None:
            continue
        build = builds.get(asked.number)
        if build is None:
            yield f"build {asked.number} was accepted and is not there"
        elif build.token != asked.token:
            yield f"build {asked.number} was accepted for {asked.token} and is {build.token!r}"


def nothing_is_invented(evidence: Evidence) -> Iterator[str]:
    """Each build was asked for, and as often as it was asked for; a refused one is not there."""
    asked = {one.token: one for one in evidence.asked}
    for token, count in Counter(build.token for build in evidence.builds).items():
        one = asked.get(token)
        if one is None:
            yield f"{count} builds of {token!r} are there that nobody asked for"
        elif one.refusal is not None and not one.lossy:
            yield f"{token} was refused ({one.refusal.status}), and yet there is a build of it"
        elif count > (_LOSSY_COPIES if one.lossy else 1):
            yield f"{token} was asked for once and there are {count} builds of it"


def refusals_are_clear(evidence: Evidence) -> Iterator[str]:
    """A good request is refused only for want of room, with 503."""
    for asked in evidence.asked:
        if asked.refusal is not None and asked.refusal.status != 503:
            yield f"{asked.token} was refused: {asked.refusal.status} {asked.refusal.text[:200]}"


def numbers_increase(evidence: Evidence) -> Iterator[str]:
    """No number is given twice; who asks later gets a higher one, restarts or not."""
    heard: dict[int, list[int]] = defaultdict(list)
    for asked in evidence.asked:
        if asked.number is not None:
            heard[asked.client].append(asked.number)
    for number, count in Counter(itertools.chain(*heard.values())).items():
        if count > 1:
            yield f"number {number} was answered {count} times"
    for client, numbers in heard.items():
        for before, after in itertools.pairwise(numbers):
            if after < before:
                yield f"client {client} was given {after} after {before}"
    for number, count in Counter(build.number for build in evidence.builds).items():
        if count > 1:
            yield f"build {number} is listed {count} times"


def all_have_ended(evidence: Evidence) -> Iterator[str]:
    """Nothing waits or runs when all is over."""
    for build in evidence.builds:
        if not build.end.status.ended:
            yield f"build {build.number} is still {build.end.status}"


def ends_are_final(evidence: Evidence) -> Iterator[str]:
    """Each change that somebody saw is legal, those between two looks left out; ends stay."""
    final = {build.number: build.end.status for build in evidence.builds}
    for number, statuses in evidence.seen.items():
        for before, after in itertools.pairwise([*statuses, final.get(number, statuses[-1])]):
            if after is not before and after not in _reachable(before):
                yield f"build {number} was {before}, and {after} after that"


def ends_fit_the_kind(evidence: Evidence) -> Iterator[str]:
    """A build ends as its command must end, unless somebody canceled it or agents were lost."""
    asked = {one.token: one for one in evidence.asked}
    for build in evidence.builds:
        one = asked.get(build.token)
        if one is not None and build.end.status.ended:
            yield from _judge(build, one)


def _judge(build: Told, asked: Asked) -> Iterator[str]:
    name = f"build {build.number} ({asked.kind})"
    if 200 in asked.cancels and build.number == asked.number and build.end != _CANCELED:
        yield f"{name} was canceled, and ended as {_words(build)}"
    elif build.end == _CANCELED:
        if not asked.cancels or build.number != asked.number:
            yield f"{name} is canceled, and nobody asked for that"
    elif build.end.reason in TRY_AGAIN:
        lost = sum(each.reason in TRY_AGAIN for each in build.tries)
        if build.end.status is not Status.ERROR or lost != MAX_ATTEMPTS:
            yield f"{name} was given up after {lost} lost attempts: {_words(build)}"
    elif build.end == End(Status.FAILURE, Reason.EXITED, NO_SPACE_EXIT):
        pass  # the command itself has met the full disk, and it noted so: see `runs`
    elif build.end == _TIMEOUT and build.duration_s >= BUILD_TIMEOUT_S:
        pass  # its agent was away for most of that time; that it had not ended: see `verdicts`
    elif build.end != KINDS[asked.kind].end:
        yield f"{name} ended as {_words(build)}"


def _words(build: Told) -> str:
    end = build.end
    return f"{end.status}, {end.reason}, exit code {end.exit_code}: {build.message}"


def _reachable(status: Status) -> set[Status]:
    found: set[Status] = set()
    open_ends = [status]
    while open_ends:
        fresh = LEGAL_CHANGES[open_ends.pop()] - found
        found |= fresh
        open_ends += fresh
    return found
