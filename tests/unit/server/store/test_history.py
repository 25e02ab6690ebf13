"""What is asked of the history never reads all of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event

from ci.model import Kind
from ci.server.store import history
from ci.server.store.database import open_database

QUESTIONS: dict[str, Callable[[Connection], object]] = {
    "durations of a kind": lambda c: history.durations(c, Kind("demo", "make"), 20),
    "durations of a repository": lambda c: history.durations(c, Kind("demo"), 20),
    "durations of all": lambda c: history.durations(c, Kind(), 20),
    "kinds": lambda c: history.kinds(c, [1, 2]),
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


def _plan(connection: Connection, question: str) -> list[str]:
    """How the database goes about what `question` executes."""
    asked: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        asked.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    QUESTIONS[question](connection)
    event.remove(connection, "before_cursor_execute", note)
    [(statement, parameters)] = asked
    explained = connection.connection.cursor().execute(
        f"EXPLAIN QUERY PLAN {statement}",
        parameters,
    )
    return [str(row[-1]) for row in explained]
