"""The words by which bubblewrap runs a command, and so: all that the command can see. Pure.

The root is empty at first. What is not put into it here is not there: the agent's data folder but
for the one workspace, its configuration, other homes, sockets, services, other processes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ci.agent.etc import ETC, HOME, USER
from ci.agent.seccomp import no_keyrings

STATUS_FD: Final = 6  # to which bubblewrap writes what becomes of the command
SETTINGS_FD: Final = 7  # from which bubblewrap reads the command's environment
FILTER_FD: Final = 8  # from which it reads what calls of the system the command does not have
SCRATCH: Final = "~"  # how the name of a scratch folder ends; no workspace's name does

_SHM_BYTES: Final = 256 << 20  # of /dev/shm, which is memory; browsers want some
_SYSTEM: Final = (
    "bin",
    "sbin",
    "lib",
    "lib32",
    "lib64",
    "libx32",
)  # beside /usr; often links into it

# None of the agent's privileges, none of its namespaces, and no way to make new ones. The session
# is a new one, so that a signal to the command's group reaches nobody outside. It ends with our
# supervisor, not with the agent.
_APART: Final = (
    *("--unshare-user", "--disable-userns", "--uid", str(USER), "--gid", str(USER)),
    *("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"),
    *("--cap-drop", "ALL", "--new-session", "--die-with-parent"),
)


@dataclass(frozen=True, slots=True)
class View:
    """What the commands of an agent see beside their workspace. All paths are absolute."""

    data_dir: Path
    network: bool = True
    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()


def wrap(
    program: str, view: View, workspace: Path, scratch: Path, mirrors: Iterable[Path]
) -> list[str]:
    """Return the words in front of a command's own. `scratch` is as `make_scratch` leaves it.

    Both are folders in the data folder, which is hidden but for them and the `mirrors`.
    """
    data = str(view.data_dir)
    return [
        *(program, *_APART, *(() if view.network else ("--unshare-net",))),
        *("--json-status-fd", str(STATUS_FD), "--args", str(SETTINGS_FD)),
        *(("--seccomp", str(FILTER_FD)) if no_keyrings() else ()),
        *_read_only("/usr"),
        *(word for name in _SYSTEM for word in _system(Path("/", name))),
        *("--ro-bind", str(etc_of(view.data_dir)), str(ETC)),
        # Settings of the kernel belong to the machine's root, which an agent may be.
        *("--proc", "/proc", "--remount-ro", "/proc"),
        *("--dev", "/dev", "--size", str(_SHM_BYTES), "--tmpfs", "/dev/shm"),  # noqa: S108 - the sandbox's
        *("--remount-ro", "/dev"),
        *("--bind", str(scratch / "tmp"), "/tmp", "--symlink", "/tmp", "/var/tmp"),  # noqa: S108 - likewise
        *("--bind", str(scratch / "home"), str(HOME)),
        *(word for path in view.readable for word in ("--ro-bind", str(path), str(path))),
        *(word for path in view.writable for word in ("--bind", str(path), str(path))),
        *("--tmpfs", data),
        *("--bind", str(workspace), str(workspace)),
        *(word for mirror in mirrors for word in ("--ro-bind", str(mirror), str(mirror))),
        *("--remount-ro", data, "--remount-ro", "/"),
        *("--chdir", str(workspace), "--"),
    ]


def make_scratch(scratch: Path) -> None:
    """Make what a command has for itself beside its workspace. Raises OSError."""
    for name in ("tmp", "home"):
        (scratch / name).mkdir(parents=True)


def scratch_of(workspace: Path) -> Path:
    """Name the scratch folder of a workspace, which is beside it."""
    return workspace.with_name(workspace.name + SCRATCH)


def etc_of(data_dir: Path) -> Path:
    """Name the folder with what is shown as /etc; see `ci.agent.etc`."""
    return data_dir / "etc"


def _system(path: Path) -> tuple[str, ...]:
    if path.is_symlink():
        return ("--symlink", str(path.readlink()), str(path))
    return _read_only(path)


def _read_only(path: Path | str) -> tuple[str, ...]:
    return ("--ro-bind-try", str(path), str(path))
