"""run_agent: the whole agent, one screen. Read this first.

run_agent
├─ data folder          held against a second agent; like a port in use, ends us at once.
│                       Taken again when somebody has removed it
├─ signals              opened before serving, or an early SIGTERM is lost
└─ open_agent           attempts of an earlier life first, then home
   ├─ serve             ci/serve.py, in our nursery; ends when drained
   └─ obey signals      the first drains, the second ends what runs, the third ends us

Everything ends with the agent except the commands that run: those outlive its crash.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator
from functools import partial

import structlog
import trio

from ci import blocking
from ci.agent.agent import NO_SANDBOX, Agent, open_agent
from ci.agent.app import MAX_BODY
from ci.agent.checkout import GitCheckout
from ci.agent.client import dial
from ci.agent.runner import ShellRunner
from ci.agent.sandbox import open_sandbox
from ci.certificates import plain_context, serving_context, trusted_context
from ci.config import AgentConfig
from ci.datafolder import hold_folder
from ci.errors import ConfigError
from ci.limits import make_limits
from ci.listen import is_loopback, open_listener, url_of
from ci.program import keep_what_lasts
from ci.repositoryrules import RepositoryPolicy
from ci.serve import serve_app

log = structlog.get_logger()


async def run_agent(config: AgentConfig) -> None:
    """Run until SIGTERM or SIGINT, and then until what runs is over. Raises ConfigError."""
    if (encoding := sys.getfilesystemencoding()) != "utf-8":
        raise ConfigError(  # a command would be given to the shell in other bytes than it has
            f"LC_ALL, LANG: they mean {encoding}, and builds are in UTF-8; "
            "start the agent with LC_ALL=C.UTF-8"
        )
    tls = None
    if config.certificate is not None:
        tls = serving_context(config.certificate, config.certificate_key)
    trusted = trusted_context(config.server_certificate) if config.speaks_tls else plain_context()
    limits = make_limits(config.max_connections, config.client_timeout_seconds, MAX_BODY)
    check_safe(config)
    with (
        hold_folder(config.data_dir) as folder,
        trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals,
    ):
        listener = await blocking.run(open_listener, config.bind_host, config.port)
        host, port = listener.getsockname()[:2]
        config = config.model_copy(update={"port": port})
        sandbox = await open_sandbox(config)
        runner = ShellRunner(config.kill_grace_seconds, sandbox)
        rules = RepositoryPolicy(config.repositories)
        checkout = GitCheckout(
            config.data_dir.absolute() / "mirrors", rules=rules, hidden=config.data_dir
        )
        async with (
            open_agent(
                config, dial=partial(dial, trusted=trusted), runner=runner, checkout=checkout
            ) as agent,
            trio.open_nursery() as nursery,
        ):
            warn_root(os.geteuid(), is_held=sandbox is not None)
            nursery.start_soon(folder.serve)
            nursery.start_soon(_obey, signals, agent, nursery)
            async with trio.open_nursery() as serving:
                stop = trio.Event()
                keep_what_lasts()
                await serving.start(partial(serve_app, tls=tls), agent.app, listener, limits, stop)
                warn_root(os.geteuid(), is_held=sandbox is not None)
                policy = agent.admission.commands
                log.info(
                    "rules in force",
                    commands=policy.rules,
                    why=policy.why,
                    sandbox=runner.sandbox or NO_SANDBOX,
                    repositories="all" if config.repositories is None else config.repositories,
                )
                log.info(
                    "listening",
                    url=url_of(host, port, tls=tls is not None),
                    agent=config.shown_name,
                    server=config.server_url,
                    data=str(config.data_dir),
                )
                await agent.attempts.wait_drained()
                stop.set()
            nursery.cancel_scope.cancel()
    log.info("stopped")


async def _obey(signals: AsyncIterator[int], agent: Agent, nursery: trio.Nursery) -> None:
    received = 0
    async for number in signals:
        received += 1
        name = signal.Signals(number).name
        if received == 1:
            log.info("stopping after what runs", signal=name, running=agent.attempts.busy)
            agent.drain()
        elif received == 2:
            log.info("stopping now", signal=name, running=agent.attempts.busy)
            agent.attempts.stop_all()
        else:
            nursery.cancel_scope.cancel()


def warn_root(user: int, *, is_held: bool) -> None:
    """Say what it means that this agent is root, if it is: `is_held` is whether builds are held."""
    if user != 0:
        return
    what = (
        "the sandbox is weaker: files of root that are let in can be written, maxProcesses does "
        "not hold, and services of this machine may take a build for root"
        if is_held
        else "each build is root of this machine"
    )
    log.warning("agent is root", meaning=what, do="start it as a user of its own")


def check_safe(config: AgentConfig) -> None:
    """Return if nobody can run commands here who must not. Raises ConfigError with what to do."""
    if config.agent_token is not None or is_loopback(config.bind_host):
        return
    if not config.insecure:
        raise ConfigError(
            f"bind = {config.bind_host!r}: others than this machine can reach this agent, and it "
            "has no agentToken, so that they could run commands here; give it the server's; "
            "--insecure starts it as it is"
        )
    log.warning(
        "insecure",
        missing="agentToken",
        meaning="everybody who reaches this agent can run commands on this machine",
        next="give it the server's agentToken",
    )
