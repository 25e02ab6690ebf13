"""The first schema: builds, jobs, attempts, agents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "builds",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("repository", sa.String(), nullable=False),
        sa.Column("repository_url", sa.String(), nullable=False),
        sa.Column("commit", sa.String(), nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("reason", sa.String()),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("commit_hash", sa.String()),
        sa.Column("subject", sa.Text()),
        sa.Column("author", sa.String()),
        sa.Column("branch", sa.String()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger()),
        sa.Column("finished_at", sa.BigInteger()),
        sa.Column("duration_s", sa.Float()),
        sa.Column("agent", sa.String()),
        sa.Column("exit_code", sa.Integer()),
        sa.Column("log_size", sa.BigInteger()),
        sqlite_autoincrement=True,
    )
    op.create_index("builds_by_status", "builds", ["status", "number"])
    op.create_index("builds_by_repository", "builds", ["repository", "number"])

    op.create_table(
        "agents",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("boot_id", sa.String(), nullable=False),
        sa.Column("home_id", sa.String(), nullable=False),
        sa.Column("native", sa.Boolean(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.Column("last_seen", sa.BigInteger(), nullable=False),
    )

    op.create_table(
        "jobs",
        sa.Column("build", _NUMBER, sa.ForeignKey("builds.number"), nullable=False),
        sa.Column("job", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("build", "job"),
    )
    op.create_index(
        "jobs_waiting",
        "jobs",
        [sa.text("priority DESC"), "build", "job"],
        sqlite_where=sa.text("status = 'waiting'"),
        postgresql_where=sa.text("status = 'waiting'"),
    )

    op.create_table(
        "attempts",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("build", _NUMBER, sa.ForeignKey("builds.number"), nullable=False),
        sa.Column("job", sa.Integer(), nullable=False),
        sa.Column("try_number", sa.Integer(), nullable=False),
        sa.Column("agent", sa.String(), sa.ForeignKey("agents.name"), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("reason", sa.String()),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger()),
        sa.Column("duration_s", sa.Float()),
        sa.Column("exit_code", sa.Integer()),
        sa.Column("signal", sa.Integer()),
        sa.Column("log_size", sa.BigInteger()),
    )
    op.create_index("attempts_by_build", "attempts", ["build", "job", "try_number"])
    op.create_index(
        "attempts_running",
        "attempts",
        ["agent"],
        sqlite_where=sa.text("status = 'running'"),
        postgresql_where=sa.text("status = 'running'"),
    )

    op.create_table(
        "health",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("checked_at", sa.BigInteger(), nullable=False),
    )
