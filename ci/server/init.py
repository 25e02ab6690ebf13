"""`python -m ci.server init` and `password`: what a server needs before others may reach it.

`init` writes an agent token into the configuration's file and makes the first administrator;
`password` gives an account a new one, for who has lost it. The server must not be running.
"""

from __future__ import annotations

import argparse
import getpass
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import trio

from ci.config import ServerConfig
from ci.datafolder import hold_folder
from ci.errors import ConfigError, NotFound, Rejected, RequestError, StoreError
from ci.people import Asker, Role
from ci.program import CAN_NOT_START, first_error
from ci.server.assembly import utc_now
from ci.server.people.accounts import Accounts
from ci.server.people.keys import open_keys
from ci.server.people.passwords import Passwords
from ci.server.store.store import open_store
from ci.settingsfile import change_file, file_of

WORDS: Final = ("init", "password")
TOKEN_BYTES: Final = 32
PASSWORD_BYTES: Final = 15  # 20 characters
COMMAND_LINE: Final = Asker("(command line)", "")


def main(word: str, arguments: Sequence[str]) -> int:
    """Do what `word` says; return 0, or 2 when that can't be done."""
    try:
        name, rest = _read_name(word, arguments)
        config = ServerConfig.load(rest, os.environ, Path.cwd())
        with hold_folder(config.data_dir):
            if word == "init":
                _say(trio.run(init, config, name, file_of(ServerConfig, rest)))
            else:
                _say(trio.run(set_password, config, name))
    except* (ConfigError, StoreError, RequestError) as group:
        sys.stderr.write(f"nursery-ci server {word}: {first_error(group)}\n")
        code = CAN_NOT_START
    else:
        code = 0
    return code


async def init(config: ServerConfig, name: str, file: Path) -> list[str]:
    """Make what is missing of agent token, key and administrator; return what to tell of it.

    Raises ConfigError, Rejected, StoreError.
    """
    said = []
    if config.agent_token is None:
        change_file(file, {"agentToken": secrets.token_urlsafe(TOKEN_BYTES)})
        said += [
            f"agentToken: made, in {file}, which only you can read.",
            "Put the same line into agent-conf.json of each agent.",
        ]
    else:
        said.append("agentToken: there is one already.")
    open_keys(config.key_path)
    said.append(f"Key file: {config.key_path}. Back it up apart from the data folder.")
    async with open_store(config.data_dir, utc_now) as store:
        await store.book.load()
        accounts = Accounts(store.book, Passwords(), utc_now)
        if accounts:
            names = ", ".join(each.name for each in accounts.all() if each.role is Role.ADMIN)
            said.append(
                f"Administrator: {names}. Lost the password? python -m ci.server password NAME"
            )
            return said
        password, told = _new_password(name)
        await accounts.add(name, Role.ADMIN, password, COMMAND_LINE)
    return [*said, f"Administrator: {name}. {told}"]


async def set_password(config: ServerConfig, name: str) -> list[str]:
    """Give an account another password; return what to tell. Raises Rejected, StoreError."""
    async with open_store(config.data_dir, utc_now) as store:
        await store.book.load()
        accounts = Accounts(store.book, Passwords(), utc_now)
        if name not in store.book.accounts:
            known = ", ".join(each.name for each in accounts.all()) or "none; make one with init"
            raise NotFound(f"there is no account {name!r}; there is: {known}")
        password, told = _new_password(name)
        await accounts.set_password(name, password, COMMAND_LINE)
        await accounts.set_enabled(name, enabled=True, by=COMMAND_LINE)
    return [f"{name}: the password is changed, and every session has ended. {told}"]


def _new_password(name: str) -> tuple[str, str]:
    """Ask for a password at a terminal, or make one up; return it, and what to tell of it."""
    if sys.stdin.isatty():
        text = getpass.getpass(f"Password for {name} (empty: one is made up): ")
        if text:
            if getpass.getpass("The same again: ") != text:
                raise Rejected("these were not the same")
            return text, ""
    text = secrets.token_urlsafe(PASSWORD_BYTES)
    return text, f"Password: {text}   (it is shown only now)"


def _read_name(word: str, arguments: Sequence[str]) -> tuple[str, list[str]]:
    """Take the account's name out of the arguments; the rest is the configuration's."""
    parser = argparse.ArgumentParser(
        prog=f"python -m ci.server {word}",
        description="init: make an agent token, a key file and an administrator. "
        "password: give an account a new password. The server must not be running.",
        epilog="All flags of python -m ci.server are taken as well.",
        allow_abbrev=False,
    )
    if word == "init":
        parser.add_argument("--admin", metavar="NAME", default="admin", help="default: admin")
    else:
        parser.add_argument("admin", metavar="NAME", help="of the account")
    known, rest = parser.parse_known_args(arguments)
    return str(known.admin), rest


def _say(lines: Sequence[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
