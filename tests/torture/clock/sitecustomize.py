"""A wall clock that jumps: Python runs this at its start when this folder is on PYTHONPATH.

`time.time` and `datetime.now` are off by as many seconds as the file that TORTURE_CLOCK names
says at that moment. The monotonic clock is left alone, as a real jump leaves it. (Debian's
`faketime` makes `time.sleep` fail: it takes the deadline of the monotonic clock for a wrong one.)
"""

import datetime as dt
import os
import time
from pathlib import Path

_path = Path(os.environ.get("TORTURE_CLOCK", "/nonexistent"))
_time = time.time
_real = dt.datetime


def _offset() -> float:
    try:
        return float(_path.read_text(encoding="ascii") or 0)
    except OSError:
        return 0.0


class _IsDatetime(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _real)


class _Jumping(_real, metaclass=_IsDatetime):
    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> "_Jumping":
        return cls.fromtimestamp(time.time(), tz)


if "TORTURE_CLOCK" in os.environ:
    time.time = lambda: _time() + _offset()
    dt.datetime = _Jumping  # type: ignore[misc]
