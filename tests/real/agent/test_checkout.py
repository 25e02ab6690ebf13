"""Real git, over a path and over HTTP."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import psutil
import pytest
import trio

from ci.agent.checkout import GitCheckout
from ci.agent.mirror import mirror_name
from ci.errors import CheckoutFailed
from ci.model import CommitInfo
from tests.real import fake_lfs
from tests.real.repository import Repository

COOKIE = f"cookie-of-a-checkout-test-{os.getpid()}"


class Place:
    """A checkout and a folder for workspaces."""

    def __init__(self, folder: Path, repository: Repository) -> None:
        self.folder = folder
        self.repository = repository
        self.checkout = GitCheckout(folder / "mirrors")
        self.workspace = folder / "work" / "1.1.1"

    async def make(self, commit: str, url: str | None = None) -> CommitInfo:
        """Check out into the workspace."""
        with trio.fail_after(60):
            return await self.checkout.make(
                url or str(self.repository.path), commit, self.workspace, COOKIE
            )

    def mirror(self) -> Path:
        """The mirror of the repository's path."""
        return self.folder / "mirrors" / mirror_name(str(self.repository.path))

    def git(self, *arguments: str) -> str:
        """Run git in the workspace, as a command would."""
        done = subprocess.run(
            ["git", *arguments], cwd=self.workspace, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()


@pytest.fixture
def place(tmp_path: Path, repository: Repository) -> Place:
    """A place with nothing cached."""
    return Place(tmp_path / "agent", repository)


async def test_a_commit_by_any_name(place: Place) -> None:
    """Full hash, short hash, branch, tag, annotated tag, HEAD, ref: each finds its commit."""
    repository = place.repository
    first = repository.git("rev-parse", "HEAD")
    repository.git("tag", "v1")
    repository.git("tag", "--annotate", "--message", "two", "v1-signed")
    second = repository.commit({"a/b.txt": "text\n"}, "Subject: ünïcode")
    repository.branch("feature/x")
    third = repository.commit({"c.txt": "c\n"})
    repository.git("checkout", "--quiet", "main")
    for name, hash, branch in [
        ("main", second, "main"),
        ("feature/x", third, "feature/x"),
        ("refs/heads/main", second, "main"),
        ("HEAD", second, "main"),
        ("v1", first, ""),
        ("v1-signed", first, ""),
        (first, first, ""),
        (second[:7], second, ""),
        (third.upper(), third, ""),
    ]:
        found = await place.make(name)
        assert (found.commit_hash, found.branch) == (hash, branch), name
        assert place.git("rev-parse", "HEAD") == hash
        assert place.git("status", "--porcelain") == ""
    found = await place.make("main")
    assert (found.subject, found.author) == ("Subject: ünïcode", "Ada")


async def test_the_workspace_is_a_usual_clone(place: Place) -> None:
    """Version numbers from tags, comparison with other branches, the real origin."""
    place.repository.git("tag", "v1.2")
    place.repository.commit({"x": "y"})
    place.repository.git("branch", "other")
    await place.make("main")
    assert place.git("describe", "--tags").startswith("v1.2-1-g")
    assert place.git("remote", "get-url", "origin") == str(place.repository.path)
    assert place.git("rev-parse", "origin/other") == place.git("rev-parse", "HEAD")
    assert place.git("log", "--oneline").count("\n") == 1
    place.git("fetch", "--quiet")
    place.git("fsck")


async def test_no_object_is_copied(place: Place) -> None:
    """A workspace is as large as its files."""
    await place.make("main")
    objects = place.workspace / ".git" / "objects"
    assert [path.name for path in objects.rglob("*") if path.is_file()] == ["alternates"]


async def test_a_known_hash_needs_no_repository(place: Place) -> None:
    """Full or short: the mirror has it, so nobody is asked."""
    hash = (await place.make("main")).commit_hash
    place.repository.path.rename(place.repository.path.with_name("moved"))
    assert (await place.make(hash)).commit_hash == hash
    assert (await place.make(hash[:8])).commit_hash == hash
    with pytest.raises(CheckoutFailed, match="could not fetch"):
        await place.make("main")


async def test_a_branch_is_looked_up_each_time(place: Place) -> None:
    """A push between two builds is seen, a forced one and a removed branch too."""
    await place.make("main")
    second = place.repository.commit({"x": "1"})
    assert (await place.make("main")).commit_hash == second
    place.repository.git("reset", "--quiet", "--hard", "HEAD~1")
    third = place.repository.commit({"x": "2"})
    assert (await place.make("main")).commit_hash == third
    assert (await place.make(second)).commit_hash == second, "a forced-away commit stays known"
    place.repository.git("branch", "short-lived")
    await place.make("short-lived")
    place.repository.git("branch", "-D", "short-lived")
    place.repository.git("branch", "short-lived/below")
    with pytest.raises(CheckoutFailed, match="no branch, tag or commit short-lived"):
        await place.make("short-lived")
    await place.make("short-lived/below")


async def test_a_branch_that_looks_like_a_hash_is_a_branch(place: Place) -> None:
    """Names win over short hashes, also when the hash is known."""
    first = (await place.make("main")).commit_hash
    second = place.repository.commit({"x": "y"})
    place.repository.git("branch", first[:7], second)
    await place.make("main")
    found = await place.make(first[:7])
    assert (found.commit_hash, found.branch) == (second, first[:7])


async def test_a_commit_that_no_branch_holds_is_fetched_by_its_hash(place: Place) -> None:
    """Such as a branch that was pushed over before its build began."""
    place.repository.git("config", "uploadpack.allowAnySHA1InWant", "true")
    lost = place.repository.commit({"x": "lost"})
    place.repository.git("reset", "--quiet", "--hard", "HEAD~1")
    assert (await place.make(lost)).commit_hash == lost


@pytest.mark.parametrize("commit", ["nope", "0" * 40, "abcdef1", "v9", "origin/main", "HEAD~1"])
async def test_an_unknown_commit_is_said_in_words(place: Place, commit: str) -> None:
    """With the repository, as the person knows it."""
    with pytest.raises(CheckoutFailed, match=f"no branch, tag or commit {commit} in /"):
        await place.make(commit)


@pytest.mark.parametrize("commit", ["--upload-pack=touch x", "-x", "--output=x", "a b", "main:x"])
async def test_a_commit_is_never_an_option(place: Place, commit: str) -> None:
    """The wire refuses them before; this is the second lock on that door."""
    with pytest.raises(CheckoutFailed):
        await place.make(commit)
    assert not list(place.folder.rglob("x"))


@pytest.mark.parametrize(
    "url", ["ext::sh -c 'touch x'", "--upload-pack=x", "nfs://host/x", "fd::17", ""]
)
async def test_a_bad_repository_is_refused(place: Place, url: str) -> None:
    """No protocol that could run a program."""
    with pytest.raises(CheckoutFailed, match="repository"):
        await place.checkout.make(url, "main", place.workspace, COOKIE)


async def test_a_missing_repository_is_said_with_gits_words(place: Place) -> None:
    """And secrets of the URL are not."""
    with pytest.raises(CheckoutFailed, match="does not appear to be a git repository"):
        await place.make("main", str(place.folder / "nothing.git"))
    with pytest.raises(CheckoutFailed) as caught:
        await place.make("main", "http://ada:secret@127.0.0.1:1/x.git")
    assert "secret" not in str(caught.value)


async def test_over_http(place: Place, git_url: str) -> None:
    """By branch, then by the hash that became known."""
    found = await place.make("main", git_url)
    assert (await place.make(found.commit_hash, git_url)).commit_hash == found.commit_hash
    assert place.git("remote", "get-url", "origin") == git_url


async def test_a_bare_repository_by_file_url(place: Place, tmp_path: Path) -> None:
    """As people give it."""
    bare = place.repository.bare(tmp_path / "bare.git")
    assert (await place.make("main", f"file://{bare}")).branch == "main"
    assert (await place.make("main", str(bare))).branch == "main"


async def test_submodules_are_there(place: Place, tmp_path: Path) -> None:
    """Those of submodules too."""
    inner = Repository(tmp_path / "repositories" / "inner")
    inner.commit({"deep.txt": "deep\n"})
    middle = Repository(tmp_path / "repositories" / "middle")
    middle.git("submodule", "--quiet", "add", str(inner.path), "inner")
    middle.commit({"middle.txt": "middle\n"})
    place.repository.git("submodule", "--quiet", "add", "../middle", "lib")
    place.repository.commit({})
    await place.make("main")
    assert (place.workspace / "lib" / "inner" / "deep.txt").read_text() == "deep\n"


async def test_files_in_lfs_are_there_and_not_changed(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither for us nor for the build's own git: a version with `-dirty` in it would be a lie."""
    place.repository.commit({".gitattributes": "*.bin filter=lfs -text\n", "a.bin": "pointer\n"})
    await place.make("main")
    assert (place.workspace / "a.bin").read_text() == "pointer\n"
    fake_lfs.install(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    await place.make("main")
    assert (place.workspace / "a.bin").read_text() == "content\n"
    (place.workspace / "a.bin").touch()  # so that git compares it
    assert place.git("status", "--porcelain") == ""


async def test_a_file_that_lfs_does_not_bring_is_not_the_mirrors_fault(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The build says so; the whole repository is not fetched again for it."""
    place.repository.commit({".gitattributes": "*.bin filter=lfs -text\n", "a.bin": "pointer\n"})
    await place.make("main")
    before = place.mirror().stat().st_ino
    fake_lfs.install(tmp_path / "bin", broken=True)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    with pytest.raises(CheckoutFailed, match="lfs"):
        await place.make("main")
    assert place.mirror().stat().st_ino == before


async def test_files_in_lfs_of_a_submodule_are_there_and_not_changed(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A submodule has settings of its own; so has the submodule of a submodule."""
    fake_lfs.install(tmp_path / "bin")
    above = place.repository
    for name in ("inner", "middle"):
        repository = Repository(tmp_path / "repositories" / name)
        repository.commit({".gitattributes": "*.bin filter=lfs -text\n", "a.bin": "pointer\n"})
        place.repository.git("submodule", "--quiet", "add", str(repository.path), name)
        if name == "middle":
            inner = str(tmp_path / "repositories" / "inner")
            repository.git("submodule", "--quiet", "add", inner, "inner")
            repository.commit({})
            above.git("-C", "middle", "pull", "--quiet")
    above.commit({})
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    await place.make("main")
    for name in ("inner", "middle", "middle/inner"):
        file = place.workspace / name / "a.bin"
        assert file.read_text() == "content\n"
        file.touch()  # so that git compares it
        assert place.git("-C", name, "status", "--porcelain") == ""
    assert place.git("status", "--porcelain") == ""


async def test_names_that_are_no_text_are_there(place: Place) -> None:
    """Of files and of branches: they are bytes, with line ends and quotes in them."""
    names = [b"new\nline", b"\xff\xfe", b"-x", b'"q"', b"tab\t"]
    folder = os.fsencode(place.repository.path) + b"/d\xff\n"
    os.mkdir(folder)  # noqa: PTH102 - a Path holds no bytes
    for name in names:
        Path(os.fsdecode(folder + b"/" + name)).touch()
    place.repository.commit({}, "Odd")
    heads = place.repository.path / ".git" / "refs" / "heads"
    (heads / os.fsdecode(b"br\xff")).write_bytes((heads / "main").read_bytes())
    await place.make("main")
    assert set(os.listdir(os.fsencode(place.workspace) + b"/d\xff\n")) == set(names)  # noqa: PTH208 - likewise
    assert place.git("status", "--porcelain") == ""
    assert place.git("rev-parse", os.fsdecode(b"origin/br\xff")) == place.git("rev-parse", "HEAD")


async def test_locks_of_a_killed_git_are_removed(place: Place) -> None:
    """A mirror is never stuck."""
    await place.make("main")
    mirror = place.mirror()
    for name in ("packed-refs.lock", "HEAD.lock", "config.lock", "refs/heads/main.lock"):
        (mirror / name).parent.mkdir(parents=True, exist_ok=True)
        (mirror / name).touch()
    place.repository.commit({"x": "y"})
    await place.make("main")


async def test_a_half_made_mirror_is_made_again(place: Place) -> None:
    """Killed while it was made."""
    (place.mirror() / "refs").mkdir(parents=True)
    (place.mirror() / "HEAD").touch()
    await place.make("main")


async def test_a_repository_with_many_tags(place: Place) -> None:
    """Refs are packed when they are many; the workspace has them all."""
    for number in range(60):
        place.repository.git("tag", f"t{number}")
    await place.make("main")
    assert len(place.git("tag").splitlines()) == 60
    assert (await place.make("t59")).commit_hash


async def test_many_at_once_share_a_mirror(place: Place) -> None:
    """One changes it, the others wait."""
    async with trio.open_nursery() as nursery:
        for number in range(6):
            workspace = place.folder / "work" / str(number)
            nursery.start_soon(
                place.checkout.make, str(place.repository.path), "main", workspace, COOKIE
            )
    assert len(list((place.folder / "work").glob("*/README.md"))) == 6


async def test_cancelled_it_leaves_no_process(place: Place, tmp_path: Path) -> None:
    """A server that does not answer holds git up for ever; nobody else."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    with trio.move_on_after(0.5):
        await place.checkout.make(f"http://127.0.0.1:{port}/x.git", "main", place.workspace, COOKIE)
    left = [process for process in psutil.process_iter() if COOKIE in _environment(process)]
    assert not left
    await listeners[0].aclose()


async def test_a_remote_that_falls_silent_is_given_up(place: Place) -> None:
    """The mirror is free for others again, and the message says what the remote did."""
    place.checkout = GitCheckout(place.folder / "mirrors", remote_silence_s=1)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    with pytest.raises(CheckoutFailed, match="Operation too slow"):
        await place.make("main", f"http://127.0.0.1:{port}/x.git")
    await listeners[0].aclose()


async def test_a_workspace_of_an_earlier_try_is_replaced(place: Place) -> None:
    """Clean means clean."""
    place.workspace.mkdir(parents=True)
    (place.workspace / "left over").touch()
    await place.make("main")
    assert not (place.workspace / "left over").exists()


def _environment(process: psutil.Process) -> str:
    try:
        return str(process.environ())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return ""
