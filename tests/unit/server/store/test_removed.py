"""A database that somebody removes or replaces under the store: nothing more is answered."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ci.errors import StoreFailed
from ci.model import BuildRequest
from ci.server.assembly import utc_now
from ci.server.store.database import FILE_NAME
from ci.server.store.store import open_store

REQUEST = BuildRequest("demo", "https://example.org/demo.git", "main", "true")


def _empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def _replace(folder: Path) -> None:
    shutil.copy(folder / FILE_NAME, folder / "copy")
    (folder / "copy").rename(folder / FILE_NAME)


@pytest.mark.parametrize("harm", [shutil.rmtree, _empty, _replace])
async def test_what_nobody_would_find_again_is_not_taken(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    """Neither a build nor the write that says whether the store is well."""
    folder = tmp_path / "data"
    async with open_store(folder, utc_now) as store:
        await store.accept(REQUEST)
        harm(folder)
        with pytest.raises(StoreFailed, match=f"{FILE_NAME}.*restore a back-up"):
            await store.accept(REQUEST)
        with pytest.raises(StoreFailed):
            await store.check_writable()
        assert "restore a back-up" in (store.problem or "")


async def test_what_is_put_back_is_used_again(tmp_path: Path) -> None:
    """And what was refused meanwhile is not in it."""
    folder = tmp_path / "data"
    async with open_store(folder, utc_now) as store:
        folder.rename(tmp_path / "away")
        with pytest.raises(StoreFailed):
            await store.accept(REQUEST)
        (tmp_path / "away").rename(folder)
        assert (await store.accept(REQUEST)).number == 1
        assert store.problem is None
