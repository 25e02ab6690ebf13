"""`python -m ci.server check`: it finds what is broken, and nothing in what is whole."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ci.model import BuildRequest, Outcome, Reason, Status
from ci.origin import Origin
from ci.server.check import check_folder, main
from ci.server.store.database import FILE_NAME
from ci.server.store.store import open_store
from ci.server.store.tables import SCHEMA
from tests.old.folder import unpack

NOW = datetime(2030, 1, 1, tzinfo=UTC)
Output = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole data folder: ten builds in every status, the eleventh removed."""
    return unpack(SCHEMA, tmp_path)


def _change(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def _check(folder: Path, output: Output) -> tuple[int, list[str]]:
    """Check a folder; return the exit code and the lines without the last one."""
    output.readouterr()
    code = main(["--data-dir", str(folder)])
    return code, output.readouterr().out.splitlines()[:-1]


def test_a_whole_folder_is_found_whole(folder: Path, capsys: Output) -> None:
    """Whatever its builds have been through."""
    assert main(["--data-dir", str(folder)]) == 0
    assert capsys.readouterr().out == f"{folder}: 10 builds, 11 attempts: nothing is wrong\n"


async def test_a_folder_in_use_is_not_touched(folder: Path, capsys: Output) -> None:
    """A server may have it open; not a byte of it changes, and what it has just written counts."""

    def content() -> dict[Path, bytes]:
        # SQLite's readers leave marks in the `-shm` file, which is memory that they share.
        files = (
            path for path in folder.rglob("*") if path.is_file() and path.suffix != ".sqlite3-shm"
        )
        return {path: path.read_bytes() for path in files}

    async with open_store(folder, lambda: NOW) as store:
        await store.cancel(8)
        before = content()
        assert before.keys() >= {folder / FILE_NAME, folder / f"{FILE_NAME}-wal"}
        assert _check(folder, capsys) == (0, [])
        assert content() == before


async def test_a_build_that_was_never_handed_out_is_whole(folder: Path, capsys: Output) -> None:
    """The rules had refused it: it has an end, and no attempt."""
    refusal = Outcome(Status.ERROR, Reason.COMMAND_REFUSED, "There is a rule.")
    async with open_store(folder, lambda: NOW) as store:
        await store.accept(BuildRequest("demo", "/srv/git/demo", "main", "id"), refusal=refusal)
    assert _check(folder, capsys) == (0, [])
    _change(folder, "UPDATE builds SET reason = 'timeout' WHERE reason = 'command_refused'")
    assert _check(folder, capsys)[0] == 1, "whatever else has ended has had an attempt"


async def test_a_build_of_a_storage_may_have_ended_before_it_began(
    folder: Path, capsys: Output
) -> None:
    """Where it names no commit, for example."""
    refusal = Outcome(Status.ERROR, Reason.CHECKOUT_FAILED, "There is no such commit.")
    request = BuildRequest("demo", "/srv/git/demo", "main", "id")
    async with open_store(folder, lambda: NOW) as store:
        await store.inbox.take(Origin("id", "conf", 3), request, refusal=refusal)
    assert _check(folder, capsys) == (0, [])


ROWS = [
    ("UPDATE builds SET status = 'done' WHERE number = 1", "build 1: has the status 'done'"),
    ("UPDATE builds SET status = 'running' WHERE number = 10", "build 10: is running, but its job"),
    ("UPDATE builds SET status = 'running' WHERE number = 10", "but it has no attempt"),
    ("UPDATE builds SET status = 'failure' WHERE number = 1", "1.1.1 is success"),
    ("UPDATE builds SET status = 'canceled', reason = 'canceled' WHERE number = 1", "1.1.1 is su"),
    ("UPDATE builds SET finished_at = NULL WHERE number = 2", "when or why is not said"),
    ("UPDATE builds SET reason = NULL WHERE number = 2", "when or why is not said"),
    ("UPDATE builds SET reason = 'fate' WHERE number = 2", "the reason 'fate'"),
    ("UPDATE builds SET finished_at = 1 WHERE number = 10", "is waiting, but an end is noted"),
    ("UPDATE builds SET log_size = 6 WHERE number = 1", "a log of 6 bytes, its last attempt one"),
    ("UPDATE jobs SET labels = 'gpu' WHERE build = 1", "but its job for 'gpu'"),
    (
        "UPDATE external_builds SET phase = 'over'",
        "build 10: is held back, but no external storage",
    ),
    ("UPDATE jobs SET held = 1 WHERE build = 9", "build 9: is held back, but no external storage"),
    ("UPDATE jobs SET status = 'waiting' WHERE build = 1", "build 1: is success, but its job is"),
    ("UPDATE jobs SET tries = 1 WHERE build = 3", "has attempt 3.1.3, but only 1 were begun"),
    ("UPDATE jobs SET job = 2 WHERE build = 10", "build 10: has 1 jobs where it must have one"),
    ("DELETE FROM jobs WHERE build = 10", "build 10: has 0 jobs where it must have one"),
    ("UPDATE attempts SET status = 'waiting' WHERE id = '1.1.1'", "which no attempt has"),
    ("UPDATE attempts SET id = '1.1.9' WHERE id = '1.1.1'", "has an attempt '1.1.9', which is not"),
    ("UPDATE attempts SET finished_at = NULL WHERE id = '2.1.1'", "attempt 2.1.1 has ended (fail"),
    ("UPDATE attempts SET status = 'failure' WHERE id = '4.1.1'", "and yet another one followed"),
    (
        "UPDATE attempts SET reason = 'agent_lost', status = 'error' WHERE id = '8.1.1'",
        "last attempt 8.1.1 is",
    ),
    (
        """INSERT INTO attempts SELECT '3.1.4', build, job, 4, agent, status, reason, message,
        started_at, finished_at, NULL, NULL, NULL, NULL, NULL, NULL,
        0, NULL, '' FROM attempts WHERE id = '3.1.3'""",
        "4 of its attempts were lost, and 3 end a build",
    ),
    ("UPDATE attempts SET log_open = 1 WHERE id = '1.1.1'", "but its log is said to grow"),
    ("UPDATE attempts SET log_open = 0 WHERE id = '8.1.1'", "but its log is said to be over"),
    ("UPDATE attempts SET log_size = 4 WHERE id = '6.1.1'", "to grow, but its last size is noted"),
    ("DELETE FROM attempts WHERE build = 1", "is success, but it has no attempt"),
    ("UPDATE sqlite_sequence SET seq = 9", "build 10: the last number that was given is 9"),
    ("UPDATE builds SET finished_at = 'noon' WHERE number = 1", "builds.finished_at: 1 values are"),
    (f"UPDATE attempts SET started_at = {2**62}", "attempts.started_at: 11 values are not of its"),
    ("UPDATE attempts SET log_size = x'00' WHERE build = 1", "attempts.log_size: 1 values are not"),
    ("UPDATE jobs SET tries = 'two' WHERE build = 3", "jobs.tries: 1 values are not of its kind"),
    ("DELETE FROM agents WHERE name = 'other'", "attempts: row 2 belongs to one of agents that is"),
    ("UPDATE attempts SET id = '1.1.' || char(0) WHERE id = '1.1.1'", "has an attempt '1.1.\\x00'"),
    (
        "UPDATE attempts SET id = '1.1.' || printf('%0300d', 1) WHERE id = '1.1.1'",
        "which is not how attempts of it are called",
    ),
    (f"UPDATE builds SET number = {2**63 - 1} WHERE number = 10", f"the number {2**63 - 1} was"),
    (f"UPDATE sqlite_sequence SET seq = {2**63 - 1}", "which no build can have"),
    ("UPDATE sqlite_sequence SET seq = 'ten'", "the number ten was given"),
    (
        "UPDATE tallies SET builds = 3 WHERE status = 'waiting'",
        "tallies: 3 builds of demo are counted as waiting, there are 2; lists tell wrong numbers",
    ),
    (
        "DELETE FROM tallies WHERE status = 'error'",
        "0 builds of demo are counted as error, there a",
    ),
    (
        "INSERT INTO tallies VALUES ('old', '/srv/git/old', 'success', 7)",
        "7 builds of old are counted as success, there are 0",
    ),
    ("UPDATE tallies SET builds = 'two'", "tallies.builds: 6 values are not of its kind"),
    ("UPDATE alembic_version SET version_num = '0000'", "has schema 0000, which no version"),
]


@pytest.mark.parametrize(("statement", "words"), ROWS)
def test_rows_that_do_not_fit_are_named(
    folder: Path, capsys: Output, statement: str, words: str
) -> None:
    """With the build, what is wrong, and what to do."""
    _change(folder, statement)
    code, lines = _check(folder, capsys)
    assert code == 1
    assert any(words in line and "; " in line for line in lines), lines


def test_builds_are_counted_again_as_it_says(folder: Path, capsys: Output) -> None:
    """The advice for wrong counts is two statements, and they mend it."""
    _change(folder, "UPDATE tallies SET builds = builds + 1")
    _, lines = _check(folder, capsys)
    _change(folder, *lines[0].partition("sqlite3: ")[2].split(";")[:2])
    assert _check(folder, capsys) == (0, [])


def test_a_clock_that_was_set_back_is_no_damage(folder: Path, capsys: Output) -> None:
    """It is worth a word, since times are shown."""
    _change(folder, "UPDATE builds SET finished_at = created_at - 1 WHERE number = 1")
    code, lines = _check(folder, capsys)
    assert code == 0
    assert [line.split(":")[0] for line in lines] == ["note"]
    assert "clock was set back" in lines[0]


def _log(folder: Path, id: str) -> Path:
    return folder / "logs" / "000000" / f"{id}.log"


def test_logs_are_compared_with_their_attempts(folder: Path, capsys: Output) -> None:
    """Shorter, longer; those of attempts whose size nobody knows may have any."""
    _log(folder, "2.1.1").write_bytes(b"bad")
    longer = _log(folder, "4.1.2")
    longer.write_bytes(b"whole and more")
    _log(folder, "3.1.1").unlink()
    _log(folder, "6.1.1").write_bytes(b"anything")
    code, lines = _check(folder, capsys)
    assert code == 1
    assert [line.partition(": ")[2] for line in lines] == [
        "has 3 bytes, the store says 13: its end is lost; restore it from a back-up",
        f"has 14 bytes, the store says 5; cut off what follows: truncate --size=5 {longer}",
    ]


def test_a_log_that_is_missing_may_have_been_removed_by_hand(folder: Path, capsys: Output) -> None:
    """That is no damage once its build has ended; before, nobody may do it."""
    _log(folder, "1.1.1").unlink()
    words = (
        f"{_log(folder, '1.1.1')}: is missing; the store says that it has 7 bytes; "
        "unless you removed it, restore it from a back-up"
    )
    assert _check(folder, capsys) == (0, [f"note: {words}"])
    _change(folder, "UPDATE builds SET status = 'running' WHERE number = 1")
    code, lines = _check(folder, capsys)
    assert code == 1
    assert words in lines


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("000000/12.1.1.log", "of build 12, and the store has given no number above 11"),
        ("000000/1.1.2.log", "build 1 has no such attempt"),
        ("000000/1.1.1", "is no log of an attempt"),
        ("000000/notes.txt", "is no log of an attempt"),
        ("000000/1.1.log", "is no log of an attempt"),
        ("000001/1.1.1.log", "lies in the wrong folder, 000000 is right"),
        ("000001/notes.txt", "is no log of an attempt"),
        ("1.1.1.log", "is no folder of logs"),
        ("old/1.1.1.log", "is no folder of logs"),
        (f"{10**20}/1.1.1.log", "is no folder of logs"),
    ],
)
def test_files_that_belong_to_no_attempt_are_named(
    folder: Path, capsys: Output, name: str, words: str
) -> None:
    """With what to do about each."""
    path = folder / "logs" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"?")
    code, lines = _check(folder, capsys)
    assert code == 1
    assert len(lines) == 1
    assert words in lines[0]


def test_the_log_of_a_removed_build_is_no_damage(folder: Path, capsys: Output) -> None:
    """The server was killed between a build and its log: the next round removes it."""
    _log(folder, "11.1.1").write_bytes(b"?")
    code, lines = _check(folder, capsys)
    assert code == 0
    assert lines[0].startswith("note: ")


def test_a_newer_store_is_left_to_its_version(folder: Path, capsys: Output) -> None:
    """What this version does not know it can't judge."""
    _change(folder, "UPDATE alembic_version SET version_num = '9999'")
    assert main(["--data-dir", str(folder)]) == 2
    assert "schema 9999" in capsys.readouterr().err


def test_it_says_what_the_rules_would_remove(folder: Path, capsys: Output) -> None:
    """Without removing it; the logs are counted as they are on the disk."""
    before = sorted(folder.rglob("*"))
    assert main(["--data-dir", str(folder), "--keep-builds", "2"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == (
        "note: rules: 4 builds from 1 to 5 go, with 35 bytes of logs; "
        "in the next round, at the server's start or within an hour"
    )
    assert [path for path in before if not path.exists()] == []


def test_it_says_that_the_rules_doubt_the_clock(folder: Path, capsys: Output) -> None:
    """The builds are years old, and no younger one tells that so much time has gone by."""
    _change(folder, "UPDATE builds SET finished_at = 1 WHERE finished_at > 0")
    assert main(["--data-dir", str(folder), "--keep-days", "2"]) == 0
    words = capsys.readouterr().out
    assert "builds are too old by the clock" in words
    assert "set the clock if it is ahead" in words


def test_help_tells_of_it(capsys: Output) -> None:
    """Whoever looks for it finds it."""
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "python -m ci.server check" in " ".join(capsys.readouterr().out.split())


def test_check_folder_counts_damage_only(folder: Path, capsys: Output) -> None:
    """Notes are printed and not counted."""
    _log(folder, "11.1.1").write_bytes(b"?")
    _log(folder, "2.1.1").write_bytes(b"bad")
    assert check_folder(folder) == 1
    assert "1 thing is wrong" in capsys.readouterr().out


def test_notes_of_when_a_log_came_belong_to_it(folder: Path, capsys: Output) -> None:
    """They are nothing wrong, whatever is in them; those of nobody's log are told."""
    logs = folder / "logs" / "000000"
    (logs / "1.1.1.times").write_bytes(b"torn")
    assert _check(folder, capsys) == (0, [])
    (logs / "1.1.9.times").write_bytes(b"")
    (logs / "1.1.1.timer").write_bytes(b"")
    code, lines = _check(folder, capsys)
    assert code == 1
    assert lines == [
        f"{logs / '1.1.1.timer'}: is no log of an attempt; remove it if it is not yours",
        f"{logs / '1.1.9.times'}: build 1 has no such attempt; remove it",
    ]
