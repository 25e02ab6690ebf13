"""The log of a command that has secrets: made of what it prints, piece by piece, without them.

The command prints into `raw`. What of it has been masked is in `log`, and gone from `raw`: made a
hole, as far as the file system can. `masked` says how far that is, so that the agent's next life
goes on there. Everything here blocks on the disk: call it through `ci.blocking`.
"""

from __future__ import annotations

import json
import math
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Final

from pydantic import TypeAdapter, ValidationError

from ci import logfile
from ci.agent.masking import Masks
from ci.agent.spool import Folder, write_whole
from ci.agent.trim import punch_hole

PIECE_BYTES: Final = (
    1 << 20
)  # masked at once; longer than any form of a secret with ends of lines within it
# What was printed faster than it is masked is masked when the command has ended, for so long: a
# file with holes can be far larger than all disks.
FINISH_LIMIT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class _Place:
    """How far it is: bytes of `raw`, bytes of the log, and see `Masked.covered`."""

    taken: int = 0
    size: int = 0
    covered: int = 0


_PLACE: Final = TypeAdapter(_Place)


class MaskedLog:
    """Makes the log of the attempt in `folder`."""

    def __init__(self, folder: Folder, masks: Masks) -> None:
        self._folder = folder
        self._masks = masks
        self._place: _Place | None = None

    def advance(self, *, last: bool = False, limit_s: float = math.inf) -> bool:
        """Bring all that was printed into the log; if more may come, not what may begin a secret.

        Returns whether that was done within the time. Raises OSError.
        """
        until = time.monotonic() + limit_s
        place = self._place or self._read_place()
        while True:
            data = logfile.read(self._folder.raw, place.taken, PIECE_BYTES)
            is_all = len(data) < PIECE_BYTES
            done = self._masks.apply(data, place.covered, last=last and is_all)
            # A piece that was added before the agent died is there: it would be the same one again.
            size = logfile.append(self._folder.log, place.size, done.text)
            if done.taken:
                place = _Place(place.taken + done.taken, size, done.covered)
                self._keep(place)
            if is_all:
                return True
            if time.monotonic() >= until:
                return False

    def finish(self, limit_s: float = FINISH_LIMIT_S) -> bool:
        """Bring the rest into the log, and leave nothing but that.

        Returns whether there was time for all of it. Raises OSError.
        """
        is_whole = self.advance(last=True, limit_s=limit_s)
        self.discard()
        return is_whole

    def discard(self) -> None:
        """Remove what has a secret in it, masked or not. Raises OSError."""
        self._folder.raw.unlink(missing_ok=True)
        self._folder.secrets.unlink(missing_ok=True)
        logfile.sync_folder(self._folder.path)

    def _keep(self, place: _Place) -> None:
        write_whole(self._folder.masked, json.dumps(asdict(place)).encode(), durable=False)
        with suppress(OSError):  # no file system must have holes; at the end the file is removed
            punch_hole(self._folder.raw, 0, place.taken)
        self._place = place

    def _read_place(self) -> _Place:
        """Read how far an earlier life has come; a loss of power may have taken some of the log."""
        try:
            place = _PLACE.validate_json(self._folder.masked.read_bytes())
        except (FileNotFoundError, ValidationError):
            return _Place()
        size = min(place.size, logfile.size(self._folder.log))
        return _Place(place.taken, size, place.covered)
