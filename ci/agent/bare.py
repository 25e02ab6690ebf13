"""The files of a mirror, a bare repository: what is read and tidied in them without git.

Everything here blocks on the disk: call it through `ci.blocking`.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

BRANCHES: Final = "refs/heads/"
TAGS: Final = "refs/tags/"

MAX_PACKS: Final = 50  # as git itself has it
MAX_LOOSE_OBJECTS: Final = 6700  # likewise
USED: Final = "used"  # the file in a mirror whose time is that of its last use


def is_new(mirror: Path) -> bool:
    """Whether git has yet to make the mirror, or was killed while it did."""
    try:
        whole = all((mirror / name).stat().st_size > 0 for name in ("HEAD", "config"))
    except FileNotFoundError:
        return True
    return not whole or not all((mirror / name).is_dir() for name in ("objects", "refs"))


def remove_leftovers(mirror: Path) -> None:
    """Remove what a killed git left: locks that nobody holds, and packs that arrived in part."""
    objects = mirror / "objects"
    left = [
        *mirror.glob("*.lock"),
        *(mirror / "refs").rglob("*.lock"),
        *objects.glob("info/**/*.lock"),
        *objects.glob("pack/*.lock"),
        *objects.glob("pack/tmp_*"),
        *objects.glob("pack/.tmp-*"),  # of a repack
    ]
    for path in left:
        path.unlink(missing_ok=True)


def remove_small_leftovers(mirror: Path) -> None:
    """Remove objects that arrived in part, which are in 256 folders: not before each fetch."""
    for path in (mirror / "objects").glob("??/tmp_obj_*"):
        path.unlink(missing_ok=True)


def note_use(mirror: Path) -> None:
    """Note when it was used; a disk that is full need not know."""
    with suppress(OSError):
        (mirror / USED).touch()


def is_crowded(mirror: Path) -> bool:
    """Whether it has so many packs or loose objects that looking one up is slow."""
    objects = mirror / "objects"
    packs = sum(1 for _ in objects.glob("pack/*.pack"))
    sample = sum(1 for _ in objects.glob("17/*"))  # names are hashes: all folders are as full
    return packs > MAX_PACKS or sample * 256 > MAX_LOOSE_OBJECTS


def count_loose(mirror: Path) -> int:
    """Count the branches and tags that are a file each."""
    return len(_loose_refs(mirror))


def read_refs(mirror: Path) -> dict[str, str]:
    """Full name → hash of all branches and tags."""
    found = {}
    try:
        packed = (mirror / "packed-refs").read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        packed = ""
    for line in packed.split("\n"):
        hash, _, name = line.partition(" ")
        if name.startswith((BRANCHES, TAGS)):  # others are comments and what a tag points to
            found[name] = hash
    for path in _loose_refs(mirror):
        name = str(path.relative_to(mirror))
        try:
            found[name] = path.read_text(encoding="ascii").strip()
        except (FileNotFoundError, UnicodeDecodeError):
            continue  # packed or removed by a fetch just now
    return found


def _loose_refs(mirror: Path) -> list[Path]:
    roots = (mirror / "refs" / "heads", mirror / "refs" / "tags")
    return [path for root in roots for path in root.rglob("*") if path.is_file()]
