"""One git process: asks no question, runs no hook, speaks allowed protocols, dies when unwanted.

Its outputs go to files in memory, so nothing has to be read while it runs, and a grandchild that
keeps them open holds nobody up.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
from dataclasses import dataclass
from typing import Final

import trio

from ci import escapes
from ci.agent import processes, survivors
from ci.agent.environment import own_environment
from ci.agent.gitlogin import login_environment
from ci.errors import CheckoutFailed
from ci.repository import Login, shown_url

KILL_GRACE_S: Final = 1.0  # git removes its temporary files within this after a SIGTERM
STOP_LIMIT_S: Final = 3.0  # to end git's processes when nobody waits for them any more
# Others wait for the same mirror meanwhile. A remote that is busy says so each 5 s.
REMOTE_SILENCE_S: Final = 120

_SHOWN_LINES: Final = 5  # beside the one that says why it gave up
_SHOWN_CHARS: Final = 1000
_OUTPUT_LIMIT: Final = 16 << 20  # bytes; far more than the list of a repository's refs

_SETTINGS: Final = (
    "core.hooksPath=/dev/null",
    "core.askPass=",
    "core.fsmonitor=false",
    # A folder of the commit's that looks like a repository is none, whatever its settings say.
    "safe.bareRepository=explicit",
    # Names that other systems take for `.git`; the folder may be one that they have lent.
    "core.protectHFS=true",
    "core.protectNTFS=true",
    # Who is allowed to be asked must not send us to somebody else, with what is meant for him.
    "http.followRedirects=false",
    "advice.detachedHead=false",
    "gc.auto=0",  # workspaces borrow the mirror's objects, so none may ever go
    "maintenance.auto=false",
)
# The packages of some distributions set these only in the system's configuration, which is off.
_LFS_SETTINGS: Final = {
    "clean": "git-lfs clean -- %f",
    "smudge": "git-lfs smudge -- %f",
    "process": "git-lfs filter-process",
    "required": "true",
}
# Others send these; any other that ends git is of its own making, such as a SIGSEGV.
_FROM_OUTSIDE: Final = frozenset(
    {signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT}
)
# The exit codes of a shell for them; not SIGHUP's, which is git's own for a wrong option.
_BY_SHELL: Final = {128 + number: number for number in _FROM_OUTSIDE - {signal.SIGHUP}}
_DEATH: Final = re.compile(r"died of signal (\d+)")  # git's word for a process that it started
_REDIRECT: Final = re.compile(r"error: 30[1278]\b")
_REDIRECTED: Final = "It is somewhere else now: see where the address leads, and name that."
_REMOTE: Final = re.compile(r"\s*remote: ")  # how git begins what the repository's server says
# What the system says when memory, processes or open files are used up; LC_ALL=C keeps it so.
_STARVED: Final = (
    "Cannot allocate memory",
    "Out of memory, ",  # git's own
    "Resource temporarily unavailable",
    "Too many open files",
)
_NOISE: Final = ("hint:", "remote: Enumerating", "remote: Counting", "remote: Compressing")


class GitFailed(CheckoutFailed):
    """A git process failed: of the remote repository, or of our copy of it."""


class GitInterrupted(CheckoutFailed):
    """Git was killed from outside, or lacked what others use up: the same may work in a moment."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a git process left behind. `code` is negative when a signal has ended it."""

    code: int
    stdout: bytes
    stderr: str

    @property
    def interruption(self) -> str:
        """What kept git from its work and has nothing to do with it; empty when nothing did."""
        own = [line for line in self.stderr.splitlines() if not _REMOTE.match(line)]
        deaths = [int(match[1]) for line in own if (match := _DEATH.search(line))]
        for number in (-self.code, _BY_SHELL.get(self.code), *deaths):
            if number in _FROM_OUTSIDE:
                return (
                    f"{signal.Signals(number).name} ended it: somebody on the agent's machine "
                    "killed it, or there was no memory left"
                )
        starved = self.code != 0 and any(word in line for line in own for word in _STARVED)
        return last_words(self) if starved else ""


class Git:
    """Runs git for one attempt, whose `cookie` all its processes carry."""

    def __init__(
        self,
        cookie: str,
        *,
        local: bool,
        remote_silence_s: int = REMOTE_SILENCE_S,
        login: Login | None = None,
    ) -> None:
        """`local`: the repository is on this machine, so other such ones may be read as well."""
        self._cookie = cookie
        self._environment = (
            {
                name: value
                for name, value in own_environment().items()
                if name not in ("GIT_ASKPASS", "SSH_ASKPASS")
            }
            | {
                "GIT_TERMINAL_PROMPT": "0",
                "SSH_ASKPASS_REQUIRE": "never",  # or ssh would look for a window to ask in
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_ALLOW_PROTOCOL": "http:https:ssh:git" + (":file" if local else ""),
                "LC_ALL": "C",
            }
            | login_environment(login)
        )
        patience = ("http.lowSpeedLimit=1", f"http.lowSpeedTime={remote_silence_s}")  # bytes/s, s
        lfs = tuple(f"filter.lfs.{name}={value}" for name, value in lfs_settings().items())
        settings = _SETTINGS + patience + lfs
        self._beginning = ["git", *(word for setting in settings for word in ("-c", setting))]

    async def ask(self, purpose: str, *arguments: str) -> Answer:
        """Run git until it ends. Raises GitInterrupted with `purpose`.

        Cancellation: it and all that it started are killed.
        """
        stdout = os.memfd_create("git stdout")
        stderr = os.memfd_create("git stderr")
        pid = None
        try:
            try:
                words = [*self._beginning, *arguments]
                pid = processes.spawn(words, self._environment, self._cookie, stdout, stderr)
            except FileNotFoundError:
                raise CheckoutFailed("git is not installed on this agent") from None
            status = await processes.wait_end(pid, None)
            pid = None
            code = os.waitstatus_to_exitcode(status) if status is not None else -1
            said = os.pread(stderr, _OUTPUT_LIMIT, 0).decode("utf-8", "replace")
            answer = Answer(code, os.pread(stdout, _OUTPUT_LIMIT, 0), said)
        finally:
            os.close(stdout)
            os.close(stderr)
            if pid is not None:
                with trio.move_on_after(STOP_LIMIT_S, shield=True):
                    mine = survivors.Belongings(self._cookie, pid)
                    await survivors.end_all(mine, KILL_GRACE_S)
                processes.reap(pid)
        if why := answer.interruption:
            raise GitInterrupted(f"git could not {purpose}: {why}")
        return answer

    async def must(self, purpose: str, *arguments: str) -> bytes:
        """Run git and return its output. Raises GitFailed with `purpose` and git's words.

        Raises GitInterrupted as well.
        """
        answer = await self.ask(purpose, *arguments)
        if answer.code != 0:
            raise GitFailed(f"git could not {purpose}: {last_words(answer)}")
        return answer.stdout


def lfs_settings() -> dict[str, str]:
    """Say how git brings files in Git LFS, by name in `filter.lfs`; empty where it can't."""
    return _LFS_SETTINGS if shutil.which("git-lfs") else {}


def last_words(answer: Answer) -> str:
    """Return why git gave up, then what else it said at its end, without secrets.

    A repository's server may have said some of it: nothing speaks to the reader's terminal.
    """
    lines = [escapes.plain_text(line).strip() for line in answer.stderr.splitlines()]
    said = [line for line in lines if line and not line.startswith(_NOISE)]
    if not said and answer.code < 0:
        named = {number.value: number.name for number in signal.Signals}
        return f"{named.get(-answer.code, f'signal {-answer.code}')} ended it"
    why = [line for line in said if line.startswith("fatal:")][:1]  # hints may follow it
    rest = [line for line in said if line not in why][-_SHOWN_LINES:]
    if any(_REDIRECT.search(line) for line in why):
        rest = [_REDIRECTED, *rest]
    return shown_url("\n".join(why + rest)[:_SHOWN_CHARS] or f"exit code {answer.code}")
