"""Secrets, which agents are trusted with them, and what each attempt had of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables; no attempt so far had any secret."""
    op.create_table(
        "secrets",
        sa.Column("repository", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("branches", sa.Text(), nullable=False),
        sa.Column("commands", sa.Text(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("set_at", sa.BigInteger(), nullable=False),
        sa.Column("set_by", sa.String(), nullable=False),
        sa.Column("last_used", sa.BigInteger()),
        sa.PrimaryKeyConstraint("repository", "name"),
    )
    op.create_table(
        "trusted_agents",
        sa.Column("agent", sa.String(), sa.ForeignKey("agents.name"), primary_key=True),
        sa.Column("generation", sa.Integer(), nullable=False),
    )
    op.add_column("attempts", sa.Column("secrets", sa.Text(), nullable=False, server_default=""))
