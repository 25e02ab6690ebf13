"""Every failure that this program knows by name.

CIError
├─ ConfigError          a setting is wrong; the program ends with exit code 2
├─ RequestError         somebody asked for what can't be; carries its HTTP status
│  ├─ Rejected          422  a field is missing or wrong
│  │  ├─ NotFound       404  there is no such thing
│  │  └─ TooLarge       413  more than the limit allows
│  │     └─ LogFull     413  the log is as long as a log may be
│  ├─ Unauthorized      401  the token is missing or wrong
│  │  ├─ AgentRevoked   401  it is right, or was, but nothing is taken under that name
│  │  └─ StaleNonce     401  it was signed before the server said what to sign now
│  ├─ Forbidden         403  not from there, or not by that person
│  ├─ TooManyTries      429  too many wrong passwords lately
│  ├─ Conflict          409  right in itself, but not now
│  │  ├─ TooManyAgents  409  it is new, and of as many as may be known none can be spared
│  │  └─ LogGap         409  the log has another size; go on from there
│  ├─ GivenUp           410  the attempt is over for us; kill it and drop it
│  ├─ ProviderFailed    502  the OpenID provider does not do its part of a log-in
│  ├─ StoreFailed       503  the disk says no just now; nothing was changed
│  └─ Busy              503  more is asked than can be taken just now; nothing was changed
├─ PeerError            the other end of the wire
│  ├─ Unreachable       no answer, a 5xx or an unreadable one: try again
│  │  └─ Unproved       somebody has answered who is not the one that was meant
│  └─ PeerRefused       it answered no
├─ AgentLost            an agent stopped answering; ends its link
├─ CheckoutFailed       git could not bring the commit
└─ StoreError           the data folder can't be used
   └─ StoreDamaged      its database is not what a server left behind
"""

from __future__ import annotations

import math


class CIError(Exception):
    """The root: whatever is not below it is a bug and ends the process."""


class ConfigError(CIError):
    """A setting is wrong. The text names the key, the value and the fix, on one line."""


class RequestError(CIError):
    """A request that can't be met. `field` is the name in the request, or None.

    `retry_after_s` are the seconds after which to ask again, where that helps.
    """

    http_status = 400
    retry_after_s: int | None = None

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class Rejected(RequestError):
    """A field is missing, of the wrong type or not allowed."""

    http_status = 422


class NotFound(Rejected):
    """There is no build, attempt, agent or log of that name."""

    http_status = 404


class TooLarge(Rejected):
    """A body or a field is over its limit."""

    http_status = 413


class LogFull(TooLarge):
    """The log on disk has `size` bytes, and nothing more is taken."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the log has {size} bytes: nothing more is taken", field="body")
        self.size = size


class Unauthorized(RequestError):
    """The bearer token is missing or wrong."""

    http_status = 401


class AgentRevoked(Unauthorized):
    """Somebody comes under the name of an agent that was revoked, whatever he shows."""

    def __init__(self, agent: str) -> None:
        super().__init__(
            f"agent {agent!r} was revoked; an administrator can let it enrol again on its page",
            field="Authorization",
        )
        self.agent = agent


class StaleNonce(Unauthorized):
    """A request was signed with a nonce that counts no more: it is old, or heard and repeated."""

    def __init__(self) -> None:
        super().__init__(
            "nonce: is not the one that counts now; sign with the one that this answer names",
            field="Signature-Input",
        )


class Forbidden(RequestError):
    """The request comes from where it must not come from, or from somebody who may not ask it."""

    http_status = 403


class TooManyTries(RequestError):
    """Passwords were tried too often."""

    http_status = 429

    def __init__(self, wait_s: float) -> None:
        self.retry_after_s = math.ceil(wait_s)
        minutes = math.ceil(wait_s / 60)
        super().__init__(
            f"too many tries with a wrong password; try again in {minutes} min", field="password"
        )


class Conflict(RequestError):
    """The request is sound but the present state forbids it."""

    http_status = 409


class TooManyAgents(Conflict):
    """An agent is new, as many are known already as may be, and none of them can be spared."""

    def __init__(self, name: str, most: int) -> None:
        super().__init__(
            f"name: {name!r} is new, and {most} agents are known already, which is the limit "
            "(maxAgents); all of them answer, were there in the last minutes, hold an attempt or "
            "are paused; raise it, or forget lost ones",
            field="name",
        )


class LogGap(Conflict):
    """The log on disk has `size` bytes, so the sender goes on from there."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the log has {size} bytes: go on from there", field="offset")
        self.size = size


class GivenUp(RequestError):
    """The attempt was given up, canceled or is over: nothing more is taken for it."""

    http_status = 410


class ProviderFailed(RequestError):
    """The OpenID provider can't be reached, or does not say what it has to."""

    http_status = 502

    def __init__(self, message: str) -> None:
        super().__init__(f"the log-in provider failed: {message}")


class StoreFailed(RequestError):
    """The store could not write, for example because its disk is full; nothing was changed."""

    http_status = 503
    retry_after_s = 10  # a person has to make room; asked more often, a full disk gets no better


class Busy(RequestError):
    """More is asked than can be taken just now; nothing was changed."""

    http_status = 503
    retry_after_s = 5  # a place in line gets free whenever an agent begins another build


class PeerError(CIError):
    """The other end of the wire did not do what was asked."""


class Unreachable(PeerError):
    """No answer, a 5xx, or one that can't be read: passing, so try again.

    `retry_after_s` is the wait that the peer asked for, in seconds, or None.
    `sent` is False when it is certain that the request never reached the peer, `nobody` is True
    when its machine has answered that nobody listens at that port, `broken` when the connection
    ended before the answer.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float | None = None,
        sent: bool = True,
        nobody: bool = False,
        broken: bool = False,
    ) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.sent = sent
        self.nobody = nobody
        self.broken = broken


class Unproved(Unreachable):
    """An answer to a signed request that is not proved: whoever it is from, it counts for nothing.

    `status` is its HTTP status, `whom` was meant.
    """

    def __init__(self, status: int, whom: str) -> None:
        super().__init__(f"answered {status}, without the proof that it is the {whom}")
        self.status = status


class PeerRefused(PeerError):
    """The peer answered no. `status` is its HTTP status, `body` what it said (at most 1 kB)."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"answered {status}: {body}" if body else f"answered {status}")
        self.status = status
        self.body = body


class AgentLost(CIError):
    """An agent has not answered for too long."""


class CheckoutFailed(CIError):
    """Git could not bring the commit; the text is for the person who asked for the build."""


class StoreError(CIError):
    """The data folder can't be opened or has been written by a newer version."""


class StoreDamaged(StoreError):
    """The database is broken, cut or gone; only a back-up helps."""
