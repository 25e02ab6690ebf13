"""Commits made by somebody who wants more than a build: none runs or writes anything by git."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ci.errors import CheckoutFailed
from tests.real.agent.test_checkout import Place
from tests.real.agent.traps import Trap, make_trap
from tests.real.harness import clean_environment
from tests.real.repository import Repository


@pytest.fixture
def trap(tmp_path: Path, repository: Repository) -> Trap:
    """A trap."""
    return make_trap(tmp_path, repository)


@pytest.fixture
def place(tmp_path: Path, repository: Repository) -> Place:
    """A place with nothing cached."""
    return Place(tmp_path / "agent", repository)


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
    link_as_gitmodules,
    *(dot_git(name) for name in (b".git", b".GIT", b"..", b".", b"git~1", ".g\u200cit".encode())),
]


@pytest.mark.parametrize("make", REFUSED, ids=lambda make: make.__name__)
async def test_it_is_refused(place: Place, trap: Trap, make: Callable[[Trap], None]) -> None:
    """With a sentence; and it has done nothing by then."""
    make(trap)
    with pytest.raises(CheckoutFailed, match="invalid path"):
        await place.make("main")
    assert trap.is_untouched
    assert not (place.workspace / ".git" / "hooks").exists()


@pytest.mark.parametrize("make", [attributes, bare_repository])
async def test_it_is_but_files(place: Place, trap: Trap, make: Callable[[Trap], None]) -> None:
    """Settings in a commit are nobody's settings."""
    make(trap)
    await place.make("main")
    assert (place.workspace / "config").exists()
    assert trap.is_untouched


async def test_one_name_twice_leads_nowhere(place: Place, trap: Trap) -> None:
    """Whichever of the two git takes."""
    link_and_folder(trap)
    try:
        await place.make("main")
    except CheckoutFailed as error:
        assert "x" in str(error)  # noqa: PT017 - both are right
    assert trap.is_untouched


async def test_a_folders_name_is_no_setting(trap: Trap, tmp_path: Path) -> None:
    """What it is called stands in the workspace's configuration, letter by letter."""
    url = tmp_path / "a\"b\\c #d;e='f' [core]"
    Repository(url).commit({"x": "x"})
    place = Place(tmp_path / "agent", Repository(tmp_path / "unused"))
    await place.make("main", str(url))
    assert place.git("remote", "get-url", "origin") == str(url)
    assert place.git("config", "--get-regexp", "^core").count("\n") == 2
    assert trap.is_untouched


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
