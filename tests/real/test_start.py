"""A start loads what it needs and nothing else: both programs are started often, also by tests."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.real.harness import Site

MODULES = "import {}, sys; print(*sys.modules)"


@pytest.mark.parametrize(
    ("program", "needless"),
    [
        # Migrations are for a new version's first start, another database's dialect for nobody.
        ("ci.server.main", ["alembic", "sqlalchemy.orm", "sqlalchemy.dialects.postgresql"]),
        ("ci.agent.main", ["alembic", "sqlalchemy", "re2", "ci.server", "ci.web"]),
    ],
)
def test_nothing_needless_is_loaded(site: Site, program: str, needless: list[str]) -> None:
    """Each of these takes longer than all that the start itself does."""
    done = subprocess.run(
        [sys.executable, "-c", MODULES.format(program)],
        cwd=site.folder,
        env=site.environment,
        check=True,
        capture_output=True,
        text=True,
    )
    loaded = done.stdout.split()
    assert program in loaded
    assert not set(needless) & set(loaded)
