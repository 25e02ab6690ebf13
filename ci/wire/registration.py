"""`POST /notify_agent`: an agent says where it is; the server says which attempts it may keep."""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field

from ci.errors import Rejected
from ci.wire.fields import PROTOCOL, Id, LeaseMark, Line, Message, Port, Size, read, spelled

PATHS = ("/notify_agent", "/notify-agent")

MAX_SLOTS = 1000
_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*\.?")


class AttemptState(Message):
    """What an agent says of one attempt that it has. `state` is for people."""

    id: Id
    lease_mark: LeaseMark = ""
    state: Line = ""
    log_size: Size = 0
    commit_hash: Line = ""
    subject: Line = ""
    author: Line = ""
    branch: Line = ""


class Registration(Message):
    """What an agent says of itself. A `protocol` other than 0 marks an agent of this project."""

    host: Annotated[Line, BeforeValidator(lambda v: v or "")] = Field(
        "", validation_alias=spelled("host", "hostname", "url")
    )
    port: Port | None = None
    name: Annotated[str, Field(max_length=100)] = ""
    slots: Annotated[int, Field(ge=1, le=MAX_SLOTS)] = 1
    labels: tuple[Annotated[str, Field(max_length=100)], ...] = ()
    version: Annotated[str, Field(max_length=100)] = ""
    boot_id: Annotated[str, Field(max_length=100)] = ""
    home_id: Annotated[str, Field(max_length=100)] = ""
    protocol: int = 0
    draining: bool = False
    problem: Line = ""  # why it takes no build now, for people
    attempts: tuple[AttemptState, ...] = ()

    @property
    def shown_name(self) -> str:
        """The agent's name; its address when it gave none."""
        return self.name or f"{self.host}:{self.port}"


def read_registration(body: bytes, peer: str) -> Registration:
    """Read a registration in any known spelling; `peer` is the caller's address.

    `host` may be missing (then `peer` is meant) or carry a scheme and a port.
    Raises Rejected with the field that is wrong.
    """
    said = read(Registration, body)
    host, port = said.host.strip() or peer, said.port
    if "//" in host or host.count(":") == 1:
        host, port = _split(host, port)
    if not _is_host(host):
        raise Rejected(f"host: {host[:100]!r} is no host name or address", field="host")
    if port is None:
        raise Rejected("port: is missing", field="port")
    for field, text in (("name", said.name), *(("labels", label) for label in said.labels)):
        if not text.isprintable():
            raise Rejected(f"{field}: has characters that can't be printed", field=field)
    return said.model_copy(update={"host": host, "port": port})


def _is_host(host: str) -> bool:
    if ":" not in host:
        return _NAME.fullmatch(host) is not None
    try:
        IPv6Address(host)
    except ValueError:
        return False
    return "%" not in host  # a zone is of one machine only


def _split(host: str, port: int | None) -> tuple[str, int | None]:
    """Take `http://10.0.0.7:8081/` or `10.0.0.7:8081` apart; a `port` field of its own wins."""
    try:
        parts = urlsplit(host if "//" in host else "//" + host)
        return parts.hostname or "", port or parts.port
    except ValueError:
        raise Rejected(f"host: {host[:100]!r} is no host name or address", field="host") from None


class Welcome(Message):
    """The server's answer: how often it will ask, and what to do with each attempt named."""

    agent: str = ""
    heartbeat_s: float = 5.0
    attempts: dict[str, Literal["keep", "drop"]] = {}
    protocol: int = 0  # 0: a server that others wrote
    agent_id: str = Field("", validation_alias=spelled("agentId", "id"))


def write_welcome(agent: str, heartbeat_s: float, keep: dict[str, bool]) -> dict[str, object]:
    """Make the answer to a registration, with the fields that agents of others read."""
    return {
        "agent": agent,
        "heartbeat_s": heartbeat_s,
        "attempts": {id: "keep" if kept else "drop" for id, kept in keep.items()},
        "protocol": PROTOCOL,
        "ok": True,
        "status": "OK",
        "message": f"welcome, {agent}",
        "agentId": agent,
        "id": agent,
    }
