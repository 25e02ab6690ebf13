"""Sandbox: what holds the commands of this agent in, and whether that works on this machine.

    sh supervise.sh          outside
    └─ bwrap                 outside; waits, and hands on the exit code
       └─ bwrap              the first process of the sandbox: when it ends, all in there do
          └─ the command

What is put into it is in `bubblewrap.py`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import structlog
import trio

from ci import blocking
from ci.agent.borrowed import borrowed_by
from ci.agent.bubblewrap import (
    FILTER_FD,
    SETTINGS_FD,
    STATUS_FD,
    View,
    etc_of,
    make_scratch,
    scratch_of,
    wrap,
)
from ci.agent.etc import HOME, Etc
from ci.agent.removal import remove_tree
from ci.agent.rlimits import NO_LIMITS, Limits
from ci.agent.seccomp import no_keyrings
from ci.config import AgentConfig
from ci.errors import ConfigError

PROGRAM: Final = "bwrap"
TRIAL_LIMIT_S: Final = 10.0  # a sandbox is made within milliseconds
_ADVICE: Final = "install bubblewrap 0.8 or newer (apt-get install bubblewrap)"

# Of the agent's own environment. Others may hold a secret of its owner's: he says which go in.
_VARIABLES: Final = frozenset({"PATH", "LANG", "LANGUAGE", "TERM", "TZ"})
_LOCALE: Final = "LC_"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A working bubblewrap. `variables` are let in beside the usual ones."""

    program: str
    view: View
    variables: frozenset[str] = frozenset()
    limits: Limits = NO_LIMITS
    etc: Etc = field(init=False, repr=False, compare=False)  # fresh when somebody enters

    def __post_init__(self) -> None:
        """Make what the sandboxes share."""
        view = self.view
        etc = Etc(etc_of(view.data_dir), (*view.readable, *view.writable))
        object.__setattr__(self, "etc", etc)  # as frozen dataclasses do themselves

    def __str__(self) -> str:
        """Say what is in force, for people."""
        network = "on" if self.view.network else "off"
        return ", ".join(filter(None, ("bubblewrap", f"network {network}", str(self.limits))))

    def environment(self, own: Mapping[str, str]) -> dict[str, str]:
        """Choose from the agent's environment what a build may see."""
        allowed = _VARIABLES | self.variables
        kept = {k: v for k, v in own.items() if k in allowed or k.startswith(_LOCALE)}
        return kept | {"HOME": str(HOME), "USER": "build", "LOGNAME": "build"}

    def enter(self, workspace: Path) -> list[str]:
        """Make a sandbox for a workspace; return the words in front of the command's.

        These find what `settings` returns under SETTINGS_FD, and the attempt's file `sandbox` under
        STATUS_FD. Blocks on the disk. Raises OSError.
        """
        scratch = scratch_of(workspace)
        remove_tree(scratch)
        make_scratch(scratch)
        mirrors = borrowed_by(workspace)
        ours = [path for path in mirrors if path.is_relative_to(self.view.data_dir / "mirrors")]
        return [
            *wrap(self.program, self.view, workspace, scratch, ours),
            *self.limits.words(),
            # It has a shell's words and exit codes for what it can't start. A core file has the
            # environment in it, and the machine may keep it where nobody looks for secrets.
            *("/bin/sh", "-c", 'ulimit -c 0; exec "$@"', "sh"),
        ]


def settings(environment: Mapping[str, str]) -> bytes:
    """Return what bubblewrap reads to give a command its environment.

    Of that nothing may act outside: `LD_PRELOAD` or `PATH` could lead into the workspace. Nor may a
    secret in it be an argument, which others see.
    """
    words = (word for pair in environment.items() for word in ("--setenv", *pair))
    return b"".join(os.fsencode(word) + b"\0" for word in words)


async def open_sandbox(config: AgentConfig) -> Sandbox | None:
    """Make the agent's sandbox and try it; None where there is to be none, or `auto` finds none.

    Raises ConfigError.
    """
    if config.sandbox == "none":
        return None
    for key, paths in (
        ("sandboxReadable", config.sandbox_readable),
        ("sandboxWritable", config.sandbox_writable),
    ):
        for path in paths:
            if not path.exists():
                raise ConfigError(f"{key}: {path} is not there; make it or take it out")
    view = View(
        config.data_dir.absolute(),
        config.sandbox_network,
        config.sandbox_readable,
        config.sandbox_writable,
    )
    sandbox = Sandbox(
        _program(),
        view,
        frozenset(config.sandbox_environment),
        Limits.of(config),
    )
    why = await _try(sandbox)
    if not why:
        return sandbox
    if config.sandbox == "bubblewrap":
        raise ConfigError(
            f"sandbox = 'bubblewrap': there is none ({why}); {_ADVICE}, or set it to none"
        )
    log.warning("no sandbox", why=why, do=_ADVICE, or_say="sandbox = none")
    return None


def _program() -> str:
    """Find bubblewrap once, not again from within a workspace."""
    found = shutil.which(PROGRAM)
    return str(Path(found).absolute()) if found else PROGRAM


async def _try(sandbox: Sandbox) -> str:
    """Run nothing in it; say why that failed, or return an empty text."""
    with TemporaryDirectory(prefix="trial-", dir=sandbox.view.data_dir) as place:
        workspace = Path(place)
        await blocking.run(sandbox.etc.renew)
        words = await blocking.run(sandbox.enter, workspace)
        (workspace / "filter").write_bytes(no_keyrings())
        redirect = (
            f'exec {SETTINGS_FD}</dev/null {FILTER_FD}<"$0" {STATUS_FD}>/dev/null && exec "$@"'
        )
        no_settings = ("/bin/sh", "-c", redirect, f"{place}/filter")
        with trio.move_on_after(TRIAL_LIMIT_S):
            done = await trio.run_process(
                [*no_settings, *words, "true"], env={}, capture_stderr=True, check=False
            )
            said = done.stderr.decode(errors="replace").strip().splitlines()
            return "" if done.returncode == 0 else (said or [f"exit code {done.returncode}"])[-1]
    return f"it was not made in {TRIAL_LIMIT_S:g} s"
