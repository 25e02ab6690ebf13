"""`POST /build`: the server hands an attempt to an agent."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    field_serializer,
    model_validator,
)

from ci.errors import Rejected
from ci.model import MIN_LOG_LIMIT, Lease, commit_problem
from ci.secretrules import MAX_BRANCH_RULES, MAX_SECRETS, value_problem
from ci.wire.fields import (
    OURS_ALONE,
    PROTOCOL,
    Id,
    LeaseMark,
    Line,
    Message,
    Protocol,
    Size,
    read,
    spelled,
)

PATH = "/build"
MAX_COMMAND_BYTES = 100_000  # Linux takes 131,072 in one argument of a program

_OWNER_NAME = re.compile(r"[/:]([^/:]+/[^/:]+?)(\.git)?/?$")
_BARE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*/[A-Za-z0-9_.-]+")
_NESTED = ("build",)
_OBJECTS = (*_NESTED, "env")  # any other object is somebody else's field


Limit = Annotated[float, Field(gt=0, le=10**9, allow_inf_nan=False)]  # seconds


def _env_text(value: object) -> object:
    """Others write numbers and truths as they are."""
    return json.dumps(value) if isinstance(value, int | float) else value


Value = Annotated[str, BeforeValidator(_env_text)]


def _value(value: SecretStr) -> SecretStr:
    if problem := value_problem(value.get_secret_value()):
        raise ValueError(problem)
    return value


def _stripped(value: object) -> object:
    """Others hand on what git has printed, with the end of the line."""
    return value.strip() if isinstance(value, str) else value


def _may_be_meant(key: str, value: object) -> bool:
    return value != "" and (key in _OBJECTS or not isinstance(value, dict))


def _number_alone(value: object) -> object:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


class JobSecret(Message):
    """A variable that a build gets if its commit is on one of some branches. Never shown."""

    name: Line
    value: Annotated[SecretStr, AfterValidator(_value)]
    branches: Annotated[tuple[Line, ...], Field(min_length=1, max_length=MAX_BRANCH_RULES)]


class Job(Message):
    """What an agent needs to run one attempt. `id` is opaque to it."""

    protocol: Protocol = 0
    id: Annotated[Id, Field(min_length=1)] = Field(
        validation_alias=spelled("id", "buildId", nested=_NESTED)
    )
    # The same if it came as a number: servers of others may compare by type as well.
    numeric_id: Annotated[int | None, BeforeValidator(_number_alone)] = Field(
        None, validation_alias=spelled("id", "buildId", nested=_NESTED), exclude=True
    )
    repository: Line = Field(
        validation_alias=spelled(
            "repository", "repoUrl", "repo", "repoAddress", "url", "uri", "repoName", nested=_NESTED
        )
    )
    commit: Annotated[Line, BeforeValidator(_stripped)] = Field(
        validation_alias=spelled("commit", "commitHash", "hash", nested=_NESTED)
    )
    command: Annotated[str, Field(min_length=1)] = Field(
        validation_alias=spelled("command", "buildCommand", "cmd", nested=_NESTED)
    )
    number: Annotated[Id, OURS_ALONE] = Field(
        "", validation_alias=spelled("number", "buildNumber", nested=_NESTED)
    )
    env: Annotated[dict[Line, Value], OURS_ALONE] = {}
    # Not to be written down with the rest: see `ci/agent/secretfile.py`.
    secrets: Annotated[tuple[JobSecret, ...], Field(max_length=MAX_SECRETS), OURS_ALONE] = Field(
        (), exclude=True, repr=False
    )
    timeout_s: Limit | None = None
    silence_s: Limit | None = None
    log_limit: Annotated[Size, Field(ge=MIN_LOG_LIMIT)] | None = None  # bytes
    # False: the command is one program with its arguments.
    shell: Annotated[bool, OURS_ALONE] = True
    boot_id: Annotated[str, Field(max_length=100)] = ""  # the life of the agent that is meant
    lease_mark: LeaseMark = ""

    @model_validator(mode="before")
    @classmethod
    def _leave_others_out(cls, said: object) -> object:
        """An empty word, or an object where a word is meant, stands for no spelling of a field."""
        if not isinstance(said, dict):
            return said
        others = {key: value for key, value in said.items() if _may_be_meant(key, value)}
        if isinstance(inner := others.get("build"), dict):
            others["build"] = {key: it for key, it in inner.items() if _may_be_meant(key, it)}
        return others

    @field_serializer("id")
    def _write_id(self, _: str) -> int | str:
        return self.said_id

    @property
    def said_id(self) -> int | str:
        """The id as it was said."""
        return self.id if self.numeric_id is None else self.numeric_id

    def asks_same(self, other: Job) -> bool:
        """Whether both ask for the same work."""
        ours = self.repository, self.commit, self.command
        return ours == (other.repository, other.commit, other.command)


def read_job(body: bytes) -> Job:
    """Read a job in any known spelling. Raises Rejected with the field that is wrong."""
    job = read(Job, body)
    if problem := commit_problem(job.commit):
        raise Rejected(f"commit: {problem}", field="commit")
    if problem := command_problem(job.command):
        raise Rejected(f"command: {problem}", field="command")
    for name, value in job.env.items():
        if not name or "=" in name or "\x00" in value:
            raise Rejected(f"env: {name!r} can't be set", field="env")
    return job


def with_prefix(job: Job, prefix: str | None) -> Job:
    """Return the job with `prefix` before a repository that is no more than owner/name."""
    if prefix is None or job.protocol > 0 or not _BARE_NAME.fullmatch(job.repository):
        return job
    return job.model_copy(update={"repository": prefix + job.repository})


def command_problem(command: str) -> str | None:
    """Say why no shell can be given `command`, or None when it can."""
    if not command.strip():
        return "is empty"
    if "\x00" in command:
        return "has a NUL character"
    size = len(command.encode())
    if size > MAX_COMMAND_BYTES:
        return f"has {size} bytes, {MAX_COMMAND_BYTES} are allowed"
    return None


def write_job(
    lease: Lease,
    timeout_s: float,
    silence_s: float,
    log_limit: int,
    boot_id: str,
    *,
    native: bool,
    shell: bool = True,
    secrets: Sequence[JobSecret] = (),
) -> dict[str, Any]:
    """Make the body of `/build`; for an agent of others with every spelling that any reads.

    `boot_id` is what the agent has called its present life. Without a `shell` it runs the command
    as one program with its arguments. No agent of others gets `secrets`.
    """
    build, url = lease.build, lease.build.repository_url
    job: dict[str, Any] = {
        "id": lease.attempt.id,
        "number": build.number,
        "repository": url,
        "commit": build.commit,
        "command": build.command,
        "timeout_s": timeout_s,
        "silence_s": silence_s,
        "log_limit": log_limit,
        "shell": shell,
        "boot_id": boot_id,
        "lease_mark": lease.attempt.lease_mark,
        "protocol": PROTOCOL,
    }
    if native and secrets:
        job["secrets"] = [
            {"name": one.name, "value": one.value.get_secret_value(), "branches": one.branches}
            for one in secrets
        ]
    if native:
        return job
    others = plain_job(lease.attempt.id, build.number, url, build.commit, build.command)
    origin = lease.origin
    branch = build.branch or (origin.branch if origin else "")
    others |= {"mainBranch": branch, "branchName": branch}
    if origin is not None:  # then also what an external storage says of it
        others |= {
            "configurationId": origin.configuration,
            "buildNumber": origin.number,
            "commitMessage": origin.message,
            "branchName": origin.branch,
            "authorName": origin.author,
        }
    both = job | others
    return both | {"build": both}


def plain_job(id: str, number: int, url: str, commit: str, command: str) -> dict[str, Any]:
    """Say what is to be built in every spelling that any agent of others reads."""
    owner_name = _OWNER_NAME.search(url)
    return {
        **dict.fromkeys(("id", "buildId"), id),
        "buildNumber": number,
        **dict.fromkeys(("commit", "commitHash", "hash"), commit),
        **dict.fromkeys(("command", "buildCommand", "cmd"), command),
        **dict.fromkeys(("repository", "repoUrl", "repo", "repoAddress", "url"), url),
        "uri": url.removesuffix(".git"),
        "repoName": owner_name[1] if owner_name else url,
        "status": "InProgress",
    }
