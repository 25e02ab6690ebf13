"""Does to the programs what the plan says, and undoes it."""

from __future__ import annotations

import signal
import subprocess
from collections import Counter
from functools import partial
from typing import Final

from tests.real.harness import Program
from tests.torture import disks
from tests.torture.plan import Fault, FaultKind, Plan
from tests.torture.proxy import FAIR, Weather
from tests.torture.schedule import Schedule
from tests.torture.stage import Stage

# The jump is 26 hours there and, for every second fault, as much back.
JUMP_S: Final = 26 * 3600.0
LATE_S: Final = 7.0  # longer than the server waits for an agent's answer: it comes nevertheless
STOP_LIMIT_S: Final = 60.0  # for a program that was told twice to stop, on a loaded machine
_LOOK_S: Final = 0.5
AMBUSH_S: Final = 5.0  # so long it is waited for a line
_AMBUSH_LOOK_S: Final = 0.003  # what follows a line, such as an answer, takes about as long

_ON_PROCESSES: Final = frozenset(
    {FaultKind.KILL, FaultKind.AMBUSH, FaultKind.TERM, FaultKind.FREEZE}
)

_WEATHER: Final = {
    FaultKind.CUT: Weather(cut=True),
    FaultKind.SLOW: Weather(delay_s=0.7),
    FaultKind.LATE: Weather(delay_s=LATE_S),
    FaultKind.SILENT: Weather(silent=True),
    FaultKind.LOSE: Weather(lose=0.5),
    FaultKind.TWICE: Weather(twice=0.5),
    FaultKind.AGAIN: Weather(later=0.5),
}


class Tormentor:
    """Carries out a plan's faults. `complaints` are things that went wrong while doing so."""

    def __init__(self, stage: Stage, plan: Plan) -> None:
        self._stage = stage
        self._plan = plan
        self._schedule = Schedule()
        self._forward = True
        self._power = True
        self._down: set[str] = set()  # killed or told to stop, and not started again yet
        self._told: dict[Fault, subprocess.Popen[bytes] | None] = {}  # who was told to stop
        self._laid: dict[Fault, tuple[float, int]] = {}  # ambushes: when, and how long the log was
        self._begins = dict.fromkeys(stage.programs, 0)  # where the log of this life begins
        self.done: Counter[str] = Counter()
        self.complaints: list[str] = []

    def run(self) -> None:
        """Do all of it; at the end every fault is undone and every program runs."""
        for fault in self._plan.faults:
            if fault.kind is FaultKind.FULL_DISK and not self._stage.has_disks:
                continue
            self._schedule.at(fault.at_s, partial(self._begin, fault))
        self._schedule.run()

    def _begin(self, fault: Fault) -> None:
        if fault.kind in _ON_PROCESSES and not self._is_up(self._stage.programs[fault.target]):
            if self._schedule.now_s < self._plan.lasts_s:
                self._schedule.after(_LOOK_S, partial(self._begin, fault))
            return
        if fault.kind is FaultKind.AMBUSH and not self._has_come(fault):
            self._schedule.after(_AMBUSH_LOOK_S, partial(self._begin, fault))
            return
        self.done[fault.kind] += 1
        self._schedule.after(fault.lasts_s, partial(self._end, fault))
        if fault.kind in _WEATHER:
            self._stage.proxies[fault.target].weather = _WEATHER[fault.kind]
            return
        if fault.kind is FaultKind.POWER_CUT:
            self._power = False
            for program in self._stage.programs.values():
                program.kill()
            return
        program = self._stage.programs[fault.target]
        match fault.kind:
            case FaultKind.KILL | FaultKind.AMBUSH:
                self._down.add(program.name)
                program.kill()
            case FaultKind.TERM:
                self._down.add(program.name)
                self._told[fault] = program.process
                program.send(signal.SIGTERM)
            case FaultKind.FREEZE:
                program.send(signal.SIGSTOP)
            case FaultKind.FULL_DISK:
                disks.fill(program.data)
            case FaultKind.CLOCK:
                self._forward = not self._forward
                self._stage.set_clock(program.name, -JUMP_S if self._forward else JUMP_S)

    def _end(self, fault: Fault) -> None:
        if fault.kind in _WEATHER:
            self._stage.proxies[fault.target].weather = FAIR
            return
        if fault.kind is FaultKind.POWER_CUT:
            self._power = True
            for program in self._stage.programs.values():
                self._start(program)
            return
        program = self._stage.programs[fault.target]
        match fault.kind:
            case FaultKind.KILL | FaultKind.AMBUSH:
                self._start(program)
            case FaultKind.TERM:
                if not self._is_gone(fault, program) and program is not self._stage.server:
                    program.send(signal.SIGTERM)  # it has had time enough for what runs
                self._start_when_ended(fault, program, self._schedule.now_s + STOP_LIMIT_S)
            case FaultKind.FREEZE:
                program.send(signal.SIGCONT)
            case FaultKind.FULL_DISK:
                disks.make_room(program.data)
            case FaultKind.CLOCK:
                self._stage.set_clock(program.name, 0)

    def _has_come(self, fault: Fault) -> bool:
        """Whether the line of an ambush was logged since it was laid, or does not come."""
        log = self._stage.programs[fault.target].log
        laid_at, begin = self._laid.setdefault(fault, (self._schedule.now_s, log.stat().st_size))
        if self._schedule.now_s > laid_at + AMBUSH_S:
            return True
        with log.open("rb") as file:
            file.seek(begin)
            return f" {fault.line} ".encode() in file.read()

    def _is_up(self, program: Program) -> bool:
        """Whether it runs and has come so far that it knows what SIGTERM means."""
        if program.name in self._down or not self._power:
            return False
        if program.running:
            return b"listening" in program.log.read_bytes()[self._begins[program.name] :]
        assert program.process is not None
        code = program.process.returncode
        self.complaints.append(f"{program.name} ended by itself with exit code {code}")
        self._start(program)
        return False

    def _is_gone(self, fault: Fault, program: Program) -> bool:
        """Whether the power was cut since the fault began, which ended what was told to stop."""
        return not self._power or program.process is not self._told[fault]

    def _start(self, program: Program) -> None:
        if program.running or not self._power:
            return  # the power came back meanwhile, or will
        self._down.discard(program.name)
        self._begins[program.name] = program.log.stat().st_size
        program.start(wait=False)

    def _start_when_ended(self, fault: Fault, program: Program, until_s: float) -> None:
        if self._is_gone(fault, program):
            return
        assert program.process is not None
        if program.running and self._schedule.now_s < until_s:
            self._schedule.after(_LOOK_S, partial(self._start_when_ended, fault, program, until_s))
            return
        if program.running:
            self.complaints.append(
                f"{program.name} did not stop within {STOP_LIMIT_S:g} s of the last SIGTERM"
            )
            program.kill()
        elif (code := program.process.returncode) not in self._good_codes(program):
            self.complaints.append(f"{program.name} ended on SIGTERM with exit code {code}")
        self._start(program)

    def _good_codes(self, program: Program) -> tuple[int, ...]:
        """An agent is told twice; the second time it may have put its handlers away already."""
        return (0,) if program is self._stage.server else (0, -signal.SIGTERM)
