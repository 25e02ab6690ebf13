"""What must be true of attempts: one decides, the lost ones change nothing, logs are exact."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

from ci.model import MAX_ATTEMPTS, TRY_AGAIN, Reason, Status
from tests.torture.evidence import Event, Evidence, Told, Try

# The command was not ended by us: its log is all that it printed.
_WHOLE: Final = frozenset({Reason.EXITED})


_TAKEN: Final = "end of log taken"
_GIVEN_UP: Final = "end of log given up"
_MANY_CANCELED: Final = 10
_GIVEN_UP_AT_MOST: Final = 0.5  # of the logs of these: most agents are back in time
_PUT_BACK: Final = "put back"
_TOLD_AT_LEAST: Final = 0.8  # of all ends; else the lines are not what this rule reads


def attempts_are_in_order(evidence: Evidence) -> Iterator[str]:
    """Only the last attempt decides; those before it were lost, and not too many."""
    for build in evidence.builds:
        numbers = [int(each.id.rsplit(".", 1)[1]) for each in build.tries]
        if numbers != sorted(set(numbers)):
            yield f"build {build.number} has the attempts {numbers}, in this order"
        for each in build.tries:
            if not each.status.ended:
                yield f"attempt {each.id} is still {each.status}"
        for each in build.tries[:-1]:
            if each.reason not in TRY_AGAIN:
                yield f"attempt {each.id} ended by {each.reason}, and another one came after it"
        if len(build.tries) > MAX_ATTEMPTS:
            yield f"build {build.number} has {len(build.tries)} attempts"
        yield from _same_end(build)


def _same_end(build: Told) -> Iterator[str]:
    if not build.tries:
        if build.end.status is not Status.CANCELED:
            yield f"build {build.number} is {build.end.status} without any attempt"
        return
    last = build.tries[-1]
    lost_before = build.end.status is Status.CANCELED and last.reason in TRY_AGAIN
    if last.end != build.end and not lost_before:
        yield f"build {build.number} ended as {build.end}, and its last attempt as {last.end}"


def labels_are_minded(evidence: Evidence) -> Iterator[str]:
    """What asks for an agent's label is attempted by that agent alone."""
    for build in evidence.builds:
        for each in build.tries:
            if not {each.agent}.issuperset(build.labels):
                yield f"attempt {each.id} of {build.labels} was given to {each.agent}"


def commands_run_once(evidence: Evidence) -> Iterator[str]:
    """Each run of a command belongs to an attempt, and no attempt runs its command twice."""
    known = {each.id: build for build in evidence.builds for each in build.tries}
    for attempt, count in Counter(run.attempt for run in evidence.runs).items():
        if count > 1:
            yield f"the command of attempt {attempt} was run {count} times"
    for run in evidence.runs:
        build = known.get(run.attempt)
        if build is None:
            yield f"attempt {run.attempt} was run, and nothing is known of it"
        elif build.token != run.token:
            yield f"attempt {run.attempt} has run {run.token}, and its build is {build.token}"


def verdicts_are_the_commands(evidence: Evidence) -> Iterator[str]:
    """An exit code is that of the command; one that ended by itself was not ended by a limit."""
    runs = {run.attempt: run for run in evidence.runs}
    for build in evidence.builds:
        for each in build.tries:
            run = runs.get(each.id)
            ended = run.ended if run is not None else None
            if each.reason is Reason.EXITED and ended != each.exit_code:
                yield f"attempt {each.id} has exit code {each.exit_code}; its command: {ended}"
            elif each.reason in (Reason.TIMEOUT, Reason.SILENCE) and ended is not None:
                yield (
                    f"attempt {each.id} is said to have been ended by {each.reason}; "
                    f"its command ended by itself with {ended}"
                )


def logs_are_exact(evidence: Evidence) -> Iterator[str]:
    """A log is what the command printed; of one whose agent was given up, its beginning."""
    for build in evidence.builds:
        for each in build.tries:
            yield from _compare(each)


def _compare(each: Try) -> Iterator[str]:
    if each.log is None:
        yield f"attempt {each.id} has no log"
        return
    sizes = f"{each.log.log} bytes of log, {each.log.printed} were printed"
    if each.reason in _WHOLE and not each.log.equal:
        yield f"attempt {each.id}: {sizes}; alike are the first {each.log.common}"
    elif each.reason is not Reason.CHECKOUT_FAILED and not each.log.fits:
        yield f"attempt {each.id} ({each.reason}): {sizes}; they differ at {each.log.common}"
    elif each.log_size is not None and each.log.common < each.log.printed:
        yield f"attempt {each.id} ({each.reason}): {sizes}; its agent has delivered no more"
    if not each.read_before:
        yield f"attempt {each.id}: its log does not begin with what was read of it while it grew"
    if each.log_size is not None and each.log_size != each.log.log:
        yield f"attempt {each.id} is said to have {each.log_size} bytes of log; {sizes}"


def canceled_logs_arrive(evidence: Evidence) -> Iterator[str]:
    """The end of a canceled command's log comes once, unless the server says that it gave it up."""
    events = evidence.events.get("server", ())
    taken = Counter(each.values["attempt"] for each in events if each.name == _TAKEN)
    given_up = {each.values["attempt"] for each in events if each.name == _GIVEN_UP}
    tries = [each for build in evidence.builds for each in build.tries]
    canceled = {each.id: each for each in tries if each.status is Status.CANCELED}
    began = canceled.keys() & {run.attempt for run in evidence.runs}
    for id, count in taken.items():
        if count > 1:
            yield f"the end of the log of attempt {id} was taken {count} times"
        if id not in canceled:
            yield f"the end of the log of attempt {id} was taken, and it was not canceled"
    for id in sorted(given_up & {id for id, each in canceled.items() if each.log_size is not None}):
        yield f"the end of the log of attempt {id} was given up, and yet it is there"
    missing = {id for id in began if canceled[id].log_size is None}
    for id in sorted(missing - given_up):
        yield f"attempt {id} was canceled, and the end of its log was neither taken nor given up"
    if len(began) >= _MANY_CANCELED and len(missing) > len(began) * _GIVEN_UP_AT_MOST:
        yield f"of {len(began)} canceled commands the end of the log of {len(missing)} did not come"


def the_given_up_stay_out(evidence: Evidence) -> Iterator[str]:
    """By the server's log, an attempt ends once, and as it is told now; so does a build.

    A server that is killed between a commit and its line leaves a line out, so a few may be
    missing.
    """
    tries = {each.id: each for build in evidence.builds for each in build.tries}
    ends = _ends(evidence.events.get("server", ()))
    for id, words in ends.items():
        told = tries.get(id)
        if len(words) > 1:
            yield f"attempt {id} ended {len(words)} times: {', '.join(words)}"
        elif words == [_PUT_BACK]:
            if told is not None:
                yield f"attempt {id} was put back, and is now {told.status}"
        elif told is None:
            yield f"attempt {id} has ended ({words[0]}), and nothing is known of it"
        elif words != [told.status]:
            yield f"attempt {id} ended as {words[0]}, and is now {told.status}"
    if len(ends) < len(tries) * _TOLD_AT_LEAST:
        yield f"the server's log tells the end of {len(ends)} attempts; there are {len(tries)}"
    yield from _builds_end_once(evidence)


def _ends(events: Iterable[Event]) -> dict[str, list[str]]:
    """The ends of each attempt: statuses, or _PUT_BACK."""
    ends: dict[str, list[str]] = defaultdict(list)
    for event in events:
        match event.name:
            case "attempt put back":
                ends[event.values["attempt"]].append(_PUT_BACK)
            case "attempt given up":
                ends[event.values["attempt"]].append(Status.ERROR)
            case "result taken":
                ends[event.values["attempt"]].append(event.values["status"])
            case "build canceled":
                for id in ast.literal_eval(event.values["attempts"]):
                    ends[id].append(Status.CANCELED)
    return ends


def _builds_end_once(evidence: Evidence) -> Iterator[str]:
    told = {str(build.number): build.end.status for build in evidence.builds}
    ended: dict[str, list[str]] = defaultdict(list)
    for event in evidence.events.get("server", ()):
        if event.name == "build ended":
            ended[event.values["build"]].append(event.values["status"])
    for number, words in ended.items():
        if words != [told.get(number)]:
            yield f"build {number} ended as {', '.join(words)}, and is now {told.get(number)}"


def agents_accept_once(evidence: Evidence) -> Iterator[str]:
    """An agent starts an attempt once, and no other agent does."""
    takers: dict[str, list[str]] = defaultdict(list)
    for program, events in evidence.events.items():
        for event in events:
            if program != "server" and event.name == "attempt accepted":
                takers[event.values["attempt"]].append(program)
    for id, programs in takers.items():
        if len(programs) > 1:
            yield f"attempt {id} was accepted {len(programs)} times: {', '.join(programs)}"
