"""`ci run` asks a server for a build; `ci local` runs one here, without any."""

from __future__ import annotations

import os
import shlex
from functools import partial
from pathlib import Path
from typing import Final

import click

from ci.cli import codes, words
from ci.cli.following import How, follow_build
from ci.cli.options import Way, asks, run, the_screen
from ci.cli.worktree import WorkTree, find_work_tree
from ci.errors import ConfigError

_DEFAULT_COMMIT: Final = "HEAD"  # for a server: the default branch
# What follows the first word that is no flag belongs to the command, also without `--`.
_ALL_THE_REST: Final = {"allow_interspersed_args": False}


@click.command("run", context_settings=_ALL_THE_REST)
@click.option("--wait", "-w", is_flag=True, help="Follow it; exit as its command does.")
@click.option("--repository", "-r", metavar="NAME", help="Name or URL, as the server knows it.")
@click.option("--commit", "-c", metavar="COMMIT", help="Hash, branch or tag.")
@click.option("--label", "-l", "labels", metavar="WORD", multiple=True, help="What it needs.")
@click.option(
    "--priority",
    metavar="NUMBER",
    type=click.IntRange(-1000, 1000),
    default=0,
    help="Higher goes first.",
)
@click.option("--cancel", is_flag=True, help="With --wait: Ctrl-C ends the build as well.")
@click.option("--quiet", is_flag=True, help="With --wait: without the log.")
@click.argument("command", nargs=-1, required=True)
@asks
def run_build(
    way: Way,
    *,
    wait: bool,
    repository: str | None,
    commit: str | None,
    labels: tuple[str, ...],
    priority: int,
    cancel: bool,
    quiet: bool,
    command: tuple[str, ...],
) -> int:
    """Ask for a build of COMMAND.

    In a git work tree: of the commit that is checked out, of the repository that it comes from.
    Elsewhere: of the server's default repository and branch.

    \b
    ci run --wait -- make test
    ci run -c main -l gpu 'make && make bench'
    """  # noqa: D301 - the mark by which click leaves the lines as they are
    if not wait and (quiet or cancel):
        raise click.UsageError("--quiet and --cancel go with --wait.")
    tree = None if repository else find_work_tree(_here())
    if tree is not None and commit is None:
        for warning in tree.warnings(to_server=True):
            way.screen.note(f"ci: {warning}")

    async def work() -> int:
        async with way.open() as client:
            build = await client.submit(
                repository=repository or (tree.repository if tree else None),
                commit=commit or (tree.commit if tree else _DEFAULT_COMMIT),
                command=joined(command),
                priority=priority,
                labels=labels,
            )
            if not wait and way.screen.as_json:
                way.screen.json(build)
            elif not wait:
                way.screen.answer(f"{build.number} {way.address(build.number)}")
            elif not way.screen.as_json:
                way.screen.note(f"build {build.number}: {way.address(build.number)}")
            if wait:
                how = How(log=not quiet, cancel=cancel)
                return await follow_build(way, client, build.number, how)
            if not build.status.ended:
                return 0
            # The rules have refused it.
            if not way.screen.as_json:
                way.screen.note(words.verdict(build), build.status)
            return codes.code_of(build.status, build.reason, build.exit_code)

    return run(work)


@click.command("local", context_settings=_ALL_THE_REST)
@click.option("--commit", "-c", metavar="COMMIT", help="Hash, branch or tag; HEAD if absent.")
@click.option("--config", metavar="FILE", help="An agent's settings: its sandbox and its limits.")
@click.option(
    "--sandbox", type=click.Choice(["auto", "bubblewrap", "none"]), help="What holds it in."
)
@click.option("--json", "as_json", is_flag=True, help="Tell it in JSON, one object a line.")
@click.argument("command", nargs=-1, required=True)
def run_here(
    *,
    commit: str | None,
    config: str | None,
    sandbox: str | None,
    as_json: bool,
    command: tuple[str, ...],
) -> int:
    """Run COMMAND here, without any server.

    As an agent would: on a clean checkout of the commit, in a folder that is removed afterwards, in
    the agent's sandbox and with its environment and limits.
    """
    # All of an agent, which the other commands do not need.
    from ci.cli.local import run_local_build  # noqa: PLC0415

    tree = _needed_tree()
    screen = the_screen(as_json=as_json)
    if commit is None:
        for warning in tree.warnings(to_server=False):
            screen.note(f"ci: {warning}")
    flags = [f"--config={Path(config).absolute()}"] if config else []
    flags += [f"--sandbox={sandbox}"] if sandbox else []
    return run(
        partial(
            run_local_build,
            screen,
            repository=str(tree.top),
            commit=commit or tree.commit,
            command=joined(command),
            flags=flags,
            environment=os.environ,
        )
    )


def _needed_tree() -> WorkTree:
    here = _here()
    tree = find_work_tree(here)
    if tree is None:
        raise ConfigError(f"{here} is in no git work tree with a commit: go into one")
    return tree


def _here() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        raise ConfigError(f"this folder is no more ({error.strerror}): go into another") from error


def joined(command: tuple[str, ...]) -> str:
    """Make one text for a shell: one word is taken as it is, several are quoted where needed."""
    return command[0] if len(command) == 1 else shlex.join(command)
