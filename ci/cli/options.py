"""What the commands share: their flags, the way to the server, and how they run."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, ParamSpec, TypeVar

import click
import trio

from ci.cli.screen import Screen
from ci.cli.settings import Flags, Settings, load_settings
from ci.client import Client, open_client

P = ParamSpec("P")
R = TypeVar("R")
Command = Callable[..., Any]

_NUMBER: Final = re.compile("[1-9][0-9]{0,17}")


def read_number(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> int | None:
    """Read a build's number, also with the sign in front by which it is shown."""
    if value is None:
        return None
    digits = value.removeprefix("#")
    if not _NUMBER.fullmatch(digits):
        raise click.BadParameter(f"{value!r} is no number of a build.", context, parameter)
    return int(digits)


@dataclass(frozen=True, slots=True)
class Way:
    """The way to the server, and where to write."""

    settings: Settings
    screen: Screen

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Client]:
        """Open a client."""
        settings = self.settings
        async with open_client(
            settings.server, token=settings.token, certificate=settings.certificate
        ) as client:
            yield client

    def address(self, number: int) -> str:
        """Return the address of a build's page."""
        return f"{self.settings.server}/build/{number}"


def asks(command: Command) -> Command:
    """Give a command the flags that say whom to ask, and call it with a `Way`."""

    @click.option("--server", metavar="URL", help="Address of the server.  [env: CI_SERVER]")
    @click.option(
        "--token",
        metavar="TOKEN",
        help="API token; others can see it in the list of processes.  [env: CI_TOKEN]",
    )
    @click.option(
        "--certificate",
        metavar="FILE",
        help="The server's certificate, or its authority's: no other is believed."
        "  [env: CI_CERTIFICATE]",
    )
    @click.option("--json", "as_json", is_flag=True, help="Answer in JSON, one object a line.")
    def with_way(
        *,
        server: str | None,
        token: str | None,
        certificate: str | None,
        as_json: bool,
        **rest: Any,
    ) -> Any:
        settings, warnings = load_settings(Flags(server, token, certificate), os.environ)
        screen = the_screen(as_json=as_json)
        for warning in warnings:
            screen.note(f"ci: {warning}")
        return command(Way(settings, screen), **rest)

    with_way.__name__, with_way.__doc__ = command.__name__, command.__doc__
    return with_way


def the_screen(*, as_json: bool = False) -> Screen:
    """Return the standard output and error output of this program."""
    return Screen(sys.stdout.buffer, sys.stderr.buffer, as_json=as_json)


class ReaderGone(Exception):
    """Who read what is written has gone, and knows why."""


def run(work: Callable[[], Awaitable[R]]) -> R:
    """Run what waits for a server. Raises ReaderGone, in a group: click has a word of its own."""
    try:
        return trio.run(work)
    except* BrokenPipeError:
        raise ReaderGone from None
