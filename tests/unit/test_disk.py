"""What is free on a disk."""

from __future__ import annotations

from pathlib import Path

from ci.disk import free_bytes


def test_the_disk_is_asked(tmp_path: Path) -> None:
    """Tests themselves need some room."""
    assert 0 < free_bytes(tmp_path) < 1 << 60
