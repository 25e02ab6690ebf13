"""What does not fit together in one build, its jobs and its attempts. Pure: rows in, words out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Row

from ci.model import MAX_ATTEMPTS, TRY_AGAIN, Reason, Status, attempt_id
from ci.origin import Phase

_TRY_AGAIN: Final = frozenset(map(str, TRY_AGAIN))
_REFUSED: Final = (Reason.COMMAND_REFUSED, Reason.REPOSITORY_REFUSED)


def build_problems(
    build: Row[Any], jobs: Sequence[Row[Any]], tries: Sequence[Row[Any]], phase: str | None
) -> Iterator[str]:
    """Say what does not fit together in one build with its jobs and attempts.

    `phase` is that of one that came from an external storage.
    """
    if build.status not in set(Status):
        yield f"has the status {build.status!r}, which there is not"
        return
    yield from _end_problems("it", build)
    if [job.job for job in jobs] != [1]:
        yield f"has {len(jobs)} jobs where it must have one, number 1"
        return
    (job,) = jobs
    if job.status != build.status:
        yield f"is {build.status}, but its job is {job.status}"
    if job.held and build.status == Status.WAITING and phase not in (Phase.TAKEN, Phase.STARTING):
        yield "is held back, but no external storage has still to hear of it"
    if job.labels != build.labels:
        yield f"asks for the labels {build.labels!r}, but its job for {job.labels!r}"
    for one in tries:
        if one.id != attempt_id(build.number, one.job, one.try_number) or one.job != job.job:
            yield f"has an attempt {one.id!r}, which is not how attempts of it are called"
        if one.status not in set(Status) - {Status.WAITING}:
            yield f"attempt {one.id} has the status {one.status!r}, which no attempt has"
        else:
            yield from _end_problems(f"attempt {one.id}", one)
            yield from _log_problems(one)
    if tries and tries[-1].try_number > job.tries:
        yield f"has attempt {tries[-1].id}, but only {job.tries} were begun"
    yield from _order_problems(build, tries, is_external=phase is not None)


def time_problems(build: Row[Any], tries: Sequence[Row[Any]]) -> Iterator[str]:
    """Say where an end lies before its beginning."""
    for who, row in [("it", build), *((f"attempt {one.id}", one) for one in tries)]:
        times = [build.created_at, row.started_at, row.finished_at]
        known = [time for time in times if time is not None]
        if known != sorted(known):
            yield f"{who} was asked for, begun and ended in another order than that"


def _end_problems(who: str, row: Row[Any]) -> Iterator[str]:
    """Compare a status with what belongs to an end."""
    ended = Status(row.status).ended
    if row.reason is not None and row.reason not in set(Reason):
        yield f"{who} has the reason {row.reason!r}, which there is not"
    if ended and (row.finished_at is None or row.reason is None):
        yield f"{who} has ended ({row.status}), but when or why is not said"
    if not ended and (row.finished_at is not None or row.reason is not None):
        yield f"{who} is {row.status}, but an end is noted"


def _log_problems(one: Row[Any]) -> Iterator[str]:
    """Compare a status with whether the log may still grow."""
    if one.log_open and one.status not in (Status.RUNNING, Status.CANCELED):
        yield f"attempt {one.id} has ended ({one.status}), but its log is said to grow"
    if one.log_open and one.log_size is not None:
        yield f"the log of attempt {one.id} is said to grow, but its last size is noted"
    if not one.log_open and one.status == Status.RUNNING:
        yield f"attempt {one.id} is running, but its log is said to be over"


def _order_problems(
    build: Row[Any], tries: Sequence[Row[Any]], *, is_external: bool
) -> Iterator[str]:
    """Compare the status of a build with those of its attempts, oldest first."""
    lost = [one for one in tries if one.status == Status.ERROR and one.reason in _TRY_AGAIN]
    last = tries[-1] if tries else None
    for one in tries[:-1]:
        if one not in lost:
            yield f"attempt {one.id} is {one.status}, and yet another one followed"
    if len(lost) > MAX_ATTEMPTS:
        yield f"{len(lost)} of its attempts were lost, and {MAX_ATTEMPTS} end a build"
    if build.status in (Status.WAITING, Status.CANCELED):
        fits = last is None or last in lost or last.status == build.status
    elif last is None:  # it was refused when it was asked for: by the rules, or as it made no sense
        fits = build.status == Status.ERROR and (is_external or build.reason in _REFUSED)
    else:
        fits = last.status == build.status
    if not fits:
        now = f"its last attempt {last.id} is {last.status}" if last else "it has no attempt"
        yield f"is {build.status}, but {now}"
    elif (
        last and build.status == last.status != Status.CANCELED and build.log_size != last.log_size
    ):
        yield f"has a log of {build.log_size} bytes, its last attempt one of {last.log_size}"
