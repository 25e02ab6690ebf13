"""Git is killed by somebody else: by the kernel for want of memory, or by an operator."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ci.agent.bare import MAX_LOOSE_OBJECTS
from ci.agent.checkout import TRIES
from ci.errors import CheckoutFailed
from tests.real.agent.test_checkout import Place
from tests.real.repository import Repository

_SCRIPT = """\
#!/bin/sh
case " $* " in
*" {word} "*)
    for death in {deaths}/*; do
        rm "$death" 2>/dev/null && kill -{signal} $$
    done
    ;;
esac
exec {git} "$@"
"""


class Killer:
    """Kills git, whenever one of its words is `word`, so many times."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._deaths = folder / "deaths"
        self._deaths.mkdir(parents=True)
        self._git = shutil.which("git")

    def kill(self, word: str, times: int, signal: str = "KILL") -> None:
        """Let git die so often from now on."""
        script = self.folder / "git"
        script.write_text(
            _SCRIPT.format(word=word, deaths=self._deaths, signal=signal, git=self._git)
        )
        script.chmod(0o755)
        for number in range(times):
            (self._deaths / str(number)).touch()

    @property
    def left(self) -> int:
        """How often it would still die."""
        return len(list(self._deaths.iterdir()))


@pytest.fixture
def killer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Killer:
    """Stand in front of git."""
    killer = Killer(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(killer.folder), prepend=":")
    return killer


@pytest.fixture
def place(tmp_path: Path, repository: Repository) -> Place:
    """A place with nothing cached."""
    return Place(tmp_path / "agent", repository)


@pytest.mark.parametrize("word", ["init", "fetch", "show", "checkout"])
async def test_it_is_tried_again(place: Place, killer: Killer, word: str) -> None:
    """Whatever it was doing, and whatever it left: the build does not notice."""
    killer.kill(word, TRIES - 1)
    found = await place.make("main")
    assert found.subject == "Begin"
    assert place.git("status", "--porcelain") == ""
    assert killer.left == 0


@pytest.mark.parametrize("word", ["fetch", "show"])
async def test_who_is_killed_each_time_says_by_what(
    place: Place, killer: Killer, word: str
) -> None:
    """It is not the commit that is missing; and a mirror that is well is not made anew."""
    killer.kill(word, 2 * TRIES)
    with pytest.raises(CheckoutFailed, match=r"SIGKILL .* no memory left"):
        await place.make("main")
    assert killer.left == TRIES


async def test_a_git_that_crashes_is_not_taken_for_killed(place: Place, killer: Killer) -> None:
    """That says something of the mirror: as after other failures of git, another one is tried."""
    await place.make("main")
    before = place.mirror().stat().st_ino
    killer.kill("fetch", 1, "SEGV")
    await place.make("main")
    assert place.mirror().stat().st_ino != before


async def test_tidying_survives_it(place: Place, killer: Killer) -> None:
    """A repack needs the most memory of all."""
    await place.make("main")
    crowd = place.mirror() / "objects" / "17"
    crowd.mkdir(exist_ok=True)
    for number in range(MAX_LOOSE_OBJECTS // 256 + 1):
        (crowd / f"{number:038x}").touch()
    killer.kill("repack", 1)
    await place.checkout.tidy(place.workspace.parent, unused_s=60)
    assert killer.left == 0
