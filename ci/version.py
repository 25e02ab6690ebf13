"""The version of this program, as it is installed."""

from __future__ import annotations

import importlib.metadata


def program_version() -> str:
    """Return the version; `0` when it runs from a checkout that was never installed."""
    try:
        return importlib.metadata.version("nursery-ci")
    except importlib.metadata.PackageNotFoundError:
        return "0"
