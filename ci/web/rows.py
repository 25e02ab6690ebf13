"""The lines of the list, each made once: most are the same from one look to the next."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from jinja2 import Environment
from markupsafe import Markup
from quart import current_app

from ci.model import Build, Status
from ci.people import Role
from ci.server.views import BuildView
from ci.web import words
from ci.web.core import Core
from ci.web.filters import Filters
from ci.web.render import keep_made
from ci.web.visitors import the_reader

EXTENSION: Final = "rows"  # where an app keeps what makes them
MAX_ROWS: Final = 2000  # that are kept: 40 lists of 50 lines, some 3 kB each
MAX_REASONS: Final = 3  # why builds wait; more of them nobody reads


@dataclass(frozen=True, slots=True)
class Row:
    """All that a line shows, so that two that are equal look the same."""

    build: Build
    filters: Filters
    says_repository: bool  # whether it could be another one
    same_commit: bool  # as the line above
    same_branch: bool  # both as the line above
    when: str
    took: str
    why: str
    is_stuck: bool  # whether it waits for a person
    may_pass: bool  # whether others are before it in line
    typical_s: float | None  # how long such builds take; None unless it runs
    gone_s: int  # since it began; 0 unless it runs
    overdue: str  # by how much it has taken longer, if it is no small difference
    may_run: bool  # whether its reader may move and cancel it


def keep_rows(templates: Environment) -> Callable[[Row], Markup]:
    """Return what makes a line, unless it has made the same one lately."""
    return keep_made(templates, "_row.html", "row", MAX_ROWS)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why some builds of a list wait, and which do, where others wait for something else."""

    who: str
    because: str
    is_stuck: bool  # whether somebody has to do something


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a list, and what is said above them, not in each: why builds wait."""

    rows: list[Markup]
    reasons: list[Reason]


async def the_lines(core: Core, filters: Filters, builds: Sequence[Build]) -> Lines:
    """Make the lines of a list in the app that serves the present request."""
    unfinished = await core.views([build for build in builds if not build.status.ended])
    rows = await _rows(core, filters, builds, {view.build.number: view for view in unfinished})
    return Lines(list(map(current_app.extensions[EXTENSION], rows)), _reasons(unfinished))


def _reasons(unfinished: Sequence[BuildView]) -> list[Reason]:
    """Say why builds wait: first where somebody has to do something, then who is next in line."""
    waiting = [view for view in unfinished if view.waits_because]
    waiting.sort(key=lambda view: (not view.is_stuck, view.queue_position or 0))
    found: dict[tuple[str, bool], list[int]] = defaultdict(list)
    for view in waiting:
        found[view.waits_because or "", view.is_stuck].append(view.build.number)
    return [
        Reason(words.waiters(numbers) if len(found) > 1 else "Builds wait", because, is_stuck)
        for (because, is_stuck), numbers in list(found.items())[:MAX_REASONS]
    ]


async def _rows(
    core: Core, filters: Filters, builds: Sequence[Build], views: Mapping[int, BuildView]
) -> list[Row]:
    """Say what each line shows; `views` are those of the builds that have not ended."""
    several, now = len(core.repositories) > 1, core.now()
    may_run = the_reader().may(Role.RUNNER)
    rows, above = [], None
    for build in builds:
        running = build.status is Status.RUNNING
        typical_s = await core.typical_s(build) if running else None
        gone_s = _gone_s(build.started_at, now) if running else 0
        view = views.get(build.number)
        same_commit = above is not None and _is_same_commit(above, build)
        rows.append(
            Row(
                build,
                filters,
                says_repository=several and build.repository != filters.wanted.repository,
                same_commit=same_commit,
                same_branch=same_commit and above is not None and above.branch == build.branch,
                when=_when(build, now),
                took=words.took(build, now),
                why=_why(build, view),
                is_stuck=view is not None and view.is_stuck,
                may_pass=view is not None and (view.place or 0) > 1,
                typical_s=typical_s,
                gone_s=gone_s,
                overdue=words.overdue(gone_s, typical_s),
                may_run=may_run,
            )
        )
        above = build
    return rows


def _is_same_commit(one: Build, other: Build) -> bool:
    same = one.commit_hash == other.commit_hash and one.repository == other.repository
    return same and one.commit_hash is not None


def _gone_s(since: datetime | None, now: datetime) -> int:
    """Count whole seconds; none when the server's clock was set back meanwhile."""
    return 0 if since is None else max(0, int((now - since).total_seconds()))


def _when(build: Build, now: datetime) -> str:
    if build.started_at is None:
        return f"asked {words.ago(build.created_at, now)}"
    return words.ago(build.started_at, now)


def _why(build: Build, view: BuildView | None) -> str:
    """Say what it waits for, what is done with it, or why it ended as it did; mostly nothing."""
    if view is None:
        return words.brief(build)
    return view.waits_briefly or view.phase or ""
