"""Which server is asked, and what it is shown: from flags, the environment, or a file."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from ci.errors import ConfigError

DEFAULT_SERVER: Final = "http://127.0.0.1:8080"  # what `make run` starts
_FOLDER: Final = "nursery-ci"
_FILE: Final = "client.json"
_ONLY_MINE: Final = 0o600
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def _server(value: str) -> str:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"is no address: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise ValueError(f"must be an address such as {DEFAULT_SERVER} or https://ci.example.org")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must be without a path: the server is at the top of its address")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}"


def _token(value: str) -> str:
    if not re.fullmatch(r"[\x21-\x7e]{1,500}", value):  # it travels in an HTTP header
        raise ValueError("must be 1 to 500 ASCII characters without spaces")
    return value


class Settings(BaseModel):
    """Whom to ask. The file has the same keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    server: Annotated[str, AfterValidator(_server)] = DEFAULT_SERVER
    token: Annotated[str, AfterValidator(_token)] | None = None
    certificate: Path | None = None


@dataclass(frozen=True, slots=True)
class Flags:
    """What was said on the command line."""

    server: str | None = None
    token: str | None = None
    certificate: str | None = None


_VARIABLES: Final = {"server": "CI_SERVER", "token": "CI_TOKEN", "certificate": "CI_CERTIFICATE"}


def settings_file(environment: Mapping[str, str]) -> Path:
    """Return where the file is, by the XDG base directories."""
    base = environment.get("XDG_CONFIG_HOME", "")
    home = Path(environment.get("HOME", "~")).expanduser()
    folder = Path(base) if base.startswith("/") else home / ".config"
    return folder / _FOLDER / _FILE


def load_settings(flags: Flags, environment: Mapping[str, str]) -> tuple[Settings, list[str]]:
    """Read flags, environment and file; return also what is to be told. Raises ConfigError.

    A token of the file is for the file's server alone.
    """
    path = settings_file(environment)
    kept, warnings = _read(path)
    variables = {
        key: (environment[name], name) for key, name in _VARIABLES.items() if environment.get(name)
    }
    said = {key: (value, f"--{key}") for key in _VARIABLES if (value := getattr(flags, key))}
    given = variables | said
    if "server" in given and "server" in kept and given["server"][0].rstrip("/") != kept["server"]:
        kept = {}
    sources = {key: (value, str(path)) for key, value in kept.items()} | given
    try:
        settings = Settings.model_validate({key: value for key, (value, _) in sources.items()})
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
        key = str(found["loc"][0])
        value, place = sources.get(key, (None, str(path)))
        shown = "" if key == "token" else f" = {str(value)[:200]!r}"
        problem = str(found["msg"]).removeprefix("Value error, ")
        raise ConfigError(f"{place}: {key}{shown}: {problem}; correct the value") from None
    return settings, warnings


def save_settings(settings: Settings, environment: Mapping[str, str]) -> Path:
    """Write the file, for its owner alone; return where it is. Raises ConfigError."""
    path = settings_file(environment)
    values = settings.model_dump(mode="json", exclude_none=True)
    new = path.with_suffix(".new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _ONLY_MINE), "w") as file:
            file.write(json.dumps(values, indent=2) + "\n")
        new.replace(path)
    except OSError as error:
        raise ConfigError(
            f"{path}: can't be written ({error.strerror}); make room for it"
        ) from error
    return path


def _read(path: Path) -> tuple[dict[str, str], list[str]]:
    try:
        content = path.read_bytes()
        mode = path.stat().st_mode
    except FileNotFoundError:
        return {}, []
    except OSError as error:
        raise ConfigError(f"{path}: can't be read ({error.strerror}); mend or remove it") from error
    try:
        values = json.loads(content)
    except ValueError as error:
        raise ConfigError(f"{path}: is not JSON ({error}); mend that place") from error
    if not isinstance(values, dict) or not all(isinstance(one, str) for one in values.values()):
        raise ConfigError(f'{path}: must be one JSON object of texts, such as {{"server": "…"}}')
    warnings = []
    if mode & _OTHERS and "token" in values:
        warnings.append(f"{path} has your token, and others can read it: chmod 600 {path}")
    return values, warnings
