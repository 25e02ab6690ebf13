"""The kernel's table of mounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.agent.mounts import (
    OURS,
    Ground,
    check_known,
    check_nothing_mounted,
    check_ours,
    mark_new,
    mounts_in,
)
from ci.errors import ConfigError

LINE = b"36 35 98:0 /mnt1 %s rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n"


@pytest.mark.parametrize(
    ("place", "found"),
    [
        (b"/work", True),
        (b"/work/m", True),
        (b"/work/with\\040space\\012and\\134", True),
        (b"/work/odd\xff", True),
        (b"/", False),
        (b"/workshop", False),
        (b"/other/work", False),
    ],
)
def test_what_is_in_a_folder_or_is_the_folder(tmp_path: Path, place: bytes, found: bool) -> None:
    """Not what it lies in, nor its neighbours; however odd a name is."""
    (tmp_path / "work").mkdir()
    top = bytes(tmp_path.resolve())
    table = tmp_path / "mountinfo"
    table.write_bytes(LINE % b"/proc" + LINE % (top + place))
    assert len(mounts_in(tmp_path / "work", table)) == found


def test_a_link_to_a_folder_is_the_folder(tmp_path: Path) -> None:
    """The table has real names only; a data folder is often a link."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    place = tmp_path.resolve() / "real" / "with space"
    table = tmp_path / "mountinfo"
    table.write_bytes(LINE % bytes(place).replace(b" ", b"\\040"))
    assert mounts_in(tmp_path / "link", table) == [place]


def test_a_plain_folder_has_none(tmp_path: Path) -> None:
    """By the real table."""
    assert mounts_in(tmp_path) == []


def test_what_was_mounted_over_a_folder_is_not_ours(tmp_path: Path) -> None:
    """Unless it has our mark, which only what was empty at the start is given."""
    work = tmp_path / "work"
    (work / "precious").mkdir(parents=True)
    table = tmp_path / "mountinfo"
    table.write_bytes(LINE % bytes(tmp_path.resolve()))
    mark_new(work, table)
    check_ours(work, table)
    assert not (work / OURS).exists()
    table.write_bytes(LINE % bytes(work.resolve()))
    mark_new(work, table)
    with pytest.raises(OSError, match=r"mounted over .*/work: unmount it"):
        check_ours(work, table)
    (work / "precious").rmdir()
    (work / "lost+found").mkdir()
    mark_new(work, table)
    (work / "1.1.1").mkdir()
    check_ours(work, table)
    mark_new(work, table)
    check_ours(work, table)


def test_a_folder_that_is_not_there_is_ours(tmp_path: Path) -> None:
    """It is made when the first build needs it."""
    mark_new(tmp_path / "work")
    check_ours(tmp_path / "work")
    assert not (tmp_path / "work").exists()


def test_a_mirror_that_something_is_mounted_over_or_into_is_not_ours(tmp_path: Path) -> None:
    """Whatever the folder of all mirrors is."""
    mirror = tmp_path / "a.git"
    (mirror / "objects").mkdir(parents=True)
    table = tmp_path / "mountinfo"
    for place in (mirror, mirror / "objects"):
        table.write_bytes(LINE % bytes(place.resolve()))
        with pytest.raises(OSError, match="mounted there: unmount it"):
            check_nothing_mounted(mirror, table)
    table.write_bytes(LINE % bytes(tmp_path.resolve()))
    (tmp_path / OURS).touch()
    check_nothing_mounted(mirror, table)


@pytest.mark.parametrize("name", ["spool", "work", "mirrors"])
def test_a_folder_that_no_agent_made_is_not_taken(tmp_path: Path, name: str) -> None:
    """Somebody's `work` would be emptied as leftovers."""
    own_file = tmp_path / "home_id"
    (tmp_path / name).mkdir()
    check_known(tmp_path, own_file)
    (tmp_path / name / "thesis.odt").touch()
    with pytest.raises(ConfigError, match=f"{name}/ in it is not empty"):
        check_known(tmp_path, own_file)
    own_file.touch()
    check_known(tmp_path, own_file)


def test_a_data_folder_is_ours_also_after_it_was_removed(tmp_path: Path) -> None:
    """By hand, in mid-flight: the one that is made anew is on the same ground."""
    folder = tmp_path / "agent"
    folder.mkdir()
    ground = Ground(folder)
    assert ground.problem() == ""
    folder.rmdir()
    with pytest.raises(FileNotFoundError):
        ground.problem()
    folder.mkdir()
    assert ground.problem() == ""
