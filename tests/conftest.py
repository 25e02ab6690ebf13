"""What all tests share: they see no developer's settings, and under CI none may be skipped."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Final

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is slow at any moment, which says nothing of the code under test.
settings.register_profile(
    "patient", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
# A long look for what the short ones have not found: --hypothesis-profile=hunt
settings.register_profile("hunt", settings.get_profile("patient"), max_examples=100_000)
settings.load_profile("patient")

_UNPROVED: Final = pytest.StashKey[list[str]]()
_MARK: Final = "proved_nothing"  # an attribute of a report, which comes from another process


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the developer's own settings of this program and of git, and the way to the world.

    A git hook, as one may run the tests from, says by GIT_DIR which repository is meant.
    """
    for name in list(os.environ):
        ours = name.startswith(("CI_SERVER_", "CI_AGENT_", "GIT_"))
        if ours or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


def pytest_configure(config: pytest.Config) -> None:
    """Look out for tests that prove nothing."""
    config.stash[_UNPROVED] = []
    config.pluginmanager.register(Unproved(config.stash[_UNPROVED]))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Mark a test that was skipped, or that may fail or pass as it likes."""
    report = yield
    marks = list(item.iter_markers("xfail"))
    # Without a mark it gave up by itself, by pytest.xfail(); with strict=False it can't fail.
    lax = not marks or any(mark.kwargs.get("strict") is False for mark in marks)
    expected = hasattr(report, "wasxfail")
    if (expected and lax) or (report.skipped and not expected):
        setattr(report, _MARK, True)
    return report


class Unproved:
    """Remembers which tests proved nothing, wherever they ran."""

    def __init__(self, seen: list[str]) -> None:
        self._seen = seen

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the end of one step of a test."""
        if getattr(report, _MARK, False):
            self._seen.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Take a whole file that was skipped."""
        if report.skipped:
            self._seen.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run when a test proved nothing where that counts."""
    if _refused(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which."""
    for nodeid in _refused(terminalreporter.config):
        terminalreporter.write_line(
            f"{nodeid} proved nothing: with CI=true a test must not be skipped", red=True
        )


def _refused(config: pytest.Config) -> list[str]:
    return config.stash[_UNPROVED] if os.environ.get("CI") == "true" else []
