"""What people and agents ask of the server in the state machine, and what each answer must mean.

Many ask at the same moment. So which answer is right is not known before the question: it is what
the ledger says when the answer is there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Final

from ci.errors import Conflict, GivenUp, LogGap, NotFound
from ci.model import Reason, Status
from ci.server.intake import CANCELED_BY_AGENT
from ci.wire.registration import read_registration
from ci.wire.result import read_result
from tests.story.ledger import Told
from tests.story.player import HOST, Player, output
from tests.story.stand import Stand

MOST_RESULTS: Final = 3  # of an honest agent: one says how much of the log is missing, perhaps two


def result(end: tuple[str, str, int | None]) -> dict[str, Any]:
    """Make what an agent says of an attempt's end."""
    status, reason, exit_code = end
    return {"status": status, "reason": reason, "exit_code": exit_code, "duration_s": 1.0}


async def submit(stand: Stand, priority: int, labels: Sequence[str] = ()) -> None:
    """Ask for a build."""
    build = await stand.ask(
        lambda server: server.submit(
            repository=None, commit="main", command="true", priority=priority, labels=labels
        )
    )
    stand.answered.add(build.number)


async def cancel(stand: Stand, number: int) -> None:
    """Cancel a build, whatever it does."""
    try:
        build = await stand.ask(lambda server: server.cancel(number))
    except NotFound:
        assert number not in stand.ledger.builds
    except Conflict:
        assert stand.ledger.builds[number].status.ended
    else:
        assert build.status is stand.ledger.builds[number].status is Status.CANCELED


async def move_to_front(stand: Stand, number: int) -> None:
    """Let a build be the next one, if it waits."""
    try:
        build = await stand.ask(lambda server: server.move_to_front(number))
    except NotFound:
        assert number not in stand.ledger.builds
    except Conflict:
        assert stand.ledger.builds[number].status is not Status.WAITING
    else:
        assert build.number == number


async def pause(stand: Stand, name: str, paused: bool) -> None:
    """Let an agent take no more work, or take it again."""
    try:
        await stand.ask(lambda server: server.set_paused(name, paused=paused))
    except NotFound:
        assert not any(player.registered and player.name == name for player in stand.players)


async def register(stand: Stand, player: Player) -> None:
    """Say where an agent is, and obey the answer."""
    player.registered = False
    said = read_registration(json.dumps(player.registration()).encode(), HOST)
    try:
        answer = await stand.ask(lambda server: server.register(said))
    except Conflict:
        return  # another one has its name; it will try again
    player.registered = True
    verdicts = answer["attempts"]
    assert isinstance(verdicts, dict)
    for id in [id for id, verdict in verdicts.items() if verdict == "drop"]:
        assert not _held(stand, id, player), f"{id} was to be dropped while it was open"
        player.drop(id)


async def send_log(stand: Stand, id: str, offset: int, size: int) -> None:
    """Send a piece of an attempt's log."""
    piece = output(id, offset + size)[offset:]
    try:
        has = await stand.ask(lambda server: server.append_log(id, offset, piece))
    except LogGap as gap:
        assert gap.size < offset, "a gap where there is none"  # noqa: PT017 - any answer may be right
    except GivenUp:
        assert not _is_open(stand, id), f"a log was refused while that of {id} was open"
    else:
        assert has >= offset + size, "bytes were taken and are not there"


async def deliver(stand: Stand, player: Player, id: str) -> None:
    """Bring the log and the end of an attempt to the server, as an honest agent does."""
    size = player.printed.get(id, 0)
    digest = hashlib.sha256(output(id, size)).hexdigest()
    for _ in range(MOST_RESULTS):
        body = player.owed.get(id)
        if body is None:
            return  # it was told to drop it, or has forgotten it
        has = await send_result(stand, id, {**body, "log_size": size, "log_sha256": digest})
        if has is None:
            player.owed.pop(id, None)
            return
        await send_log(stand, id, has, size - has)
    raise AssertionError(f"the log of {id} is wanted again and again")


async def send_result(stand: Stand, id: str, body: dict[str, Any]) -> int | None:
    """Send a result; return how much of the log there is, if the server wants more of it."""
    said = read_result(json.dumps({"id": id, "protocol": 1, **body}).encode())
    told = _told(body)
    stand.ledger.tell(id, told)
    try:
        await stand.ask(lambda server: server.finish(said))
    except LogGap as gap:
        return gap.size
    except GivenUp:
        assert not _is_open(stand, id), f"a result was refused while {id} was open"
        kept = stand.ledger.attempts.get(id)
        if kept is not None and kept.end == told:
            # The server may have given it up meanwhile, which looks the same but for its words.
            words = CANCELED_BY_AGENT if body["reason"] == Reason.CANCELED else ""
            assert await _message(stand, id) != words, f"the repeated result of {id} was refused"
    else:
        kept = stand.ledger.attempts[id]
        if kept.status is Status.CANCELED:
            assert kept.log_size is not None, f"the end of the log of {id} was taken and not kept"
        else:
            assert kept.end == told, f"the result of {id} was taken and not kept"
    return None


def _told(body: dict[str, Any]) -> Told:
    """How the store must keep a result: nobody but the server cancels."""
    reason = Reason(body["reason"])
    if reason is Reason.CANCELED:
        return Status.ERROR, Reason.AGENT_LOST, body["exit_code"]
    return Status(body["status"]), reason, body["exit_code"]


async def _message(stand: Stand, id: str) -> str:
    view = await stand.ask(lambda server: server.build(int(id.split(".", maxsplit=1)[0])))
    return next(attempt.message for attempt in view.attempts if attempt.id == id)


def _is_open(stand: Stand, id: str) -> bool:
    kept = stand.ledger.attempts.get(id)
    return kept is not None and kept.log_open


def _held(stand: Stand, id: str, player: Player) -> bool:
    return _is_open(stand, id) and stand.ledger.attempts[id].agent == player.name
