"""What is on disk, and when."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ci.agent.removal import remove_or_leave
from ci.agent.spool import Folder, Spool, Ticket, folder_name
from ci.model import CommitInfo, Outcome, Reason, Status
from ci.wire.job import Job

JOB = Job(id="1.1.1", repository="/r", commit="main", command="make\n", env={"A": "ä"}, timeout_s=5)
TICKET = Ticket(JOB, "cookie", "boot", 12.5)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """Job, commit, stop and end come back as they were."""
    folder = Spool(tmp_path).folder("1.1.1")
    folder.create(TICKET)
    folder.save_commit(CommitInfo("a" * 40, "ü", "Ada", "main"), 1.5)
    folder.save_stop(Reason.TIMEOUT)
    outcome = Outcome(Status.FAILURE, Reason.EXITED, "m", 1, None, 2.5, 3, CommitInfo("b"))
    folder.save_outcome(outcome)
    assert folder.ticket() == TICKET
    assert folder.commit() == CommitInfo("a" * 40, "ü", "Ada", "main")
    assert folder.checkout_s() == 1.5
    assert folder.stop() is Reason.TIMEOUT
    assert folder.outcome() == outcome


def test_what_was_not_written_is_none(tmp_path: Path) -> None:
    """Neither a missing nor a torn file is an error."""
    folder = Folder(tmp_path)
    for name in ("pid", "exit", "stop", "job.json", "result.json", "commit.json"):
        (tmp_path / name).write_bytes(b"")
    assert folder.pid() is None
    assert folder.exit_code() is None
    assert folder.stop() is None
    assert folder.ticket() is None
    assert folder.outcome() is None
    assert folder.commit() is None


def test_kept_is_oldest_first_and_removes_the_rest(tmp_path: Path) -> None:
    """An attempt whose job is not whole was never answered."""
    spool = Spool(tmp_path / "spool")
    assert spool.kept() == []
    for id, at in (("1.1.1", 30.0), ("2.1.1", 10.0)):
        job = JOB.model_copy(update={"id": id})
        spool.folder(id).create(Ticket(job, "cookie", "boot", at))
    (spool.root / "3.1.1").mkdir()
    assert [ticket.job.id for _, ticket in spool.kept()] == ["2.1.1", "1.1.1"]
    assert not (spool.root / "3.1.1").exists()


@pytest.mark.parametrize("torn", ["", " ", "{", '{"job": {"id": "1.1.1"', "\x00" * 100])
def test_what_a_crash_has_torn_counts_as_not_there(tmp_path: Path, torn: str) -> None:
    """The first half of a file, none of it, or the zeros of a disk that lost power."""
    spool = Spool(tmp_path / "spool")
    folder = spool.folder("1.1.1")
    folder.create(TICKET)
    for name in ("commit.json", "pid", "exit", "stop", "result.json", "result.json.new"):
        (folder.path / name).write_text(torn)
    assert (folder.commit(), folder.pid(), folder.exit_code()) == (None, None, None)
    assert (folder.stop(), folder.outcome()) == (None, None)
    assert [ticket for _, ticket in spool.kept()] == [TICKET]
    (folder.path / "job.json").write_text(torn)
    assert spool.kept() == []
    assert not folder.path.exists()


def test_half_a_removal_never_runs_a_job_again(tmp_path: Path) -> None:
    """The job is the first thing to go."""
    folder = Spool(tmp_path).folder("1.1.1")
    folder.create(TICKET)
    (folder.path / "job.json").unlink()
    assert Spool(tmp_path).kept() == []


def test_different_ids_have_different_folders() -> None:
    """Also those that must not be a path, and one that looks like another's name."""
    ids = ["1.1.1", "1.1.10", "a/b", "a/c", "..", ".", "~x", "A", "a", folder_name("a/b"), "\udcff"]
    names = [folder_name(id) for id in ids]
    assert len(set(names)) == len(ids)
    assert not any("/" in name or name in (".", "..") for name in names)


def test_a_stray_file_in_the_spool_is_left(tmp_path: Path) -> None:
    """Nobody knows whose it is; the attempts beside it are found."""
    spool = Spool(tmp_path)
    spool.folder("1.1.1").create(TICKET)
    (tmp_path / "0-notes").write_text("mine")
    (tmp_path / "2.1.1" / "job.json").mkdir(parents=True)  # as good as one that can't be read
    assert [ticket.job.id for _, ticket in spool.kept()] == ["1.1.1"]
    assert (tmp_path / "0-notes").exists()
    assert (tmp_path / "2.1.1").exists()


def test_what_can_not_be_removed_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of another user, that is; those who run the tests may be allowed everything."""
    spool = Spool(tmp_path)
    (tmp_path / "2.1.1").mkdir()
    folder = spool.folder("1.1.1")
    folder.create(TICKET)
    monkeypatch.setattr(shutil, "rmtree", _refuse)
    assert len(spool.kept()) == 1
    folder.remove()
    assert spool.kept() == []
    remove_or_leave(tmp_path)
    assert (tmp_path / "2.1.1").exists()


def test_the_job_goes_first_or_nothing_goes(tmp_path: Path) -> None:
    """Else a job whose end was forgotten would be run again."""
    (tmp_path / "job.json").mkdir()
    (tmp_path / "result.json").touch()
    Folder(tmp_path).remove()
    assert (tmp_path / "result.json").exists()


def _refuse(path: Path) -> None:
    raise PermissionError(13, "Permission denied", str(path))
