"""What the calls take and give: bodies are checked field by field, builds told in their form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from ci.errors import CIError
from ci.storage_api.store import MAX_INT32, Configuration, Request, StoredBuild
from ci.wire.fields import no_bool

_LAST_ZEROS = re.compile(r"(\.\d*?)0+$")
DEFAULT_LIMIT = 25

Int32 = Annotated[int, BeforeValidator(no_bool), Field(ge=-MAX_INT32 - 1, le=MAX_INT32)]
Model = TypeVar("Model", bound=BaseModel)


class BadRequest(CIError):
    """Fields are missing or wrong: `errors` says for each what is."""

    def __init__(self, errors: Mapping[str, list[str]]) -> None:
        super().__init__(str(errors))
        self.errors = errors


class _Body(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)


class ConfigurationBody(_Body):
    """The body of `POST /conf`."""

    repo_name: Annotated[str, Field(min_length=1)]
    build_command: Annotated[str, Field(min_length=1)]
    main_branch: Annotated[str, Field(min_length=1)]
    period: Int32

    def value(self) -> Configuration:
        """What is to be stored."""
        return Configuration(self.repo_name, self.build_command, self.main_branch, self.period)


class RequestBody(_Body):
    """The body of `POST /build/request`."""

    commit_message: str
    commit_hash: Annotated[str, Field(min_length=1)]
    branch_name: str
    author_name: str

    def value(self) -> Request:
        """What is to be stored."""
        return Request(self.commit_message, self.commit_hash, self.branch_name, self.author_name)


def _has_a_year(time: datetime) -> datetime:
    try:
        time.astimezone(UTC)
    except OverflowError:
        raise ValueError("is in no year that a calendar has") from None
    return time


class CancelBody(_Body):
    """The body of `POST /build/cancel`."""

    build_id: UUID


class StartBody(CancelBody):
    """The body of `POST /build/start`."""

    date_time: Annotated[datetime, AfterValidator(_has_a_year)]


class FinishBody(CancelBody):
    """The body of `POST /build/finish`."""

    duration: Int32
    success: bool
    build_log: str


class PageArguments(BaseModel):
    """The query of `GET /build/list`."""

    offset: Annotated[int, Field(ge=0)] = 0
    limit: Annotated[int, Field(ge=0, le=1000)] = DEFAULT_LIMIT


class BuildArguments(_Body):
    """The query of `GET /build/details` and `GET /build/log`."""

    build_id: UUID


def read_body(model: type[Model], body: bytes) -> Model:
    """Read a body. Raises BadRequest."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise _bad_request(error) from None


def read_arguments(model: type[Model], arguments: Mapping[str, str]) -> Model:
    """Read a query. Raises BadRequest."""
    try:
        return model.model_validate(dict(arguments))
    except ValidationError as error:
        raise _bad_request(error) from None


def _bad_request(error: ValidationError) -> BadRequest:
    found: dict[str, list[str]] = {}
    for each in error.errors(include_url=False, include_input=False):
        field = ".".join(str(part) for part in each["loc"]) or "body"
        found.setdefault(field, []).append(str(each["msg"]))
    return BadRequest(found)


def told_start(time: datetime) -> str:
    """Write a time as builds have it: UTC, without a zone, without zeros at the end."""
    utc = time.astimezone(UTC) if time.tzinfo else time
    return _LAST_ZEROS.sub(r"\1", utc.replace(tzinfo=None).isoformat()).removesuffix(".")


def told_configuration(there: Configuration) -> dict[str, Any]:
    """Write the configuration."""
    return {
        "id": there.id,
        "repoName": there.repo_name,
        "buildCommand": there.build_command,
        "mainBranch": there.main_branch,
        "period": there.period,
    }


def told_build(build: StoredBuild) -> dict[str, Any]:
    """Write a build."""
    return {
        "id": build.id,
        "configurationId": build.configuration,
        "buildNumber": build.number,
        "commitMessage": build.message,
        "commitHash": build.commit_hash,
        "branchName": build.branch,
        "authorName": build.author,
        "status": build.status,
        "start": build.start,
        "duration": build.duration,
    }
