"""What a repository's server is told and may say: passwords, other addresses, other questions."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import quote

import pytest
import trio

from ci.agent.checkout import GitCheckout
from ci.errors import CheckoutFailed
from tests.real.agent.test_checkout import COOKIE, Place
from tests.real.repository import GitHandler, Repository, open_git_server

PASSWORD: Final = 'pa/ss@w:ü %41 $(touch x)`touch x`%s\\n"'  # in the URL written with %
USER: Final = "ada@example.org"
ESCAPES: Final = "\x1b]0;title\x07\x1b[2J\x1b[31mno\x9b1m entry\r\x08!"


class Guarded(GitHandler):
    """Answers who knows the password; keeps what it heard, and what `ps` shows meanwhile."""

    heard: ClassVar[list[str]] = []
    arguments: ClassVar[list[bytes]] = []

    def do_GET(self) -> None:
        """Ask for the password first."""
        given = self.headers.get("Authorization", "")
        self.heard.append(given)
        self.arguments.extend(_arguments())
        if given == "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode():
            super().do_GET()
            return
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="x"')
        self.send_header("Content-Length", "0")
        self.end_headers()


class Elsewhere(GitHandler):
    """Sends everybody to another server."""

    target: ClassVar[str] = ""
    status: ClassVar[int] = 301

    def do_GET(self) -> None:
        """Say where to go."""
        self.send_response(self.status)
        self.send_header("Location", self.target + self.path)
        self.send_header("Content-Length", "0")
        self.end_headers()


class Rude(GitHandler):
    """Refuses, and speaks to the terminal of whoever reads why."""

    def do_GET(self) -> None:
        """Say no."""
        body = ESCAPES.encode()
        self.send_response(403)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def place(tmp_path: Path, repository: Repository) -> Place:
    """A place with nothing cached."""
    return Place(tmp_path / "agent", repository)


@pytest.fixture
def guarded(repository: Repository) -> Iterator[str]:
    """The place of a server that asks for a password."""
    Guarded.heard.clear()
    Guarded.arguments.clear()
    with open_git_server(repository.path.parent, Guarded) as url:
        yield url.removeprefix("http://")


@pytest.fixture
def questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is made as soon as any program is asked for a password."""
    asked = tmp_path / "asked"
    program = tmp_path / "ask"
    program.write_text(f"#!/bin/sh\ntouch {asked}\necho secret\n")
    program.chmod(0o755)
    settings = tmp_path / "settings"
    settings.write_text(f"[core]\n\taskPass = {program}\n[credential]\n\thelper = store\n")
    monkeypatch.setenv("GIT_ASKPASS", str(program))
    monkeypatch.setenv("SSH_ASKPASS", str(program))
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    return asked


def _arguments() -> list[bytes]:
    """The arguments of all processes that carry our cookie, as anybody reads them."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if COOKIE.encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes())
        except OSError:
            continue  # gone meanwhile
    return found


def _contents(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_a_password_is_for_the_server_alone(
    place: Place, guarded: str, questions: Path, tmp_path: Path
) -> None:
    """Not for who lists processes, for the build, for a mirror, or for who keeps passwords."""
    login = f"{quote(USER, safe='')}:{quote(PASSWORD, safe='')}"
    found = await place.make("main", f"http://{login}@{guarded}/project/.git")
    assert found.subject == "Begin"
    assert place.git("remote", "get-url", "origin") == f"http://{guarded}/project/.git"
    words = (PASSWORD.encode(), quote(PASSWORD, safe="").encode())
    shown = b"\n".join(Guarded.arguments)
    assert b"remote-http" in shown
    for secret in words:
        assert secret not in shown
        assert secret not in _contents(place.folder)
    assert not (tmp_path / ".git-credentials").exists()
    assert not questions.exists()


async def test_a_submodule_beside_it_has_the_same_password(
    place: Place, guarded: str, repository: Repository
) -> None:
    """As it had when the password stood in every address; another place has none."""
    other = Repository(repository.path.parent / "other" / "repo")
    other.commit({"key": "x"})
    (other.path / ".git").rename(other.path.parent / ".git")
    repository.git("submodule", "--quiet", "add", "../other", "lib")
    repository.git("config", "-f", ".gitmodules", "submodule.lib.url", "../../other/.git")
    repository.commit({})
    login = f"{quote(USER, safe='')}:{quote(PASSWORD, safe='')}"
    await place.make("main", f"http://{login}@{guarded}/project/.git")
    assert (place.workspace / "lib" / "key").exists()
    assert quote(PASSWORD, safe="").encode() not in _contents(place.folder)


@pytest.mark.parametrize("login", ["", "ada:wrong-secret@", "ada@"])
async def test_who_has_no_password_is_not_asked_for_one(
    place: Place, guarded: str, questions: Path, login: str
) -> None:
    """Not at a terminal and not in a window: nobody sits there. A wrong one is told to nobody."""
    with trio.fail_after(60), pytest.raises(CheckoutFailed) as caught:
        await place.make("main", f"http://{login}{guarded}/project/.git")
    said = "Authentication failed" if "wrong" in login else "terminal prompts disabled"
    assert said in str(caught.value)
    assert "wrong-secret" not in str(caught.value)
    assert not questions.exists()


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_it_is_not_followed_elsewhere(
    place: Place, guarded: str, repository: Repository, status: int
) -> None:
    """Neither into the network of the agent, nor with a password; one is told what to do."""
    Elsewhere.target, Elsewhere.status = f"http://{guarded}", status
    with open_git_server(repository.path.parent, Elsewhere) as url:
        host = url.removeprefix("http://")
        with pytest.raises(CheckoutFailed, match="see where the address leads, and name that"):
            await place.make("main", f"http://ada:secret@{host}/project/.git")
    assert Guarded.heard == []


async def test_what_it_says_is_plain_text(place: Place, repository: Repository) -> None:
    """In the build's message, in its log and in the agent's."""
    with open_git_server(repository.path.parent, Rude) as url:
        with pytest.raises(CheckoutFailed) as caught:
            await place.make("main", f"{url}/project/.git")
        said = str(caught.value)
        assert "entry" in said
        assert said.replace("\n", "").isprintable()


async def test_ssh_is_asked_in_a_way_that_asks_nobody(
    place: Place, questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the user's name, which it needs, stays in the address."""
    seen = tmp_path / "seen"
    ssh = tmp_path / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text(f'#!/bin/sh\n[ "$1" = -G ] || (echo "$@"; env) > {seen}\nexit 255\n')
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ssh.parent}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(CheckoutFailed, match="could not fetch"):
        await place.make("main", "ssh://ada@127.0.0.1:1/x.git")
    lines = seen.read_text().splitlines()
    assert "ada@127.0.0.1" in lines[0]
    assert "SSH_ASKPASS_REQUIRE=never" in lines
    assert not any(line.startswith("SSH_ASKPASS=") for line in lines)
    assert not questions.exists()


async def test_an_agent_follows_its_user_where_its_settings_lead(
    place: Place, guarded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password that the agent's owner keeps for git is used: it needs not stand in an URL."""
    (tmp_path / "kept").write_text(
        f"http://{quote(USER, safe='')}:{quote(PASSWORD, safe='')}@{quote(guarded)}\n"
    )
    settings = tmp_path / "settings"
    settings.write_text(f"[credential]\n\thelper = store --file {tmp_path}/kept\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    place.checkout = GitCheckout(place.folder / "mirrors")
    assert (await place.make("main", f"http://{guarded}/project/.git")).branch == "main"
    assert len(Guarded.heard) > 1
