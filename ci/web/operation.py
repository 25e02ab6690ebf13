"""What a call of the API takes and answers, said beside the function that does it.

The API's document is made of this, see `openapi.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from ci.answers.writing import Answer
from ci.errors import RequestError

Handler = TypeVar("Handler", bound=Callable[..., Any])

_KEY: Final = "operation"  # among the attributes of such a function
TEXT: Final = "text/plain"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One that stands in the address behind a question mark, or, with `place`, in a header."""

    name: str
    words: str
    schema: Mapping[str, Any]
    place: str = "query"


@dataclass(frozen=True, slots=True)
class Other:
    """A further answer that is no refusal; without a type it has a text, or nothing."""

    status: int
    words: str
    type: type[Answer] | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """What a call takes and answers. Refusals that all such calls share need not be named."""

    answer: type[Answer] | str
    """what it is answered with when all is well; a media type if that is not JSON"""
    status: int = 200
    body: type[BaseModel] | None = None
    """None where it has none, or needs none"""
    parameters: tuple[Parameter, ...] = ()
    refusals: tuple[type[RequestError], ...] = ()
    others: tuple[Other, ...] = field(default=())


def operation(
    answer: type[Answer] | str,
    status: int = 200,
    *,
    body: type[BaseModel] | None = None,
    parameters: tuple[Parameter, ...] = (),
    refusals: tuple[type[RequestError], ...] = (),
    others: tuple[Other, ...] = (),
) -> Callable[[Handler], Handler]:
    """Say this of the function below it."""
    said = Operation(answer, status, body, parameters, refusals, others)

    def describe(handler: Handler) -> Handler:
        handler.__dict__[_KEY] = said
        return handler

    return describe


def operation_of(handler: Callable[..., Any]) -> Operation:
    """Return what was said of a function. Raises KeyError."""
    said: Operation = handler.__dict__[_KEY]
    return said
