"""The kinds of values that settings have: what each may be, and what is said of it otherwise."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from ci.listen import is_safe_address
from ci.model import MAX_LABELS, labels_problem
from ci.policy import rule_problem
from ci.repository import repository_problem
from ci.repositoryrules import repository_rule_problem
from ci.wire.fields import no_bool
from ci.wire.registration import check_name
from ci.wire.status import MAX_RULES


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("has characters that can't be printed")
    return value


def _folder(value: Path) -> Path:
    if not value.name or not str(value).isprintable():
        raise ValueError("must be the name of a folder")
    return value


def _token(value: str) -> str:
    if not re.fullmatch(r"[\x21-\x7e]{1,500}", value):  # it travels in an HTTP header
        raise ValueError("must be 1 to 500 ASCII characters without spaces")
    return value


def _address(value: str) -> str:
    if not is_safe_address(value) or not value.isascii() or not value.isprintable():
        raise ValueError("must be an address that begins with https://, or is of this machine")
    return value


def _base_url(value: str) -> str:
    problem = repository_problem(value)
    if problem or not value.lower().startswith(("http://", "https://")) or "?" in value:
        raise ValueError("must be an address that begins with https://, and has no ?")
    return value


def _prefix(value: str) -> str:
    if repository_problem(f"{value}x/y") or value[-1:] not in ("/", ":"):
        raise ValueError("must be the beginning of an URL or a path, up to a / or :")
    return value


def _network(text: str) -> str:
    try:
        ip_network(text)
    except ValueError:
        raise ValueError(f"{text[:50]!r} is no address and no network") from None
    return text


def words(value: object) -> object:
    """A flag or variable says a list as `a,b`; a file says it as a JSON list."""
    if isinstance(value, str):
        return [word for word in re.split(r"[,\s]+", value) if word]
    return value


def _rules(value: object) -> object:
    """A flag or variable says one rule, or a JSON list of them as a file does."""
    if isinstance(value, str):
        return json.loads(value) if value.lstrip()[:1] == "[" else [value]
    return value


def _check_rules(
    rules: tuple[str, ...], problem_of: Callable[[str], str | None] = rule_problem
) -> tuple[str, ...]:
    if len(rules) > MAX_RULES:
        raise ValueError(f"has {len(rules)} rules, at most {MAX_RULES} are allowed")
    for rule in rules:
        if problem := problem_of(rule):
            raise ValueError(problem)
    return rules


def _check_names(rules: tuple[str, ...]) -> tuple[str, ...]:
    for rule in rules:
        if not re.fullmatch(r"[A-Za-z_*][A-Za-z0-9_*]*", rule):
            raise ValueError(f"{rule!r} is no name of a variable, such as NPM_TOKEN or DEPLOY_*")
    return rules


def _check_paths(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    for path in paths:
        if not path.is_absolute() or path == Path("/") or ".." in path.parts:
            raise ValueError(f"{str(path)!r} must begin with / and lead to something below it")
    return paths


def _check_labels(labels: tuple[str, ...]) -> tuple[str, ...]:
    if problem := labels_problem(labels):
        raise ValueError(problem)
    return labels


def _check_repository_rules(rules: tuple[str, ...]) -> tuple[str, ...]:
    return _check_rules(rules, repository_rule_problem)


# An empty address means every address of the machine, which nobody wants to say by accident.
Host = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_printable)]
Folder = Annotated[Path, AfterValidator(_folder)]
Port = Annotated[int, BeforeValidator(no_bool), Field(ge=0, le=65535)]
Seconds = Annotated[float, BeforeValidator(no_bool), Field(gt=0, le=10**9, allow_inf_nan=False)]
Count = Annotated[int, BeforeValidator(no_bool), Field(ge=1, le=1000)]
Agents = Annotated[int, BeforeValidator(no_bool), Field(ge=1, le=100_000)]
Builds = Annotated[int, BeforeValidator(no_bool), Field(ge=1, le=10**6)]
Days = Annotated[float, BeforeValidator(no_bool), Field(gt=0, le=100_000)]
Gigabytes = Annotated[float, BeforeValidator(no_bool), Field(gt=0, le=10**6)]
Connections = Annotated[int, BeforeValidator(no_bool), Field(ge=10, le=1_000_000)]
Bytes = Annotated[int, BeforeValidator(no_bool), Field(ge=1024, le=1 << 40)]
Token = Annotated[str, AfterValidator(_token)]
Name = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_printable)]
Address = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_address)]
BaseUrl = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_base_url)]
Prefix = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_prefix)]
Names = Annotated[tuple[Name, ...], BeforeValidator(words)]
AgentName = Annotated[Name, AfterValidator(check_name)]
Command = Annotated[str, Field(min_length=1, max_length=10_000)]
Rules = Annotated[tuple[str, ...], BeforeValidator(_rules), AfterValidator(_check_rules)]
RepositoryRules = Annotated[
    tuple[str, ...], BeforeValidator(_rules), AfterValidator(_check_repository_rules)
]
Variables = Annotated[
    tuple[Name, ...],
    Field(max_length=MAX_RULES),
    BeforeValidator(words),
    AfterValidator(_check_names),
]
Labels = Annotated[
    tuple[Name, ...],
    Field(max_length=MAX_LABELS),
    BeforeValidator(words),
    AfterValidator(_check_labels),
]
Networks = Annotated[tuple[Annotated[str, AfterValidator(_network)], ...], BeforeValidator(words)]
Processes = Annotated[int, BeforeValidator(no_bool), Field(ge=16, le=10**6)]
Paths = Annotated[tuple[Path, ...], BeforeValidator(words), AfterValidator(_check_paths)]
LogFormat = Literal["text", "json"]
