"""Which signed calls count: by whose key, with which nonce, and for how long."""

from __future__ import annotations

import pytest

from ci.errors import AgentRevoked, StaleNonce, Unauthorized
from ci.model import Standing
from ci.server.enrolments import TOKEN_HOLDER, Enrolments
from ci.server.proofs import Proofs
from ci.server.store.enrolling import Enrolment
from ci.wire.sealed import open_credential
from ci.wire.signature import (
    SIGNATURE,
    TOKEN_KEY,
    Key,
    Proof,
    Signed,
    credential_key,
    read_signed,
    server_key,
)
from ci.wire.token import server_secret
from tests.fakes.people import KEYS

CALL = ("POST", "/notify_agent")
TOKEN = Key(TOKEN_KEY, "the-token")


def make_enrolments(token: str | None = TOKEN.secret, **standings: Standing) -> Enrolments:
    """Know these agents."""
    known = [Enrolment(name, 1, standing) for name, standing in standings.items()]
    return Enrolments(KEYS, token, known)


def sign(key: Key, nonce: str = "") -> Signed:
    """Sign the call, as an agent does."""
    signed = read_signed(key.sign_request(*CALL, b"", nonce))
    assert signed is not None
    return signed


def prove(proofs: Proofs, key: Key, nonce: str = "") -> Proof:
    """Return the proof of the call."""
    proof = proofs.check(sign(key, nonce), *CALL)
    assert proof is not None
    return proof


def ask_nonce(proofs: Proofs, key: Key) -> str:
    """Return the nonce that the answer to a call tells."""
    proof = prove(proofs, key)
    with pytest.raises(StaleNonce):
        proofs.caller(proof)
    answer = proofs.sign(proof, 401, b"")
    nonce = key.read_answer(proof.signed.signature, 401, answer, b"")
    assert nonce
    assert SIGNATURE in answer
    return nonce


def test_a_nonce_counts_until_the_next_registration_or_life() -> None:
    """That of the token until the next life, since many agents have it."""
    enrolments = make_enrolments(oak=Standing.OPEN)
    proofs = Proofs(enrolments)
    oak = credential_key(enrolments.credential("oak", 1))
    for key, agent in ((oak, "oak"), (TOKEN, None)):
        nonce = ask_nonce(proofs, key)
        for _ in range(2):
            caller = proofs.caller(prove(proofs, key, nonce))
            assert (caller.agent, caller.signs) == (agent, True)
        proofs.renew(prove(proofs, key, nonce))
        assert (ask_nonce(proofs, key) == nonce) == (key is TOKEN)
        assert ask_nonce(Proofs(enrolments), key) != nonce


@pytest.mark.parametrize(
    "key",
    [
        Key(TOKEN_KEY, "another"),
        Key("nca_b2Fr", "nca_b2Fr.0123"),
        Key("nca_ZWxt", "nca_ZWxt.0123"),
        Key("x", "x"),
    ],
    ids=lambda key: key.id,
)
def test_no_other_key_counts(key: Key) -> None:
    """Whether or not there is such an agent, the words are the same."""
    with pytest.raises(Unauthorized) as caught:
        Proofs(make_enrolments(oak=Standing.OPEN)).check(sign(key), *CALL)
    assert caught.value.field == "Signature"
    assert Proofs(make_enrolments(None, oak=Standing.OPEN)).check(sign(key), *CALL) is None


def test_one_agent_has_one_key() -> None:
    """Its name has many spellings in base64, each of which would have a nonce of its own."""
    enrolments = make_enrolments(oak=Standing.OPEN)
    secret = enrolments.credential("oak", 1)
    assert enrolments.key("nca_b2Fr") == Key("nca_b2Fr", secret)
    assert enrolments.key("nca_b2.Fr") is None
    assert enrolments.key("b2Fr") is None


def test_a_credential_to_prove_is_never_shown() -> None:
    """Who has proved the token is given one of these, and no header that shows it is believed."""
    enrolments = make_enrolments(oak=Standing.OPEN)
    caller = enrolments.signer(TOKEN)
    (sealed,) = enrolments.offer(caller, "oak", 1).values()
    secret = open_credential(sealed, TOKEN.secret, "oak")
    assert enrolments.key("ncp_b2Fr") == credential_key(secret)
    claim = enrolments.claim(enrolments.signer(credential_key(secret)), "oak", wants=True)
    enrolments.note(Enrolment("oak", 1, Standing.ENROLLED, claim.print_of(1)))
    assert enrolments.own_credential("oak") == secret
    assert enrolments.server_key("oak") == server_key(secret)
    with pytest.raises(Unauthorized):
        enrolments.caller(f"Bearer {secret}")
    shown = enrolments.credential("oak", 1)
    assert enrolments.caller(f"Bearer {shown}").agent == "oak"
    claim = enrolments.claim(enrolments.caller(f"Bearer {shown}"), "oak", wants=True)
    enrolments.note(Enrolment("oak", 1, Standing.ENROLLED, claim.print_of(1)))
    assert enrolments.own_credential("oak") == shown
    assert enrolments.server_key("oak") is None


def test_the_token_is_shown_to_older_agents_and_those_of_others_alone() -> None:
    """Not to whoever listens where an agent was that an administrator lets enrol again."""
    enrolments = make_enrolments(oak=Standing.OPEN)
    made = server_secret(TOKEN.secret)
    assert enrolments.secret("oak") == made
    assert enrolments.secret("elm") == TOKEN.secret
    for caller, secret in ((TOKEN_HOLDER, TOKEN.secret), (enrolments.signer(TOKEN), made)):
        claim = enrolments.claim(caller, "oak", wants=True)
        enrolments.note(Enrolment("oak", 1), claim)
        assert enrolments.secret("oak") == secret


def test_a_revoked_agent_is_told_so_by_a_proof() -> None:
    """So that it believes it."""
    enrolments = make_enrolments(oak=Standing.REVOKED)
    proofs = Proofs(enrolments)
    proof = prove(proofs, credential_key(enrolments.credential("oak", 1)))
    with pytest.raises(AgentRevoked):
        proofs.caller(proof)
    assert proofs.sign(proof, 401, b"")
