"""`POST /notify_build_log` and `POST /notify_build_result`: an attempt's output and its end."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from ci.errors import Rejected
from ci.model import CommitInfo, Outcome, Reason, Status
from ci.wire.fields import (
    PROTOCOL,
    Duration,
    Id,
    Int32,
    LeaseMark,
    Line,
    Message,
    Size,
    read,
    spelled,
)

LOG_PATHS = ("/notify_build_log", "/notify-build-log")
RESULT_PATHS = ("/notify_build_result", "/notify-build-result")

MAX_LOG_CHUNK = 1 << 20  # bytes in one `/notify_build_log`
# Bytes by which a log may be longer than its limit: the words that say what is left out.
LOG_MARK_ROOM = 1 << 10
MAX_INLINE_LOG = 1 << 16  # bytes of log that ride along with the result: two requests a build

_GOOD_WORDS = ("true", "0", "success", "succeeded", "ok", "passed")


def _output(value: object) -> object:
    """Others send null, or an object, where a text is meant."""
    if value is None or isinstance(value, str):
        return value
    return str(value)


Output = Annotated[str | None, BeforeValidator(_output)]
_NESTED = ("task", "data", "build")


class Result(Message):
    """How an attempt ended, in every spelling that is known. Read it through `outcome()`."""

    id: Annotated[Id, Field(min_length=1)] = Field(
        validation_alias=spelled("id", "buildId", nested=_NESTED)
    )
    success: bool | None = Field(None, validation_alias=spelled("success", nested=_NESTED))
    status: bool | int | str | None = Field(
        None,
        validation_alias=spelled(
            "status", "buildStatus", "code", "exitCode", "state", nested=_NESTED
        ),
    )
    log: Output = Field(None, validation_alias=spelled("log", "buildLog", "output", "logs"))
    stdout: Output = None
    stderr: Output = None

    exit_code: Int32 | None = Field(None, validation_alias=spelled("exit_code"))
    signal: Int32 | None = None
    reason: Reason | None = None
    message: Annotated[str, Field(max_length=10_000)] = ""
    duration_s: Duration | None = None
    checkout_s: Duration | None = None
    log_size: Size | None = None
    log_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    commit_hash: Line = ""
    subject: Line = ""
    author: Line = ""
    branch: Line = ""
    lease_mark: LeaseMark = ""
    protocol: int = 0

    @property
    def inline_log(self) -> bytes | None:
        """The output that came with the result, or None when it was sent before."""
        if self.log is not None:
            return self.log.encode()
        if self.stdout is None and self.stderr is None:
            return None
        return ((self.stdout or "") + (self.stderr or "")).encode()

    def outcome(self) -> Outcome:
        """Say how the attempt ended, in our words. Raises Rejected when nothing says it."""
        commit = (
            CommitInfo(self.commit_hash, self.subject, self.author, self.branch)
            if self.commit_hash
            else None
        )
        return Outcome(
            status=self._verdict(),
            reason=self.reason or Reason.EXITED,
            message=self.message,
            exit_code=self._code(),
            signal=self.signal,
            duration_s=self.duration_s,
            log_size=self.log_size,
            commit=commit,
            checkout_s=self.checkout_s,
        )

    def _verdict(self) -> Status:
        if self.protocol and self.reason is not None and self.reason is not Reason.EXITED:
            return Status.ERROR
        if self.success is not None:
            good = self.success
        elif self.status is None:
            raise Rejected("status: is missing", field="status")
        elif isinstance(self.status, str):
            good = self.status.strip().lower() in _GOOD_WORDS
        elif isinstance(self.status, bool):
            good = self.status
        else:
            good = self.status == 0
        return Status.SUCCESS if good else Status.FAILURE

    def _code(self) -> int | None:
        if self.exit_code is not None:
            return self.exit_code
        if isinstance(self.status, int) and not isinstance(self.status, bool):
            return self.status if abs(self.status) < 2**31 else None
        return None


def read_result(body: bytes) -> Result:
    """Read a result in any known spelling. Raises Rejected with the field that is wrong."""
    return read(Result, body)


def write_result(
    id: str, outcome: Outcome, log: str | None, log_sha256: str, *, native: bool
) -> dict[str, Any]:
    """Make the body of `/notify_build_result`.

    `log` is the whole output, or None when it was sent before; `native` says that a server of
    this project reads it. To others every spelling is sent, with `stderr` empty because both
    outputs are in one, in their true order.
    """
    commit = outcome.commit or CommitInfo("")
    body: dict[str, Any] = {
        "id": id,
        "status": str(outcome.status),
        "reason": str(outcome.reason),
        "message": outcome.message,
        "exit_code": outcome.exit_code,
        "signal": outcome.signal,
        "duration_s": outcome.duration_s,
        "checkout_s": outcome.checkout_s,
        "log_size": outcome.log_size,
        "log_sha256": log_sha256,
        "commit_hash": commit.commit_hash,
        "subject": commit.subject,
        "author": commit.author,
        "branch": commit.branch,
        "protocol": PROTOCOL,
    }
    if log is not None:
        body["log"] = log
    if not native:
        success = outcome.status is Status.SUCCESS
        body |= {
            "buildId": id,
            "success": success,
            "buildStatus": str(outcome.status),
            "exitCode": outcome.exit_code,
            "buildLog": log or "",
            "stdout": log or "",
            "stderr": "",
            "duration": round((outcome.duration_s or 0) * 1000),
        }
    return body
