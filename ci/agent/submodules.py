"""The submodules of a workspace, level by level: each is judged before git goes where it says.

Whoever may commit decides what is in `.gitmodules`. Git itself refuses names, addresses and paths
that are options or lead out of the workspace, and the protocols that this agent does not allow.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from ci import blocking
from ci.agent.git import Git, lfs_settings
from ci.errors import CheckoutFailed
from ci.repository import repository_problem, shown_url

MAX_DEPTH: Final = 20  # submodules of submodules; git knows no limit, nor does who means harm

_TELL_PATH: Final = r'printf "%s\0" "$sm_path"'

Problem = Callable[[str], str | None]  # why a repository must not be built; may block


async def make_submodules(git: Git, folder: Path, problem: Problem, depth: int = 1) -> None:
    """Check out the submodules of `folder`, and theirs. Raises CheckoutFailed."""
    if not (folder / ".gitmodules").exists():
        return
    if depth > MAX_DEPTH:
        raise CheckoutFailed(f"there are submodules in submodules, {MAX_DEPTH} deep and deeper")
    begin = ("-C", str(folder), "submodule", "--quiet")
    await git.must("read .gitmodules", *begin, "init")  # which makes addresses whole
    for name, url in (await _values(git, folder, "url", ("--local",))).items():
        why = repository_problem(url)
        why = f"its address {why}" if why else await blocking.run(problem, url)
        if why is not None:
            raise CheckoutFailed(f"the submodule {name!r} must not be fetched: {shown_url(why)}")
    paths = await _values(git, folder, "path", ("--file", str(folder / ".gitmodules")))
    for name, path in paths.items():
        if not path.isprintable():  # some gits lose the last character, and write elsewhere
            raise CheckoutFailed(f"the submodule {name!r} has a path that can't be printed")
    await git.must("check out the submodules", *begin, "update")
    # Not what .gitmodules says: a path in it that is no submodule's may lead anywhere.
    made = await git.must("check out the submodules", *begin, "foreach", _TELL_PATH)
    for path in made.decode("utf-8", "surrogateescape").split("\0")[:-1]:
        await _set_up(git, folder / path)
        await make_submodules(git, folder / path, problem, depth + 1)


async def _set_up(git: Git, folder: Path) -> None:
    """Let the build's own git know of Git LFS: each submodule has a configuration of its own."""
    for name, value in lfs_settings().items():
        await git.must(
            "set up the submodules", "-C", str(folder), "config", f"filter.lfs.{name}", value
        )


async def _values(git: Git, folder: Path, key: str, where: tuple[str, ...]) -> dict[str, str]:
    """Return what a configuration says of each submodule, by its name."""
    words = ("config", *where, "--null", "--get-regexp", rf"^submodule\..*\.{key}$")
    answer = await git.ask("read .gitmodules", "-C", str(folder), *words)
    said = answer.stdout.decode("utf-8", "surrogateescape")
    pairs = [entry.partition("\n") for entry in said.split("\0") if entry]
    return {
        name.removeprefix("submodule.").removesuffix(f".{key}"): value for name, _, value in pairs
    }
