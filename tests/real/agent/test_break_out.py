"""What a command in a sandbox tries, and what it does not get."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from ci.agent.bubblewrap import FILTER_FD, SETTINGS_FD, STATUS_FD, View, scratch_of
from ci.agent.rlimits import Limits
from ci.agent.sandbox import Sandbox, settings
from ci.agent.seccomp import no_keyrings
from ci.agent.spool import Folder

ORDINARY = "as an ordinary user"


class Cell:
    """An agent's data folder with one build's workspace in it, and the neighbours of that."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.workspace = data_dir / "work" / "1.1.1"
        self.mirror = data_dir / "mirrors" / "own.git"
        self.folder = Folder(data_dir / "spool" / "1.1.1")
        self.user: list[str] = []  # the words of a program that runs others as somebody else
        self.starter: list[str] = []  # likewise; those do more before they run others
        alternates = self.workspace / ".git" / "objects" / "info" / "alternates"
        for path, text in (
            (alternates, f"{self.mirror}/objects\n"),
            (self.mirror / "objects" / "packed", "an object"),
            (data_dir / "mirrors" / "other.git" / "packed", "secret"),
            (data_dir / "work" / "2.1.1" / "file", "secret"),
            (self.folder.path / "job.json", "secret"),
            (data_dir / "home_id", "secret"),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def run(self, script: str, limits: Limits | None = None, **view: object) -> str:
        """Run a script in the sandbox; return what it has printed, errors included."""
        sandbox = Sandbox("bwrap", View(self.data_dir, **view), limits=limits or Limits())  # type: ignore[arg-type]
        environment = sandbox.environment({"PATH": "/usr/bin:/bin", "TOKEN": "secret"})
        file = self.folder.path / "settings"
        file.write_bytes(settings(environment))
        (self.folder.path / "filter").write_bytes(no_keyrings())
        redirect = (
            f'exec {SETTINGS_FD}<"$0" {FILTER_FD}<"$1" {STATUS_FD}>/dev/null && shift && exec "$@"'
        )
        opening = ["sh", "-c", redirect, str(file), str(self.folder.path / "filter")]
        sandbox.etc.renew()
        words = [*opening, *sandbox.enter(self.workspace)]
        if self.user:
            everything = [self.data_dir, *self.data_dir.rglob("*")]
            for path in everything:
                os.chown(path, 65534, 65534, follow_symlinks=False)
        done = subprocess.run(
            [*self.user, *self.starter, *words, "sh", "-c", script],
            env={},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert "bwrap: " not in done.stdout.decode(errors="replace")
        return done.stdout.decode(errors="replace")


@pytest.fixture(params=["as we are", ORDINARY])
def cell(request: pytest.FixtureRequest) -> Iterator[Cell]:
    """One as root too, if we are root: files of the machine are its own then."""
    with TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        cell = Cell(Path(folder) / "agent")
        if request.param == ORDINARY and os.geteuid() == 0:
            cell.user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        yield cell


@contextmanager
def listening() -> Iterator[int]:
    """Somebody on this machine's loopback address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_it_has_what_a_build_needs(cell: Cell) -> None:
    """Programs, names, a home, room for temporary files, the objects of its repository."""
    said = cell.run(
        "whoami; echo ~; pwd; cat $(cat .git/objects/info/alternates)/packed; echo;"
        "date > here && date > /tmp/x && date > /var/tmp/y && date > ~/z && date > /dev/shm/s"
        "&& ls /tmp; id -u"
    )
    lines = said.splitlines()
    assert lines[:4] == ["build", "/home/build", str(cell.workspace), "an object"]
    assert {"x", "y"} <= set(lines)
    assert lines[-1] == "1000"
    assert (cell.workspace / "here").exists()
    assert (scratch_of(cell.workspace) / "home" / "z").exists()


def test_it_reads_nothing_of_others(cell: Cell) -> None:
    """No password, no other build, no other repository, nothing that the agent keeps."""
    said = cell.run(
        f"cat /etc/shadow /proc/1/root/etc/shadow /proc/self/root/etc/shadow; cd {cell.data_dir};"
        "find . -not -path './work/1.1.1/*'; grep -rs secret . ; ls /root /home /run /sys /srv"
    )
    assert "root:" not in said
    assert "secret" not in said
    assert "2.1.1" not in said
    assert "spool" not in said
    assert "other.git" not in said
    assert "/home:\nbuild\n" in said


def test_it_knows_nothing_of_the_agents_environment(cell: Cell) -> None:
    """Neither its own variables nor those of whoever started it."""
    said = cell.run("env; cat /proc/*/environ")
    assert "PATH=" in said
    assert "secret" not in said


def test_it_sees_and_signals_no_process_outside(cell: Cell) -> None:
    """It is alone: its numbers begin anew."""
    with subprocess.Popen([*cell.user, "sleep", "1000.5"]) as sleeper:
        said = cell.run(
            f"cat /proc/*/cmdline; kill -9 {sleeper.pid} -1; echo; ls /proc/{sleeper.pid}"
        )
        assert sleeper.poll() is None
        sleeper.kill()
    assert "1000.5" not in said


def test_it_writes_nothing_outside(cell: Cell) -> None:
    """Not in the system, not in the agent's folders, not in the mirror; also no kernel setting."""
    places = f"/ /usr /usr/bin /etc /dev /home /proc/sys/kernel {cell.data_dir} {cell.mirror}"
    said = cell.run(
        f"for place in {places} {cell.mirror}/objects; do touch $place/new && echo WROTE $place;"
        f" done; echo x >> {cell.mirror}/objects/packed && echo WROTE; "
        f"rm -f {cell.mirror}/objects/*; mv .git/objects .git/o; mv ../1.1.1 ../3 && echo WROTE;"
        "find / -path /dev -prune -o -path '/proc/[0-9]*' -prune"
        " -o -type f -writable -print 2>/dev/null"
        "| sed 's/^/WRITABLE /'"
    )
    assert "WROTE" not in said
    writable = [line.split()[1] for line in said.splitlines() if line.startswith("WRITABLE")]
    own = (f"{cell.workspace}/", "/tmp/", "/home/build/", "/dev/shm/")
    assert writable, "its own files, at least"
    assert not [path for path in writable if not path.startswith(own)]
    assert (cell.mirror / "objects" / "packed").read_text() == "an object"


def test_it_gets_no_privilege(cell: Cell) -> None:
    """No capability, no setuid program, no namespace of its own, no mount, no device."""
    said = cell.run(
        "grep -E '^(Cap|NoNew)' /proc/self/status; unshare -Ur true && echo GOT; "
        "unshare -m true && echo GOT; mount -t tmpfs none /tmp && echo GOT; "
        "mount --bind /tmp /usr && echo GOT; mknod /tmp/disk b 8 0 && echo GOT; "
        "umount /proc/sys && echo GOT; mount -o remount,rw /usr && echo GOT; "
        "echo x > /proc/sys/kernel/core_pattern && echo GOT; "
        "echo b > /proc/sysrq-trigger && echo GOT; ls -la /dev"
    )
    assert "GOT" not in said
    capabilities = [line.split()[1] for line in said.splitlines() if line.startswith("Cap")]
    assert set(capabilities) == {"0" * 16}
    assert "NoNewPrivs:\t1" in said
    assert " root " not in said


def test_it_leaves_no_core_file(cell: Cell) -> None:
    """Which has the environment in it; the machine may keep it elsewhere, or in the workspace."""
    said = cell.run("ulimit -c; ulimit -Hc; ulimit -c 9 || echo no; sh -c 'kill -SEGV $$'; ls -a")
    assert said.split()[:2] == ["0", "0"]
    assert "no" in said.split()
    assert "core" not in said.split()


# Programs of python3 begin with this. Keyring -3 is the session's, -4 the user's: keys in there
# outlive whoever made them, these by a minute.
KEYS = """
import ctypes, os, platform, sys
system, first = ctypes.CDLL(None).syscall, {"x86_64": 248, "aarch64": 217}[platform.machine()]
def add(value, keyring): return system(first, b"user", b"ci-test", value, len(value), keyring)
def keyctl(*words): return system(first + 2, *words)
"""
GIVE = """
for keyring in (-3, -4):
    keyctl(15, add(b"of-the-agent", keyring), 60)
os.execvp(sys.argv[1], sys.argv[1:])
"""
TAKE = """
def read(key):
    found = ctypes.create_string_buffer(100)
    keyctl(11, key, found, 100)
    print(found.raw)
for keyring in (-3, -4):
    keyctl(8, keyring, -2)
    read(keyctl(10, -2, b"user", b"ci-test", 0))
for line in open("/proc/keys"):
    number = int(line.split()[0], 16)
    keyctl(8, number, -2)
    read(number)
    read(keyctl(10, -2, b"user", b"ci-test", 0))
print("left one" if add(b"for the next", -3) > 0 else "left none")
"""


def test_it_has_no_key_of_whoever_started_the_agent(cell: Cell) -> None:
    """The kernel keeps some, and would give them to all processes of a session or a user."""
    giver = ["/usr/bin/python3", "-c", KEYS + GIVE]
    taker = f"python3 -c '{KEYS}{TAKE}'"
    outside = subprocess.run(
        [*cell.user, *giver, "sh", "-c", taker], check=True, capture_output=True, text=True
    )
    assert "of-the-agent" in outside.stdout
    cell.starter = giver
    said = cell.run(taker)
    assert "of-the-agent" not in said
    assert "left none" in said


@pytest.mark.parametrize(("network", "verdict"), [(True, "REACHED"), (False, "NOBODY")])
def test_network_off_is_also_off_to_this_machine(cell: Cell, network: bool, verdict: str) -> None:
    """So no build can call the agent, the server, or a database beside them."""
    with listening() as port:
        reach = f"(exec 3<>/dev/tcp/127.0.0.1/{port}) && echo REACHED || echo NOBODY"
        said = cell.run(f'bash -c "{reach}"', network=network)
    assert verdict in said
    assert {"REACHED": "NOBODY", "NOBODY": "REACHED"}[verdict] not in said


def test_what_the_owner_lets_in_is_there(cell: Cell) -> None:
    """To read, or to write; the agent's folder stays hidden, also where it lies in one of these."""
    caches = cell.data_dir.parent / "caches"
    caches.mkdir(mode=0o777)
    caches.chmod(0o777)
    outer = cell.data_dir.parent
    said = cell.run(
        f"touch {outer}/new || echo no; touch {caches}/new && echo yes; ls {cell.data_dir}/work",
        readable=(outer,),
        writable=(caches,),
    )
    assert said.splitlines()[1:] == ["no", "yes", "1.1.1"]
    assert (caches / "new").exists()


@pytest.mark.parametrize("cell", [ORDINARY], indirect=True)
def test_forking_without_end_is_ended(cell: Cell) -> None:
    """It has so many processes and not one more; others of its user have theirs beside it."""
    crowd = [subprocess.Popen([*cell.user, "sleep", "1000.5"]) for _ in range(20)]
    script = (
        "for i in $(seq 15); do sleep 9 & done; echo enough; for i in $(seq 15); do sleep 9 & done"
    )
    said = cell.run(script, Limits(processes=20))
    for process in crowd:
        process.kill()
        process.wait()
    assert "enough" in said
    assert "fork" in said.lower()
