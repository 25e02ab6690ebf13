"""What builds leave, and its removal."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from ci.agent.removal import remove_tree


def test_read_only_folders_are_removed(tmp_path: Path) -> None:
    """Go's module cache is one."""
    deep = tmp_path / "top" / "deep"
    deep.mkdir(parents=True)
    (deep / "file").touch()
    deep.chmod(0o500)
    remove_tree(tmp_path / "top")
    remove_tree(tmp_path / "top")
    assert not (tmp_path / "top").exists()


@pytest.mark.parametrize(("depth", "length"), [(1500, 1), (1500, 200)], ids=["deep", "long"])
def test_folders_nested_without_end_are_removed(tmp_path: Path, depth: int, length: int) -> None:
    """Deeper than Python's stack, more than files may be open, longer than a path may be."""
    top = tmp_path / "top"
    top.mkdir()
    deepest = os.open(top, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d" * length, dir_fd=deepest)
        inner = os.open("d" * length, os.O_RDONLY, dir_fd=deepest)
        os.close(deepest)
        deepest = inner
    os.close(os.open("file", os.O_CREAT, dir_fd=deepest))
    os.fchmod(deepest, 0o500)
    os.close(deepest)
    remove_tree(top)
    assert list(tmp_path.iterdir()) == []


def test_few_open_files_are_enough_to_remove_a_tree(tmp_path: Path) -> None:
    """Whatever Python's version: one that does not recurse keeps a file open for each level."""
    top = tmp_path / "top"
    Path(top, *("d" for _ in range(400))).mkdir(parents=True)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        remove_tree(top)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert not top.exists()


def test_files_and_links_are_removed_and_what_they_name_is_not(tmp_path: Path) -> None:
    """A build may put anything in the place of its workspace."""
    (tmp_path / "file").touch()
    (tmp_path / "kept").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "nowhere").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe")
    for name in ("file", "link", "nowhere", "pipe"):
        remove_tree(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
