"""Why an agent is paused; and indexes for what earlier builds tell of the next ones.

SQLite makes them for a million builds in some seconds.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_COMMAND = sa.text("substr(command, 1, 200)")
_GREEN = sa.text("status = 'success'")
_OVER = sa.text("finished_at IS NOT NULL")


def upgrade() -> None:
    """Add the note and the indexes."""
    note: sa.Column[str] = sa.Column("pause_note", sa.Text(), nullable=False, server_default="")
    op.add_column("agents", note)
    op.create_index("builds_by_branch", "builds", ["repository", "branch", "number"])
    op.create_index(
        "builds_green",
        "builds",
        ["repository", _COMMAND, "number"],
        sqlite_where=_GREEN,
        postgresql_where=_GREEN,
    )
    op.create_index(
        "builds_green_by_branch",
        "builds",
        ["repository", "branch", _COMMAND, "number"],
        sqlite_where=_GREEN,
        postgresql_where=_GREEN,
    )
    op.create_index(
        "attempts_by_agent",
        "attempts",
        ["agent", "finished_at"],
        sqlite_where=_OVER,
        postgresql_where=_OVER,
    )
