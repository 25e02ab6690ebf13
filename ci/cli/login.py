"""`ci login`: keep which server to ask, and the token to show."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from ci.cli.options import run, the_screen
from ci.cli.settings import Flags, Settings, load_settings, save_settings
from ci.client import Wanted, open_client
from ci.listen import is_safe_address


@click.command("login")
@click.option("--server", metavar="URL", help="Address of the server.  [env: CI_SERVER]")
@click.option(
    "--token",
    metavar="TOKEN",
    help="Instead of asking for it; others can see it in the list of processes.  [env: CI_TOKEN]",
)
@click.option("--certificate", metavar="FILE", help="The server's, or its authority's.")
def log_in(*, server: str | None, token: str | None, certificate: str | None) -> int:
    """Keep the server's address and a token.

    For the commands to come. One makes a token on the page of one's account. It is asked for, or
    read from the standard input. A server where nobody has to log in needs none: leave it empty.

    \b
    ci login --server https://ci.example.org
    """  # noqa: D301 - the mark by which click leaves the lines as they are
    screen = the_screen()
    known, _ = load_settings(Flags(server, None, certificate), os.environ)
    given = token or os.environ.get("CI_TOKEN") or _ask_token(known.server)
    flags = Flags(known.server, given or None, certificate and str(Path(certificate).absolute()))
    kept, _ = load_settings(flags, os.environ)
    if not given:
        kept = Settings(server=kept.server, certificate=kept.certificate)
    elif not is_safe_address(kept.server):
        screen.note("ci: the way to that server is not encrypted: others may read the token")

    async def work() -> None:
        async with open_client(
            kept.server, token=kept.token, certificate=kept.certificate
        ) as client:
            await client.builds(Wanted(limit=1))  # or what is kept would be of no use

    run(work)
    path = save_settings(kept, os.environ)
    screen.answer(f"{kept.server} answers; kept in {path}")
    return 0


def _ask_token(server: str) -> str:
    if sys.stdin.isatty():
        token: str = click.prompt(
            f"API token for {server}", default="", hide_input=True, show_default=False, err=True
        )
        return token.strip()
    return sys.stdin.readline().strip()
