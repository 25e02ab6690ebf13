"""`python -m ci.server secret`: set, list and remove the secrets of builds from a shell.

The value comes from standard input, or is asked for: never as an argument, which others see. The
server must not be running.
"""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import trio

from ci.config import ServerConfig
from ci.datafolder import hold_folder
from ci.errors import ConfigError, Rejected, RequestError, StoreError
from ci.program import CAN_NOT_START, first_error
from ci.secretrules import MAX_VALUE_BYTES
from ci.server.assembly import utc_now
from ci.server.enrolments import Enrolments
from ci.server.init import COMMAND_LINE
from ci.server.people.keys import open_keys
from ci.server.store.store import open_store
from ci.server.vault import Vault

WORD: Final = "secret"


def main(arguments: Sequence[str]) -> int:
    """Do it; return 0, or 2 when that can't be done."""
    try:
        asked, rest = _parser().parse_known_args(arguments)
        config = ServerConfig.load(rest, os.environ, Path.cwd())
        with hold_folder(config.data_dir):
            value = _read_value(asked.name) if asked.what == "set" else ""
            sys.stdout.write("".join(f"{line}\n" for line in trio.run(_do, config, asked, value)))
    except* (ConfigError, StoreError, RequestError) as group:
        sys.stderr.write(f"nursery-ci server secret: {first_error(group)}\n")
        code = CAN_NOT_START
    else:
        code = 0
    return code


async def _do(config: ServerConfig, asked: argparse.Namespace, value: str) -> list[str]:
    """Set, remove or list; return what to tell of it."""
    keys = open_keys(config.key_path)
    async with open_store(config.data_dir, utc_now) as store:
        await store.safe.load()
        enrolments = Enrolments(keys, config.agent_token, ())
        vault = Vault(config, keys, store.safe, enrolments, has_accounts=lambda: True, now=utc_now)
        repository = getattr(asked, "repository_of", None) or next(iter(config.known_repositories))
        if asked.what == "set":
            await vault.put(
                COMMAND_LINE,
                repository=repository,
                name=asked.name,
                value=value,
                branches=asked.branches.split(","),
                commands=asked.only,
            )
            return [f"{asked.name}: set for {asked.branches} of {repository}."]
        if asked.what == "remove":
            await vault.remove(COMMAND_LINE, repository=repository, name=asked.name)
            return [f"{asked.name}: removed from {repository}."]
        uses = await vault.last_uses()
        return [
            f"{secret.name} of {secret.repository}: branches {', '.join(secret.branches)}; "
            f"commands {', '.join(secret.commands)}; last sent {uses[secret.key] or 'never'}"
            + ("; lost: the key file is another one" if vault.is_lost(secret) else "")
            for secret in vault.all()
        ] or ["There are none."]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m ci.server {WORD}",
        description="Set, list and remove the secrets of builds. The server must not be running.",
        epilog="All flags of python -m ci.server are taken as well.",
        allow_abbrev=False,
    )
    words = parser.add_subparsers(dest="what", required=True)
    for what, words_of in (
        ("set", "set one, or replace it; its value is read from standard input"),
        ("remove", "forget one"),
    ):
        one = words.add_parser(what, help=words_of, allow_abbrev=False)
        one.add_argument("name", metavar="NAME", help="of the variable")
        one.add_argument("--for", dest="repository_of", metavar="REPOSITORY", help="name or URL")
        if what == "set":
            one.add_argument("--branches", required=True, help="such as main,release/*; * for all")
            one.add_argument("--only", action="append", default=[], help="a command that gets it")
    words.add_parser("list", help="list all, without values", allow_abbrev=False)
    return parser


def _read_value(name: str) -> str:
    """Ask for the value at a terminal, else read it. Raises Rejected."""
    if sys.stdin.isatty():
        return getpass.getpass(f"Value of {name}: ")
    try:
        return sys.stdin.buffer.read(2 * MAX_VALUE_BYTES).decode()
    except UnicodeDecodeError:
        raise Rejected("value: is not text in UTF-8", field="value") from None
