"""How each story of the state machine ends: all are well, and soon everything is done.

A build that is forgotten, a slot that is believed busy, an agent that is not asked again: whatever
is stuck shows here, because nothing else is in its way any more.
"""

from __future__ import annotations

from typing import Final

import trio

from tests.story import asks
from tests.story.stand import Stand

ROUND_S: Final = 10.0  # what runs ends within one
ROUNDS: Final = 60  # in which all that waits or runs has ended
REST_S: Final = 70.0  # then the longest back-off and the longest wait for a dead command are over
AT_ONCE_S: Final = 1.0  # free slots wait for work; work does not wait for them


async def make_peace(stand: Stand) -> None:
    """Let all be well. Raises AssertionError when a build does not end or a slot is not used."""
    await trio.sleep(AT_ONCE_S)  # what was asked beside the story has its answer now
    for player in stand.players:
        player.reach, player.draining, player.ending_s = "up", False, 0.0
        player.treatments.clear()
        await asks.pause(stand, player.name, False)
    for _ in range(ROUNDS):
        await trio.sleep(ROUND_S)
        await _work(stand)
        if _all_ended(stand):
            break
    await _cancel_unfit(stand)
    assert _all_ended(stand), f"these do not end: {stand.ledger.builds}"
    await trio.sleep(REST_S)
    await _work(stand)
    await _use_all_slots(stand)
    await stand.check()
    await stand.check_logs()
    growing = [id for id, each in stand.ledger.attempts.items() if each.log_open]
    assert not growing, f"the logs of these are waited for: {growing}"


async def _cancel_unfit(stand: Stand) -> None:
    """Cancel what waits for labels that no agent has who is there: that waits for a person."""
    for number in stand.ledger.line:
        labels = stand.ledger.builds[number].labels
        if not any(labels.issubset(player.labels) for player in stand.players):
            await asks.cancel(stand, number)


async def _use_all_slots(stand: Stand) -> None:
    slots = await stand.slots()
    assert slots, "no agent is online"
    for _ in range(slots):
        await asks.submit(stand, 0)
    await trio.sleep(AT_ONCE_S)
    busy = sum(len(player.jobs) for player in stand.players)
    assert busy == slots, f"{busy} of {slots} slots took work"
    await _work(stand)
    assert _all_ended(stand)


def _all_ended(stand: Stand) -> bool:
    stand.look()
    return all(build.status.ended for build in stand.ledger.builds.values())


async def _work(stand: Stand) -> None:
    """Let every agent do what an honest one does: register, end its commands, deliver."""
    for player in stand.players:
        if not player.registered:
            await asks.register(stand, player)
        for id in sorted(player.jobs):
            player.end(id, asks.result(("success", "exited", 0)))
        for id in list(player.owed):
            await asks.deliver(stand, player, id)
