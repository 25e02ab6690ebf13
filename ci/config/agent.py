"""AgentConfig: every setting of an agent, its default and its bounds."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from ci.config.kinds import (
    AgentName,
    Bytes,
    Connections,
    Count,
    Days,
    Folder,
    Host,
    Labels,
    LogFormat,
    Names,
    Paths,
    Port,
    Prefix,
    Processes,
    RepositoryRules,
    Rules,
    Seconds,
    Token,
    Variables,
)
from ci.listen import is_loopback, url_of
from ci.policy import ANY, CommandPolicy, policy_in_force
from ci.repositoryrules import RepositoryPolicy
from ci.settings import Config
from ci.wire.fields import no_bool
from ci.wire.result import Dialect

_UNHELD: Final = "there is no sandbox"


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
    labels: Labels = Field((), description="words that say what this agent can do")
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
    sandbox_environment: Names = Field(
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
        return policy_in_force(self.commands, reached, _UNHELD)

    @property
    def repository_policy(self) -> RepositoryPolicy:
        """From where builds may come."""
        return RepositoryPolicy(self.repositories)

    @property
    def shown_name(self) -> str:
        """The name on the pages."""
        return self.name or f"{socket.gethostname()}-{self.port}"
