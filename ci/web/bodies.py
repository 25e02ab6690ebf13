"""The bodies that the API takes, with what each field may be."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from ci.model import MAX_COMMIT_CHARS, MAX_LABEL_CHARS, MAX_LABELS, MAX_NOTE_CHARS
from ci.server.core import MAX_PRIORITY
from ci.wire.fields import Int32
from ci.wire.job import MAX_COMMAND_BYTES

# An unknown key is refused: it may be a misspelt one. What is said in `json_schema_extra` is for
# the API's document: the core looks whether it holds, in words for people.
_BODY: Final = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def _number(value: object) -> object:
    if isinstance(value, str):
        raise ValueError("must be a number, not a string")
    return value


class NewBuild(BaseModel):
    """The body of `POST /api/builds`."""

    model_config = _BODY

    repository: str | None = None
    """name or URL of a configured repository; the first configured one if absent"""
    commit: Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": MAX_COMMIT_CHARS})]
    """full or short hash, branch or tag; `HEAD` is the default branch"""
    command: Annotated[
        str, Field(json_schema_extra={"minLength": 1, "maxLength": MAX_COMMAND_BYTES})
    ]
    """run by `sh -c`, as far as the rules allow that"""
    priority: Annotated[
        Int32,
        BeforeValidator(_number),
        Field(json_schema_extra={"minimum": -MAX_PRIORITY, "maximum": MAX_PRIORITY}),
    ] = 0
    """higher goes first, then older"""
    labels: Annotated[
        tuple[
            Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": MAX_LABEL_CHARS})],
            ...,
        ],
        Field(json_schema_extra={"maxItems": MAX_LABELS}),
    ] = ()
    """words without spaces and commas: only an agent that has all of them takes the build"""


class NamedAgent(BaseModel):
    """The body of a call about an agent, where the address does not have its name."""

    model_config = _BODY

    name: str
    """what the agent calls itself"""


class Pause(BaseModel):
    """The body of a call that pauses an agent; if its address has the name there may be none."""

    model_config = _BODY

    name: str | None = None
    """what the agent calls itself; needed where the address does not have it"""
    note: Annotated[str, Field(json_schema_extra={"maxLength": MAX_NOTE_CHARS})] = ""
    """why, in one line; whoever waits for that agent reads it"""


class NewSecret(BaseModel):
    """The body of `POST /api/secrets`."""

    model_config = _BODY

    repository: str | None = None
    """name or URL of a configured repository; the first configured one if absent"""
    name: str
    """of the variable that builds get"""
    value: SecretStr
    """at least 8 characters, at most 16 KiB; ends of lines at either end are left out"""
    branches: tuple[str, ...]
    """on one of these a commit must be; `*` stands for letters of one step, alone for all"""
    commands: tuple[str, ...] = ()
    """only builds with such a command get it; any if absent"""


class NamedSecret(BaseModel):
    """The body of a call about one secret."""

    model_config = _BODY

    repository: str
    """name or URL"""
    name: str
    """of the variable"""


class Trust(BaseModel):
    """The body of a call that trusts an agent."""

    model_config = _BODY

    agent: str
    """what the agent calls itself"""
    trusted: bool
    """whether it may be sent secrets"""
