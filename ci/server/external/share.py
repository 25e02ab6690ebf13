"""Share: how much of a build's log is sent, less and less where the storage does not take it.

Few storages say what they take: they answer 413, or 400 or 500 at a certain size, or break the
connection off. A verdict counts for more than the middle of a log.
"""

from __future__ import annotations

from typing import Final

from ci.server.external.client import StorageFailed

LEAST_LOG: Final = 1024  # bytes; who does not take so much does not refuse it for its size
_TOO_LARGE: Final = 413
# How much a refusal says of the size, of what is enough to send less. A storage may answer 500 at
# random: six of these in a row are no longer bad luck, even where three of ten calls fail.
_ENOUGH: Final = 6
_NO_ANSWER: Final = 2
_WEIGHTS: Final = {_TOO_LARGE: _ENOUGH, 400: 2}
_OTHER: Final = 1


class Share:
    """What may be sent of one log: at most `limit` bytes, of `most` that are wanted."""

    def __init__(self, most: int) -> None:
        self.limit = self._most = most
        self._sent = 0  # bytes of log in the finish that is under way; 0 while there is none
        self._weight = 0
        self._by_size = True  # as far as we know

    def sending(self, size: int) -> None:
        """Note that a finish with `size` bytes of log is sent now."""
        self._sent = min(size, self.limit)

    def failed(self, error: StorageFailed, *, for_all: bool) -> bool:
        """Note that a call about this build failed; return whether less is sent from now on."""
        size, self._sent = self._sent, 0
        if for_all or not size or not (self._by_size or error.status == _TOO_LARGE):
            return False
        self._weight += _NO_ANSWER if error.status is None else _WEIGHTS.get(error.status, _OTHER)
        if self._weight < _ENOUGH:
            return False
        self._weight = 0
        if size > LEAST_LOG:
            self.limit = max(LEAST_LOG, 1 << ((size - 1).bit_length() - 1))
            return True
        if error.status != _TOO_LARGE:  # whatever it is, it is not the size
            self._by_size = False
            self.limit = self._most
        return False
