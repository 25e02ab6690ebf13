"""Where the middle of a long log is left out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the place; it is not known of older logs."""
    place: sa.Column[int] = sa.Column("log_cut", sa.BigInteger())
    op.add_column("attempts", place)
