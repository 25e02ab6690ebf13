"""What the sandboxes of an agent show as /etc: copies of some of the machine's files in a folder.

A mount takes a fifth of a millisecond, and these are thirty files and folders: to mount each of
them into each sandbox took longer than all the rest of its making. So they are mounted as one.
"""

from __future__ import annotations

import math
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FRESH_S: Final = 5.0  # a build that begins so long after a change sees it
USER: Final = 1000  # an ordinary user, the same on each agent; of group the same number
HOME: Final = Path("/home/build")
ETC: Final = Path("/etc")

# What programs need of /etc to find libraries, names and hosts. Not here: shadow, private keys,
# and what may hold a password, such as pip.conf. Passwd and group are of our own making.
_NAMES: Final = (
    "alternatives",
    "ca-certificates.conf",
    "crypto-policies",
    "debian_version",
    "fonts",
    "gai.conf",
    "host.conf",
    "hosts",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "magic",
    "maven/logging",
    "maven/m2.conf",
    "mime.types",
    "nsswitch.conf",
    "os-release",
    "perl",
    "pki/ca-trust/extracted",
    "pki/tls/cert.pem",
    "pki/tls/certs",
    "protocols",
    "resolv.conf",
    "services",
    "ssh/ssh_config",
    "ssh/ssh_config.d",
    "ssh/ssh_known_hosts",
    "ssl/certs",
    "ssl/openssl.cnf",
    "timezone",
)
_PATTERNS: Final = ("java*", "python3*")
_OWN: Final = {
    "passwd": "root:x:0:0:root:/:/bin/false\n"
    f"build:x:{USER}:{USER}:build:{HOME}:/bin/sh\n"
    "nobody:x:65534:65534:nobody:/:/bin/false\n",
    "group": f"root:x:0:\nbuild:x:{USER}:\nnogroup:x:65534:\n",
}


@dataclass(frozen=True, slots=True)
class _Thing:
    """A file, link or folder. When its `state` is the same, so is what is in it."""

    kind: int
    source: str = ""  # empty for a folder, and for what is of our own making
    text: str = ""
    state: tuple[int, ...] = ()


_FOLDER: Final = _Thing(stat.S_IFDIR)


class Etc:
    """The copies in `folder`, of what is in `source`.

    In it is an empty place for each of `points` that lie in /etc: something else is mounted there.
    """

    def __init__(
        self,
        folder: Path,
        points: Iterable[Path] = (),
        *,
        source: Path = ETC,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._points = [point for point in points if ETC in point.parents]
        self._source = source
        self._now = now
        self._have: dict[str, _Thing] = {}
        self._fresh_until = -math.inf

    @property
    def is_fresh(self) -> bool:
        """Whether it was looked at a moment ago."""
        return self._now() < self._fresh_until

    def renew(self) -> None:
        """Copy what is another one by now, and drop what is gone: in one thread at a time.

        Commands that run in sandboxes see that, too. Raises OSError.
        """
        if self.is_fresh:
            return
        wanted = self._wanted()
        if wanted != self._have:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._drop(wanted)
            for name, thing in wanted.items():
                if self._have.get(name) != thing:
                    self._put(self._folder / name, thing)
            self._have = wanted
        self._fresh_until = self._now() + FRESH_S

    def _wanted(self) -> dict[str, _Thing]:
        """List what is to be there, each folder before what is in it."""
        found: dict[str, _Thing] = {}
        patterns = [path for pattern in _PATTERNS for path in self._source.glob(pattern)]
        for path in (*(self._source / name for name in _NAMES), *patterns):
            # As a mount would have it: of a link, what it leads to.
            with suppress(OSError):  # not there
                _add(found, str(path.relative_to(self._source)), str(path), path.stat())
        for name, text in _OWN.items():
            found[name] = _Thing(stat.S_IFREG, text=text)
        for point in self._points:
            name = str(point.relative_to(ETC))
            if name not in found:
                _add_parents(found, name)
                found[name] = _FOLDER if point.is_dir() else _Thing(stat.S_IFREG)
        return found

    def _put(self, target: Path, thing: _Thing) -> None:
        """Put a thing in its place at once, where it may be looked at now."""
        is_folder = target.is_dir() and not target.is_symlink()
        if thing.kind == stat.S_IFDIR:
            if not is_folder:
                target.unlink(missing_ok=True)
                target.mkdir()
            return
        if is_folder:
            shutil.rmtree(target)
        new = self._folder.with_name(self._folder.name + ".new")
        new.unlink(missing_ok=True)
        if not thing.source:
            new.write_text(thing.text)
        elif thing.kind == stat.S_IFLNK:
            new.symlink_to(Path(thing.source).readlink())
        else:
            shutil.copy(thing.source, new)
        new.replace(target)

    def _drop(self, wanted: dict[str, _Thing]) -> None:
        """Remove what is not wanted, also what an earlier life of the agent has left."""
        for folder, folders, files in os.walk(self._folder, topdown=False):
            for path in (Path(folder, name) for name in folders + files):
                if str(path.relative_to(self._folder)) not in wanted:
                    if path.is_dir() and not path.is_symlink():
                        path.rmdir()
                    else:
                        path.unlink()


def _add(found: dict[str, _Thing], name: str, path: str, status: os.stat_result) -> None:
    """Add a thing and all in it, but for what is not ours to read."""
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFDIR:
        with suppress(OSError), os.scandir(path) as inner:
            _add_parents(found, name)
            found[name] = _FOLDER
            for each in inner:
                _add(found, f"{name}/{each.name}", each.path, each.stat(follow_symlinks=False))
    elif kind == stat.S_IFLNK or (kind == stat.S_IFREG and os.access(path, os.R_OK)):
        _add_parents(found, name)
        state = (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
        found[name] = _Thing(kind, path, state=state)


def _add_parents(found: dict[str, _Thing], name: str) -> None:
    parent, _, _ = name.rpartition("/")
    if parent and parent not in found:
        _add_parents(found, parent)
        found[parent] = _FOLDER
