"""Who may import whom. A new arrow is a decision: make it here, in this table, or not at all."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent.parent

BASE = (
    "ci.answers",
    "ci.backoff",
    "ci.blocking",
    "ci.buildtools",
    "ci.certificates",
    "ci.config",
    "ci.connection",
    "ci.crowd",
    "ci.datafolder",
    "ci.disk",
    "ci.errorlines",
    "ci.errors",
    "ci.escapes",
    "ci.exposition",
    "ci.folds",
    "ci.gate",
    "ci.http1",
    "ci.limits",
    "ci.kinship",
    "ci.linenumbers",
    "ci.lineshape",
    "ci.logpiece",
    "ci.listen",
    "ci.log",
    "ci.logfile",
    "ci.model",
    "ci.newlines",
    "ci.news",
    "ci.onlynumbers",
    "ci.origin",
    "ci.outage",
    "ci.parent",
    "ci.people",
    "ci.plainanswer",
    "ci.plainlines",
    "ci.policy",
    "ci.program",
    "ci.repository",
    "ci.repositoryrules",
    "ci.secretrules",
    "ci.serve",
    "ci.newcertificate",
    "ci.settings",
    "ci.settingsfile",
    "ci.tls",
    "ci.turns",
    "ci.version",
    "ci.wire",
    "ci.words",
)

# Module or package → what of `ci` it may import; the longest name that fits counts. A package
# stands for all that is in it.
INSIDE: dict[str, tuple[str, ...]] = {
    "ci": (),
    "ci.__main__": (
        "ci.certificates",
        "ci.config",
        "ci.demo",
        "ci.errors",
        "ci.listen",
        "ci.parent",
        "ci.policy",
    ),
    "ci.demo": ("ci.errors",),
    # The base: what both ends share. Each one imports only those above it.
    "ci.answers": ("ci.answers", "ci.model"),
    "ci.backoff": (),
    "ci.blocking": (),
    "ci.buildtools": (),
    "ci.client": (
        "ci.answers",
        "ci.backoff",
        "ci.certificates",
        "ci.client",
        "ci.errors",
        "ci.model",
        "ci.wire",
    ),
    "ci.disk": (),
    "ci.errorlines": (),
    "ci.errors": (),
    "ci.escapes": (),
    "ci.folds": (),
    "ci.gate": (),
    "ci.http1": ("ci.gate",),
    "ci.kinship": (),
    "ci.linenumbers": (),
    "ci.lineshape": ("ci.linenumbers",),
    "ci.outage": (),
    "ci.turns": (),
    "ci.version": (),
    "ci.words": (),
    "ci.policy": ("ci.buildtools", "ci.words"),
    "ci.exposition": ("ci.version",),
    "ci.plainlines": ("ci.escapes",),
    "ci.logpiece": ("ci.linenumbers", "ci.lineshape", "ci.plainlines"),
    "ci.news": ("ci.errorlines", "ci.plainlines"),
    "ci.newlines": (
        "ci.errorlines",
        "ci.kinship",
        "ci.lineshape",
        "ci.logpiece",
        "ci.news",
        "ci.plainlines",
    ),
    "ci.onlynumbers": ("ci.linenumbers", "ci.logpiece", "ci.news", "ci.newlines"),
    "ci.limits": (),
    "ci.crowd": ("ci.limits", "ci.outage"),
    "ci.certificates": ("ci.errors",),
    "ci.tls": ("ci.certificates",),
    "ci.connection": ("ci.crowd", "ci.gate", "ci.http1", "ci.tls"),
    "ci.serve": ("ci.connection", "ci.crowd", "ci.http1", "ci.limits"),
    "ci.datafolder": ("ci.blocking", "ci.disk", "ci.errors", "ci.outage"),
    "ci.listen": ("ci.errors",),
    "ci.log": ("ci.errors", "ci.escapes"),
    "ci.model": ("ci.origin",),
    "ci.origin": (),
    "ci.parent": (),
    "ci.plainanswer": (),
    "ci.people": (),
    "ci.logfile": ("ci.errors",),
    "ci.program": ("ci.errors", "ci.log", "ci.version"),
    "ci.repository": (),
    "ci.repositoryrules": ("ci.policy", "ci.repository"),
    "ci.secretrules": ("ci.model",),
    "ci.wire": (
        "ci.certificates",
        "ci.errors",
        "ci.model",
        "ci.origin",
        "ci.secretrules",
        "ci.wire",
    ),
    "ci.wire.fields": ("ci.errors", "ci.escapes"),
    "ci.settings": ("ci.errors", "ci.repository"),
    "ci.settingsfile": ("ci.errors", "ci.settings"),
    "ci.newcertificate": ("ci.config", "ci.errors", "ci.program", "ci.settingsfile"),
    "ci.config": (
        "ci.config",
        "ci.listen",
        "ci.people",
        "ci.model",
        "ci.policy",
        "ci.repository",
        "ci.repositoryrules",
        "ci.settings",
        "ci.wire.fields",
        "ci.wire.registration",
        "ci.wire.result",
        "ci.wire.status",
        "ci.wire.token",
    ),
    # What people type. Of the agent it has one door: a build without a server is an agent's, too.
    "ci.cli": (
        "ci.answers",
        "ci.cli",
        "ci.client",
        "ci.errors",
        "ci.escapes",
        "ci.listen",
        "ci.model",
        "ci.repository",
        "ci.version",
    ),
    "ci.cli.local": (
        "ci.agent.local",
        "ci.agent.removal",
        "ci.blocking",
        "ci.cli",
        "ci.client",
        "ci.config",
        "ci.model",
        "ci.wire.job",
    ),
    # The two programs, which never meet but on the wire, and the pages.
    "ci.agent": (*BASE, "ci.agent"),
    "ci.server": (*BASE, "ci.server"),
    "ci.storage_api": (*BASE, "ci.storage_api"),
    "ci.server.run": (*BASE, "ci.server", "ci.web.app"),
    "ci.server.store": (
        *BASE,
        "ci.server.store",
        "ci.server.views",
        "ci.server.journal",
        "ci.server.metrics",
    ),
    "ci.server.journal": ("ci.model", "ci.outage", "ci.server.metrics"),
    "ci.server.metrics": ("ci.exposition", "ci.model"),
    "ci.server.views": ("ci.model", "ci.news", "ci.origin"),
    "ci.conformance": (*BASE, "ci.conformance"),
    "ci.web": (
        *BASE,
        "ci.web",
        "ci.server.core",
        "ci.server.people",
        "ci.server.vault",
        "ci.server.views",
    ),
}

# Library → the only modules or packages that may import it.
OUTSIDE: dict[str, tuple[str, ...]] = {
    "httpx": (
        "ci.server.client",
        "ci.server.people.provider",
        "ci.server.external.client",
        "ci.agent.client",
        "ci.client.http",
        "ci.plainanswer",
        "ci.__main__",
        "ci.conformance.calls",
    ),
    "click": ("ci.cli",),
    "wcwidth": ("ci.cli.columns",),
    "sqlalchemy": ("ci.server.store",),
    "alembic": ("ci.server.store",),
    "sqlite3": ("ci.server.store", "ci.storage_api.store"),
    "prometheus_client": ("ci.exposition", "ci.server.metrics", "ci.agent.metrics"),
    "re2": ("ci.agent.masking", "ci.errorlines", "ci.lineshape", "ci.server.logsearch"),
    "cryptography": ("ci.newcertificate", "ci.server.vault", "ci.wire.sealed"),
    "threading": ("ci.blocking",),
    "concurrent": ("ci.blocking",),
    "multiprocessing": (),
    "asyncio": (),
    "requests": (),
    "joserfc": ("ci.server.people.openid",),
    "argon2": ("ci.server.people.passwords", "ci.server.assembly"),
    "itsdangerous": ("ci.server.people.sessions",),
}

NO_TRIO = (
    "ci.answers",
    "ci.web",
    "ci.wire",
    "ci.model",
    "ci.errors",
    "ci.config",
    "ci.escapes",
    "ci.kinship",
    "ci.linenumbers",
    "ci.lineshape",
    "ci.logpiece",
    "ci.logfile",
    "ci.newlines",
    "ci.news",
    "ci.onlynumbers",
    "ci.origin",
    "ci.backoff",
    "ci.policy",
    "ci.repositoryrules",
    "ci.words",
)


def _modules() -> dict[str, ast.Module]:
    found = {}
    for path in sorted((TOP / "ci").rglob("*.py")):
        parts = path.relative_to(TOP).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return found


MODULES = _modules()


def _imports(tree: ast.Module) -> Iterator[str]:
    """Name every module that `tree` imports, in functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else str(node.module)


def _within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def _rule(module: str) -> tuple[str, ...]:
    fitting = [name for name in INSIDE if _within(module, name)]
    return INSIDE[max(fitting, key=len)]


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_imports_only_what_the_table_allows(module: str) -> None:
    """Server and agent share only the base; the web asks the core; the base is in ranks."""
    for imported in _imports(MODULES[module]):
        if not _within(imported, "ci") or imported == "ci":
            continue
        assert any(_within(imported, allowed) for allowed in _rule(module)), (
            f"{module} imports {imported}, which is a new arrow: ask for it through what {module} "
            f"may import ({', '.join(_rule(module)) or 'nothing of ci'}), or decide for the arrow "
            "and add it to INSIDE in this file"
        )


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_library_stays_behind_its_door(module: str) -> None:
    """One place knows httpx at each end, one the database, one the threads."""
    for imported in _imports(MODULES[module]):
        doors = OUTSIDE.get(imported.split(".")[0])
        assert doors is None or any(_within(module, door) for door in doors), (
            f"{module} imports {imported}: only {', '.join(doors) or 'nobody'} may; "
            "call what is there, or decide otherwise and change OUTSIDE in this file"
        )


@pytest.mark.parametrize("module", sorted(MODULES))
def test_only_one_file_starts_threads(module: str) -> None:
    """A thread that the mock clock does not know of lets it leap."""
    used = {n.attr for n in ast.walk(MODULES[module]) if isinstance(n, ast.Attribute)}
    assert module == "ci.blocking" or not used & {"to_thread", "from_thread"}, (
        f"{module} uses trio.to_thread or trio.from_thread: go through ci.blocking.run"
    )


@pytest.mark.parametrize("module", [m for m in sorted(MODULES) if _within(m, "ci")])
def test_pages_and_data_know_no_trio(module: str) -> None:
    """What needs no tasks stays usable, and testable, without any."""
    if any(_within(module, pure) for pure in NO_TRIO):
        assert not any(_within(i, "trio") for i in _imports(MODULES[module])), (
            f"{module} imports trio: tasks and time belong behind ci.server.core or into ci.agent"
        )


def test_no_module_of_the_base_is_missing_in_the_table() -> None:
    """A new file beside `ci/model.py` gets a rank of its own."""
    single = {m for m in MODULES if m.count(".") == 1}
    assert single <= set(INSIDE), f"give {single - set(INSIDE)} a line in INSIDE"
