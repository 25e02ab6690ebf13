"""What belongs to an attempt, and the end of all of it, however it hides.

A process belongs to an attempt when it

- carries the attempt's cookie, in its environment or as its mark (see `processes.py`);
- is in the session or the group of the command's supervisor;
- writes its output into the attempt's log;
- has no terminal and works, or has its root, in the attempt's workspace: a daemon that somebody
  else started for the build. A person's shell that looks around there has a terminal and stays;
- descends from one of those.

Never the agent, and by the third and fourth sign never a process that carries another attempt's
mark. Who was there before the attempt can have none of these signs but by descent, and is not
asked for them: on a machine with many processes that is nearly all of the work.
"""

from __future__ import annotations

import math
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
import trio

from ci import blocking
from ci.agent import processes
from ci.agent.processes import Process

# Between two looks at processes that were told to end. The last one of a sandbox is about to end by
# itself when its command has: it is gone at the second look.
FIRST_POLL_S: Final = 0.001
POLL_S: Final = 0.02
KILL_LIMIT_S: Final = 15.0  # a process that hangs in the kernel can't be ended by anybody
FREEZE_LOOKS: Final = 20  # then what was stopped so far is killed, and stopping begins anew
CROWD: Final = 1000  # as many are not asked politely: they multiply faster than they would end
LISTINGS: Final = 10  # within one look; on a busy machine there is always somebody new
# A process of bubblewrap that waits for all in its sandbox; when it is killed, so are these.
HOLDER: Final = "bwrap"
SHOWN: Final = 20  # processes named in a line of the log

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Belongings:
    """By what the processes of one attempt are known.

    `leader` is the process id of a session's leader, perhaps long gone. `folder`, the attempt's in
    the spool, and `workspace` are absolute paths. `since` is a moment before the first of them, on
    the clock of `processes.now`.
    """

    cookie: str
    leader: int | None = None
    folder: Path | None = None
    workspace: Path | None = None
    since: float = -math.inf

    def find(self) -> set[Process]:
        """Look for them, the newest first.

        One that forks and ends, again and again, is never in the list of processes for long: it is
        listed anew until it brings nobody new.
        """
        seen: set[int] = {os.getpid()}
        living: dict[int, Process] = {}
        found: set[int] = set()
        for _ in range(LISTINGS):
            new = set(processes.numbers()) - seen
            if not new:
                break
            seen |= new
            for pid in sorted(new, reverse=True):
                if process := processes.look(pid):
                    living[pid] = process
                    if not processes.was_there(process, self.since) and self._is_known(process):
                        found.add(pid)
        # A leader without the cookie is another program that was given the number since.
        if self.leader is not None and (self.leader not in living or self.leader in found):
            found |= {p.pid for p in living.values() if self.leader in (p.session, p.group)}
        return {living[pid] for pid in _with_descendants(found, living)}

    def _is_known(self, process: Process) -> bool:
        mark = processes.mark_of(process.pid)
        if mark == processes.mark(self.cookie) or processes.carries(process.pid, self.cookie):
            return True
        return mark == processes.NO_MARK and (
            self._writes_log(process.pid) or (not process.terminal and self._works_in(process.pid))
        )

    def _writes_log(self, pid: int) -> bool:
        return self.folder is not None and any(
            _target(f"/proc/{pid}/fd/{output}") in (f"{self.folder}/log", f"{self.folder}/raw")
            for output in (1, 2)
        )

    def _works_in(self, pid: int) -> bool:
        return self.workspace is not None and any(
            f"{_target(f'/proc/{pid}/{what}')}/".startswith(f"{self.workspace}/")
            for what in ("cwd", "root")
        )


async def end_all(mine: Belongings, grace_s: float) -> None:
    """End everything that belongs to an attempt: SIGTERM, then after `grace_s` SIGKILL.

    Returns when none is left, or logs an error after KILL_LIMIT_S of killing. Cancellation: stops
    ending them.
    """
    attempt = mine.folder.name if mine.folder else None
    asked: set[Process] = set()
    pause_s = FIRST_POLL_S
    killing_at = trio.current_time() + grace_s
    while found := await blocking.run(mine.find):
        now = trio.current_time()
        if _only_holders(found, mine.leader):
            if not asked:  # one that is about to end by itself needs nobody
                asked |= found
                await trio.sleep(FIRST_POLL_S)
                continue
            killing_at = min(killing_at, now)
        if now > killing_at + KILL_LIMIT_S:
            log.error("processes left", attempt=attempt, processes=_names(found))
            return
        if now >= killing_at or len(found) > CROWD:
            killing_at = min(killing_at, now)
            log.info("processes killed", attempt=attempt, processes=_names(found))
            await blocking.run(_kill, mine)
        elif new := found - asked:
            log.info("processes ended", attempt=attempt, processes=_names(new))
            # A shell that waits for its child hears of it itself before that child's end.
            for process in sorted(_without_holders(new), key=_age):
                processes.send(process, signal.SIGTERM)
                processes.send(process, signal.SIGCONT)  # one that is stopped could not end
        asked |= found
        await trio.sleep(pause_s)
        pause_s = min(2 * pause_s, POLL_S)
    for process in asked:
        processes.reap(process.pid)  # ours, or adopted where we are the first of a container


def _only_holders(found: set[Process], leader: int | None) -> bool:
    """Whether nobody is left in a sandbox who could be asked to end."""
    held = _without_holders(found)
    return held != found and all(process.pid == leader for process in held)


def _without_holders(some: set[Process]) -> set[Process]:
    """Who is asked politely: a holder would die of it at once, and all in its sandbox unasked."""
    return {process for process in some if process.name != HOLDER}


def _kill(mine: Belongings) -> None:
    """Stop them all, so that none can fork or flee any more, and then kill them.

    What is in a sandbox the system ends in one go.
    """
    found = mine.find()
    for process in found - _without_holders(found):
        processes.send(process, signal.SIGKILL)
    stopped: set[Process] = set()
    for _ in range(FREEZE_LOOKS):
        _stop_marked(mine.cookie)
        new = mine.find() - stopped
        for process in new:
            processes.send(process, signal.SIGSTOP)
        stopped |= new
        if not new:
            break
    for process in stopped:
        processes.send(process, signal.SIGKILL)


def _stop_marked(cookie: str) -> None:
    """Stop what carries the mark, at sight and the newest first.

    A process that forks and ends, again and again, is gone before a closer look at it.
    """
    mark = processes.mark(cookie)
    for pid in sorted(processes.numbers(), reverse=True):
        if processes.mark_of(pid) == mark and (process := processes.look(pid)):
            processes.send(process, signal.SIGSTOP)


def _with_descendants(found: set[int], living: dict[int, Process]) -> set[int]:
    children: dict[int, list[int]] = {}
    for process in living.values():
        children.setdefault(process.parent, []).append(process.pid)
    everyone = set(found)
    open_ends = list(found)
    while open_ends:
        fresh = [pid for pid in children.get(open_ends.pop(), ()) if pid not in everyone]
        everyone.update(fresh)
        open_ends += fresh
    return everyone


def _target(link: str) -> str:
    try:
        return os.readlink(link)  # noqa: PTH115 - a Path for each costs more than this
    except OSError:
        return ""  # gone, or another user's


def _names(some: set[Process]) -> list[str]:
    return [f"{process.pid} {process.name}" for process in sorted(some, key=_age)[:SHOWN]]


def _age(process: Process) -> tuple[int, int]:
    """By this a parent comes before its children, but where numbers begin anew within 10 ms."""
    return process.born, process.pid
