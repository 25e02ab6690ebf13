"""Commits made by somebody who wants more than a build: none runs or writes anything by git."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ci.agent.checkout import GitCheckout
from ci.errors import CheckoutFailed
from ci.repositoryrules import RepositoryPolicy
from tests.real.agent.test_checkout import Place
from tests.real.harness import clean_environment
from tests.real.repository import Repository, open_git_server

HOOK = "#!/bin/sh\ntouch {ran}\n"


@dataclass
class Trap:
    """A repository, another one, and what must stay as it is."""

    repository: Repository
    other: Repository
    ran: Path  # is made by whatever must not run
    outside: Path  # an empty folder, not in the workspace

    def submodule(self, settings: str, path: str = "lib") -> None:
        """Commit a `.gitmodules`, and a link to a commit of the other repository at `path`."""
        (self.repository.path / ".gitmodules").write_bytes(settings.encode())
        head = self.other.git("rev-parse", "HEAD")
        self.repository.git("add", ".gitmodules")
        self.repository.git("update-index", "--add", "--cacheinfo", f"160000,{head},{path}")
        self.repository.git("commit", "--quiet", "--message", "Trap")

    def tree(self, *entries: tuple[str, bytes, str]) -> None:
        """Commit a tree with entries that git itself would not make: mode, name, hash."""
        raw = b"".join(
            mode.encode() + b" " + name + b"\0" + bytes.fromhex(hash)
            for mode, name, hash in entries
        )
        words = ["git", "hash-object", "-t", "tree", "-w", "--literally", "--stdin"]
        done = subprocess.run(
            words, cwd=self.repository.path, input=raw, capture_output=True, check=True
        )
        commit = self.repository.git("commit-tree", "-m", "Trap", done.stdout.decode().strip())
        self.repository.git("update-ref", "refs/heads/main", commit)

    def object(self, *words: str) -> str:
        """The hash of a file's or a folder's object in the repository."""
        return self.repository.git("rev-parse", *words)


@pytest.fixture
def trap(tmp_path: Path, repository: Repository) -> Trap:
    """Make a trap; the other repository has a hook of its own among its files."""
    outside, ran = tmp_path / "outside", tmp_path / "ran"
    outside.mkdir()
    other = Repository(tmp_path / "repositories" / "other")
    other.commit({"post-checkout": HOOK.format(ran=ran), "key": "stolen\n"})
    repository.commit({"hooks/post-checkout": HOOK.format(ran=ran)})
    return Trap(repository, other, ran, outside)


@pytest.fixture
def place(tmp_path: Path, repository: Repository) -> Place:
    """A place with nothing cached."""
    return Place(tmp_path / "agent", repository)


def helper_as_address(trap: Trap) -> None:
    """A program that git would take for a protocol."""
    trap.submodule(f'[submodule "lib"]\n\tpath = lib\n\turl = "ext::touch {trap.ran}"\n')


def option_as_address(trap: Trap) -> None:
    """An option of `git clone`."""
    trap.submodule(f'[submodule "lib"]\n\tpath = lib\n\turl = "--upload-pack=touch {trap.ran}"\n')


def option_as_host(trap: Trap) -> None:
    """An option of `ssh`."""
    host = f"x@-oProxyCommand=touch${{IFS}}{trap.ran}"
    trap.submodule(f'[submodule "lib"]\n\tpath = lib\n\turl = "ssh://{host}/x"\n')


def command_as_update(trap: Trap) -> None:
    """A program in the place of a way to check out."""
    settings = f'[submodule "lib"]\n\tpath = lib\n\turl = {trap.other.path}\n'
    trap.submodule(f'{settings}\tupdate = "!touch {trap.ran}"\n')


def path_as_name(trap: Trap) -> None:
    """A submodule's name is that of a folder, with hooks in it."""
    trap.submodule(f'[submodule "../../hooks"]\n\tpath = lib\n\turl = {trap.other.path}\n')


def lost_letter(trap: Trap) -> None:
    """Some gits lose a carriage return at the end of a path: then it leads through a link."""
    (trap.repository.path / "lib").symlink_to(trap.outside)
    trap.repository.git("add", "lib")
    trap.submodule(f'[submodule "lib"]\n\tpath = "lib\r"\n\turl = {trap.other.path}\n', "lib\r")


def link_as_path(trap: Trap) -> None:
    """A submodule where a link leads out."""
    (trap.repository.path / "link").symlink_to(trap.outside)
    trap.repository.git("add", "link")
    trap.submodule(f'[submodule "lib"]\n\tpath = link/lib\n\turl = {trap.other.path}\n')


def link_as_gitmodules(trap: Trap) -> None:
    """The settings of submodules are somebody else's file."""
    settings = trap.outside.parent / "settings"
    settings.write_text(f'[submodule "lib"]\n\tpath = lib\n\turl = "ext::touch {trap.ran}"\n')
    (trap.repository.path / "link").symlink_to(settings)
    trap.repository.commit({})
    trap.tree(("120000", b".gitmodules", trap.object("HEAD:link")))


def attributes(trap: Trap) -> None:
    """Filters that nobody here knows, and the settings that would make them known."""
    settings = (
        f'[filter "evil"]\n\tsmudge = touch {trap.ran}\n[core]\n\tfsmonitor = touch {trap.ran}\n'
    )
    trap.repository.commit(
        {".gitattributes": "* filter=evil diff=evil\n", ".gitconfig": settings, "config": settings}
    )


def bare_repository(trap: Trap) -> None:
    """The commit's own files look like a repository, with a program in its settings."""
    settings = f"[core]\n\tbare = false\n\tworktree = .\n\tfsmonitor = touch {trap.ran}\n"
    files = {"HEAD": "ref: refs/heads/main\n", "config": settings, "objects/x": "", "refs/x": ""}
    trap.repository.commit(files | {".gitmodules": '[submodule "lib"]\n\tpath = .\n\turl = .\n'})


def dot_git(name: bytes) -> Callable[[Trap], None]:
    """A folder that is a repository's own on some file system."""

    def make(trap: Trap) -> None:
        trap.tree(("40000", name, trap.object("HEAD:hooks")))

    make.__name__ = name.decode("ascii", "backslashreplace")
    return make


def link_and_folder(trap: Trap) -> None:
    """One name twice: a link that leads out, and a folder with files."""
    link = trap.repository.path / "link"
    link.symlink_to(trap.outside)
    trap.repository.commit({})
    trap.tree(
        ("120000", b"x", trap.object("HEAD:link")), ("40000", b"x", trap.object("HEAD:hooks"))
    )


REFUSED = [
    (helper_as_address, "names a git remote helper"),
    (option_as_address, "submodule"),
    (option_as_host, "has no host name that git can call"),
    (command_as_update, "submodule"),
    (path_as_name, "submodule"),
    (lost_letter, "has a path that can't be printed"),
    (link_as_path, "submodule"),
    (link_as_gitmodules, "invalid path"),
    *((dot_git(name), "invalid path") for name in (b".git", b".GIT", b"..", b".", b"git~1")),
    (dot_git(".g\u200cit".encode()), "invalid path"),
]


def untouched(trap: Trap) -> bool:
    """Whether nothing ran, and nothing was written where it must not."""
    return not trap.ran.exists() and os.listdir(trap.outside) == []  # noqa: PTH208 - names


@pytest.mark.parametrize(
    ("make", "words"), REFUSED, ids=lambda given: getattr(given, "__name__", "")
)
async def test_it_is_refused(
    place: Place, trap: Trap, make: Callable[[Trap], None], words: str
) -> None:
    """With a sentence; and it has done nothing by then."""
    make(trap)
    with pytest.raises(CheckoutFailed, match=words):
        await place.make("main")
    assert untouched(trap)
    assert not (place.workspace / ".git" / "hooks").exists()


@pytest.mark.parametrize("make", [attributes, bare_repository])
async def test_it_is_but_files(place: Place, trap: Trap, make: Callable[[Trap], None]) -> None:
    """Settings in a commit are nobody's settings."""
    make(trap)
    await place.make("main")
    assert (place.workspace / "config").exists()
    assert untouched(trap)


async def test_a_path_that_is_no_submodules_leads_nowhere(place: Place, trap: Trap) -> None:
    """Git is not run in the workspace of another build, which may have set a trap in there."""
    await place.make("main")
    neighbour = place.workspace.rename(place.workspace.with_name("2.1.1"))
    (neighbour / ".git" / "config").write_text("[no git likes this")
    (neighbour / ".gitmodules").touch()
    for path in ("../2.1.1", str(neighbour)):
        settings = f'[submodule "lib"]\n\tpath = {path}\n\turl = {trap.other.path}\n'
        trap.repository.commit({".gitmodules": settings})
        await place.make("main")
    assert (place.workspace / ".gitmodules").exists()


async def test_one_name_twice_leads_nowhere(place: Place, trap: Trap) -> None:
    """Whichever of the two git takes."""
    link_and_folder(trap)
    try:
        await place.make("main")
    except CheckoutFailed as error:
        assert "x" in str(error)  # noqa: PT017 - both are right
    assert untouched(trap)


async def test_a_remote_repository_names_no_folder_of_this_machine(
    place: Place, trap: Trap
) -> None:
    """As a submodule: it may be one that only the agent's user can read."""
    with open_git_server(trap.repository.path.parent) as url:
        trap.submodule(f'[submodule "lib"]\n\tpath = lib\n\turl = {trap.other.path}\n')
        with pytest.raises(CheckoutFailed, match="transport 'file' not allowed"):
            await place.make("main", f"{url}/project/.git")
    assert not (place.workspace / "lib" / "key").exists()


@pytest.mark.parametrize("inner", [False, True])
async def test_rules_hold_for_submodules(place: Place, trap: Trap, inner: bool) -> None:
    """And for those of submodules: a commit names no repository that may not be built."""
    middle = Repository(trap.other.path.parent / "middle")
    for repository in (middle, trap.repository):
        target = "middle" if inner and repository is trap.repository else "other"
        repository.git("submodule", "--quiet", "add", f"../{target}", "lib")
        repository.commit({})
    above = trap.repository.path.parent
    rules = (str(trap.repository.path), str(middle.path))
    place.checkout = GitCheckout(place.folder / "mirrors", rules=RepositoryPolicy(rules))
    with pytest.raises(CheckoutFailed, match=f"'lib' must not be .*no rule allows {above}/other"):
        await place.make("main")
    assert not list(place.workspace.rglob("key"))
    place.checkout = GitCheckout(place.folder / "mirrors", rules=RepositoryPolicy((f"{above}/*",)))
    await place.make("main")
    assert len(list(place.workspace.rglob("key"))) == 1


@pytest.mark.parametrize("way", ["hooks", "template"])
async def test_no_setting_of_the_user_makes_hooks_run(
    place: Place, trap: Trap, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Though his other settings count, such as where he keeps passwords."""
    template = trap.outside.parent / "template"
    (template / "hooks").mkdir(parents=True)
    hook = trap.repository.path / "hooks" / "post-checkout"
    hook.rename(template / "hooks" / "post-checkout")
    settings = trap.outside.parent / "settings"
    settings.write_text(
        f"[core]\n\thooksPath = {template}/hooks\n"
        if way == "hooks"
        else f"[init]\n\ttemplateDir = {template}\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    await place.make("main")
    assert not trap.ran.exists()
    copy = trap.outside.parent / "copy"
    subprocess.run(  # noqa: ASYNC221 - the trap is one: by any other git it runs
        ["git", "clone", "--quiet", str(trap.repository.path), str(copy)],
        env=clean_environment() | {"GIT_CONFIG_GLOBAL": str(settings)},
        check=True,
    )
    assert trap.ran.exists()


async def test_the_systems_settings_are_none(
    place: Place, trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would lead it away from the repository."""
    settings = trap.outside.parent / "settings"
    settings.write_text(f'[url "/nowhere"]\n\tinsteadOf = {trap.repository.path}\n')
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", str(settings))
    monkeypatch.delenv("GIT_CONFIG_NOSYSTEM", raising=False)
    assert (await place.make("main")).branch == "main"
