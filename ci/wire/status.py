"""`GET /status` and `POST /cancel`: the server asks an agent how it is, or ends an attempt."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ci.errors import Rejected
from ci.wire.fields import Id, LeaseMark, Line, Message, ShownLine, Size, read, spelled
from ci.wire.registration import AttemptState

MAX_RULES = 100  # they come with each sign of life

PATH = "/status"
CANCEL_PATH = "/cancel"


Rules = Annotated[tuple[Line, ...], Field(max_length=MAX_RULES)]


class AgentStatus(Message):
    """What an agent says of itself when asked. `attempts` is None where it does not say."""

    name: str = ""
    home_id: str = ""
    boot_id: str = ""
    slots: Annotated[int, Field(ge=1)] | None = None
    attempts: tuple[AttemptState, ...] | None = None
    load: Annotated[float, Field(ge=0, le=10**6, allow_inf_nan=False)] | None = None
    disk_free: Size | None = None
    draining: bool = False
    delivery_retries: Size | None = None  # since its start
    problem: ShownLine = ""  # why it takes no build now, for people
    commands: Rules | None = None  # which may run there; None when it does not say
    repositories: Rules | None = None  # from where builds may come; None: from anywhere
    sandbox: ShownLine = ""  # what holds its builds in, for people; empty when it does not say
    takes_secrets: bool = False  # for builds; it masks them in all that it tells of these
    no_secrets: ShownLine = ""  # why it takes none, for people


def read_status(body: bytes) -> AgentStatus:
    """Read a status. Any HTTP answer at all means "alive", so what can't be read is empty."""
    try:
        return read(AgentStatus, body)
    except Rejected:
        return AgentStatus()


class Cancel(Message):
    """The attempt that is to end now."""

    id: Id = Field(validation_alias=spelled("id", "buildId"))
    lease_mark: LeaseMark = ""


def read_cancel(body: bytes) -> Cancel:
    """Read the body of `/cancel`. Raises Rejected."""
    return read(Cancel, body)
