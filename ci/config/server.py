"""ServerConfig: every setting of the server, its default and its bounds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, field_validator, model_validator

from ci.config.kinds import (
    Address,
    Agents,
    BaseUrl,
    Builds,
    Bytes,
    Command,
    Connections,
    Days,
    Folder,
    Gigabytes,
    Host,
    LogFormat,
    Name,
    Names,
    Networks,
    Port,
    Prefix,
    Rules,
    Seconds,
    Token,
    Variables,
    words,
)
from ci.listen import is_loopback, is_safe_address
from ci.model import DEFAULT_LOG_LIMIT, MAX_LOG_LIMIT, MIN_LOG_LIMIT, commit_problem
from ci.people import Role
from ci.policy import CommandPolicy, policy_in_force
from ci.repository import absolute_url, repository_problem, shown_url
from ci.settings import Config
from ci.wire.token import bare_token

# A server does not go by its agents' sandboxes: the next agent to come may have none, and what was
# allowed a moment ago would be refused by then.
_UNHELD: Final = "the sandboxes of agents do not count"


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
    host_names: Names = Field(
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
            value = json.loads(text) if text[:1] in ("[", "{") else words(text)
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
            return policy_in_force(self.commands, f"other machines reach {self.host}", _UNHELD)
        # Nobody needs a name for a loopback address, but who comes through a proxy.
        for reason, there in (
            ("hostNames is set", self.host_names),
            ("trustedProxies is set", self.trusted_proxies),
        ):
            if there:
                return policy_in_force(self.commands, reason, _UNHELD)
        return policy_in_force(self.commands, None, _UNHELD)

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
