"""The API's document by OpenAPI 3.1: made of its routes, and of what stands beside each.

A route gives path and method, its function the summary, `@operation` what it takes and answers,
`access.py` who may call it, and the dataclasses of `ci.answers` what each answer means.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus
from inspect import getdoc
from typing import Any, Final

from pydantic import TypeAdapter
from quart import Quart, Response, current_app
from werkzeug.routing import Rule

from ci.answers.server import Error
from ci.answers.writing import Answer
from ci.errors import Forbidden, NotFound, Rejected, StoreFailed, TooLarge, Unauthorized
from ci.model import MAX_NUMBER
from ci.people import Role
from ci.version import program_version
from ci.web import as_json, examples
from ci.web.access import NEEDS
from ci.web.operation import TEXT, Operation, Parameter, operation_of

EXTENSION: Final = "openapi"  # where an app keeps the document
JSON: Final = "application/json"
_AREA: Final = "api."  # how the endpoints begin that the document tells of
_SCHEME: Final = "token"
_REFS: Final = "#/components/schemas/{model}"
_RESPONSES: Final = "#/components/responses/{name}"
_DYNAMIC: Final = re.compile(r"<(?:\w+:)?(\w+)>")
_METHODS: Final = ("GET", "POST")

_ABOUT: Final = (
    "Ask for builds, follow them, look after agents. All times are ISO 8601 in UTC. Every field is "
    "always there; what is absent is null. Each GET may be a HEAD. As soon as there are accounts, "
    "a program shows an API token."
)
_IN_PATHS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "number": ("of a build", {"type": "integer", "minimum": 1, "maximum": MAX_NUMBER}),
    "name": ("of an agent", {"type": "string", "minLength": 1}),
}
_WHEN: Final = {
    401: "No API token was shown, or one that is none.",
    403: "Whoever has the token may not do that; or a page of another site has asked.",
    404: "There is no such thing, or not any more.",
    408: "The body did not arrive in time.",
    409: "Right in itself, but not now.",
    413: "The body is too large.",
    422: "A field is missing, wrong, unknown or too long.",
    503: "Not now, and nothing was changed; `Retry-After` says in how many seconds to ask again.",
}
_EMPTY: Final = "The body is empty."
# Whatever is asked: these are answered in front of every call, or by none.
_ANYWHERE: Final = {
    400: "It is no plain HTTP, or its `Host` is missing or no name at all. The body may be empty.",
    421: "Its `Host` is no name of this server.",
    431: f"Its head is too long. {_EMPTY}",
    500: "A fault of the server; its log says which.",
    501: f"Its `Transfer-Encoding` is another than `chunked`. {_EMPTY}",
}


def answer() -> Response:
    """Answer with the document."""
    return as_json.answer(the_document())


def the_document() -> dict[str, Any]:
    """Return that of the app that serves the present request; made when somebody first asks."""
    if EXTENSION not in current_app.extensions:
        current_app.extensions[EXTENSION] = document_of(current_app)
    found: dict[str, Any] = current_app.extensions[EXTENSION]
    return found


def document_of(app: Quart) -> dict[str, Any]:
    """Describe the API of an app."""
    schemas: dict[str, Any] = {}
    anywhere = {
        _word(status): {"description": words}
        | ({} if words.endswith(_EMPTY) else {"content": _json(Error, schemas)})
        for status, words in _ANYWHERE.items()
    }
    paths: dict[str, dict[str, Any]] = {}
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith(_AREA):
            path = _DYNAMIC.sub(r"{\1}", rule.rule)
            for method in _METHODS:
                if method in (rule.methods or ()):
                    call = _call(rule, app.view_functions[rule.endpoint], schemas)
                    paths.setdefault(path, {})[method.lower()] = call
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "nursery-ci",
            "version": program_version(),
            "summary": "The same as the pages offer, for programs.",
            "description": _ABOUT,
        },
        "paths": paths,
        "components": {
            "schemas": {name: schemas[name] for name in sorted(schemas)},
            "responses": anywhere,
            "securitySchemes": {
                _SCHEME: {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API token, which one makes on the page of one's account. "
                    "The word beside it is the role that the call needs.",
                }
            },
        },
    }


def _call(rule: Rule, handler: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    said = operation_of(handler)
    role = NEEDS[rule.endpoint]
    summary, _, more = (getdoc(handler) or "").partition("\n\n")
    name = rule.endpoint.removeprefix(_AREA)
    takes_body = said.body is not None
    call: dict[str, Any] = {
        "operationId": f"{name}_by_name" if "name" in rule.arguments else name,
        "summary": summary,
    }
    if more:
        call["description"] = more.replace("\n", " ")
    parameters = [_in_path(one) for one in sorted(rule.arguments)]
    call["parameters"] = parameters + [_parameter(one) for one in said.parameters]
    if takes_body and not _is_named(rule, said):
        call["requestBody"] = _body(rule, said, schemas)
    call["responses"] = _responses(rule, said, role, schemas)
    if role is not None:
        token: dict[str, list[str]] = {_SCHEME: [str(role)]}
        call["security"] = [token, {}] if role is Role.VIEWER else [token]
    return call


def _is_named(rule: Rule, said: Operation) -> bool:
    """Whether the address holds all that the body would."""
    assert said.body is not None
    return set(said.body.model_fields) <= set(rule.arguments)


def _in_path(name: str) -> dict[str, Any]:
    words, schema = _IN_PATHS[name]
    return {"name": name, "in": "path", "required": True, "description": words, "schema": schema}


def _parameter(one: Parameter) -> dict[str, Any]:
    schema = dict(one.schema)
    return {"name": one.name, "in": one.place, "description": one.words, "schema": schema}


def _body(rule: Rule, said: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    assert said.body is not None
    needs_name = rule.rule.startswith("/api/agents/") and "name" not in rule.arguments
    schema: dict[str, Any] = _reference(said.body, "validation", schemas)
    if needs_name and "name" not in schemas[said.body.__name__].get("required", ()):
        text = {"name": {"type": "string"}}
        schema = {"allOf": [schema], "required": ["name"], "properties": text}
    content = {"schema": schema, "examples": examples.of(said.body.__name__)}
    is_needed = needs_name or not rule.arguments
    return {"required": is_needed, "content": {JSON: content}}


def _responses(
    rule: Rule, said: Operation, role: Role | None, schemas: dict[str, Any]
) -> dict[str, Any]:
    found = {said.status: _good(said, schemas)}
    for other in said.others:
        content = _json(other.type, schemas) if other.type else {TEXT: {}}
        found[other.status] = {"description": other.words, "content": content}
    for status in sorted(_refusals(rule, said, role) - set(found)):
        found[status] = {"description": _WHEN[status], "content": _json(Error, schemas)}
        if status == StoreFailed.http_status:
            found[status]["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
    for status in _ANYWHERE:
        found.setdefault(status, {"$ref": _RESPONSES.format(name=_word(status))})
    return {str(status): found[status] for status in sorted(found)}


def _good(said: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    if isinstance(said.answer, str):
        return {"description": HTTPStatus(said.status).phrase, "content": {said.answer: {}}}
    good: dict[str, Any] = {
        "description": getdoc(said.answer),
        "content": _json(said.answer, schemas),
    }
    if said.status == HTTPStatus.CREATED:
        good["headers"] = {"Location": {"description": "its address", "schema": {"type": "string"}}}
    return good


def _refusals(rule: Rule, said: Operation, role: Role | None) -> set[int]:
    """Name the statuses of all refusals, those that depend on the kind of call included."""
    found = {one.http_status for one in said.refusals}
    found |= set(_shared_refusals(rule, said))
    if role is not None:
        found |= {Unauthorized.http_status, Forbidden.http_status, StoreFailed.http_status}
    return found


def _shared_refusals(rule: Rule, said: Operation) -> Iterator[int]:
    if rule.arguments:
        yield NotFound.http_status
    if said.parameters or said.body:
        yield Rejected.http_status
    if said.body:
        yield TooLarge.http_status
        yield HTTPStatus.REQUEST_TIMEOUT
    if "POST" in (rule.methods or ()):
        yield Forbidden.http_status


def _word(status: int) -> str:
    """`MisdirectedRequest`: the name of a status as one word."""
    return HTTPStatus(status).phrase.title().replace(" ", "")


def _json(kind: type[Answer], schemas: dict[str, Any]) -> dict[str, Any]:
    schema = _reference(kind, "serialization", schemas)
    return {JSON: {"schema": schema, "examples": examples.of(kind.__name__)}}


def _reference(kind: type, mode: Any, schemas: dict[str, Any]) -> dict[str, str]:
    """Refer to the schema of a type, which is kept with all that it refers to."""
    if kind.__name__ not in schemas:
        schema = TypeAdapter(kind).json_schema(mode=mode, ref_template=_REFS)
        schemas.update(schema.pop("$defs", {}))
        schemas[kind.__name__] = schema
    return {"$ref": _REFS.format(model=kind.__name__)}
