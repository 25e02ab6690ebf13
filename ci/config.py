"""ServerConfig and AgentConfig: every setting, its default, and where it may be set.

Flags win over environment variables, these over the file. Keys in the file are camelCase; the
key `dataDir` is the flag `--data-dir` and the variable `CI_SERVER_DATA_DIR`. Whatever is wrong
ends in one ConfigError that names the key, the value and the fix.
"""

from __future__ import annotations

import argparse
import json
import re
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NoReturn, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)
from pydantic.alias_generators import to_camel

from ci.errors import ConfigError
from ci.model import DEFAULT_LOG_LIMIT, MAX_LOG_LIMIT, MIN_LOG_LIMIT, commit_problem
from ci.repository import absolute_url, repository_problem, shown_url
from ci.wire.fields import no_bool

SECRET_KEYS = frozenset({"agentToken", "apiToken"})  # never shown, not even when wrong


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


def _words(value: object) -> object:
    """A flag or variable says a list as `a,b`; a file says it as a JSON list."""
    if isinstance(value, str):
        return [word for word in re.split(r"[,\s]+", value) if word]
    return value


# An empty address means every address of the machine, which nobody wants to say by accident.
Host = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_printable)]
Folder = Annotated[Path, AfterValidator(_folder)]
Port = Annotated[int, BeforeValidator(no_bool), Field(ge=0, le=65535)]
Seconds = Annotated[float, BeforeValidator(no_bool), Field(gt=0, le=10**9, allow_inf_nan=False)]
Count = Annotated[int, BeforeValidator(no_bool), Field(ge=1, le=1000)]
Builds = Annotated[int, BeforeValidator(no_bool), Field(ge=1, le=10**6)]
Days = Annotated[float, BeforeValidator(no_bool), Field(gt=0, le=100_000)]
Gigabytes = Annotated[float, BeforeValidator(no_bool), Field(gt=0, le=10**6)]
Connections = Annotated[int, BeforeValidator(no_bool), Field(ge=10, le=1_000_000)]
Bytes = Annotated[int, BeforeValidator(no_bool), Field(ge=1024, le=1 << 40)]
Token = Annotated[str, AfterValidator(_token)]
Name = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_printable)]
Command = Annotated[str, Field(min_length=1, max_length=10_000)]
LogFormat = Literal["text", "json"]


class _Config(BaseModel):
    """What both configurations share: how they are read and how they complain."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)
    file_name: ClassVar[str]
    variable_prefix: ClassVar[str]
    program: ClassVar[str]
    more_help: ClassVar[str] = ""

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
        if file is not None or path.exists():
            sources |= {key: (value, str(path)) for key, value in _read_file(path).items()}
        sources |= _read_environment(cls, environment)
        sources |= {key: (value, _flag(key)) for key, value in flags.items()}
        return cls.check({key: value for key, (value, _) in sources.items()}, sources)

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


class ServerConfig(_Config):
    """The server's settings."""

    file_name = "server-conf.json"
    variable_prefix = "CI_SERVER_"
    program = "python -m ci.server"
    more_help = (
        "python -m ci.server check [--data-dir FOLDER] verifies a data folder, also one in use, "
        "and says what is wrong; exit code 0 = nothing, 1 = something, 2 = it can't be read"
    )

    port: Port = Field(8080, description="port of the pages and the API; 0 takes any free one")
    host: Host = Field("127.0.0.1", description="address to listen on; 0.0.0.0 for all")
    repository: str | None = Field(None, description="URL or path of the repository to build")
    repositories: dict[str, str] = Field(
        default_factory=dict,
        description="several repositories: a list of URLs or paths, or an object name → URL",
    )
    data_dir: Folder = Field(
        Path("data/server"), description="folder of the whole state; back it up by copying"
    )
    host_names: Annotated[tuple[Name, ...], BeforeValidator(_words)] = Field(
        (),
        description="names by which browsers reach the pages, beside addresses and localhost; "
        "a loopback server refuses all others",
    )
    agent_token: Token | None = Field(
        None, description="secret that server and agents show each other"
    )
    api_base_url: str | None = Field(None, description="external storage API (reserved)")
    api_token: Token | None = Field(
        None, description="token of the external storage API (reserved)"
    )
    build_timeout_seconds: Seconds = Field(
        7200, description="a build that takes longer is ended: error, reason timeout"
    )
    silence_timeout_seconds: Seconds = Field(
        1800, description="a build that prints nothing for so long is ended: error, reason silence"
    )
    heartbeat_seconds: Seconds = Field(5, description="how often each agent is asked for a sign")
    grace_seconds: Seconds = Field(
        30, description="how long a lost agent's builds wait for it before another takes them"
    )
    max_waiting_builds: Builds = Field(
        20_000, description="how many builds may wait; more are refused with 503 until fewer do"
    )
    min_free_bytes: Bytes = Field(
        100 << 20, description="with less free on the disk of dataDir no build or log is taken"
    )
    keep_builds: Builds | None = Field(
        None, description="keep so many ended builds of each repository; all if absent"
    )
    keep_days: Days | None = Field(
        None, description="keep a build so many days from its end; for ever if absent"
    )
    keep_gigabytes: Gigabytes | None = Field(
        None, description="keep so much log of each repository, in 10^9 bytes; all if absent"
    )
    max_body_bytes: Annotated[Bytes, Field(ge=2 << 20)] = Field(
        32 << 20, description="largest request body; also the largest log a foreign agent can send"
    )
    max_connections: Connections = Field(
        2000, description="clients at once; of more, the one that is idle longest is dropped"
    )
    client_timeout_seconds: Seconds = Field(
        60, description="what a client has to send a request's head, its body, or to read an answer"
    )

    max_log_bytes: Annotated[Bytes, Field(ge=MIN_LOG_LIMIT, le=MAX_LOG_LIMIT)] = Field(
        DEFAULT_LOG_LIMIT,
        description="longest log of an attempt; of a longer one beginning and end are kept",
    )

    default_commit: str = Field("main", description="what the form asks for at first")
    default_command: Command = Field(
        "make test", description="the command that the form begins with"
    )
    log_format: LogFormat = Field("text", description="of the log lines: text, or json")

    @field_validator("default_commit")
    @classmethod
    def _check_commit(cls, value: str) -> str:
        if problem := commit_problem(value):
            raise ValueError(problem)
        return value

    @field_validator("repositories", mode="before")
    @classmethod
    def _name_repositories(cls, value: object) -> object:
        if isinstance(value, str):
            text = value.strip()
            value = json.loads(text) if text[:1] in ("[", "{") else _words(text)
        if isinstance(value, list):
            if not all(isinstance(url, str) for url in value):
                raise ValueError("must be a list of URLs or paths, or an object name → URL")
            return {url: url for url in value}
        return value

    @field_validator("repository", "repositories")
    @classmethod
    def _check_urls(cls, value: Any) -> Any:
        urls = value.values() if isinstance(value, dict) else [value] if value is not None else []
        if isinstance(value, dict) and not all(name and name.isprintable() for name in value):
            raise ValueError("has a repository without a printable name")
        for url in urls:
            if problem := repository_problem(url):
                raise ValueError(problem)
        return value

    @property
    def known_repositories(self) -> dict[str, str]:
        """Name → URL, the default one first. Paths are made absolute, names show no password."""
        named = {self.repository: self.repository} if self.repository else {}
        return {
            shown_url(name): absolute_url(url) for name, url in (named | self.repositories).items()
        }


class AgentConfig(_Config):
    """An agent's settings."""

    file_name = "agent-conf.json"
    variable_prefix = "CI_AGENT_"
    program = "python -m ci.agent"

    port: Port = Field(8081, description="port on which the server reaches this agent; 0 = any")
    host: Host = Field("127.0.0.1", description="this machine's address as the server reaches it")
    bind: Host | None = Field(None, description="address to listen on; the value of host if absent")
    server_host: str = Field("127.0.0.1", description="address of the server")
    server_port: Annotated[Port, Field(ge=1)] = Field(8080, description="port of the server")
    name: Name | None = Field(None, description="name on the pages; MACHINE-PORT if absent")
    slots: Count = Field(1, description="how many builds at once")
    labels: Annotated[tuple[Name, ...], BeforeValidator(_words)] = Field(
        (), description="words that say what this agent can do"
    )
    data_dir: Folder = Field(
        Path("data/agent"), description="folder for mirrors, workspaces and undelivered results"
    )
    agent_token: Token | None = Field(
        None, description="secret that server and agents show each other"
    )
    min_free_bytes: Bytes = Field(
        100 << 20, description="with less free on the disk of dataDir no build is taken"
    )
    keep_mirrors_days: Days = Field(
        30, description="a repository's copy that no build has used for so long is removed"
    )
    kill_grace_seconds: Seconds = Field(
        5, description="what a canceled command has between SIGTERM and SIGKILL"
    )
    log_format: LogFormat = Field("text", description="of the log lines: text, or json")
    max_connections: Connections = Field(
        200, description="clients at once; of more, the one that is idle longest is dropped"
    )
    client_timeout_seconds: Seconds = Field(
        60, description="what a client has to send a request's head, its body, or to read an answer"
    )

    @field_validator("server_host", "host")
    @classmethod
    def _bare_host(cls, value: str) -> str:
        """Others write `http://` in front; a port has a key of its own."""
        host = re.sub(r"^https?://", "", value).rstrip("/").removeprefix("[").removesuffix("]")
        if not host or not re.fullmatch(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+:[0-9A-Fa-f:.]*", host):
            raise ValueError("must be a host name or address alone; its port has a key of its own")
        if ":" in host and host.count(":") == 1:
            raise ValueError("must be without the port, which has a key of its own")
        if host in ("0.0.0.0", "::"):  # noqa: S104 - to refuse it
            raise ValueError(
                "must be an address by which the other side is reached; to listen on all, use bind"
            )
        return host

    @property
    def server_url(self) -> str:
        """Where the server is, as an URL without a slash at its end."""
        host = f"[{self.server_host}]" if ":" in self.server_host else self.server_host
        return f"http://{host}:{self.server_port}"

    @property
    def bind_host(self) -> str:
        """The address to listen on."""
        return self.bind if self.bind is not None else self.host

    @property
    def shown_name(self) -> str:
        """The name on the pages."""
        return self.name or f"{socket.gethostname()}-{self.port}"


def _without_password(value: object) -> object:
    if isinstance(value, dict):
        return {shown_url(name): _without_password(url) for name, url in value.items()}
    return shown_url(value) if isinstance(value, str) and "://" in value else value


def _flag(key: str) -> str:
    return "--" + re.sub(r"([A-Z])", lambda m: "-" + m[1].lower(), key)


def _variable(cls: type[_Config], key: str) -> str:
    return cls.variable_prefix + _flag(key)[2:].replace("-", "_").upper()


def _keys(cls: type[_Config]) -> dict[str, str]:
    """CamelCase key → description, in the order of the class."""
    return {
        field.alias or name: field.description or "" for name, field in cls.model_fields.items()
    }


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; see {self.prog} --help")


def _read_flags(cls: type[_Config], arguments: Sequence[str]) -> dict[str, str]:
    parser = _Parser(
        prog=cls.program,
        epilog=cls.more_help,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument(
        "--config", metavar="FILE", help=f"read this file, not {cls.file_name} of this folder"
    )
    for key, description in _keys(cls).items():
        names = dict.fromkeys([_flag(key), "--" + key])  # --data-dir, and --dataDir as in the file
        parser.add_argument(*names, dest=key, metavar="VALUE", help=description)
    return vars(parser.parse_args(arguments))


def _read_environment(
    cls: type[_Config], environment: Mapping[str, str]
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


def _complain(
    cls: type[_Config], error: Any, sources: Mapping[str, tuple[object, str]]
) -> NoReturn:
    """Turn pydantic's first finding into one line: where, key, value, fix."""
    key = str(error["loc"][0]) if error["loc"] else "configuration"
    value, place = sources.get(key, (error.get("input"), "configuration"))
    if error["type"] == "extra_forbidden":
        keys = list(_keys(cls))
        raise ConfigError(f"{place}: {key}: no such key; remove it or use one of {', '.join(keys)}")
    shown = "(not shown)" if key in SECRET_KEYS else json.dumps(value, default=str)[:200]
    problem = str(error["msg"]).removeprefix("Value error, ")
    problem = re.sub(r"^(Input|String|Value) should ", "must ", problem)
    raise ConfigError(f"{place}: {key} = {shown}: {problem}; correct the value")
