"""What a call of the API may raise, beside `ci.errors.Unreachable` when there is no answer."""

from __future__ import annotations

from typing import Final

from ci.errors import PeerError, PeerRefused

# Statuses that say "not now": there is too much to do, or a proxy does not reach the server.
_NOT_NOW: Final = (429, 502, 503, 504)


class ApiRefused(PeerRefused):
    """The server said no. `message` is its sentence, `field` what is wrong in the request.

    `status` is that of HTTP, `retry_after_s` after how many seconds it may be asked again.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        field: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(status, message)
        self.message = message
        self.field = field
        self.retry_after_s = retry_after_s

    @property
    def is_passing(self) -> bool:
        """Whether the same may be answered in a while."""
        return self.status in _NOT_NOW

    def __str__(self) -> str:
        return self.message or f"it answered {self.status}"


class AnswerLost(PeerError):
    """The connection broke before the answer; nothing tells that what was asked for was done."""
