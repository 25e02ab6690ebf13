"""Which labels a build asks for, and how long the checkout of an attempt took."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_WAITING = sa.text("status = 'waiting'")


def upgrade() -> None:
    """Add both, and make a line of each set of labels. What there is asks for none."""
    for table in ("builds", "jobs"):
        labels: sa.Column[str] = sa.Column("labels", sa.Text(), nullable=False, server_default="")
        op.add_column(table, labels)
    checkout_s: sa.Column[float] = sa.Column("checkout_s", sa.Float())
    op.add_column("attempts", checkout_s)
    op.drop_index("jobs_waiting")
    op.create_index(
        "jobs_waiting",
        "jobs",
        ["labels", sa.text("priority DESC"), "build", "job"],
        sqlite_where=_WAITING,
        postgresql_where=_WAITING,
    )
