"""Enrolments: which agents have a credential of their own, and who was revoked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; every agent that is known may enrol."""
    for column in (
        sa.Column("generation", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("standing", sa.String(), nullable=False, server_default="open"),
        sa.Column("credential_print", sa.String(), nullable=False, server_default=""),
    ):
        op.add_column("agents", column)
