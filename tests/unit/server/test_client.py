"""What the server makes of an agent that can't be reached."""

from __future__ import annotations

import pytest

from ci.errors import Unreachable
from ci.server.client import AgentClient
from tests.fakes.network import broken_client


async def test_without_a_thread_to_look_its_name_up_it_is_unreachable() -> None:
    """A machine that is short of threads for a while ends no server; a bug would."""
    with pytest.raises(Unreachable) as caught:
        await AgentClient(broken_client("can't start new thread"), "oak", 1, None).status()
    assert not caught.value.sent
    with pytest.raises(RuntimeError, match="a bug"):
        await AgentClient(broken_client("a bug"), "oak", 1, None).status()
