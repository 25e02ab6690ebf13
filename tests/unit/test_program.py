"""The outermost edge of both programs: what is said at start, and the exit code."""

from __future__ import annotations

import gc
import json
import logging
from collections.abc import Iterator
from typing import NoReturn

import pytest
import structlog

from ci.config import ServerConfig
from ci.errors import ConfigError, StoreError
from ci.program import keep_what_lasts, run_program

SECRET = "do-not-tell"
SETTINGS: dict[str, object] = {
    "repositories": {"demo": f"https://me:{SECRET}@git.example.org/demo.git"},
    "agentToken": SECRET,
}


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Undo what a program does to the logging of the whole process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def run(error: Exception | None, **settings: object) -> int:
    """Run a program that stops in order, or by `error`."""

    def load() -> ServerConfig:
        return ServerConfig.check(SETTINGS | settings)

    def work(_config: ServerConfig) -> None:
        if error is not None:
            raise error

    return run_program("nursery-ci test", load, work)


@pytest.mark.parametrize("form", ["text", "json"])
def test_it_says_with_what_it_starts_and_no_secret(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Version and every setting; a token and a password of an URL are never shown."""
    assert run(None, logFormat=form) == 0
    said = capsys.readouterr().err
    assert "starting" in said
    assert "git.example.org/demo.git" in said
    assert "heartbeatSeconds" in said
    assert "(set)" in said
    assert SECRET not in said


def test_what_a_person_can_mend_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and no traceback."""
    group = ExceptionGroup("", [StoreError("data folder x: can't be used")])
    assert run(group) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "nursery-ci test: data folder x: can't be used"


def test_the_same_line_for_a_machine(capsys: pytest.CaptureFixture[str]) -> None:
    """Where lines are JSON, this one is, too."""
    assert run(ConfigError("port = 8080: is taken"), logFormat="json") == 2
    said = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in said] == ["starting", "settings", "not started"]
    assert said[-1]["error"] == "port = 8080: is taken"


def test_a_setting_that_is_wrong_is_told_before_anything_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """There is no form of log lines yet, so it is a plain line."""

    def load() -> NoReturn:
        raise ConfigError("port: no")

    assert run_program("nursery-ci test", load, lambda _: None) == 2
    assert capsys.readouterr().err == "nursery-ci test: port: no\n"


def test_a_bug_ends_with_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1; in JSON it is one line as well."""
    assert run(ZeroDivisionError("by nothing"), logFormat="json") == 1
    crashed = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert crashed["event"] == "crashed"
    assert "ZeroDivisionError: by nothing" in crashed["exception"]


def test_garbage_is_collected_after_the_start() -> None:
    """But what the start has made is not looked through again."""
    gc.disable()
    keep_what_lasts()
    try:
        assert gc.isenabled()
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
