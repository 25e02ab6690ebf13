"""`POST /notify_build_log` and `POST /notify_build_result`: an attempt's output and its end."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from ci.errors import Rejected
from ci.model import CommitInfo, Outcome, Reason, Status
from ci.wire.fields import (
    OURS_ALONE,
    PROTOCOL,
    Duration,
    Hash,
    Id,
    Int32,
    LeaseMark,
    Message,
    Protocol,
    ShownLine,
    ShownText,
    Size,
    read_forgiving,
    spelled,
)

LOG_PATHS = ("/notify_build_log", "/notify-build-log")
RESULT_PATHS = ("/notify_build_result", "/notify-build-result")

MAX_LOG_CHUNK = 1 << 20  # bytes in one `/notify_build_log`
# Bytes by which a log may be longer than its limit: the words that say what is left out.
LOG_MARK_ROOM = 1 << 10
MAX_SECRETS_NOTE = 10_000  # characters; for each secret a sentence
MAX_INLINE_LOG = 1 << 16  # bytes of log that ride along with the result: two requests a build

# One agent of others tells by this path alone that it is there, or what became of a build.
EITHER_PATHS = ("/notify_agent_build", "/notify-agent-build")

_GOOD_WORDS = ("true", "success", "succeeded", "ok", "passed", "yes")
_GOOD_STATUS = (*_GOOD_WORDS, "0")  # an exit code
_GOOD_SUCCESS = (*_GOOD_WORDS, "1")  # a truth
_BAD_SUCCESS = ("fail", "failed", "failure", "error")  # beside what pydantic takes for false


def _output(value: object) -> object:
    """Others send null, an object, a number, or a list of lines, where a text is meant."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "".join(line if line.endswith("\n") else line + "\n" for line in value)
    return json.dumps(value, ensure_ascii=False)


def _success(value: object) -> object:
    word = value.strip().lower() if isinstance(value, str) else None
    if word in _GOOD_SUCCESS:
        return True
    return False if word in _BAD_SUCCESS else value


Output = Annotated[str | None, BeforeValidator(_output)]
_NESTED = ("task", "data", "build")
_CODE = re.compile(r"-?[0-9]{1,10}")


class Dialect(StrEnum):
    """What servers of others read in `status`; it can't be found out by asking them."""

    WORDS = "words"
    BOOL = "bool"
    CODE = "code"


class Result(Message):
    """How an attempt ended, in every spelling that is known. Read it through `outcome()`."""

    protocol: Protocol = 0
    id: Annotated[Id, Field(min_length=1)] = Field(
        validation_alias=spelled("id", "buildId", nested=_NESTED)
    )
    success: Annotated[bool | None, BeforeValidator(_success)] = Field(
        None, validation_alias=spelled("success", nested=_NESTED)
    )
    status: bool | int | str | None = Field(
        None,
        validation_alias=spelled(
            "status", "buildStatus", "code", "exitCode", "state", "exit_code", nested=_NESTED
        ),
    )
    log: Output = Field(None, validation_alias=spelled("log", "buildLog", "output", "logs"))
    stdout: Output = None
    stderr: Output = None

    exit_code: Annotated[Int32 | None, OURS_ALONE] = Field(
        None, validation_alias=spelled("exit_code", "exitCode", nested=_NESTED)
    )
    signal: Annotated[Int32 | None, OURS_ALONE] = None
    reason: Annotated[Reason | None, OURS_ALONE] = None
    message: Annotated[ShownText, OURS_ALONE] = ""
    duration_s: Annotated[Duration | None, OURS_ALONE] = None
    checkout_s: Annotated[Duration | None, OURS_ALONE] = None
    log_size: Annotated[Size | None, OURS_ALONE] = None
    log_sha256: Annotated[str | None, Field(pattern=r"^[0-9a-f]{64}$"), OURS_ALONE] = None
    commit_hash: Annotated[Hash, OURS_ALONE] = ""
    subject: Annotated[ShownLine, OURS_ALONE] = ""
    author: Annotated[ShownLine, OURS_ALONE] = ""
    branch: Annotated[ShownLine, OURS_ALONE] = ""
    secrets: Annotated[str, Field(max_length=MAX_SECRETS_NOTE), OURS_ALONE] = ""
    lease_mark: Annotated[LeaseMark, OURS_ALONE] = ""

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
            secrets=self.secrets,
        )

    def _verdict(self) -> Status:
        if self.protocol and self.reason is not None and self.reason is not Reason.EXITED:
            return Status.ERROR
        if self.success is not None:
            good = self.success
        elif self.status is None:
            raise Rejected("status: is missing", field="status")
        elif isinstance(self.status, str):
            good = self.status.strip().lower() in _GOOD_STATUS
        elif isinstance(self.status, bool):
            good = self.status
        else:
            good = self.status == 0
        return Status.SUCCESS if good else Status.FAILURE

    def _code(self) -> int | None:
        if self.exit_code is not None:
            return self.exit_code
        said = self.status
        if isinstance(said, str) and _CODE.fullmatch(said.strip()):
            said = int(said)
        if isinstance(said, int) and not isinstance(said, bool):
            return said if abs(said) < 2**31 else None
        return None


def read_result(body: bytes) -> Result:
    """Read a result in any known spelling. Raises Rejected with the field that is wrong."""
    return read_forgiving(Result, body)


def is_result(body: bytes) -> bool:
    """Whether this tells how a build ended, and not just that an agent is there."""
    try:
        read_result(body).outcome()
    except Rejected:
        return False
    return True


def write_result(
    id: int | str,
    outcome: Outcome,
    log: str | None,
    log_sha256: str,
    *,
    native: bool,
    dialect: Dialect = Dialect.WORDS,
) -> dict[str, Any]:
    """Make the body of `/notify_build_result`; `dialect` is that of who is not native.

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
        "secrets": outcome.secrets[:MAX_SECRETS_NOTE],
        "protocol": PROTOCOL,
    }
    if log is not None:
        body["log"] = log
    if not native:
        success = outcome.status is Status.SUCCESS
        body |= {
            "buildId": id,
            "success": success,
            "exitCode": _code_of(outcome),
            "buildLog": log or "",
            "stdout": log or "",
            "stderr": "",
            "duration": round((outcome.duration_s or 0) * 1000),
        }
        body["status"] = body["buildStatus"] = {
            Dialect.WORDS: "Success" if success else "Fail",
            Dialect.BOOL: success,
            Dialect.CODE: _code_of(outcome),
        }[dialect]
    return body


def _code_of(outcome: Outcome) -> int:
    """Return an exit code, also where there was none: one that is good only if the build was."""
    success = outcome.status is Status.SUCCESS
    if outcome.exit_code is not None and (outcome.exit_code == 0) is success:
        return outcome.exit_code
    return 0 if success else 1
