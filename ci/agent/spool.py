"""What an agent must not forget: one folder for each attempt, `spool/NAME/`.

    job.json       the job and what else was known when it was accepted; on disk before the answer
    commit.json    what the checkout found
    log            what the command printed, as the server gets it
    secrets.json   the secrets of a build that has any, until its command has ended
    raw            what such a command printed, until that is in `log` without them: `masked` says
                   how far; see `lent.py`
    pid, exit      written by the command's supervisor
    sandbox        what bubblewrap says of its beginning and of the command's end
    stop           why the command is being ended, written before it is
    result.json    how the attempt ended; on disk before it is delivered
    stop.spare, result.json.spare
                   become `stop` and `result.json` when the disk is full

The folder goes when the server has the result or wants none. Everything here blocks on the disk:
call it through `ci.blocking`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog
from pydantic import TypeAdapter, ValidationError

from ci import logfile
from ci.agent.mounts import OURS, check_ours
from ci.agent.removal import remove_or_leave, remove_tree
from ci.agent.room import NO_SPACE
from ci.agent.scarcity import is_scarce
from ci.agent.secretfile import keep_secrets
from ci.model import CommitInfo, Outcome, Reason
from ci.wire.job import Job

T = TypeVar("T")

_SAFE_NAME: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")
_READ_LIMIT: Final = 64  # bytes; `pid`, `exit` and `stop` hold one word
# Exit codes of bubblewrap that has failed, or of the shell that did not find it.
_WITHOUT_COMMAND: Final = (1, 126, 127)
JOB: Final = "job.json"
ONLY_OURS: Final = 0o700  # what a command prints, and more, is nobody else's business
# Bytes taken for a file while there is room. A result holds some texts of limited length, in JSON.
_SPARES: Final = {"stop": 64, "result.json": 16 << 10}
_SPARE_SUFFIX: Final = ".spare"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Ticket:
    """An accepted job. `accepted_at` is in seconds on the clock of `machine_boot`.

    `cookie` marks all processes of the attempt.
    """

    job: Job
    cookie: str
    machine_boot: str
    accepted_at: float


@dataclass(frozen=True, slots=True)
class _Took:
    """What stands beside the commit; earlier versions did not write it."""

    checkout_s: float | None = None
    secrets: str = ""  # see `Outcome`


_TICKET: Final[TypeAdapter[Ticket]] = TypeAdapter(Ticket)
_COMMIT: Final[TypeAdapter[CommitInfo]] = TypeAdapter(CommitInfo)
_TOOK: Final[TypeAdapter[_Took]] = TypeAdapter(_Took)
_OUTCOME: Final[TypeAdapter[Outcome]] = TypeAdapter(Outcome)


def folder_name(id: str) -> str:
    """Name the folder of an attempt. An id from outside never becomes a path."""
    if _SAFE_NAME.fullmatch(id):
        return id
    return "~" + hashlib.sha256(id.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder of one attempt."""

    path: Path

    @property
    def log(self) -> Path:
        """The file with all that is delivered of what the command printed."""
        return self.path / "log"

    @property
    def raw(self) -> Path:
        """The file to which a command prints that has secrets."""
        return self.path / "raw"

    @property
    def secrets(self) -> Path:
        """The file with the secrets; there as long as the command may print them."""
        return self.path / "secrets.json"

    @property
    def masked(self) -> Path:
        """The file that says how much of `raw` is in the log."""
        return self.path / "masked"

    @property
    def output(self) -> Path:
        """The file to which the command prints."""
        return self.raw if self.secrets.exists() else self.log

    @property
    def sandbox(self) -> Path:
        """The file with what bubblewrap says; there if the command was put into a sandbox."""
        return self.path / "sandbox"

    def create(self, ticket: Ticket) -> None:
        """Make the folder; when this returns, the job is on disk."""
        remove_tree(self.path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.mkdir(mode=ONLY_OURS)
        if ticket.job.secrets:
            keep_secrets(self.secrets, ticket.job.secrets)
        for name, size in _SPARES.items():
            self._spare(name).write_bytes(bytes(size))
        self._write(JOB, _TICKET.dump_python(ticket, mode="json"), durable=True)
        logfile.sync_folder(self.path.parent)

    def missing(self, *, started: bool) -> Path | None:
        """Return what somebody has removed of it; `started`: there should be a log by now.

        What can't be looked at is not known to be gone: the disk may be well again soon.
        """
        needed = (self.path, self.path / JOB, *((self.output,) if started else ()))
        return next((path for path in needed if _is_gone(path)), None)

    def ticket(self) -> Ticket | None:
        """Read the job; None when it was never wholly written, so never answered.

        Raises OSError.
        """
        return self._read(JOB, _TICKET)

    def save_commit(self, commit: CommitInfo, checkout_s: float, secrets: str = "") -> None:
        """Keep for the agent's next life what the checkout found, and how long it took."""
        kept = asdict(commit) | asdict(_Took(checkout_s, secrets))
        self._write("commit.json", kept, durable=False)

    def commit(self) -> CommitInfo | None:
        """What the checkout found, or None."""
        return self._read("commit.json", _COMMIT)

    def checkout_s(self) -> float | None:
        """How long the checkout took, or None."""
        took = self._read("commit.json", _TOOK)
        return None if took is None else took.checkout_s

    def secrets_note(self) -> str:
        """Say which secrets the build has, as far as that is known."""
        took = self._read("commit.json", _TOOK)
        return "" if took is None else took.secrets

    def save_stop(self, reason: Reason) -> None:
        """Keep why the command is being ended."""
        self._write_whole("stop", reason.encode(), durable=False)

    def stop(self) -> Reason | None:
        """Why the command was being ended, or None."""
        word = self._word("stop")
        return Reason(word) if word in set(Reason) else None

    def pid(self) -> int | None:
        """The process id of the command's supervisor; None when it has not begun."""
        word = self._word("pid")
        return int(word) if word.isdigit() else None

    def exit_code(self) -> int | None:
        """The command's exit code; None when it has not ended, or the supervisor was killed."""
        word = self._word("exit")
        return int(word) if word.isdigit() else None

    def never_began(self) -> bool:
        """Whether no process was found for the command: by `supervise.sh`, or for its sandbox."""
        if self._word("exit") == "never":
            return True
        return self.sandbox.exists() and self.exit_code() == 1 and not self._sandbox_says("child")

    def no_sandbox(self) -> bool:
        """Whether the command was not begun because there was no sandbox to be made for it."""
        ended = self.sandbox.exists() and self.exit_code() in _WITHOUT_COMMAND
        return ended and not self._sandbox_says("exit-code")

    def save_outcome(self, outcome: Outcome) -> None:
        """Keep how the attempt ended; when this returns, it is on disk."""
        if logfile.size(self.log):  # of an empty one nothing can be lost
            logfile.sync(self.log)
        self._write("result.json", _OUTCOME.dump_python(outcome, mode="json"), durable=True)

    def outcome(self) -> Outcome | None:
        """How the attempt ended, or None."""
        return self._read("result.json", _OUTCOME)

    def remove(self) -> None:
        """Forget the attempt. The job goes first: half a removal never runs it again."""
        remove_or_leave(self.path, first=JOB)

    def _sandbox_says(self, what: str) -> bool:
        return what in self.sandbox.read_text(errors="replace")

    def _word(self, name: str) -> str:
        return logfile.read(self.path / name, 0, _READ_LIMIT).decode("ascii", "replace").strip()

    def _write(self, name: str, content: Any, *, durable: bool) -> None:
        self._write_whole(name, json.dumps(content).encode(), durable=durable)

    def _spare(self, name: str) -> Path:
        return self.path / (name + _SPARE_SUFFIX)

    def _write_whole(self, name: str, data: bytes, *, durable: bool) -> None:
        try:
            write_whole(self.path / name, data, durable=durable)
        except OSError as error:
            spare = self._spare(name)
            if error.errno not in NO_SPACE or not spare.exists():
                raise
            # Written over, and never freed: the command may still write, and would have it at once.
            with spare.open("r+b") as file:
                file.write(data.ljust(_SPARES[name]))
                file.flush()
                os.fsync(file.fileno())
            spare.rename(self.path / name)
            if durable:
                logfile.sync_folder(self.path)

    def _read(self, name: str, adapter: TypeAdapter[T]) -> T | None:
        try:
            return adapter.validate_json((self.path / name).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None


@dataclass(frozen=True, slots=True)
class Spool:
    """All attempts that this agent has."""

    root: Path

    def folder(self, id: str) -> Folder:
        """Return the folder of an attempt, which may not exist."""
        return Folder(self.root / folder_name(id))

    def kept(self) -> list[tuple[Folder, Ticket]]:
        """Find what an earlier life left, oldest first; what was never answered is removed.

        What can't be read or removed is logged and left. Raises OSError when all of it is so, and
        when something was mounted over it: what is in there is not ours.
        """
        check_ours(self.root)
        found = []
        for path in sorted(self.root.iterdir()) if self.root.exists() else []:
            if path.name == OURS:
                continue
            folder = Folder(path)
            try:
                ticket = folder.ticket()
            except OSError as error:  # a stray file, or a folder of another user
                if is_scarce(error):
                    raise  # to start without it would be to forget it
                log.error("not picked up", path=str(path), error=str(error))
                continue
            if ticket is None:
                remove_or_leave(path)
            else:
                found.append((folder, ticket))
        return sorted(found, key=lambda pair: pair[1].accepted_at)


def write_whole(path: Path, data: bytes, *, durable: bool) -> None:
    """Write a file so that it is there wholly or not at all; on disk at once when `durable`."""
    new = path.with_name(path.name + ".new")
    with new.open("wb") as file:
        file.write(data)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    new.rename(path)
    if durable:
        logfile.sync_folder(path.parent)


def _is_gone(path: Path) -> bool:
    try:
        path.lstat()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False
