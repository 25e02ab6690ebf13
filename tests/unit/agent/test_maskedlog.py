"""The log of a command with secrets: the same in every life of the agent, without them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ci.agent.disguises import disguises
from ci.agent.maskedlog import PIECE_BYTES, MaskedLog
from ci.agent.masking import MAX_GAP_BYTES, Masks
from ci.agent.secretfile import keep_secrets, read_secrets
from ci.agent.spool import Folder
from ci.secretrules import MAX_VALUE_BYTES
from ci.wire.job import JobSecret

VALUE = "a-secret-value"
SECRET = JobSecret(name="TOKEN", value=VALUE, branches=("main",))
MASKS = Masks([VALUE])
PARTS = st.lists(st.sampled_from([VALUE, VALUE[:5], VALUE[5:], "\n", "other"]), max_size=8)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """That of an attempt whose command has a secret and has printed nothing yet."""
    return new_folder(tmp_path)


def new_folder(path: Path) -> Folder:
    """Begin anew."""
    folder = Folder(path)
    for file in path.iterdir():
        file.unlink()
    keep_secrets(folder.secrets, [SECRET])
    folder.output.touch()
    return folder


def say(folder: Folder, text: str) -> None:
    """Print something."""
    with folder.raw.open("a") as file:
        file.write(text)


def test_a_piece_is_longer_than_what_may_wait_for_the_next_one() -> None:
    """Or the log would wait for ever: the longest value, of what is longest when it is quoted."""
    forms = disguises("\\\"'é😀" * (MAX_VALUE_BYTES // 9))
    assert max(map(len, forms)) * (1 + MAX_GAP_BYTES) < PIECE_BYTES


def test_the_file_of_secrets_is_for_its_owner_alone(folder: Folder) -> None:
    """It holds what was kept; without secrets there is none."""
    assert folder.secrets.stat().st_mode & 0o777 == 0o600
    assert read_secrets(folder.secrets) == (SECRET,)
    assert folder.output == folder.raw
    keep_secrets(folder.secrets, [])
    assert read_secrets(folder.secrets) == ()
    assert folder.output == folder.log


def test_what_is_masked_is_gone_from_what_was_printed(folder: Folder) -> None:
    """And at the end there is nothing but the log."""
    log = MaskedLog(folder, MASKS)
    say(folder, f"one {VALUE}\ntwo {VALUE[:6]}")
    log.advance()
    assert folder.log.read_text() == "one ***\ntwo "
    assert VALUE.encode() not in folder.raw.read_bytes()
    say(folder, f"{VALUE[6:]}\nthree {VALUE[:6]}")
    log.finish()
    assert folder.log.read_text() == f"one ***\ntwo ***\nthree {VALUE[:6]}"
    left = {path.name: path.read_bytes() for path in folder.path.iterdir()}
    assert sorted(left) == ["log", "masked"]
    assert not any(VALUE.encode() in data for data in left.values())


@settings(max_examples=60)
@given(lives=st.lists(PARTS, min_size=1, max_size=4), torn=st.booleans())
def test_it_is_the_same_in_every_life(
    tmp_path_factory: pytest.TempPathFactory, lives: list[list[str]], torn: bool
) -> None:
    """Also when one ended between the log and the note of it."""
    folder = new_folder(tmp_path_factory.mktemp("attempt"))
    printed = ""
    for parts in lives:
        text = "".join(parts)
        printed += text
        note = folder.masked.read_bytes() if folder.masked.exists() else None
        raw = folder.raw.read_bytes()
        say(folder, text)
        MaskedLog(folder, MASKS).advance()
        if torn:
            folder.raw.write_bytes(raw + text.encode())
            folder.masked.unlink(missing_ok=True)
            if note is not None:
                folder.masked.write_bytes(note)
    MaskedLog(folder, MASKS).finish()
    MaskedLog(folder, MASKS).finish()  # a life that ended before it could say so
    assert folder.log.read_text() == MASKS.whole(printed)


def test_a_secret_across_two_pieces_of_a_long_output(folder: Folder) -> None:
    """Wherever the border is."""
    filling = "x" * (PIECE_BYTES - 7)
    say(folder, f"{filling}{VALUE}{filling}{VALUE}")
    MaskedLog(folder, MASKS).finish()
    assert folder.log.read_text() == f"{filling}***{filling}***"


def test_what_there_is_no_time_for_is_left_out(folder: Folder) -> None:
    """A file with holes may be larger than all disks; nothing is left but the log."""
    say(folder, f"{VALUE}\n")
    with folder.raw.open("r+b") as file:
        file.truncate(3 * PIECE_BYTES)
    assert not MaskedLog(folder, MASKS).finish(limit_s=0)
    assert folder.log.read_bytes() == b"***\n" + bytes(PIECE_BYTES - len(VALUE) - 1)
    assert sorted(path.name for path in folder.path.iterdir()) == ["log", "masked"]


def test_after_a_loss_of_power_nothing_shows_that_did_not(folder: Folder) -> None:
    """Some of the log may be lost; the rest of the output is masked all the same."""
    say(folder, f"{VALUE} one\n")
    MaskedLog(folder, MASKS).advance()
    folder.log.write_bytes(b"")
    say(folder, f"{VALUE} two\n")
    MaskedLog(folder, MASKS).finish()
    assert folder.log.read_text() == "*** two\n"
