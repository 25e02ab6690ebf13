"""The door: who proves that he is our server, and who only was heard once."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.agent.door import Door
from ci.agent.secret import FILE, open_secret
from ci.errors import StaleNonce, Unauthorized
from ci.wire.signature import SIGNATURE, Key, credential_key, server_key

OWN = "ncp_b2Fr.0123"
SERVER = server_key(OWN)


def open_door(folder: Path, own: str = OWN) -> Door:
    """Begin a life of the agent that has this credential."""
    (folder / FILE).write_text(f'{{"agent": "oak", "credential": "{own}"}}')
    return Door(open_secret(folder, "oak", "token"))


def knock(door: Door, key: Key, nonce: str = "") -> str:
    """Ask something; return the nonce that the answer tells."""
    asked = key.sign_request("GET", "/status", b"", nonce)
    proof = door.check(asked, "GET", "/status", to_look=False)
    assert proof is not None
    answer = door.sign(proof, 200, b"{}")
    told = key.read_answer(asked[SIGNATURE], 200, answer, b"{}")
    assert told
    door.check_nonce(proof)
    return told


def test_the_server_is_let_in_by_the_nonce_of_this_life(tmp_path: Path) -> None:
    """And by the same one again; what was heard in an earlier life says nothing."""
    door = open_door(tmp_path)
    with pytest.raises(StaleNonce):
        knock(door, SERVER)
    proof = door.check(
        SERVER.sign_request("GET", "/status", b"", ""), "GET", "/status", to_look=False
    )
    assert proof is not None
    asked = SERVER.sign_request("GET", "/status", b"", "")
    nonce = SERVER.read_answer(asked[SIGNATURE], 401, door.sign(proof, 401, b""), b"")
    assert nonce is not None
    assert knock(door, SERVER, nonce) == nonce
    with pytest.raises(StaleNonce):
        knock(open_door(tmp_path), SERVER, nonce)


@pytest.mark.parametrize(
    "key", [credential_key(OWN), server_key("ncp_b2Fr.4567"), Key(SERVER.id, "")]
)
def test_nobody_else_is_let_in(tmp_path: Path, key: Key) -> None:
    """Not by what the agent itself signs with either: nothing can be sent back to it."""
    with pytest.raises(Unauthorized) as caught:
        knock(open_door(tmp_path), key)
    assert caught.value.field == SIGNATURE


def test_a_credential_to_show_opens_to_no_signature(tmp_path: Path) -> None:
    """Its server shows what is made of it."""
    with pytest.raises(Unauthorized):
        knock(open_door(tmp_path, "nca_b2Fr.0123"), server_key("nca_b2Fr.0123"))
