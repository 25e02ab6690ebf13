"""Who may register under a name, as the store has it. One function, one transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select, update

from ci.errors import AgentRevoked, Conflict, NotFound, Unauthorized
from ci.model import Agent, Standing
from ci.server.store.rows import to_agent
from ci.server.store.tables import agents


@dataclass(frozen=True, slots=True)
class Enrolment:
    """How an agent stands, also one that was forgotten."""

    name: str
    generation: int = 0  # of its credential; grows when the one before shall count no more
    standing: Standing = Standing.OPEN
    print: str = ""  # of the credential that was offered last: tells by which key it was made


@dataclass(frozen=True, slots=True)
class Saved:
    """An agent as it is stored now, and the name of the one that was left out for it, if any."""

    agent: Agent
    enrolment: Enrolment
    displaced: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """By what an agent registers under a name."""

    shown: int | None  # the generation of the credential that it has shown; None: the token
    wants: bool  # a credential of its own
    is_asked: bool  # False: nobody has to show anything
    proves: bool  # that it has what it comes with, and does not show it
    print_of: Callable[[int], str]  # what belongs to a generation
    is_ours: Callable[[Enrolment], bool]  # whether that is the print of a credential, of any kind


def admit(row: Row[Any] | None, said: Agent, claim: Claim) -> dict[str, object]:
    """Say what becomes of the enrolment of who registers. Raises Conflict, Unauthorized."""
    known = Enrolment(said.name) if row is None else to_enrolment(row)
    generation, standing, print_ = known.generation, known.standing, known.print
    if claim.is_asked:
        is_enrolled = standing is Standing.ENROLLED and claim.is_ours(known)
        if standing is Standing.REVOKED:
            raise AgentRevoked(said.name)
        if claim.shown is not None:
            if claim.shown != generation:
                raise Unauthorized("this agent's credential counts no more", field="Authorization")
            standing, print_ = Standing.ENROLLED, claim.print_of(generation)
        elif is_enrolled:
            raise Conflict(
                f"name: {said.name!r} is an agent with a credential of its own, which this call "
                "does not show; give this agent another name, or, if its data folder was lost, "
                "let an administrator press 'Let it enrol again' on its page",
                field="name",
            )
        elif claim.wants:
            was_offered = print_ == claim.print_of(generation) and generation > 0
            if row is None or not was_offered or row.home_id != said.home_id:
                generation += 1
            standing, print_ = Standing.OPEN, claim.print_of(generation)
    return {"generation": generation, "standing": standing, "credential_print": print_}


def to_enrolment(row: Row[Any]) -> Enrolment:
    """Make an Enrolment of a row of `agents`."""
    return Enrolment(row.name, row.generation, Standing(row.standing), row.credential_print)


def all_enrolments(connection: Connection) -> tuple[Enrolment, ...]:
    """Return how every agent stands that ever registered."""
    return tuple(map(to_enrolment, connection.execute(select(agents))))


def revoke(connection: Connection, name: str) -> Saved:
    """Let nobody in under this name any more. Raises NotFound."""
    return _change(connection, name, standing=Standing.REVOKED)


def readmit(connection: Connection, name: str) -> Saved:
    """Let whoever has the token enrol under this name; no older credential counts. NotFound."""
    return _change(
        connection,
        name,
        standing=Standing.OPEN,
        generation=agents.c.generation + 1,
        credential_print="",
    )


def _change(connection: Connection, name: str, **values: object) -> Saved:
    key = agents.c.name == name
    connection.execute(update(agents).where(key).values(**values))
    row = connection.execute(select(agents).where(key)).first()
    if row is None:
        raise NotFound(f"there is no agent {name}", field="name")
    return Saved(to_agent(row), to_enrolment(row))
