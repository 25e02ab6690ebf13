"""Outage: a trouble that lasts is told when it begins, now and then while it lasts, and at its end.

What is tried again each second would else fill the log with one and the same line.
"""

from __future__ import annotations

import trio


class Outage:
    """Says when a failure that comes again and again is worth a line."""

    def __init__(self, remind_s: float) -> None:
        """Tell again each `remind_s` seconds of one and the same outage."""
        self._remind_s = remind_s
        self._since: float | None = None
        self._told_at = 0.0

    @property
    def lasts(self) -> bool:
        """Whether the last that was noted is a failure."""
        return self._since is not None

    @property
    def lasts_s(self) -> float:
        """For how many seconds it has lasted; 0 when there is none."""
        return 0.0 if self._since is None else trio.current_time() - self._since

    def failed(self) -> float | None:
        """Note a failure; return the seconds it has lasted if that is to be told now, else None.

        The first failure is told, with 0.0.
        """
        now = trio.current_time()
        if self._since is None:
            self._since = self._told_at = now
            return 0.0
        if now - self._told_at < self._remind_s:
            return None
        self._told_at = now
        return now - self._since

    def over(self) -> float | None:
        """Note a success; return the seconds that the outage lasted, None when there was none."""
        lasted_s = self.lasts_s if self.lasts else None
        self._since = None
        return lasted_s
