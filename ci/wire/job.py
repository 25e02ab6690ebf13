"""`POST /build`: the server hands an attempt to an agent."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from ci.errors import Rejected
from ci.model import Lease, commit_problem
from ci.wire.fields import PROTOCOL, Id, Line, Message, read, spelled

PATH = "/build"
MAX_COMMAND_CHARS = 100_000  # Linux takes 131,072 bytes in one argument of a program

_OWNER_NAME = re.compile(r"[/:]([^/:]+/[^/:]+?)(\.git)?/?$")
_NESTED = ("build",)


class Job(Message):
    """What an agent needs to run one attempt. `id` is opaque to it."""

    id: Annotated[Id, Field(min_length=1)] = Field(
        validation_alias=spelled("id", "buildId", nested=_NESTED)
    )
    repository: Line = Field(
        validation_alias=spelled(
            "repository", "repoUrl", "repo", "repoAddress", "url", "uri", "repoName", nested=_NESTED
        )
    )
    commit: Line = Field(validation_alias=spelled("commit", "commitHash", "hash", nested=_NESTED))
    command: Annotated[str, Field(min_length=1, max_length=MAX_COMMAND_CHARS)] = Field(
        validation_alias=spelled("command", "buildCommand", "cmd", nested=_NESTED)
    )
    number: Annotated[Id, BeforeValidator(lambda v: "" if v is None else v)] = Field(
        "", validation_alias=spelled("number", "buildNumber", nested=_NESTED)
    )
    env: dict[Line, str] = {}
    timeout_s: Annotated[float, Field(gt=0)] | None = None
    silence_s: Annotated[float, Field(gt=0)] | None = None
    protocol: int = 0


def read_job(body: bytes) -> Job:
    """Read a job in any known spelling. Raises Rejected with the field that is wrong."""
    job = read(Job, body)
    if problem := commit_problem(job.commit):
        raise Rejected(f"commit: {problem}", field="commit")
    if "\x00" in job.command:
        raise Rejected("command: has a NUL character", field="command")
    for name, value in job.env.items():
        if not name or "=" in name or "\x00" in value:
            raise Rejected(f"env: {name!r} can't be set", field="env")
    return job


def write_job(lease: Lease, timeout_s: float, silence_s: float) -> dict[str, Any]:
    """Make the body of `/build` with every spelling that agents of others read."""
    build, url = lease.build, lease.build.repository_url
    owner_name = _OWNER_NAME.search(url)
    spellings: dict[str, Any] = {
        "id": lease.attempt.id,
        "buildId": lease.attempt.id,
        "number": build.number,
        "buildNumber": build.number,
        "commit": build.commit,
        "commitHash": build.commit,
        "hash": build.commit,
        "command": build.command,
        "buildCommand": build.command,
        "cmd": build.command,
        "repository": url,
        "repoUrl": url,
        "repo": url,
        "repoAddress": url,
        "url": url,
        "uri": url.removesuffix(".git"),
        "repoName": owner_name[1] if owner_name else url,
        "mainBranch": build.branch or "",
        "branchName": build.branch or "",
        "status": "InProgress",
    }
    return {
        **spellings,
        "build": spellings,
        "timeout_s": timeout_s,
        "silence_s": silence_s,
        "protocol": PROTOCOL,
    }
