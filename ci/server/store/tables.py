"""The tables. A change here needs a migration in `migrations/versions` and a new SCHEMA."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    TypeDecorator,
    false,
    func,
    literal_column,
    true,
)

from ci.model import MAX_KIND_CHARS

SCHEMA: Final = "0012"  # the newest migration; a test compares

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC time, kept as microseconds since 1970: exact, small, sorts as a number."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Time to number."""
        del dialect
        return None if value is None else (value - _EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Number to time."""
        del dialect
        return None if value is None else _EPOCH + timedelta(microseconds=value)


metadata = MetaData()

# SQLite counts up by itself only in a column that it calls INTEGER.
_Number = BigInteger().with_variant(Integer, "sqlite")

builds = Table(
    "builds",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=True),
    Column("repository", String, nullable=False),
    Column("repository_url", String, nullable=False),
    Column("commit", String, nullable=False),
    Column("command", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("status", String, nullable=False),
    Column("reason", String),
    Column("message", Text, nullable=False),
    Column("commit_hash", String),
    Column("subject", Text),
    Column("author", String),
    Column("branch", String),
    Column("created_at", UtcTime, nullable=False),
    Column("started_at", UtcTime),
    Column("finished_at", UtcTime),
    Column("duration_s", Float),
    Column("agent", String),
    Column("exit_code", Integer),
    Column("log_size", BigInteger),
    Column("labels", Text, nullable=False, server_default=""),  # one a line, sorted
    Column("asked_by", String, nullable=False, server_default=""),  # as the audit log names them
    sqlite_autoincrement=True,  # a number is never used again, not even after its row is gone
)
# What lists are filtered by. Whoever asks for all columns but the number gets them in its order.
Index("builds_by_status", builds.c.status, builds.c.number)
Index("builds_by_repository_and_status", builds.c.repository, builds.c.status, builds.c.number)
# Here it is for SQLite alone that an index has only some of the rows: to name another database
# loads its whole dialect, 30 ms and 2 MB. The migrations, which make the indexes, say it for both.
_HAS_BRANCH: Final = builds.c.branch.is_not(None)
Index(
    "builds_by_branch_and_status",
    builds.c.repository,
    builds.c.branch,
    builds.c.status,
    builds.c.number,
    sqlite_where=_HAS_BRANCH,
)
_HAS_AGENT: Final = builds.c.agent.is_not(None)
Index(
    "builds_by_agent",
    builds.c.agent,
    builds.c.status,
    builds.c.number,
    sqlite_where=_HAS_AGENT,
)

# The neighbours of a build.
Index("builds_by_repository", builds.c.repository, builds.c.number)
Index("builds_by_branch", builds.c.repository, builds.c.branch, builds.c.number)

# As literals: SQLite uses an index only where the query says the same, word for word.
IS_GREEN: Final = builds.c.status == literal_column("'success'")
# A command may be as long as a file; an index need not.
KIND_OF_COMMAND: Final = func.substr(
    builds.c.command, literal_column("1"), literal_column(str(MAX_KIND_CHARS))
)
Index(
    "builds_green",
    builds.c.repository,
    KIND_OF_COMMAND,
    builds.c.number,
    sqlite_where=IS_GREEN,
)
Index(
    "builds_green_by_branch",
    builds.c.repository,
    builds.c.branch,
    KIND_OF_COMMAND,
    builds.c.number,
    sqlite_where=IS_GREEN,
)

# How many builds of each status there are. Triggers of the database keep it with every change.
tallies = Table(
    "tallies",
    metadata,
    Column("repository", String, nullable=False),
    Column("repository_url", String, nullable=False),
    Column("status", String, nullable=False),
    Column("builds", Integer, nullable=False),
    PrimaryKeyConstraint("repository", "repository_url", "status"),
)

agents = Table(
    "agents",
    metadata,
    Column("name", String, primary_key=True),
    Column("host", String, nullable=False),
    Column("port", Integer, nullable=False),
    Column("slots", Integer, nullable=False),
    Column("labels", Text, nullable=False),  # a JSON list
    Column("version", String, nullable=False),
    Column("boot_id", String, nullable=False),
    Column("home_id", String, nullable=False),
    Column("native", Boolean, nullable=False),
    Column("paused", Boolean, nullable=False),
    Column("first_seen", UtcTime, nullable=False),
    Column("last_seen", UtcTime, nullable=False),
    # By a person. The row stays, since attempts name their agent.
    Column("forgotten", Boolean, nullable=False, server_default=false()),
    Column("pause_note", Text, nullable=False, server_default=""),  # why it is paused, in words
    Column("certificate", Text, nullable=False, server_default=""),  # its own, in PEM
    # See ci/server/enrolments.py. Never the credential itself.
    Column("generation", Integer, nullable=False, server_default="0"),
    Column("standing", String, nullable=False, server_default="open"),
    Column("credential_print", String, nullable=False, server_default=""),
)

jobs = Table(
    "jobs",
    metadata,
    Column("build", _Number, ForeignKey("builds.number"), nullable=False),
    Column("job", Integer, nullable=False),
    Column("name", String, nullable=False),
    Column("status", String, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("labels", Text, nullable=False, server_default=""),  # those of its build
    # It is in line, but no agent may have it yet: an external storage has to hear of it first.
    Column("held", Boolean, nullable=False, server_default=false()),
    PrimaryKeyConstraint("build", "job"),
)
# SQLite uses a partial index only where the query says its condition word for word.
IS_WAITING: Final = jobs.c.status == literal_column("'waiting'")

# The queue: only what waits is in it, so that it stays small under any history. It is one line for
# each set of labels that is asked for: nobody looks through builds that an agent can't take.
Index(
    "jobs_waiting",
    jobs.c.held,
    jobs.c.labels,
    jobs.c.priority.desc(),
    jobs.c.build,
    jobs.c.job,
    sqlite_where=IS_WAITING,
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", String, primary_key=True),
    Column("build", _Number, ForeignKey("builds.number"), nullable=False),
    Column("job", Integer, nullable=False),
    Column("try_number", Integer, nullable=False),
    Column("agent", String, ForeignKey("agents.name"), nullable=False),
    Column("status", String, nullable=False),
    Column("reason", String),
    Column("message", Text, nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("finished_at", UtcTime),
    Column("duration_s", Float),
    Column("exit_code", Integer),
    Column("signal", Integer),
    Column("log_size", BigInteger),
    Column("log_cut", BigInteger),
    Column("log_sha256", String),
    Column("log_open", Boolean, nullable=False, server_default=false()),
    Column("checkout_s", Float),
    Column("secrets", Text, nullable=False, server_default=""),  # which it had, in words
)
IS_CURRENT: Final = attempts.c.status == "running"
# Its agent may still deliver: it runs, or it was canceled and the end of its log is not here yet.
IS_OPEN: Final = attempts.c.log_open.is_(true())
Index("attempts_by_build", attempts.c.build, attempts.c.job, attempts.c.try_number)
Index(
    "attempts_open",
    attempts.c.agent,
    sqlite_where=IS_OPEN,
)

IS_OVER: Final = attempts.c.finished_at.is_not(None)
Index(
    "attempts_by_agent",
    attempts.c.agent,
    attempts.c.finished_at,
    sqlite_where=IS_OVER,
)

# Builds that came from an external storage; `id` is the one there.
external_builds = Table(
    "external_builds",
    metadata,
    Column("id", String, primary_key=True),
    Column("build", _Number, ForeignKey("builds.number"), nullable=False, unique=True),
    Column("configuration", String, nullable=False),
    Column("number", Integer, nullable=False),
    Column("message", Text, nullable=False),
    Column("branch", String, nullable=False),
    Column("author", String, nullable=False),
    Column("phase", String, nullable=False),  # see ci/origin.py
    Column("start", UtcTime),
    Column("note", Text, nullable=False),
)
IS_UNREPORTED: Final = external_builds.c.phase != literal_column("'over'")
Index("external_unreported", external_builds.c.build, sqlite_where=IS_UNREPORTED)

accounts = Table(
    "accounts",
    metadata,
    Column("name", String, primary_key=True),
    Column("role", String, nullable=False),
    Column("password", Text),  # as argon2 writes it; None for who only comes from elsewhere
    Column("subject", Text, unique=True),  # who that is elsewhere: ISSUER and SUBJECT of OpenID
    Column("epoch", Integer, nullable=False),  # grows to end all sessions that began before
    Column("enabled", Boolean, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("last_seen", UtcTime),  # when they last logged in
)

# Sessions that were signed out before their time: the cookie itself can't be taken back.
ended_sessions = Table(
    "ended_sessions",
    metadata,
    Column("id", String, primary_key=True),
    Column("expires_at", UtcTime, nullable=False),
)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", String, ForeignKey("accounts.name"), nullable=False),
    Column("name", String, nullable=False),
    Column("scope", String, nullable=False),
    Column("sha256", String, nullable=False, unique=True),  # of the whole token; it is kept nowhere
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime),
    Column("last_used", UtcTime),
    sqlite_autoincrement=True,
)

# See ci/server/vault.py. The value is in `sealed` alone.
secrets = Table(
    "secrets",
    metadata,
    Column("repository", String, nullable=False),  # its URL, without a password
    Column("name", String, nullable=False),
    Column("branches", Text, nullable=False),  # rules, one a line
    Column("commands", Text, nullable=False),  # likewise
    Column("sealed", Text, nullable=False),  # base64
    Column("set_at", UtcTime, nullable=False),
    Column("set_by", String, nullable=False),
    Column("last_used", UtcTime),
    PrimaryKeyConstraint("repository", "name"),
)

# Who may be sent secrets, as long as it has the credential of that generation.
trusted_agents = Table(
    "trusted_agents",
    metadata,
    Column("agent", String, ForeignKey("agents.name"), primary_key=True),
    Column("generation", Integer, nullable=False),
)

# Who did what. Triggers of the database refuse to change or remove a row.
audit_log = Table(
    "audit_log",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("at", UtcTime, nullable=False),
    Column("who", String, nullable=False),  # "" for somebody without an account
    Column("address", String, nullable=False),
    Column("action", String, nullable=False),
    Column("subject", String, nullable=False),  # what it was done to, such as `build 7`
    Column("detail", Text, nullable=False),
    sqlite_autoincrement=True,
)

# One row that a health check writes to: only a real write tells whether writing works.
health = Table(
    "health",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("checked_at", UtcTime, nullable=False),
)
