"""How settings are read: flags win over environment variables, these over the file.

Keys in the file are camelCase; the key `dataDir` is the flag `--data-dir` and the variable
`CI_SERVER_DATA_DIR`. Whatever is wrong ends in one ConfigError that names the key, the value and
the fix.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, Final, NoReturn, Self

from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError
from pydantic.alias_generators import to_camel

from ci.errors import ConfigError
from ci.repository import shown_url

_ALIKE: Final = 0.6  # of 1: how alike a key must be to be meant by a word that is none
_PASSWORD_IN_URL: Final = re.compile(r'https?://[^/\s"]*:[^/\s"]*@')
SECRET_KEYS = frozenset(
    {"agentToken", "apiToken", "oidcClientSecret"}
)  # never shown, not even when wrong


class Config(BaseModel):
    """What both configurations share: how they are read and how they complain."""

    # Each program builds only the one that it reads, when it does.
    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", frozen=True, defer_build=True
    )
    file_name: ClassVar[str]
    variable_prefix: ClassVar[str]
    program: ClassVar[str]
    more_help: ClassVar[str] = ""
    _exposed: Path | None = PrivateAttr(None)

    @classmethod
    def load(
        cls,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
    ) -> Self:
        """Read flags, environment and file (`--config`, else the one in `folder`, if any).

        Raises ConfigError; `--help` prints and raises SystemExit(0).
        """
        flags = _read_flags(cls, arguments)
        file = flags.pop("config", None)
        path = folder / (file if file is not None else cls.file_name)
        sources: dict[str, tuple[object, str]] = {}
        content: dict[str, object] = {}
        if file is not None or path.exists():
            content = _read_file(path)
            sources |= {key: (value, str(path)) for key, value in content.items()}
        sources |= _read_environment(cls, environment)
        sources |= {key: (value, _flag(key)) for key, value in flags.items()}
        config = cls.check({key: value for key, (value, _) in sources.items()}, sources)
        config._exposed = path if _has_secret(content) and _others_can_read(path) else None  # noqa: SLF001 - our own
        return config

    @property
    def exposed_file(self) -> Path | None:
        """The file it was read from, if that has secrets in it and other users can read it."""
        return self._exposed

    @classmethod
    def check(
        cls, values: Mapping[str, object], sources: Mapping[str, tuple[object, str]] | None = None
    ) -> Self:
        """Make a configuration of `values` (camelCase keys) or raise ConfigError."""
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            _complain(cls, error.errors()[0], sources or {})

    def shown(self) -> dict[str, object]:
        """Every setting by its key, for the log: no token and no password in an URL."""
        values = self.model_dump(mode="json", by_alias=True)
        return {
            key: "(set)" if key in SECRET_KEYS and value is not None else _without_password(value)
            for key, value in values.items()
        }


def _has_secret(content: Mapping[str, object]) -> bool:
    return any(content.get(key) for key in SECRET_KEYS) or bool(
        _PASSWORD_IN_URL.search(json.dumps(content))
    )


def _others_can_read(path: Path) -> bool:
    """Whether users can who need not; the group need, where somebody else owns it for us."""
    found = path.stat()
    others = 0o077 if found.st_uid == os.geteuid() else 0o007
    return bool(found.st_mode & others)


def _without_password(value: object) -> object:
    if isinstance(value, dict):
        return {shown_url(name): _without_password(url) for name, url in value.items()}
    return shown_url(value) if isinstance(value, str) and "://" in value else value


def _hidden(text: str) -> str:
    """Leave out all that may belong to a password, also of an URL that is none."""
    return re.sub(r'(?<=://)[^"]*@', "", text)


def _flag(key: str) -> str:
    return "--" + re.sub(r"([A-Z])", lambda m: "-" + m[1].lower(), key)


def _variable(cls: type[Config], key: str) -> str:
    return cls.variable_prefix + _flag(key)[2:].replace("-", "_").upper()


def _keys(cls: type[Config]) -> dict[str, str]:
    """CamelCase key → description, in the order of the class."""
    return {
        field.alias or name: field.description or "" for name, field in cls.model_fields.items()
    }


def _flags(cls: type[Config]) -> set[str]:
    """Return the keys that are either true or false."""
    return {
        field.alias or name
        for name, field in cls.model_fields.items()
        if field.annotation in (bool, bool | None)
    }


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; see {self.prog} --help")


def _read_flags(cls: type[Config], arguments: Sequence[str]) -> dict[str, str]:
    parser = _Parser(
        prog=cls.program,
        epilog=cls.more_help,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument(
        "--config", metavar="FILE", help=f"read this file, not {cls.file_name} of this folder"
    )
    flags = _flags(cls)
    for key, description in _keys(cls).items():
        names = dict.fromkeys([_flag(key), "--" + key])  # --data-dir, and --dataDir as in the file
        if key in flags:  # a flag that is said is true
            parser.add_argument(
                *names, dest=key, metavar="VALUE", nargs="?", const="true", help=description
            )
        else:
            parser.add_argument(*names, dest=key, metavar="VALUE", help=description)
    return vars(parser.parse_args(arguments))


def _read_environment(
    cls: type[Config], environment: Mapping[str, str]
) -> dict[str, tuple[object, str]]:
    keys = {_variable(cls, key).replace("_", ""): key for key in _keys(cls)}
    found: dict[str, tuple[object, str]] = {}
    for variable, value in environment.items():
        if not variable.startswith(cls.variable_prefix):
            continue
        key = keys.get(variable.replace("_", ""))
        if key is None:
            raise ConfigError(
                f"environment variable {variable}: no such setting; "
                f"unset it or use one of {', '.join(_variable(cls, k) for k in _keys(cls))}"
            )
        found[key] = (value, variable)
    return found


def _read_file(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{path}: can't be read ({error.strerror}); create it or leave --config out"
        ) from error
    except ValueError as error:
        raise ConfigError(f"{path}: is not JSON ({error}); mend that place") from error
    if not isinstance(content, dict):
        raise ConfigError(f'{path}: must be one JSON object such as {{"port": 8080}}')
    return content


def _complain(cls: type[Config], error: Any, sources: Mapping[str, tuple[object, str]]) -> NoReturn:
    """Turn pydantic's first finding into one line: where, key, value, fix."""
    key = str(error["loc"][0]) if error["loc"] else "configuration"
    value, place = sources.get(key, (error.get("input"), "configuration"))
    if error["type"] == "extra_forbidden":
        near = get_close_matches(key, _keys(cls), cutoff=_ALIKE)
        meant = f"perhaps {' or '.join(near)} was meant; " if near else ""
        raise ConfigError(
            f"{place}: {key}: no such key; {meant}{cls.program} --help lists all of them"
        )
    shown = "(not shown)" if key in SECRET_KEYS else _hidden(json.dumps(value, default=str))[:200]
    problem = str(error["msg"]).removeprefix("Value error, ")
    problem = re.sub(r"^(Input|String|Value) should ", "must ", problem)
    raise ConfigError(f"{place}: {key} = {shown}: {problem}; correct the value")
