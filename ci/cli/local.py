"""A build here, from the outside: its settings, its folder, Ctrl-C, its log on the screen."""

from __future__ import annotations

import logging
import signal
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

import structlog
import trio

from ci import blocking
from ci.agent.local import LocalBuild, local_job
from ci.agent.removal import remove_or_leave
from ci.cli import codes, words
from ci.cli.screen import Screen
from ci.config import AgentConfig, ServerConfig
from ci.model import Outcome, Status

PREFIX: Final = "nursery-ci-local-"


async def run_local_build(
    screen: Screen,
    *,
    repository: str,
    commit: str,
    command: str,
    flags: Sequence[str],
    environment: Mapping[str, str],
) -> int:
    """Run a build here; return its exit code. Raises ConfigError."""
    # What the agent's parts tell a log is told by the outcome as well.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    place = Path(await blocking.run(partial(mkdtemp, prefix=PREFIX)))
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
        build = LocalBuild(config, job, partial(_begin, screen))
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
            async with trio.open_nursery() as nursery:

                async def obey() -> None:
                    async for _ in signals:
                        screen.note("ending it, with all that it has started")
                        build.stop()

                nursery.start_soon(obey)
                outcome = await build.run(screen.log)
                nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True):
            await blocking.run(remove_or_leave, place)
    screen.end_log()
    screen.note(_verdict(outcome), outcome.status)
    if outcome.status is Status.CANCELED:
        return codes.INTERRUPTED
    return codes.code_of(outcome.status, outcome.reason, outcome.exit_code, outcome.signal)


def _begin(screen: Screen, sandbox: str) -> None:
    held = sandbox or "none: the command may do whatever you may; bubblewrap would hold it in"
    screen.note(f"sandbox: {held}")


def _verdict(outcome: Outcome) -> str:
    said = outcome.message
    if not said and outcome.status is Status.FAILURE and outcome.exit_code is not None:
        said = f"exit code {outcome.exit_code}"
    parts = (outcome.status, said, words.duration(outcome.duration_s))
    return " · ".join(words.plain(part) for part in parts if part)
