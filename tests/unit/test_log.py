"""Log lines: one an event, readable by people or by machines, whatever is in them."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from ci import log as log_lines


class Broken(io.StringIO):
    """A file on a disk that is full."""

    def write(self, _text: str, /) -> int:
        """Refuse."""
        raise OSError(28, "No space left on device")


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Undo what `configure` does to the whole process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_text_line_is_made_for_grep(capsys: pytest.CaptureFixture[str]) -> None:
    """Time, level, event, then names with values; what is no plain word stands in quotes."""
    log_lines.configure("text")
    structlog.get_logger().info("build ended", build=7, why="it\nsaid no", took_s=1.23456)
    line = capsys.readouterr().err
    assert line.endswith(" info    build ended build=7 why='it\\nsaid no' took_s=1.235\n")
    assert line.count("\n") == 1


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_time_of_day_has_one_form(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    """That of the line itself and that of a value, ours and a library's, from any zone."""
    log_lines.configure(form)
    noon = datetime(2030, 1, 2, 12, tzinfo=timezone(timedelta(hours=1)))
    structlog.get_logger().info("agent lost", last_heard=noon)
    logging.getLogger("hypercorn").warning("too many")
    lines = capsys.readouterr().err
    assert "2030-01-02T11:00:00.000000Z" in lines
    assert len(re.findall(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", lines)) == 3


def test_a_json_line_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    """With time, level and event first, whatever the values are."""
    log_lines.configure("json")
    try:
        raise ValueError("line 1\nline 2")  # noqa: TRY301 - the traceback is what is tested
    except ValueError:
        structlog.get_logger().exception("delivery broken", attempt="1.1.1", path={"any": object})
    (line,) = capsys.readouterr().err.splitlines()
    said = json.loads(line)
    assert list(said)[:3] == ["time", "level", "event"]
    assert (said["level"], said["event"], said["attempt"]) == ("error", "delivery broken", "1.1.1")
    assert "line 1\nline 2" in said["exception"]


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_library_speaks_like_us(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Its warnings are lines of the same form; what is no warning is not told."""
    log_lines.configure(form)
    logging.getLogger("hypercorn").info("not told")
    logging.getLogger("hypercorn").warning("too many %s", "files")
    (line,) = capsys.readouterr().err.splitlines()
    if form == "json":
        said = json.loads(line)
        assert (said["level"], said["event"], said["logger"]) == (
            "warning",
            "too many files",
            "hypercorn",
        )
    else:
        assert line.endswith(" warning too many files logger=hypercorn")


@given(st.text(), st.text(), st.lists(st.text(), max_size=2))
def test_no_value_begins_a_line_or_speaks_to_a_terminal(
    value: str, event: str, many: list[str]
) -> None:
    """Names, branches, URLs and what git says come from anybody; so may a library's words."""
    for render in (log_lines.render, log_lines.render_json):
        line = render(None, "", {"event": event, "level": "info", "agent": value, "many": many})
        assert line.isprintable()


def test_a_line_that_can_not_be_written_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log's disk may be full, too; builds are more important."""
    monkeypatch.setattr(sys, "stderr", Broken())
    log_lines.configure("text")
    structlog.get_logger().info("build ended", build=7)
