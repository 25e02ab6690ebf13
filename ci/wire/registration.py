"""`POST /notify_agent`: an agent says where it is; the server says which attempts it may keep."""

from __future__ import annotations

import re
import unicodedata
from ipaddress import IPv6Address
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from ci.certificates import MAX_PEM_CHARS, certificate_problem
from ci.errors import Rejected
from ci.model import MAX_LABEL_CHARS, MAX_LABELS
from ci.wire.fields import (
    OURS_ALONE,
    PROTOCOL,
    Hash,
    Id,
    LeaseMark,
    Line,
    Message,
    Port,
    Protocol,
    ShownLine,
    Size,
    read,
    read_forgiving,
    spelled,
)
from ci.wire.refusal import read_json

PATHS = ("/notify_agent", "/notify-agent")

MAX_SLOTS = 1000
MAX_NAME_CHARS = 100  # a name stands in a line of the list, in a log line and in an address
# What one listens on is no address to be called at.
_NOWHERE = ("", "0.0.0.0", "::", "[::]")  # noqa: S104 - to be told from an address
_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*\.?")


_AGENT_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._:@+=-]{0,99}")  # told by a server of others
_NO_ID = ("ok", "success", "accepted", "registered", "created", "done", "null")


def name_problem(name: str) -> str | None:
    """Say why this can't be the name of an agent, or None.

    People read it, type it, and put it into addresses, where browsers, programs and proxies take
    dots and slashes for steps of a path, and where two spellings of one word are two words.
    """
    if not name.strip():
        return "is blank"
    if len(name) > MAX_NAME_CHARS:
        return f"is longer than {MAX_NAME_CHARS} characters"
    if name != name.strip():
        return "begins or ends with a space"
    if not name.isprintable():
        return "has characters that can't be printed"
    if "/" in name or name in (".", ".."):
        return "can't be '.' or '..', nor have a slash"
    if not unicodedata.is_normalized("NFC", name):
        return "has letters in parts; write them composed (Unicode's NFC)"
    return None


def check_name(name: str) -> str:
    """Return an agent's name. Raises ValueError."""
    if problem := name_problem(name):
        raise ValueError(problem)
    return name


def _name(said: str) -> str:
    """One that is empty is none."""
    return check_name(said) if said else said


def _printable(said: str) -> str:
    if not said.isprintable():
        raise ValueError("has characters that can't be printed")
    return said


def _as_word(said: object) -> object:
    """Some write a number."""
    return str(said) if isinstance(said, int | float) else said


def _certificate(said: str) -> str:
    if said and (problem := certificate_problem(said)):
        raise ValueError(problem)
    return said


Certificate = Annotated[str, Field(max_length=MAX_PEM_CHARS), AfterValidator(_certificate)]
# It travels in a header.
Secret = Annotated[str, Field(max_length=1000, pattern=r"^[\x21-\x7e]*$")]
Sealed = Annotated[str, Field(max_length=2000)]
Word = Annotated[str, Field(max_length=MAX_LABEL_CHARS), AfterValidator(_printable)]


class AttemptState(Message):
    """What an agent says of one attempt that it has. `state` is for people."""

    id: Id
    lease_mark: LeaseMark = ""
    state: ShownLine = ""
    log_size: Size = 0
    commit_hash: Hash = ""
    subject: ShownLine = ""
    author: ShownLine = ""
    branch: ShownLine = ""


class Registration(Message):
    """What an agent says of itself. A `protocol` other than 0 marks an agent of this project."""

    host: Line = Field("", validation_alias=spelled("host", "hostname", "url", "agentUrl"))
    port: Port | None = None
    name: Annotated[str, AfterValidator(_name)] = ""
    slots: Annotated[int, Field(ge=1, le=MAX_SLOTS)] = 1
    labels: Annotated[tuple[Word, ...], Field(max_length=MAX_LABELS)] = ()
    version: Annotated[Word, BeforeValidator(_as_word)] = ""
    boot_id: Word = ""
    home_id: Word = ""
    protocol: Protocol = 0
    draining: bool = False
    certificate: Certificate = ""  # its own: the server calls it by TLS then
    wants_credential: bool = False  # one of its own, in the place of the token
    problem: ShownLine = ""  # why it takes no build now, for people
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
    said = read_forgiving(Registration, body)
    host, port = said.host.strip(" "), said.port
    if host in _NOWHERE:
        host = peer
    if "//" in host or host.startswith("[") or host.count(":") == 1:
        host, port = _split(host, port)
    if not _is_host(host):
        raise _no_host(host)
    if port is None:
        raise Rejected("port: is missing", field="port")
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
    """Take `http://10.0.0.7:8081/` or `[::1]:8081` apart; a `port` field of its own wins."""
    is_address = "//" in host  # then what follows the host is none of our business
    # Tabs and ends of lines would be left out as if they were not there.
    if not host.isprintable() or "@" in host or ("/" in host and not is_address):
        raise _no_host(host)
    try:
        parts = urlsplit(host if is_address else "//" + host)
        return parts.hostname or "", port or parts.port
    except ValueError:
        raise _no_host(host) from None


def _no_host(host: str) -> Rejected:
    return Rejected(f"host: {host[:100]!r} is no host name or address", field="host")


def _id(said: object) -> object:
    """Take a number or a word, as it came; servers of others may compare by type as well."""
    is_id = isinstance(said, int | str) and not isinstance(said, bool)
    return said if is_id and _AGENT_ID.fullmatch(str(said)) else ""


class Welcome(Message):
    """The server's answer: how often it will ask, and what to do with each attempt named."""

    protocol: Protocol = 0  # 0: a server that others wrote
    agent: Annotated[str, OURS_ALONE] = ""
    heartbeat_s: Annotated[float, OURS_ALONE] = 5.0
    attempts: Annotated[dict[str, Literal["keep", "drop"]], OURS_ALONE] = {}
    credential: Secret = ""  # to use from now on, in the place of the token
    sealed_credential: Sealed = ""  # the same, for who has proved the token
    agent_id: Annotated[int | str, BeforeValidator(_id)] = Field(
        "", validation_alias=spelled("agentId", "id")
    )


def read_welcome(body: bytes) -> Welcome:
    """Read the answer to a registration. Servers of others say anything; a word alone is an id."""
    try:
        return read(Welcome, body)
    except Rejected:
        text = body.decode("utf-8", "replace").strip()
        said = read_json(text)
        word = text if said is None else said
        return Welcome.model_validate({} if str(word).lower() in _NO_ID else {"id": word})


def write_welcome(
    agent: str, heartbeat_s: float, keep: dict[str, bool], offer: dict[str, str] | None = None
) -> dict[str, object]:
    """Make the answer to a registration, with the fields that agents of others read.

    `offer` is a credential, in the field in which it goes.
    """
    return {
        **(offer or {}),
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
