"""Lists by any filter: indexes for them, and a count of builds that triggers keep."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_ONE_MORE = """
    INSERT INTO tallies VALUES (new.repository, new.repository_url, new.status, 1)
    ON CONFLICT (repository, repository_url, status) DO UPDATE SET builds = builds + 1;
"""
_ONE_LESS = """
    UPDATE tallies SET builds = builds - 1
    WHERE repository = old.repository AND repository_url = old.repository_url
    AND status = old.status;
"""


def upgrade() -> None:
    """Index and count what is there; some seconds for a million builds."""
    op.create_index("builds_by_repository_and_status", "builds", ["repository", "status", "number"])
    op.create_index(
        "builds_by_branch_and_status",
        "builds",
        ["repository", "branch", "status", "number"],
        sqlite_where=sa.text("branch IS NOT NULL"),
        postgresql_where=sa.text("branch IS NOT NULL"),
    )
    op.create_index(
        "builds_by_agent",
        "builds",
        ["agent", "status", "number"],
        sqlite_where=sa.text("agent IS NOT NULL"),
        postgresql_where=sa.text("agent IS NOT NULL"),
    )

    # Of two indexes that serve a question as well SQLite takes the one that was made last. For the
    # last green build of a branch and command this is the better one, so it is made anew.
    op.drop_index("builds_green_by_branch")
    op.create_index(
        "builds_green_by_branch",
        "builds",
        ["repository", "branch", sa.text("substr(command, 1, 200)"), "number"],
        sqlite_where=sa.text("status = 'success'"),
        postgresql_where=sa.text("status = 'success'"),
    )

    op.create_table(
        "tallies",
        sa.Column("repository", sa.String(), nullable=False),
        sa.Column("repository_url", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("builds", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("repository", "repository_url", "status"),
    )
    op.execute(
        "INSERT INTO tallies SELECT repository, repository_url, status, count(*) FROM builds"
        " GROUP BY repository, repository_url, status"
    )
    op.execute(f"CREATE TRIGGER builds_count_new AFTER INSERT ON builds BEGIN {_ONE_MORE} END")
    op.execute(f"CREATE TRIGGER builds_count_gone AFTER DELETE ON builds BEGIN {_ONE_LESS} END")
    op.execute(
        "CREATE TRIGGER builds_count_changed"
        " AFTER UPDATE OF status, repository, repository_url ON builds"
        f" BEGIN {_ONE_LESS} {_ONE_MORE} END"
    )
