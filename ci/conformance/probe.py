"""A probe: one sentence of the contract, and how to see whether it holds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

import trio

from ci.errors import ConfigError, Unreachable

PATIENCE_S = 30.0  # for what the contract says happens at once, or as soon as it can


class Verdict(StrEnum):
    """What a probe found."""

    HOLDS = "holds"
    DOES_NOT = "does not"
    CAN_NOT_TELL = "can't tell"


class Broken(Exception):
    """The contract does not hold here; the text says what was seen."""


class CanNotTell(Exception):
    """This can't be seen from here; the text says why, and what would let it be seen."""


class Stage(Protocol):
    """What all probes of one run share."""

    def limit_of(self, probe: Probe[Any]) -> float:
        """Return the seconds that a probe may take here."""

    async def settle(self) -> None:
        """Leave nothing of the last probe to the next one."""


S = TypeVar("S", bound=Stage)
S_contra = TypeVar("S_contra", contravariant=True, bound=Stage)


@dataclass(frozen=True, slots=True)
class Probe(Generic[S_contra]):
    """`run` returns what was seen where it holds, and raises Broken or CanNotTell."""

    name: str
    says: str
    run: Callable[[S_contra], Awaitable[str]]
    limit_s: float = 4 * PATIENCE_S


@dataclass(frozen=True, slots=True)
class Finding:
    """What one probe found."""

    name: str
    says: str
    verdict: Verdict
    seen: str
    took_s: float


def expect(holds: object, seen: str) -> None:
    """Raise Broken with what was seen unless it `holds`."""
    if not holds:
        raise Broken(seen)


def chosen(
    probes: Sequence[Probe[S]], only: Sequence[str] | None, always: Sequence[Probe[S]] = ()
) -> Sequence[Probe[S]]:
    """Return those of these names, and what they stand on. Raises ConfigError."""
    if not only:
        return probes
    names = [probe.name for probe in probes]
    for name in only:
        if name not in names:
            raise ConfigError(f"--only {name!r}: is none of the probes {', '.join(names)}")
    return [probe for probe in probes if probe in always or probe.name in only]


async def run_probes(
    probes: Sequence[Probe[S]], stage: S, tell: Callable[[Finding], None]
) -> tuple[Finding, ...]:
    """Run one probe after the other; `tell` hears of each at once. Bounded by their limits."""
    findings = []
    for probe in probes:
        finding = await _run(probe, stage)
        tell(finding)
        findings.append(finding)
    return tuple(findings)


async def _run(probe: Probe[S], stage: S) -> Finding:
    began = trio.current_time()
    limit_s = stage.limit_of(probe)
    verdict, seen = Verdict.DOES_NOT, f"it was not over in {limit_s:g} s"
    try:
        with trio.move_on_after(limit_s):
            seen = await probe.run(stage)
            verdict = Verdict.HOLDS
    except Broken as error:
        seen = str(error)
    except Unreachable as error:
        seen = str(error) if error.sent else f"it can't be reached any more: {error}"
    except CanNotTell as error:
        verdict, seen = Verdict.CAN_NOT_TELL, str(error)
    took_s = trio.current_time() - began
    with trio.move_on_after(PATIENCE_S):
        await stage.settle()
    return Finding(probe.name, probe.says, verdict, seen, took_s)
