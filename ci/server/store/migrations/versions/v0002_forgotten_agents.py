"""Agents that a person has forgotten: their names stay for what they once did."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the mark."""
    mark: sa.Column[bool] = sa.Column(
        "forgotten", sa.Boolean(), nullable=False, server_default=sa.false()
    )
    op.add_column("agents", mark)
