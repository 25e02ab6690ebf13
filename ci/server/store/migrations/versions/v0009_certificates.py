"""Certificates: an agent that has one is called by TLS, and must show exactly that one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; no agent that is known has told of one."""
    op.add_column("agents", sa.Column("certificate", sa.Text(), nullable=False, server_default=""))
