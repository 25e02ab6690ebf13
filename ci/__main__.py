"""`python -m ci`: a server and one agent on this machine, until Ctrl-C.

run
├─ signals      opened first, or an early Ctrl-C would end us and leave the rest running
└─ server       python -m ci.server; once its page answers:
   └─ agent     python -m ci.agent

Both are children in sessions of their own, so that the terminal's Ctrl-C reaches only us and we
stop them in order: the agent first, then the server. If one of them ends by itself, the other is
stopped and its exit code is ours. If we are killed, so are they, by their standard input's end.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import httpx
import trio

from ci.certificates import pinned_context, plain_context, read_certificate
from ci.config import AgentConfig, ServerConfig
from ci.demo import DEMO_COMMAND, DEMO_COMMIT, DEMO_NAME, make_demo
from ci.errors import CIError
from ci.listen import open_listener, url_of
from ci.parent import STDIN_IS_PARENT
from ci.policy import TOOLS

SLOTS: Final = 2  # builds at once: one more than would let a slow build hide that others wait
POLL_S: Final = 0.1  # between two looks at a page that is not there yet
PATIENCE_S: Final = 2.0  # an idle agent stops within this; a longer wait is explained
ABRUPT_END_S: Final = 10.0  # what a child has to end in order when we end by an error
USAGE_EXIT: Final = 2  # the exit code of a wrong setting

EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - to read it, not to bind it


@dataclass(frozen=True, slots=True)
class Plan:
    """What is started: flags only for what the user has not configured. `url` is for people."""

    url: str
    server: tuple[str, ...]
    agent: tuple[str, ...]
    environment: Mapping[str, str]
    demo: Path | None
    certificate: str | None = None  # of the server, in PEM


def main() -> int:
    """Run until stopped and return the exit code."""
    argparse.ArgumentParser(
        prog="python -m ci",
        description="Run a server and one agent on this machine until Ctrl-C. Settings come from "
        "server-conf.json and agent-conf.json in this folder, and from CI_SERVER_… and CI_AGENT_… "
        "variables. Without a configured repository, a demo repository is made.",
    ).parse_args()
    try:
        return trio.run(run, make_plan(os.environ, Path.cwd()))
    except CIError as error:
        sys.stderr.write(f"nursery-ci: {error}\n")
        return USAGE_EXIT
    except KeyboardInterrupt:  # before anything was started
        return 128 + signal.SIGINT


def make_plan(environment: Mapping[str, str], folder: Path) -> Plan:
    """Decide what to start from the settings in `folder` and `environment`; makes the demo.

    Raises ConfigError, and StoreError when the demo can't be made.
    """
    server = ServerConfig.load([], environment, folder)
    agent = AgentConfig.load([], environment, folder)
    host = EVERYWHERE.get(server.host, server.host)
    # Looked up before anything starts: whoever else has the port would answer as our server.
    with open_listener(server.host, server.port) as probe:
        port = probe.getsockname()[1]
    server_flags = ["--port", str(port)] if port != server.port else []
    agent_flags = []

    demo = None
    if not server.known_repositories:
        demo = make_demo(folder / server.data_dir / DEMO_NAME)
        server_flags += ["--repositories", json.dumps({DEMO_NAME: str(demo)})]
        form = {"default_commit": DEMO_COMMIT, "default_command": DEMO_COMMAND}
        for key, value in form.items():
            if key not in server.model_fields_set:
                server_flags += [f"--{key.replace('_', '-')}", value]
        rules = ["--commands", json.dumps([TOOLS, DEMO_COMMAND])]  # which is no build tool
        if server.commands is None and not server.command_policy.allows_any:
            server_flags += rules
        if agent.commands is None and not agent.command_policy.allows_any:
            agent_flags += rules

    fitting = {"server_host": host, "server_port": port, "slots": SLOTS}
    for key, number in fitting.items():
        if key not in agent.model_fields_set:
            agent_flags += [f"--{key.replace('_', '-')}", str(number)]
    if server.certificate and not agent.speaks_tls:
        agent_flags += ["--server-certificate", str(server.certificate)]
    secret = {}
    if server.agent_token and not agent.agent_token:  # as a flag everybody could read it in `ps`
        secret["CI_AGENT_AGENT_TOKEN"] = server.agent_token

    return Plan(
        url=url_of(host, port, tls=server.certificate is not None),
        certificate=read_certificate(server.certificate) if server.certificate else None,
        server=tuple(server_flags),
        agent=tuple(agent_flags),
        environment={**environment, **secret},
        demo=demo,
    )


async def run(plan: Plan) -> int:
    """Run both until a signal or until one of them ends; return the exit code."""
    with trio.open_signal_receiver(*_stop_signals()) as signals:
        stop = partial(anext, signals)
        async with open_child("ci.server", plan.server, plan.environment) as server:
            page = partial(wait_page, plan.url, plan.certificate)
            first = await wait_first(stop=stop, server=server.wait, page=page)
            if first == "page":
                async with open_child("ci.agent", plan.agent, plan.environment) as agent:
                    say(_greeting(plan))
                    first = await wait_first(stop=stop, server=server.wait, agent=agent.wait)
                    await stop_child(agent, signals, "running builds to end")
            await stop_child(server, signals, "the server to end")
    if first == "stop":
        say("Stopped.")
        return 0
    ended = server if first == "server" else agent
    say(f"The {first} has ended by itself, so everything is stopped.")
    return _exit_code(ended)


@asynccontextmanager
async def open_child(
    module: str, flags: tuple[str, ...], environment: Mapping[str, str]
) -> AsyncIterator[trio.Process]:
    """Start `python -m MODULE` in a session of its own. Nothing of it is left on leaving."""
    child = await trio.lowlevel.open_process(
        [sys.executable, "-m", module, *flags],
        env={**environment, STDIN_IS_PARENT: "1"},
        start_new_session=True,
        stdin=subprocess.PIPE,  # which nobody writes to
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.terminate()
            with trio.move_on_after(ABRUPT_END_S, shield=True):
                await child.wait()
            child.kill()
            with trio.CancelScope(shield=True):  # short: a killed process has no say in it
                await child.wait()


async def wait_first(**waits: Callable[[], Awaitable[object]]) -> str:
    """Wait for whichever comes first, cancel the others and return its name."""
    done: list[str] = []

    async def wait_one(name: str, wait: Callable[[], Awaitable[object]]) -> None:
        await wait()
        done.append(name)
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        for name, wait in waits.items():
            nursery.start_soon(wait_one, name, wait)
    return done[0]


async def wait_page(url: str, certificate: str | None) -> None:
    """Wait until something answers at `url`; by TLS whoever has this `certificate`."""
    trusted = pinned_context(certificate) if certificate else plain_context()
    async with httpx.AsyncClient(trust_env=False, verify=trusted) as client:
        while True:
            try:
                await client.get(url)
            except httpx.TransportError:
                await trio.sleep(POLL_S)
            else:
                return


async def stop_child(child: trio.Process, signals: AsyncIterator[int], awaited: str) -> None:
    """Stop a child in order; the user's second signal cancels its work, the third kills it.

    `awaited` is what takes so long, when it takes long.
    """
    if child.returncode is not None:
        return

    async def pass_on() -> None:
        await anext(signals)
        say("Ending what runs; it is built again at the next start. Ctrl-C once more kills it.")
        child.terminate()
        await anext(signals)
        child.kill()

    async def explain() -> None:
        await trio.sleep(PATIENCE_S)
        say(f"Waiting for {awaited}. Ctrl-C again cancels.")

    child.terminate()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pass_on)
        nursery.start_soon(explain)
        await child.wait()
        nursery.cancel_scope.cancel()


def say(text: str) -> None:
    """Print for the person at the terminal, if there still is one."""
    with suppress(OSError):  # after a SIGHUP the terminal is gone
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def _stop_signals() -> list[signal.Signals]:
    signals = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # which is what `nohup` asks for
        # A closed terminal must not leave two programs behind that nobody can see.
        signals.append(signal.SIGHUP)
    return signals


def _greeting(plan: Plan) -> str:
    lines = ["", f"  nursery-ci runs at  {plan.url}", ""]
    if plan.demo:
        lines += [
            f"  It builds a demo repository, {plan.demo}:",
            "  press Run for a green build; commit “broken” makes a red one.",
            "  For a repository of your own, put its URL into server-conf.json.",
        ]
    return "\n".join([*lines, "  Ctrl-C stops it.", ""])


def _exit_code(child: trio.Process) -> int:
    """As a shell says it: 128 + N for a child that signal N ended."""
    code = child.returncode or 0
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
