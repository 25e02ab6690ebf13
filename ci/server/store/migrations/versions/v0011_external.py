"""Builds of an external storage: where they came from, and how far their report has got."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_WAITING = sa.text("status = 'waiting'")
_REPORTED = sa.text("phase != 'over'")


def upgrade() -> None:
    """Make the table; of the jobs that are there none is held back."""
    op.create_table(
        "external_builds",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column(
            "build",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.ForeignKey("builds.number"),
            nullable=False,
            unique=True,
        ),
        sa.Column("configuration", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("branch", sa.String(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("phase", sa.String(), nullable=False),
        sa.Column("start", sa.BigInteger()),
        sa.Column("note", sa.Text(), nullable=False),
    )
    op.create_index(
        "external_unreported",
        "external_builds",
        ["build"],
        sqlite_where=_REPORTED,
        postgresql_where=_REPORTED,
    )
    op.add_column("jobs", sa.Column("held", sa.Boolean(), nullable=False, server_default="0"))
    op.drop_index("jobs_waiting", "jobs")
    op.create_index(
        "jobs_waiting",
        "jobs",
        ["held", "labels", sa.text("priority DESC"), "build", "job"],
        sqlite_where=_WAITING,
        postgresql_where=_WAITING,
    )
