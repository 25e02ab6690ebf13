"""A build here, from the outside: its settings, its folder, Ctrl-C, its log on the screen.

run_local_build
├─ signals     each of them ends the build; opened before there is anything to end
└─ build       ci/agent/local.py; what it prints goes to the screen, and if that fails it is ended
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

import structlog
import trio

from ci import blocking
from ci.agent.local import NAME, LocalBuild, local_job
from ci.agent.removal import remove_tree
from ci.cli import codes, words
from ci.cli.events import LogEvents
from ci.cli.screen import Screen
from ci.client import LogPiece
from ci.config import AgentConfig, ServerConfig
from ci.model import Outcome, Status
from ci.wire.job import Job

PREFIX: Final = "nursery-ci-local-"
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


async def run_local_build(
    screen: Screen,
    *,
    repository: str,
    commit: str,
    command: str,
    flags: Sequence[str],
    environment: Mapping[str, str],
) -> int:
    """Run a build here; return its exit code. Raises ConfigError, and what the screen raises."""
    # What the agent's parts tell a log is told by the outcome as well.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with trio.open_signal_receiver(*_SIGNALS) as signals:
        place = Path(await blocking.run(partial(mkdtemp, prefix=PREFIX)))
        teller = _Teller(screen)
        try:
            # No file of the work tree has a say in what holds its command in.
            config = AgentConfig.load(flags, environment, place)
            config = config.model_copy(update={"data_dir": place})
            limits = ServerConfig.check({})
            job = local_job(
                Path(repository),
                commit,
                command,
                limits.build_timeout_seconds,
                limits.silence_timeout_seconds,
            )
            build = teller.build = LocalBuild(config, job, teller.begin)
            async with trio.open_nursery() as nursery:

                async def obey() -> None:
                    async for _ in signals:
                        build.stop()
                        teller.note("ending it, with all that it has started")

                nursery.start_soon(obey)
                outcome = await build.run(teller.log)
                nursery.cancel_scope.cancel()
        finally:
            with trio.CancelScope(shield=True):
                await blocking.run(partial(_remove, place, teller))
    return teller.end(job, outcome)


def _remove(place: Path, teller: _Teller) -> None:
    try:
        remove_tree(place)
    except OSError as error:
        teller.note(f"ci: {place} is left behind: {error}")


class _Teller:
    """Tells of a build. When that can't be any more the build is ended, and `end` raises why."""

    def __init__(self, screen: Screen) -> None:
        self.build: LocalBuild | None = None
        self._screen = screen
        self._events = LogEvents(screen)
        self._at = 0
        self._lost: OSError | None = None

    def begin(self, sandbox: str) -> None:
        """Say what holds it in."""
        held = sandbox or "none: the command may do whatever you may; bubblewrap would hold it in"
        self.note(f"sandbox: {held}")

    def note(self, text: str) -> None:
        """Say something of it."""
        self._tell(partial(self._screen.note, text))

    def log(self, data: bytes) -> None:
        """Tell what it has printed."""
        if self._screen.as_json:
            self._tell(partial(self._events.tell, LogPiece(NAME, self._at, data)))
        else:
            self._tell(partial(self._screen.log, data))
        self._at += len(data)

    def end(self, job: Job, outcome: Outcome) -> int:
        """Tell how it ended; return its exit code."""
        if self._lost is not None:
            raise self._lost
        if self._screen.as_json:
            self._events.end()
            self._screen.json({"event": "build", "build": _facts(job, outcome)})
        else:
            self._screen.end_log()
            self._screen.note(_verdict(outcome), outcome.status)
        if outcome.status is Status.CANCELED:
            return codes.INTERRUPTED
        return codes.code_of(outcome.status, outcome.reason, outcome.exit_code, outcome.signal)

    def _tell(self, tell: Callable[[], None]) -> None:
        if self._lost is not None:
            return
        try:
            tell()
        except OSError as error:
            self._lost = error
            if self.build is not None:
                self.build.stop()


def _facts(job: Job, outcome: Outcome) -> dict[str, object]:
    """Tell what of a build there is without a server, by the same names."""
    found = outcome.commit
    return {
        "number": None,
        "repository": job.repository,
        "commit": job.commit,
        "commit_hash": found and found.commit_hash,
        "subject": found and found.subject,
        "author": found and found.author,
        "branch": found and found.branch,
        "command": job.command,
        "status": outcome.status,
        "reason": outcome.reason,
        "message": outcome.message or None,
        "duration_s": outcome.duration_s,
        "exit_code": outcome.exit_code,
        "signal": outcome.signal,
        "log_size": outcome.log_size,
    }


def _verdict(outcome: Outcome) -> str:
    said = outcome.message
    if not said and outcome.status is Status.FAILURE and outcome.exit_code is not None:
        said = f"exit code {outcome.exit_code}"
    parts = (outcome.status, said, words.duration(outcome.duration_s))
    return " · ".join(words.plain(part) for part in parts if part)
