"""What the kit is asked on the command line.

main
└─ run_kit            one nursery: the stand-in's port, and one probe after the other
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

import trio

from ci.conformance.agent_kit import AgentOptions, run_agent_kit
from ci.conformance.probe import PATIENCE_S, Finding
from ci.conformance.report import as_json, exit_code, line_of, summary_of
from ci.conformance.server_kit import ServerOptions, run_server_kit
from ci.errors import ConfigError, PeerError
from ci.program import first_error

CAN_NOT_RUN: Final = 2
MAX_PORT: Final = 65535
LEAST_PATIENCE_S: Final = 1.0  # a git clone takes longer than a part of it
MOST_PATIENCE_S: Final = 3600.0


def main(arguments: Sequence[str]) -> int:
    """Hold a program against the contract; 0 = it holds, 1 = it does not, 2 = it could not run."""
    said = _parser().parse_args(arguments)

    def tell(finding: Finding) -> None:
        if not said.json:
            _print(line_of(finding))

    try:
        findings = trio.run(_run, said, tell)
        _print(as_json(said.url, findings) if said.json else "\n" + summary_of(findings))
    except* (ConfigError, PeerError) as group:
        sys.stderr.write(f"conformance: {first_error(group)}\n")
        return_code = CAN_NOT_RUN
    except* OSError as group:  # most often there is no room, or nobody who reads
        sys.stderr.write(f"conformance: the system says no: {first_error(group)}\n")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nor is it tried at the end
        return_code = CAN_NOT_RUN
    except* KeyboardInterrupt:
        return_code = CAN_NOT_RUN
    else:
        return_code = exit_code(findings)
    return return_code


def _print(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


async def _run(said: argparse.Namespace, tell: Callable[[Finding], None]) -> tuple[Finding, ...]:
    """Run the kit; a SIGTERM ends it in order, with all that it has started and written."""
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_obey, signals, nursery.cancel_scope)
            findings = await _run_kit(said, tell)
            nursery.cancel_scope.cancel()
            return findings
    raise ConfigError("ended by SIGTERM")


async def _obey(signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
    async for _ in signals:
        scope.cancel()


async def _run_kit(
    said: argparse.Namespace, tell: Callable[[Finding], None]
) -> tuple[Finding, ...]:
    common = {"url": said.url, "token": said.token, "host": said.host, "patience_s": said.patience}
    if said.what == "server":
        wanted = {"commit": said.commit, "command": said.command, "submit": said.submit_command}
        return await run_server_kit(
            ServerOptions(**common, **wanted, api_token=said.api_token), said.only, tell
        )
    own = {"port": said.port, "start": said.start, "repository": said.repository}
    return await run_agent_kit(AgentOptions(**common, **own, commit=said.commit), said.only, tell)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ci.conformance",
        description="Hold a server or an agent against the contract, from outside.",
        epilog="Exit code: 0 = nothing was found that does not hold, 1 = something was, "
        "2 = it could not run. See docs/conformance.md.",
    )
    kinds = parser.add_subparsers(dest="what", required=True, metavar="server|agent")
    for kind, help_ in (
        ("server", "the kit plays an agent; no other agent may be registered there"),
        ("agent", "the kit plays its server; the agent's server address must be the kit's"),
    ):
        one = kinds.add_parser(kind, help=help_, description=f"Hold a {kind}: {help_}.")
        where = f"where the {kind} listens, such as http://127.0.0.1:8080"
        one.add_argument("url", type=_url, help=where)
        one.add_argument("--token", type=_token, help="what both show each other, if they do")
        one.add_argument("--host", default="127.0.0.1", help="address at which the kit listens")
        one.add_argument("--json", action="store_true", help="one JSON object at the end")
        one.add_argument("--only", action="append", metavar="PROBE", help="this one alone")
        one.add_argument(
            "--patience",
            type=_seconds,
            default=PATIENCE_S,
            metavar="SECONDS",
            help="for what happens at once, or as soon as it can (%(default)g)",
        )
        one.add_argument("--commit", default="main", help="which commit to ask for")
        if kind == "server":
            one.add_argument("--command", default="make test", help="which command to ask for")
            one.add_argument("--api-token", type=_token, help="an API token that may run builds")
            one.add_argument(
                "--submit-command",
                metavar="COMMAND",
                help="asks the server for a build of $COMMIT and $COMMAND; may print its number",
            )
        else:
            one.add_argument(
                "--port",
                type=_port,
                default=8080,
                help="port of the kit (8080); 0 takes any free one",
            )
            one.add_argument(
                "--repository", help="URL or path; if absent the kit makes one for itself"
            )
            one.add_argument(
                "--start",
                metavar="COMMAND",
                help="starts the agent, and lets the kit kill it and start it again; its server is "
                "at $KIT_PORT",
            )
    return parser


def _url(said: str) -> str:
    try:
        parts = urlsplit(said)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return said
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{said!r} is no address; say http://HOST:PORT")


def _port(said: str) -> int:
    if said.isascii() and said.isdecimal() and int(said) <= MAX_PORT:
        return int(said)
    raise argparse.ArgumentTypeError(f"{said!r} is no port; say a number from 0 to {MAX_PORT}")


def _seconds(said: str) -> float:
    try:
        seconds = float(said)
    except ValueError:
        seconds = math.nan
    if LEAST_PATIENCE_S <= seconds <= MOST_PATIENCE_S:
        return seconds
    least, most = LEAST_PATIENCE_S, MOST_PATIENCE_S
    raise argparse.ArgumentTypeError(f"{said!r}: say {least:g} to {most:g} seconds")


def _token(said: str) -> str:
    if said.isascii() and said.isprintable() and said == said.strip():
        return said
    raise argparse.ArgumentTypeError("has a character that can't travel in a header")
