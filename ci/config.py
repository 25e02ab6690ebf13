"""ServerConfig and AgentConfig: every setting, its default and its bounds.

How they are read, and where each may be set, is in `ci/settings.py`.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from ci.listen import is_loopback, is_safe_address, url_of
from ci.model import (
    DEFAULT_LOG_LIMIT,
    MAX_LABELS,
    MAX_LOG_LIMIT,
    MIN_LOG_LIMIT,
    commit_problem,
    labels_problem,
)
from ci.people import Role
from ci.policy import ANY, TOOLS, CommandPolicy, rule_problem
from ci.repository import absolute_url, repository_problem, shown_url
from ci.repositoryrules import RepositoryPolicy, repository_rule_problem
from ci.settings import Config
from ci.wire.fields import no_bool
from ci.wire.registration import check_name
from ci.wire.result import Dialect
from ci.wire.status import MAX_RULES
from ci.wire.token import bare_token


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


def _words(value: object) -> object:
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
AgentName = Annotated[Name, AfterValidator(check_name)]
Command = Annotated[str, Field(min_length=1, max_length=10_000)]
Rules = Annotated[tuple[str, ...], BeforeValidator(_rules), AfterValidator(_check_rules)]
RepositoryRules = Annotated[
    tuple[str, ...], BeforeValidator(_rules), AfterValidator(_check_repository_rules)
]
Variables = Annotated[
    tuple[Name, ...],
    Field(max_length=MAX_RULES),
    BeforeValidator(_words),
    AfterValidator(_check_names),
]
Networks = Annotated[tuple[Annotated[str, AfterValidator(_network)], ...], BeforeValidator(_words)]
Processes = Annotated[int, BeforeValidator(no_bool), Field(ge=16, le=10**6)]
Paths = Annotated[tuple[Path, ...], BeforeValidator(_words), AfterValidator(_check_paths)]
LogFormat = Literal["text", "json"]


# A server does not go by its agents' sandboxes: the next agent to come may have none, and what was
# allowed a moment ago would be refused by then.
_SERVER_HAS_NONE: Final = "the sandboxes of agents do not count"
_AGENT_HAS_NONE: Final = "there is no sandbox"


def _policy(
    rules: tuple[str, ...] | None, reached: str | None, unheld: str = _SERVER_HAS_NONE
) -> CommandPolicy:
    """Who can be reached from other machines runs build commands only, unless told otherwise.

    `reached` says how others come here, None that they can't.
    """
    if rules is not None:
        return CommandPolicy(rules, "the setting commands says so")
    if reached is None:
        return CommandPolicy((ANY,), "only this machine comes here")
    return CommandPolicy((TOOLS,), f"{reached}, and {unheld}")


class ServerConfig(Config):
    """The server's settings."""

    file_name = "server-conf.json"
    variable_prefix = "CI_SERVER_"
    program = "python -m ci.server"
    more_help = (
        "python -m ci.server init makes what is needed before others may reach the server: an "
        "agent token and an administrator; python -m ci.server password NAME gives an account "
        "a new password; python -m ci.server secret sets the secrets of builds. "
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
    certificate: Path | None = Field(
        None, description="PEM file of a certificate: then the server speaks TLS only"
    )
    certificate_key: Path | None = Field(
        None, description="PEM file of its private key; the file of the certificate if absent"
    )
    agent_token: Token | None = Field(
        None, description="secret that server and agents show each other"
    )
    foreign_agents: Networks = Field(
        (),
        description="addresses and networks from which agents that know no agentToken are taken",
    )
    insecure: bool = Field(
        False, description="listen beyond this machine though nobody has to log in"
    )
    anonymous_view: bool | None = Field(
        None,
        description="let those without an account look; by default only on a loopback host",
    )
    session_days: Days = Field(14, description="who has logged in stays so for so many days")
    key_file: Folder | None = Field(
        None, description="secret key of this server; beside dataDir, with .key, if absent"
    )
    public_url: Address | None = Field(
        None, description="address of the pages as browsers know it, such as https://ci.example.org"
    )
    oidc_issuer: Address | None = Field(
        None, description="OpenID provider by which people log in: its issuer address"
    )
    oidc_client_id: Name | None = Field(None, description="what that provider calls this server")
    oidc_client_secret: Token | None = Field(
        None, description="secret that it has given to this server"
    )
    oidc_role_claim: Name = Field(
        "groups", description="claim of its tokens that says somebody's groups"
    )
    oidc_roles: dict[Role, tuple[Name, ...]] = Field(
        default_factory=dict, description="role → groups that have it; * is everybody there"
    )
    trusted_proxies: Networks = Field(
        (), description="proxies that are believed for whom they ask: addresses, networks"
    )
    api_base_url: BaseUrl | None = Field(
        None, description="external storage API whose builds are built here; none if absent"
    )
    api_token: Annotated[Token | None, BeforeValidator(bare_token)] = Field(
        None, description="token for that API, with or without the word Bearer"
    )
    api_ca_file: Path | None = Field(
        None, description="PEM file of that API's certificate, or of who signed it"
    )
    api_insecure: bool = Field(
        False, description="call that API by plain HTTP, or whatever certificate it shows"
    )
    api_shared: bool = Field(
        False, description="others take builds with the same token: leave theirs alone"
    )
    api_poll_seconds: Seconds = Field(5, description="how often that API is asked for new builds")
    api_log_bytes: Bytes = Field(
        1 << 20, description="so much of a build's log is sent there: beginning and end"
    )
    repository_prefix: Prefix = Field(
        "https://github.com/", description="what stands before owner/name, as that API says it"
    )
    commands: Rules | None = Field(
        None,
        description="which commands may run: any, build-tools, or a list of rules such as "
        "'make *'; if absent any, but build-tools where other machines reach the server",
    )
    environment_names: Variables | None = Field(
        None,
        description="names that secrets may have, such as DEPLOY_*; if absent all but those that "
        "change what programs do, such as PATH and LD_*",
    )
    secrets_in_clear: bool = Field(
        False,
        description="send secrets also to agents of other machines where no TLS is: whoever sees "
        "the network then reads them",
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
    max_agents: Agents = Field(
        1000,
        description="how many agents may be known; one more displaces one long lost, or gets 409",
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

    @field_validator("oidc_roles", mode="before")
    @classmethod
    def _read_roles(cls, value: object) -> object:
        """A flag or variable says an object as JSON."""
        return json.loads(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check_storage(self) -> ServerConfig:
        url = self.api_base_url
        if url is not None and not is_safe_address(url) and not self.api_insecure:
            raise ValueError(
                f"apiBaseUrl {shown_url(url)} is called by plain HTTP, and everybody between can "
                "read the token; use https://, or say so with apiInsecure"
            )
        return self

    @model_validator(mode="after")
    def _check_openid(self) -> ServerConfig:
        needed = {
            "oidcClientId": self.oidc_client_id,
            "oidcClientSecret": self.oidc_client_secret,
            "oidcRoles": self.oidc_roles,
            "publicUrl": self.public_url,
        }
        missing = [name for name, value in needed.items() if not value]
        if self.oidc_issuer is not None and missing:
            raise ValueError(f"oidcIssuer needs {' and '.join(missing)} as well")
        return self

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
    def command_policy(self) -> CommandPolicy:
        """Which commands may be asked for."""
        if not is_loopback(self.host):
            return _policy(self.commands, f"other machines reach {self.host}")
        # Nobody needs a name for a loopback address, but who comes through a proxy.
        for reason, there in (
            ("hostNames is set", self.host_names),
            ("trustedProxies is set", self.trusted_proxies),
        ):
            if there:
                return _policy(self.commands, reason)
        return _policy(self.commands, None)

    @property
    def key_path(self) -> Path:
        """Where the key file is: not in the data folder, or each back-up would have it."""
        return self.key_file or self.data_dir.with_name(f"{self.data_dir.name}.key")

    @property
    def is_reachable(self) -> bool:
        """Whether others than this machine can reach the server."""
        return not is_loopback(self.host) or bool(self.trusted_proxies)

    @property
    def known_repositories(self) -> dict[str, str]:
        """Name → URL, the default one first. Paths are made absolute, names show no password."""
        named = {self.repository: self.repository} if self.repository else {}
        return {
            shown_url(name): absolute_url(url) for name, url in (named | self.repositories).items()
        }


class AgentConfig(Config):
    """An agent's settings."""

    file_name = "agent-conf.json"
    variable_prefix = "CI_AGENT_"
    program = "python -m ci.agent"

    port: Port = Field(8081, description="port on which the server reaches this agent; 0 = any")
    host: Host = Field("127.0.0.1", description="this machine's address as the server reaches it")
    bind: Host | None = Field(None, description="address to listen on; the value of host if absent")
    server_host: str = Field("127.0.0.1", description="address of the server")
    server_port: Annotated[Port, Field(ge=1)] = Field(8080, description="port of the server")
    name: AgentName | None = Field(None, description="name on the pages; MACHINE-PORT if absent")
    slots: Count = Field(1, description="how many builds at once")
    labels: Annotated[tuple[Name, ...], BeforeValidator(_words), AfterValidator(_check_labels)] = (
        Field((), max_length=MAX_LABELS, description="words that say what this agent can do")
    )
    insecure: bool = Field(
        False, description="listen beyond this machine though anybody may then run commands on it"
    )
    dialect: Dialect = Field(
        Dialect.WORDS,
        description="how servers of others are told in `status` how a build ended: words "
        "(Success, Fail), bool (true, false), or code (the exit code)",
    )
    repository_prefix: Prefix | None = Field(
        None,
        description="what stands before owner/name, where a server of others says no more than "
        "that, such as https://github.com/; if absent it is taken for a path",
    )
    data_dir: Folder = Field(
        Path("data/agent"), description="folder for mirrors, workspaces and undelivered results"
    )
    server_certificate: Path | None = Field(
        None,
        description="PEM file of the server's own certificate, or of the authority that signed it: "
        "the server is called by https and believed with no other",
    )
    server_tls: bool = Field(
        False,
        description="the server is called by https, with a certificate that this system trusts",
    )
    certificate: Path | None = Field(
        None, description="PEM file of a certificate: then the agent speaks TLS only"
    )
    certificate_key: Path | None = Field(
        None, description="PEM file of its private key; the file of the certificate if absent"
    )
    agent_token: Token | None = Field(
        None, description="secret that server and agents show each other"
    )
    commands: Rules | None = Field(
        None,
        description="which commands may run here, whatever the server says: any, build-tools, or "
        "a list of rules such as 'make *'; if absent any on a loopback address, else build-tools",
    )
    repositories: RepositoryRules | None = Field(
        None,
        description="from where builds may come, whatever the server says: a list of URLs and "
        "paths such as https://git.example.org/team/*; from anywhere if absent",
    )
    environment_names: Variables | None = Field(
        None,
        description="names of the variables that a server may set here, such as DEPLOY_*; if "
        "absent all, but no secret in one that changes what programs do, such as PATH and LD_*",
    )
    secrets: Literal["sandboxed", "always", "never"] = Field(
        "sandboxed",
        description="whether builds here may have secrets: sandboxed, always or never; without a "
        "sandbox one build can read those of another",
    )
    sandbox: Literal["auto", "bubblewrap", "none"] = Field(
        "auto",
        description="what holds commands in: bubblewrap, none, or auto: bubblewrap where it works",
    )
    sandbox_network: bool = Field(
        True, description="whether commands in the sandbox reach the network, this machine too"
    )
    sandbox_readable: Paths = Field(
        (), description="files and folders that are seen in the sandbox beside the system's"
    )
    sandbox_writable: Paths = Field(
        (),
        description="files and folders that builds may change from within the sandbox, as caches",
    )
    sandbox_environment: Annotated[tuple[Name, ...], BeforeValidator(_words)] = Field(
        (), description="variables of the agent's environment that are seen in the sandbox"
    )
    max_memory_bytes: Annotated[Bytes, Field(ge=16 << 20)] | None = Field(
        None, description="memory that a build in the sandbox may have"
    )
    max_processes: Processes | None = Field(
        4096, description="processes and threads of one build in the sandbox, null for any number"
    )
    max_cpu_seconds: Annotated[int, BeforeValidator(no_bool), Field(ge=1, le=10**9)] | None = Field(
        None, description="processor time that one process in the sandbox may use"
    )
    max_file_bytes: Annotated[Bytes, Field(ge=1 << 20)] | None = Field(
        None, description="largest file that may be written in the sandbox, the log included"
    )
    max_open_files: Annotated[int, BeforeValidator(no_bool), Field(ge=64, le=10**6)] | None = Field(
        None, description="files that one process in the sandbox may have open"
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

    @model_validator(mode="before")
    @classmethod
    def _mind_scheme(cls, values: dict[str, object]) -> dict[str, object]:
        """Who writes `https://` in front of the server's name means it."""
        if str(values.get("serverHost")).startswith("https://"):
            return {"serverTls": True} | values
        return values

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
        return url_of(self.server_host, self.server_port, tls=self.speaks_tls)

    @property
    def speaks_tls(self) -> bool:
        """Whether the server is called by https."""
        return self.server_tls or self.server_certificate is not None

    @property
    def bind_host(self) -> str:
        """The address to listen on."""
        return self.bind if self.bind is not None else self.host

    @property
    def sandboxed_policy(self) -> CommandPolicy:
        """Which commands may run here while a sandbox holds them."""
        if self.commands is None:
            return CommandPolicy((ANY,), "a sandbox holds what runs")
        return self.command_policy

    @property
    def command_policy(self) -> CommandPolicy:
        """Which commands may run here without one."""
        reached = None if is_loopback(self.bind_host) else f"other machines reach {self.bind_host}"
        return _policy(self.commands, reached, _AGENT_HAS_NONE)

    @property
    def repository_policy(self) -> RepositoryPolicy:
        """From where builds may come."""
        return RepositoryPolicy(self.repositories)

    @property
    def shown_name(self) -> str:
        """The name on the pages."""
        return self.name or f"{socket.gethostname()}-{self.port}"
