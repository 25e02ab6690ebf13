"""Enrolments: which agents have a credential of their own, who calls, and what each may tell of.

An agent comes with the token that all share, and is given a credential. It is *offered* until the
agent has shown it: an answer that was lost, or an agent that was killed before it had written it
down, gets the same one again. From then on the agent is *enrolled*: nothing else counts from it,
and it takes nothing else from us.

No credential is kept here: each is made anew of the server's key, the agent's name, and a number
that grows whenever the one before shall count no more. There are two kinds: who has shown the token
is given one to show, and who has proved it one that is never shown, neither to us nor by us.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from typing import Final

from ci.errors import AgentRevoked, Forbidden, Unauthorized
from ci.model import Standing
from ci.server.people.keys import Keys
from ci.server.store.enrolling import Claim, Enrolment
from ci.wire.registration import Registration
from ci.wire.sealed import seal_credential
from ci.wire.signature import PROVED_PREFIX, TOKEN_KEY, Key, credential_key, server_key
from ci.wire.token import check_token, is_shown, server_secret, shown_secret

# They tell people and scanners of leaked secrets what it is.
TO_SHOW: Final = "nca_"
TO_PROVE: Final = PROVED_PREFIX
KINDS: Final = (TO_SHOW, TO_PROVE)
PRINT_CHARS: Final = 16  # of a credential's hash: enough to see that the key is another one


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: an agent, by its credential, or anybody who has the token."""

    agent: str | None = None
    generation: int = 0
    signs: bool = False  # it has proved that it has one or the other, and shown neither
    kind: str = TO_SHOW  # of its credential, or of the one to give it
    address: str | None = None  # of one that has shown nothing, and is believed for that


TOKEN_HOLDER: Final = Caller()


class Enrolments:
    """All agents' standing, in memory, since every call of an agent looks at it.

    Without a `token` nobody is asked for anything, so nobody is enrolled.
    """

    def __init__(
        self,
        keys: Keys,
        token: str | None,
        known: Iterable[Enrolment],
        believed: Iterable[str] = (),
    ) -> None:
        """Of `believed` addresses and networks agents of others are taken that show nothing."""
        self._believed = [ip_network(text) for text in believed]
        self._key = keys.derive("agents")
        self._token = token
        self._known: dict[str, Enrolment] = {}
        self._showers: set[str] = set()  # agents that have shown the token in this life
        for enrolment in known:
            self.note(enrolment)

    @property
    def asks(self) -> bool:
        """Whether anybody has to show or prove anything."""
        return self._token is not None

    def note(self, enrolment: Enrolment, claim: Claim | None = None) -> None:
        """Believe what the store has, for what an agent claims that has just registered."""
        self._known[enrolment.name] = enrolment
        if claim is not None:
            (self._showers.discard if claim.proves else self._showers.add)(enrolment.name)

    def forget(self, name: str) -> None:
        """Believe that the store has an agent no more: whoever comes in its place is welcome."""
        known = self._known.get(name)
        if known is not None and known.standing is Standing.ENROLLED:
            self._known[name] = replace(known, standing=Standing.OPEN)

    def caller(self, header: str, address: str = "") -> Caller:
        """Say who shows this Authorization header, from an address. Raises Unauthorized."""
        if self._token is None:
            return TOKEN_HOLDER
        if not header and self._is_believed(address):
            return Caller(address=address)
        secret = shown_secret(header)
        if not secret.startswith(TO_SHOW) or is_shown(header, self._token):
            check_token(header, self._token)
            return TOKEN_HOLDER
        key = self.key(credential_key(secret).id)
        if key is None or not hmac.compare_digest(secret.encode(), key.secret.encode()):
            raise Unauthorized("this agent's credential counts no more", field="Authorization")
        return replace(self.signer(key), signs=False)

    def key(self, id: str) -> Key | None:
        """Return the secret of that name, if there is one: the token, or an agent's credential."""
        if id == TOKEN_KEY:
            return None if self._token is None else Key(id, self._token)
        kind, name = _kind_and_name(id)
        known = self._known.get(name)
        if known is None:
            return None
        key = credential_key(self.credential(name, known.generation, kind))
        return key if key.id == id else None  # base64 has many spellings

    def signer(self, key: Key) -> Caller:
        """Say who has proved that it has this key. Raises AgentRevoked."""
        if self._token is None:
            return TOKEN_HOLDER
        if key.id == TOKEN_KEY:
            return Caller(signs=True, kind=TO_PROVE)
        kind, name = _kind_and_name(key.id)
        known = self._known[name]
        if known.standing is Standing.REVOKED:
            raise AgentRevoked(name)
        return Caller(name, known.generation, signs=True, kind=kind)

    def offer(self, caller: Caller, name: str, generation: int) -> dict[str, str]:
        """Return a credential as it goes to who has the token: sealed if he has not shown that."""
        credential = self.credential(name, generation, caller.kind)
        if not caller.signs or self._token is None:
            return {"credential": credential}
        return {"sealed_credential": seal_credential(credential, self._token, name)}

    def secret(self, name: str) -> str | None:
        """Return what to show to an agent when it is called.

        To one that may have come without the token it is not told either.
        """
        if (credential := self.own_credential(name)) is not None:
            return server_secret(credential)
        if self._token is None or self._is_believed(_address_in(name)):
            return None
        # Who was ever given a credential knows what is made of the token, or comes and shows it.
        is_older = name in self._showers or self.generation(name) == 0
        return self._token if is_older else server_secret(self._token)

    def server_key(self, name: str) -> Key | None:
        """Return by what to sign what this agent is asked; None if it has to be shown something."""
        credential = self.own_credential(name) or ""
        return server_key(credential) if credential.startswith(TO_PROVE) else None

    def own_credential(self, name: str) -> str | None:
        """Return what only this agent has; None while it is not known to have one."""
        if self.standing(name) is not Standing.ENROLLED:
            return None
        known = self._known[name]
        return next(
            self.credential(name, known.generation, kind)
            for kind in KINDS
            if known.print == self._print(known, kind)
        )

    def _is_believed(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._believed)

    def generation(self, name: str) -> int:
        """Return which credential of an agent counts."""
        return self._known[name].generation if name in self._known else 0

    def standing(self, name: str) -> Standing:
        """Say how an agent stands."""
        known = self._known.get(name)
        if known is None:
            return Standing.OPEN
        if known.standing is Standing.ENROLLED and not self._is_ours(known):
            return Standing.OPEN  # the key is another one
        return known.standing

    def claim(self, caller: Caller, name: str, *, wants: bool) -> Claim:
        """Say what an agent may ask for that registers as `name`. Raises Forbidden."""
        if caller.agent not in (None, name):
            raise Forbidden(
                f"this is the credential of the agent {caller.agent!r}, not of {name!r}",
                field="name",
            )
        return Claim(
            shown=caller.generation if caller.agent is not None else None,
            wants=wants and self._token is not None,
            is_asked=self._token is not None,
            proves=caller.signs,
            print_of=lambda generation: self._print(Enrolment(name, generation), caller.kind),
            is_ours=self._is_ours,
        )

    def check_holder(self, caller: Caller, holder: str) -> None:
        """Return if who calls may tell of an attempt that `holder` has. Raises Forbidden."""
        if self._token is None or caller.agent == holder:
            return
        if caller.address is not None and caller.address != _address_in(holder):
            raise Forbidden(
                f"this attempt is that of the agent {holder!r}; this call comes from "
                f"{caller.address} and shows no token",
                field="id",
            )
        if caller.agent is not None:
            raise Forbidden(
                f"this attempt is that of the agent {holder!r}, not of {caller.agent!r}",
                field="id",
            )
        if self.standing(holder) is not Standing.OPEN:
            raise Forbidden(
                f"this attempt is that of the agent {holder!r}, which has a credential of its own; "
                "this call does not show it",
                field="id",
            )

    def credential(self, name: str, generation: int, kind: str = TO_SHOW) -> str:
        """Return the credential of an agent."""
        words = f"{generation}\n{name}" if kind == TO_SHOW else f"{generation}\n{name}\n{kind}"
        proof = hmac.digest(self._key, words.encode(), hashlib.sha256).hex()
        return f"{kind}{urlsafe_b64encode(name.encode()).decode()}.{proof}"

    def _is_ours(self, known: Enrolment) -> bool:
        """Whether the credential that was offered last was made by this key."""
        return any(known.print == self._print(known, kind) for kind in KINDS)

    def _print(self, enrolment: Enrolment, kind: str) -> str:
        secret = self.credential(enrolment.name, enrolment.generation, kind)
        return hashlib.sha256(secret.encode()).hexdigest()[:PRINT_CHARS]


def as_stranger(said: Registration, address: str) -> Registration:
    """Return what of a registration counts that shows nothing and is believed for its address.

    It is called nowhere else, under no other name, and as what it is: an agent of others. So what
    it says can neither lead our calls elsewhere nor take the place of an agent of ours.
    """
    plain = Registration(host=address, port=said.port, slots=said.slots, labels=said.labels)
    return plain.model_copy(update={"version": said.version})


def _address_in(name: str) -> str:
    """Return the address by which an agent is named that has said no name; of others anything."""
    return name.rpartition(":")[0]


def _kind_and_name(id: str) -> tuple[str, str]:
    """Read what stands first in a credential; of what is none, whatever it is."""
    kind = id[: len(TO_SHOW)]
    try:
        return kind, urlsafe_b64decode(id.removeprefix(kind)).decode()
    except ValueError:
        return kind, ""
