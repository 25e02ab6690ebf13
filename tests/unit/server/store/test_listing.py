"""Lists: every filter, alone and with others, in both directions, finds what is there."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, insert

from ci.model import MAX_NUMBER, Build, Status
from ci.server.store import listing, removal
from ci.server.store.database import open_database
from ci.server.store.rows import to_build
from ci.server.store.tables import builds
from ci.server.views import BuildFilter
from tests.fakes.core import START

COUNT = 120
LOOK = 25  # fewer than there are
FILTERS = [
    BuildFilter(status=status, repository=repository, branch=branch, agent=agent, text=text)
    for status, repository, branch, agent, text in product(
        (None, Status.ERROR),
        (None, "web"),
        (None, "main"),
        (None, "oak"),
        (None, "MEND"),
    )
]


def _fill(connection: Connection) -> None:
    """Store builds of all kinds, some of which are removed again."""
    dice = random.Random(7)
    for number in range(1, COUNT + 1):
        repository = dice.choice(["web", "api"])
        values = {
            "repository": repository,
            "repository_url": f"/srv/{repository}",
            "commit": "main",
            "command": dice.choice(["make", "mend it"]),
            "priority": 0,
            "status": dice.choice([Status.SUCCESS] * 9 + [Status.ERROR]),
            "message": "",
            "commit_hash": "f" * 40,
            "branch": dice.choice(["main", "topic", None]),
            "agent": dice.choice(["oak", "elm", None]),
            "created_at": START,
        }
        connection.execute(insert(builds).values(number=number, **values))
    removal.remove(connection, [1, 2, 3, 40, 41, 42, COUNT])


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """A store with builds: one for all tests, since it takes long to make."""
    database = open_database(tmp_path_factory.mktemp("store"))
    try:
        with database.writer.begin():
            _fill(database.writer)
            yield database.writer
    finally:
        database.close()


@pytest.fixture
def connection(filled: Connection) -> Iterator[Connection]:
    """The store with builds; what a test does to it is undone."""
    savepoint = filled.begin_nested()
    yield filled
    savepoint.rollback()


def _all(connection: Connection) -> list[Build]:
    return [to_build(row) for row in connection.execute(builds.select())][::-1]


def _fits(build: Build, wanted: BuildFilter) -> bool:
    return (
        (wanted.status is None or build.status is wanted.status)
        and wanted.repository in (None, build.repository, build.repository_url)
        and wanted.branch in (None, build.branch)
        and wanted.agent in (None, build.agent)
        and (wanted.text is None or wanted.text.lower() in build.command)
    )


@pytest.mark.parametrize("wanted", FILTERS, ids=str)
def test_older_and_newer_lead_through_all(connection: Connection, wanted: BuildFilter) -> None:
    """Page after page down, then up again: each build once, in order, none missing."""
    wanted = replace(wanted, limit=4)
    expected = [build for build in _all(connection) if _fits(build, wanted)]
    down: list[Build] = []
    page = listing.page(connection, wanted, LOOK)
    assert page.newer is None
    while True:
        assert len(page.builds) == wanted.limit or page.next is None or page.looked_to
        down += page.builds
        if page.next is None:
            break
        page = listing.page(connection, replace(wanted, before=page.next), LOOK)
        assert page.newer is not None or not down
    assert down == expected

    up: list[Build] = []
    after: int | None = 0
    while after is not None:
        page = listing.page(connection, replace(wanted, after=after), LOOK)
        up = [*page.builds, *up]
        after = page.newer
    assert up == expected


@pytest.mark.parametrize("wanted", FILTERS, ids=str)
def test_the_last_number_that_there_can_be_is_a_place_in_the_list(
    connection: Connection, wanted: BuildFilter
) -> None:
    """Nothing is newer, and all is older."""
    page = listing.page(connection, replace(wanted, after=MAX_NUMBER), LOOK)
    assert (page.builds, page.newer) == ((), None)
    newest = listing.page(connection, wanted, LOOK).builds
    assert listing.page(connection, replace(wanted, before=page.next), LOOK).builds == newest
    assert listing.page(connection, replace(wanted, before=MAX_NUMBER), LOOK).builds == newest


@pytest.mark.parametrize("wanted", FILTERS, ids=str)
def test_results_are_the_last_ends(connection: Connection, wanted: BuildFilter) -> None:
    """By an index, of whatever status; nothing where builds would have to be looked through."""
    running = builds.c.number.between(90, 110)
    connection.execute(builds.update().where(running).values(status=Status.RUNNING))
    found = listing.results(connection, wanted, 5)
    if listing.needs_look(wanted):
        assert found == ()
        return
    fitting = [one for one in _all(connection) if _fits(one, replace(wanted, status=None))]
    assert list(found) == [one for one in fitting if one.status.ended][:5]
    assert len(found) == 5


@pytest.mark.parametrize("wanted", FILTERS, ids=str)
def test_what_pages_link_is_never_looked_for(connection: Connection, wanted: BuildFilter) -> None:
    """An index has the answer in order; all else is bounded, and said to be so."""
    plans: list[str] = []

    def explain(_: object, cursor: object, statement: str, parameters: object, *__: object) -> None:
        del cursor
        if "builds.number" in statement:
            raw = connection.connection.cursor()
            raw.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)  # type: ignore[arg-type]
            plans.extend(str(row[3]) for row in raw.fetchall())

    event.listen(connection, "before_cursor_execute", explain)
    try:
        page = listing.page(connection, replace(wanted, before=COUNT), LOOK)
        listing.results(connection, wanted, 5)
    finally:
        event.remove(connection, "before_cursor_execute", explain)
    assert plans
    if not listing.needs_look(wanted):
        assert page.looked_to is None
        assert not [plan for plan in plans if plan.startswith("SCAN builds")]
        for asked in ("repository", "branch", "agent", "status"):
            if getattr(wanted, asked) is not None:
                assert any(f"{asked}=?" in plan for plan in plans), plans


def test_names_that_share_an_url(connection: Connection) -> None:
    """A repository that was given another name is found by its URL, under both."""
    of_web = builds.c.repository == "web"
    connection.execute(
        builds.update().where(of_web, builds.c.number < 60).values(repository="site")
    )
    everything = _all(connection)
    found = listing.page(connection, BuildFilter(repository="/srv/web", limit=500))
    assert list(found.builds) == [build for build in everything if build.repository != "api"]
    assert sum(listing.counts(connection, "/srv/web").values()) == len(found.builds)
    assert listing.counts(connection, "nothing") == dict.fromkeys(Status, 0)


def test_counts_follow_every_change(connection: Connection) -> None:
    """New builds, changes, removals: in the transaction that makes them."""

    def expected() -> dict[Status, int]:
        return dict.fromkeys(Status, 0) | Counter(build.status for build in _all(connection))

    assert listing.counts(connection) == expected()
    some = builds.c.number.between(50, 60)
    for status in (Status.WAITING, Status.RUNNING, Status.CANCELED):
        connection.execute(builds.update().where(some).values(status=status))
        assert listing.counts(connection)[status] == 11
        assert listing.counts(connection) == expected()
    removal.remove(connection, range(55, 100))
    assert listing.counts(connection) == expected()
    assert sum(listing.counts(connection, "web").values()) == sum(
        build.repository == "web" for build in _all(connection)
    )


def test_an_empty_store_has_an_empty_list(tmp_path: Path) -> None:
    """Whatever is asked."""
    database = open_database(tmp_path)
    try:
        for wanted, before, after in product(FILTERS, (None, 5), (None, 5)):
            page = listing.page(database.reader, replace(wanted, before=before, after=after))
            assert (page.builds, page.next, page.newer, page.looked_to) == ((), None, None, None)
    finally:
        database.close()


@pytest.mark.parametrize("wanted", FILTERS, ids=str)
def test_what_fits_is_counted(connection: Connection, wanted: BuildFilter) -> None:
    """Of each status, whatever status and place are wanted; as far as was looked and counted."""
    every = [build for build in _all(connection) if _fits(build, replace(wanted, status=None))]
    counts = listing.count(connection, replace(wanted, before=50))
    assert counts.looked_to is None
    assert {s: n for s, n in counts.of.items() if n} == Counter(b.status for b in every)

    few = listing.count(connection, wanted, LOOK, most=3)
    low = few.looked_to or 0
    seen = Counter(build.status for build in every if build.number >= low)
    assert few.of == {status: min(seen[status], few.most or COUNT) for status in Status}
    assert (few.most, few.looked_to) != (None, None) or counts == few


@pytest.mark.parametrize(
    "text", ["%", "_", "/", "50%", "a_b", "//", "/%", "\\", "*", "é*", "ö?[", "[é]", "é^-]", "é%"]
)
def test_a_text_means_itself(connection: Connection, text: str) -> None:
    """Whatever the database makes of such characters."""
    for number, command in ((50, f"say {text} twice"), (51, "say 50x, axb and nothing else")):
        changed = builds.update().where(builds.c.number == number)
        connection.execute(changed.values(command=command))
    found = listing.page(connection, BuildFilter(text=text)).builds
    assert [build.number for build in found] == [50]


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("ärger", "Mit ÄRGER"),
        ("ÄRGER", "mit ärger"),
        ("Ошибка", "ОШИБКА"),
        ("ошибка", "Ошибка: 2"),
        ("1 ǆ", "1 ǅ"),
        ("straße", "STRAßE"),
        ("日本", "日本語"),
        ("😀 OK", "😀 ok"),
    ],
)
def test_letters_of_any_script_are_found_in_either_case(
    connection: Connection, text: str, stored: str
) -> None:
    """In whatever is looked through."""
    for number, column in ((50, "subject"), (51, "author"), (52, "branch"), (53, "command")):
        changed = builds.update().where(builds.c.number == number)
        connection.execute(changed.values({column: stored}))
    found = listing.page(connection, BuildFilter(text=text)).builds
    assert [build.number for build in found] == [53, 52, 51, 50]
    assert sum(listing.count(connection, BuildFilter(text=text)).of.values()) == 4
    assert listing.page(connection, BuildFilter(text=f"{text}x")).builds == ()
