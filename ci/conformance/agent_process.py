"""The agent as a process of ours, where the person lets us start it."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from typing import Final

import trio

STOP_S: Final = 10.0  # for an orderly end, once all probes are over


class AgentProcess:
    """Starts a command, kills it, and starts it again."""

    def __init__(self, command: str, port: int) -> None:
        """`port` is that of its server, which the command knows as $KIT_PORT."""
        self._command = command
        self._port = port
        self._process: trio.Process | None = None

    async def start(self) -> None:
        """Start it, in a session of its own; what it prints goes to our standard error."""
        self._process = await trio.lowlevel.open_process(
            ["sh", "-c", f"exec {self._command} >&2"],
            env=os.environ | {"KIT_PORT": str(self._port)},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def ended(self) -> int | None:
        """Its exit code if it has ended by itself."""
        return None if self._process is None else self._process.returncode

    async def wait(self) -> None:
        """Return when it has ended."""
        if self._process is not None:
            await self._process.wait()

    async def kill(self) -> None:
        """End it at once, as a loss of power does."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """End it in order, if that works."""
        with trio.move_on_after(STOP_S) as limit:
            await self._end(signal.SIGTERM)
        if limit.cancelled_caught:
            await self.kill()

    async def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            await self._process.wait()
