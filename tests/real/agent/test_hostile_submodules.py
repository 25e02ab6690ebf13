"""Submodules that somebody names who wants more: each is judged before git goes there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ci.agent.checkout import GitCheckout
from ci.agent.git import Git
from ci.agent.submodules import MAX_DEPTH, make_submodules
from ci.errors import CheckoutFailed
from ci.repositoryrules import RepositoryPolicy
from tests.real.agent.test_checkout import COOKIE, Place
from tests.real.agent.traps import Trap, make_trap
from tests.real.repository import Repository, open_git_server


@pytest.fixture
def trap(tmp_path: Path, repository: Repository) -> Trap:
    """A trap."""
    return make_trap(tmp_path, repository)


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


REFUSED = [
    (helper_as_address, "names a git remote helper"),
    (option_as_address, "submodule"),
    (option_as_host, "has no host name that git can call"),
    (command_as_update, "submodule"),
    (path_as_name, "submodule"),
    (lost_letter, "has a path that can't be printed"),
    (link_as_path, "submodule"),
]


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
    assert trap.is_untouched
    assert not (place.workspace / ".git" / "hooks").exists()


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


@pytest.mark.parametrize("form", ["path", "file://", "file://localhost", "%2e", "link"])
async def test_nothing_comes_from_the_agents_own_folder(
    place: Place, trap: Trap, tmp_path: Path, form: str
) -> None:
    """There are copies of all repositories, also of those that may not be read any more."""
    place.checkout = GitCheckout(place.folder / "mirrors", hidden=place.folder)
    await place.make("main", str(trap.other.path))
    [copy] = (place.folder / "mirrors").glob("*.git")
    (tmp_path / "link").symlink_to(place.folder)
    url = {
        "path": str(copy),
        "file://": copy.as_uri(),
        "file://localhost": f"file://localhost{copy}",
        "%2e": copy.as_uri().replace(".git", "%2egit"),
        "link": str(tmp_path / "link" / "mirrors" / copy.name),
    }[form]
    trap.submodule(f'[submodule "lib"]\n\tpath = lib\n\turl = {url}\n')
    with pytest.raises(CheckoutFailed, match=r"'lib' must not be fetched: .* agent's own folder"):
        await place.make("main")
    with pytest.raises(CheckoutFailed, match="the repository is in this agent's own folder"):
        await place.make("main", url)
    assert not list(place.workspace.rglob("key"))


async def test_submodules_have_an_end(place: Place, trap: Trap) -> None:
    """Git goes on as deep as somebody has made them."""
    trap.submodule(f'[submodule "lib"]\n\tpath = lib\n\turl = {trap.other.path}\n')
    git = Git(COOKIE, local=True)
    with pytest.raises(CheckoutFailed, match=f"{MAX_DEPTH} deep"):
        await make_submodules(git, trap.repository.path, lambda _: None, depth=MAX_DEPTH + 1)
    await place.make("main")
    assert (place.workspace / "lib" / "key").exists()
