"""What is asked of the history never reads all of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event

from ci.model import Build, BuildRequest, CommitInfo, Kind, Status
from ci.server.store import history
from ci.server.store.database import open_database
from ci.server.store.store import Store
from ci.server.views import BuildFilter, Neighbours
from tests.unit.server.store.test_store import GOOD, lease, opened

BUILD = Build(
    7, "demo", "/srv/demo", "main", "make", 0, Status.RUNNING, datetime(2030, 1, 1, tzinfo=UTC)
)
QUESTIONS: dict[str, Callable[[Connection], object]] = {
    "durations of a kind": lambda c: history.durations(c, Kind("demo", "make"), 20),
    "durations of a repository": lambda c: history.durations(c, Kind("demo"), 20),
    "durations of all": lambda c: history.durations(c, Kind(), 20),
    "greens": lambda c: history.greens(c, BUILD),
    "kinds": lambda c: history.kinds(c, [1, 2]),
    "neighbours": lambda c: history.neighbours(c, BUILD),
    "use of agents": lambda c: history.ended_since(c, BUILD.created_at),
    "what ended meanwhile": lambda c: history.took(c, [1, 2]),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_each_question_goes_by_an_index_and_sorts_nothing(tmp_path: Path, question: str) -> None:
    """Whatever the planner thinks of a table that is still empty."""
    database = open_database(tmp_path)
    try:
        steps = _plan(database.reader, question)
    finally:
        database.close()
    assert any("USING" in step for step in steps)
    for step in steps:
        assert "TEMP B-TREE" not in step, steps
        assert "SCAN builds" not in step, steps
    if question in ("neighbours", "greens"):
        assert any(
            "builds_green_by_branch (repository=? AND branch=? AND <expr>=?" in step
            for step in steps
        )
    if question in ("greens", "durations of a kind"):
        assert "builds_green (repository=? AND <expr>=?" in steps[-1]


def _plan(connection: Connection, question: str) -> list[str]:
    """How the database goes about what `question` executes."""
    asked: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        asked.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    QUESTIONS[question](connection)
    event.remove(connection, "before_cursor_execute", note)
    steps: list[str] = []
    for statement, parameters in asked:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        steps += [str(row[-1]) for row in plan]
    return steps


async def test_neighbours_are_of_the_same_branch_and_the_green_one_did_the_same(
    tmp_path: Path,
) -> None:
    """Until its branch is known, it is taken for what was asked for; without one all count."""
    asked = [
        ("main", "make", Status.SUCCESS),
        ("main", "make", Status.SUCCESS),
        ("topic", "make", Status.SUCCESS),
        ("main", "make test", Status.SUCCESS),
        ("main", "make", Status.FAILURE),
        ("main", "make", Status.SUCCESS),
        ("", "make", Status.FAILURE),
    ]
    async with opened(tmp_path) as store:
        for branch, command, status in asked:
            request = BuildRequest("demo", "/srv/demo", branch or "1f1f1f", command)
            number = (await store.accept(request)).number
            await lease(store)
            await store.note_commit(f"{number}.1.1", CommitInfo("1f" * 20, branch=branch))
            await store.end(f"{number}.1.1", replace(GOOD, status=status), delivered=True)
        await store.accept(BuildRequest("demo", "/srv/demo", "main", "make"))
        found = [await _near(store, number) for number in (5, 7, 8, 1)]
        greens = [await _greens(store, number) for number in (5, 7, 8, 1)]
    assert found == [
        Neighbours("main", 4, 6, 2),
        Neighbours("", 6, 8, None),
        Neighbours("main", 6, None, 6),
        Neighbours("main", None, 2, None),
    ]
    assert greens == [([2, 1], [3, 2, 1]), ([], [6, 3, 2, 1]), ([6, 2, 1], [6, 3, 2, 1]), ([], [])]


async def test_neighbours_are_so_from_either_side(tmp_path: Path) -> None:
    """Also where no agent has found the commit yet, or never will; lists have it there, too."""
    async with opened(tmp_path) as store:
        for _ in range(3):
            await store.accept(BuildRequest("demo", "/srv/demo", "main", "make"))
        await lease(store)
        await store.note_commit("1.1.1", CommitInfo("1f" * 20, branch="main"))
        await store.cancel(2)
        near = [await _near(store, number) for number in (1, 2, 3)]
        page = await store.page(_on("main"))
    assert [(each.branch, each.previous, each.next) for each in near] == [
        ("main", None, 2),
        ("main", 1, 3),
        ("main", 2, None),
    ]
    assert [(build.number, build.branch) for build in page.builds] == [
        (3, None),
        (2, None),
        (1, "main"),
    ]


async def test_what_an_agent_finds_is_the_branch_from_then_on(tmp_path: Path) -> None:
    """Whatever name was asked for: a hash is of no branch, and HEAD is one."""
    async with opened(tmp_path) as store:
        for commit, branch in (("1f1f1f", ""), ("HEAD", "main")):
            number = (await store.accept(BuildRequest("demo", "/srv/demo", commit, "make"))).number
            await lease(store)
            await store.note_commit(f"{number}.1.1", CommitInfo("1f" * 20, branch=branch))
        found = [
            [build.number for build in (await store.page(_on(branch))).builds]
            for branch in ("1f1f1f", "HEAD", "main")
        ]
    assert found == [[], [], [2]]


def _on(branch: str) -> BuildFilter:
    return BuildFilter(repository="demo", branch=branch)


async def _near(store: Store, number: int) -> Neighbours:
    build = await store.build(number)
    assert build is not None
    return await store.neighbours(build)


async def _greens(store: Store, number: int) -> tuple[list[int], list[int]]:
    build = await store.build(number)
    assert build is not None
    return await store.greens(build)
