"""What every message shares: reading JSON into a model, with errors that name the field.

Field names have many spellings in programs that others wrote against the same specification;
each model lists them, the first being ours. Unknown keys are ignored.
"""

from __future__ import annotations

import codecs
import json
import re
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import PydanticUseDefault

from ci.errors import Rejected, TooLarge
from ci.escapes import plain_text

PROTOCOL = 1  # raised when an older peer would misunderstand us
# Programs of others are given a connection for each request: many drop one that is used again, or
# serve nobody else as long as it is open.
ONE_REQUEST = {"Connection": "close"}

Model = TypeVar("Model", bound=BaseModel)


def _without_nulls(said: object) -> object:
    if isinstance(said, dict):
        return {key: _without_nulls(value) for key, value in said.items() if value is not None}
    return said


class Message(BaseModel):
    """The root of all messages."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _leave_nulls_out(cls, said: object) -> object:
        """Many programs write null for what they do not say; a verdict must not be lost for it."""
        return _without_nulls(said)


def spelled(*names: str, nested: tuple[str, ...] = ()) -> AliasChoices:
    """Accept a field under any of `names`, at the top or inside any of the objects `nested`."""
    paths = [AliasPath(outer, name) for outer in nested for name in names]
    return AliasChoices(*names, *paths)


def _no_nul(value: object) -> object:
    if isinstance(value, str) and "\x00" in value:
        raise ValueError("has a NUL character")
    return value


def _text(value: object) -> object:
    """An id is a number in some programs."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


def no_bool(value: object) -> object:
    """Refuse true and false, which pydantic takes for the numbers 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")
    return value


def _ours_alone(
    value: object, read_it: ValidatorFunctionWrapHandler, info: ValidationInfo
) -> object:
    try:
        return read_it(value)
    except ValidationError:
        if info.data.get("protocol"):
            raise
        raise PydanticUseDefault from None


# A field of ours that programs of others may call something else by: from one that does not say
# `protocol`, what can't be read is as if it were absent. `protocol` must stand before it.
OURS_ALONE = WrapValidator(_ours_alone)


def _number_or_none(value: object) -> object:
    return value if isinstance(value, int) else 0


Protocol = Annotated[int, BeforeValidator(_number_or_none)]

_MAX_SHOWN_CHARS = 60  # of a key in an error; longer than any name of ours
_UNION_MEMBERS = ("bool", "int", "str")  # pydantic's own words within the place of an error


def _one_line(value: str) -> str:
    return " ".join(plain_text(value).splitlines())


Line = Annotated[str, BeforeValidator(_no_nul), Field(max_length=1000)]
# For people. Who commits, or a repository's server, may have made it speak to terminals.
ShownLine = Annotated[Line, AfterValidator(_one_line)]
ShownText = Annotated[str, Field(max_length=10_000), AfterValidator(plain_text)]
# Of a commit, or nothing. It stands in lines that people paste, where other words may be options.
Hash = Annotated[str, Field(pattern=r"^([0-9A-Fa-f]{4,64})?$")]
Id = Annotated[str, BeforeValidator(_text), BeforeValidator(_no_nul), Field(max_length=200)]
# What a server says of an attempt beside its id, and an agent repeats: see `Attempt.lease_mark`.
LeaseMark = Annotated[str, Field(max_length=100)]
Port = Annotated[int, BeforeValidator(no_bool), Field(ge=1, le=65535)]
Int32 = Annotated[int, BeforeValidator(no_bool), Field(ge=-(2**31), lt=2**31)]
Size = Annotated[int, BeforeValidator(no_bool), Field(ge=0, lt=2**62)]
Duration = Annotated[float, BeforeValidator(no_bool), Field(ge=0, le=10**9, allow_inf_nan=False)]


# What a body may hold beside its texts, of which only a log is long. Millions of small values are
# quickly sent, and take seconds and gigabytes to be read.
MAX_STRUCTURE = 1 << 20  # bytes
# One that does not end is one, too: it would else be looked at again from each quote inside.
_JSON_TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)


def read(model: type[Model], body: bytes) -> Model:
    """Read a JSON object into `model`. Raises Rejected with the name of the first wrong field."""
    body = body.removeprefix(codecs.BOM_UTF8)  # some programs begin every text by it
    _check_structure(body)
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise rejected(error) from None


def read_forgiving(model: type[Model], body: bytes) -> Model:
    """As `read`, also if its texts are no proper UTF-8: what can't be decoded becomes `?` or `�`.

    Programs of others put a command's output into a text as it came; its verdict must not be lost
    for that.
    """
    _check_structure(body)
    try:
        return model.model_validate_json(body)
    except ValidationError:
        return read(model, _mend(body))


def _mend(body: bytes) -> bytes:
    try:
        said = json.loads(body.decode("utf-8-sig", "replace"))
        return json.dumps(said, ensure_ascii=False).encode(errors="replace")
    except (ValueError, RecursionError):
        return body


def _check_structure(body: bytes) -> None:
    if len(body) <= MAX_STRUCTURE:
        return
    count = end = 0
    for text in _JSON_TEXT.finditer(body):
        count += 1 + text.start() - end  # an empty text is something, too
        end = text.end()
        if count > MAX_STRUCTURE:
            break
    else:
        count += len(body) - end
    if count > MAX_STRUCTURE:
        raise TooLarge(f"the body has more than {MAX_STRUCTURE} bytes beside its texts")


def rejected(error: ValidationError) -> Rejected:
    """Say pydantic's first finding in one sentence that names the field."""
    found: Any = error.errors(include_url=False, include_input=False)[0]
    place = [_shown(part) for part in found["loc"] if part not in _UNION_MEMBERS]
    if not place:
        what = "is not JSON" if found["type"] == "json_invalid" else "must be one JSON object"
        return Rejected(f"the body {what}: {found['msg']}")
    field = ".".join(place)
    problem = str(found["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    problem = {"missing": "is missing", "extra_forbidden": "is not a known field"}.get(
        found["type"], problem
    )
    return Rejected(f"{field}: {problem.replace('should be', 'must be')}", field=field)


def _shown(part: object) -> str:
    """A key of an object may be anything that a stranger sent."""
    text = str(part)
    return text if text.isprintable() and len(text) <= _MAX_SHOWN_CHARS else ascii(text[:20])
