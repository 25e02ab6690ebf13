"""Whether the end of a log may still come, and the hash of one that is whole."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both. Of older logs no hash is known; those of attempts that run may grow."""
    hash: sa.Column[str] = sa.Column("log_sha256", sa.String())
    is_open: sa.Column[bool] = sa.Column(
        "log_open", sa.Boolean(), nullable=False, server_default=sa.false()
    )
    op.add_column("attempts", hash)
    op.add_column("attempts", is_open)
    op.execute("UPDATE attempts SET log_open = 1 WHERE status = 'running'")
    op.drop_index("attempts_running")
    op.create_index("attempts_open", "attempts", ["agent"], sqlite_where=sa.text("log_open IS 1"))
