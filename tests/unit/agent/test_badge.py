"""Badges: what is proved, what is shown, and which answers count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
import structlog

from ci.agent.badge import Badge, Trust
from ci.errors import Unproved
from ci.wire.signature import SIGNATURE, TOKEN_KEY, Key

KEY = Key(TOKEN_KEY, "the-token")
CALL = ("POST", "/notify_agent", b"{}")


@dataclass
class Peer:
    """Whoever answers."""

    proves: bool = True
    nonce: str = "n1"

    def ask(self, badge: Badge, status: int, body: bytes = b"") -> tuple[Mapping[str, str], bool]:
        """Return what it was sent, and whether its answer counts."""
        sent = badge.make_pass(*CALL)
        answer: dict[str, str] = {}
        if self.proves and SIGNATURE in sent.headers:
            answer = KEY.sign_answer(sent.headers[SIGNATURE], status, body, self.nonce)
        return sent.headers, badge.is_answer(sent, status, answer, body)


def test_without_a_secret_nothing_is_said() -> None:
    """And anybody is believed, as on one machine."""
    badge = Badge(None, Trust(proves=False))
    assert Peer(proves=False).ask(badge, 401) == ({}, True)


def test_it_signs_with_the_nonce_of_the_last_answer() -> None:
    """Where the server wants another one, the same call is signed again."""
    badge = Badge(KEY, Trust(proves=False))
    first, is_answer = Peer().ask(badge, 401)
    assert not is_answer
    assert 'nonce=""' in first["Signature-Input"]
    again, is_answer = Peer().ask(badge, 401)
    assert is_answer, "it is refused for something else"
    assert 'nonce="n1"' in again["Signature-Input"]
    assert "the-token" not in f"{first} {again}"


@pytest.mark.parametrize("status", [200, 401, 404, 409, 410, 413, 422, 500])
def test_once_the_server_has_proved_itself_no_other_answer_counts(status: int) -> None:
    """Whatever it says, and by whichever badge of this agent."""
    trust = Trust(proves=False)
    Peer().ask(Badge(KEY, trust), 200)
    with pytest.raises(Unproved, match=f"answered {status}, without the proof") as caught:
        Peer(proves=False).ask(Badge(KEY, trust), status)
    assert caught.value.status == status


def test_to_a_server_that_proves_nothing_it_is_shown_only_when_asked_for() -> None:
    """And once more proved first, as soon as the server may be another one. The log tells."""
    badge, peer = Badge(KEY, Trust(proves=False)), Peer(proves=False)
    assert peer.ask(badge, 200)[1]
    with structlog.testing.capture_logs() as said:
        sent, is_answer = peer.ask(badge, 401)
    assert "Authorization" not in sent
    assert not is_answer
    assert [line["event"] for line in said] == ["secret shown"]
    assert "the-token" not in str(said)
    assert peer.ask(badge, 401) == ({"Authorization": "Bearer the-token"}, True)
    badge.forget_shown()
    assert Peer().ask(badge, 200)[1]
    assert "Authorization" not in badge.make_pass(*CALL).headers
