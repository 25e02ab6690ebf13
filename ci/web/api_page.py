"""The page that tells of the API: its document, for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final

from quart import Response

from ci.web import parts
from ci.web.openapi import JSON, the_document

_BOUNDS: Final = (
    ("minimum", "from {}"),
    ("maximum", "to {}"),
    ("minLength", "at least {} characters"),
    ("maxLength", "at most {} characters"),
    ("maxItems", "at most {}"),
    ("default", "{} if absent"),
)
_FORMATS: Final = {"date-time": "time"}


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a field of a body or an answer."""

    name: str
    kind: str
    words: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What a call may be answered with; `kind` names a type below, or one of media."""

    status: int
    phrase: str
    words: str
    kind: str
    is_told: bool


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the API."""

    id: str
    method: str
    path: str
    summary: str
    more: str
    role: str
    fields: tuple[Field, ...]
    replies: tuple[Reply, ...]
    request: str
    answer: str


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of answers or bodies: its fields, or the words that it may be."""

    name: str
    fields: tuple[Field, ...]
    words: tuple[str, ...]


async def api() -> Response:
    """Show all calls, and the types that they take and answer."""
    document = the_document()
    return await parts.send_page(
        "api.html",
        about=document["info"]["description"],
        calls=tuple(_calls(document)),
        anywhere=tuple(_replies(_anywhere(document))),
        kinds=tuple(_kinds(document)),
    )


def _calls(document: Mapping[str, Any]) -> Iterator[Call]:
    schemas = document["components"]["schemas"]
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            content = said.get("requestBody", {}).get("content", {}).get(JSON, {})
            good = next(iter(said["responses"].values()))["content"].get(JSON, {})
            security = said.get("security", [])
            yield Call(
                id=said["operationId"],
                method=method.upper(),
                path=path,
                summary=said["summary"],
                more=said.get("description", ""),
                role=security[0]["token"][0] if security else "",
                fields=(*_parameters(said), *_fields(content.get("schema", {}), schemas)),
                replies=tuple(_replies(said["responses"])),
                request=_example(content),
                answer=_example(good),
            )


def _parameters(said: Mapping[str, Any]) -> Iterator[Field]:
    for one in said["parameters"]:
        where = {"path": "in the path", "header": "a header"}.get(one["in"])
        words = ", ".join(filter(None, (where, one["description"])))
        yield Field(one["name"], _kind(one["schema"]), words)


def _fields(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[Field]:
    """Yield the fields of a body, whether it is told there or referred to."""
    needed = set(schema.get("required", ()))
    while "allOf" in schema or "$ref" in schema:
        schema = schema["allOf"][0] if "allOf" in schema else schemas[_name(schema)]
        needed |= set(schema.get("required", ()))
    for field in _all_fields(schema):
        yield replace(field, kind=f"{field.kind}, needed") if field.name in needed else field


def _all_fields(schema: Mapping[str, Any]) -> Iterator[Field]:
    for name, field in schema.get("properties", {}).items():
        yield Field(name, _kind(field), field.get("description", ""))


def _anywhere(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what any call may be answered, by its status; each call refers to all of that."""
    call = next(iter(next(iter(document["paths"].values())).values()))
    shared = document["components"]["responses"]
    return {
        status: shared[_name(reply)]
        for status, reply in call["responses"].items()
        if "$ref" in reply
    }


def _replies(responses: Mapping[str, Any]) -> Iterator[Reply]:
    for status, reply in responses.items():
        if "$ref" in reply:
            continue
        media, content = next(iter(reply.get("content", {"nothing": {}}).items()))
        is_told = "schema" in content
        kind = _name(content["schema"]) if is_told else media
        phrase = HTTPStatus(int(status)).phrase
        yield Reply(int(status), phrase, reply["description"], kind, is_told)


def _kinds(document: Mapping[str, Any]) -> Iterator[Kind]:
    for name, schema in document["components"]["schemas"].items():
        yield Kind(name, tuple(_all_fields(schema)), tuple(schema.get("enum", ())))


def _kind(schema: Mapping[str, Any]) -> str:
    """Say what a value may be, in a few words."""
    if "$ref" in schema:
        return _name(schema)
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    kind = _FORMATS.get(schema.get("format", ""), schema.get("type", "anything"))
    if "enum" in schema:
        kind = ", ".join(schema["enum"])
    elif kind == "array":
        kind = f"list of {_kind(schema['items'])}"
    bounds = (
        form.format(schema[key]) for key, form in _BOUNDS if schema.get(key) not in (None, "")
    )
    return ", ".join((kind, *bounds))


def _name(schema: Mapping[str, Any]) -> str:
    return str(schema["$ref"].rpartition("/")[2])


def _example(content: Mapping[str, Any]) -> str:
    found = [one["value"] for one in content.get("examples", {}).values()]
    return json.dumps(found[0], indent=2, ensure_ascii=False) if found else ""
