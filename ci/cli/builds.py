"""`ci list`, `ci show`, `ci log`, `ci cancel`, `ci agents`: what is there, and to end it."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from ci.cli import codes, words
from ci.cli.events import LogEvents
from ci.cli.following import How, follow_build
from ci.cli.options import Way, asks, read_number, run
from ci.client import LogPiece, Wanted
from ci.model import Status


@click.command("list")
@click.option(
    "--status", type=click.Choice([str(one) for one in Status]), help="Only builds of this status."
)
@click.option("--repository", "-r", metavar="NAME", help="Only of this repository.")
@click.option("--branch", "-b", metavar="BRANCH", help="Only of this branch.")
@click.option("--agent", "-a", metavar="NAME", help="Only those of this agent.")
@click.option("--text", "-q", metavar="TEXT", help="Only with this text in what the list shows.")
@click.option("--before", metavar="NUMBER", callback=read_number, help="Only with smaller numbers.")
@click.option("--after", metavar="NUMBER", callback=read_number, help="Only with larger numbers.")
@click.option(
    "--limit",
    "-n",
    metavar="COUNT",
    type=click.IntRange(1, 500),
    default=20,
    show_default=True,
    help="How many.",
)
@asks
def list_builds(way: Way, *, status: str | None, text: str | None, **rest: str | int | None) -> int:
    """List builds, newest first."""
    # The other flags are named as the fields are.
    wanted = Wanted(status=Status(status) if status else None, q=text, **rest)  # type: ignore[arg-type]

    async def work() -> int:
        async with way.open() as client:
            page = await client.builds(wanted)
        if way.screen.as_json:
            for build in page.builds:
                way.screen.json(build)
            return 0
        now = datetime.now(UTC)
        way.screen.table(words.line(build, now) for build in page.builds)
        if page.next is not None and page.looked_to is not None:
            way.screen.note(f"there may be older ones: --before {page.next}")
        return 0

    return run(work)


@click.command("show")
@click.argument("number", callback=read_number)
@asks
def show_build(way: Way, *, number: int) -> int:
    """Show all about a build."""

    async def work() -> int:
        async with way.open() as client:
            build = await client.build(number)
        if way.screen.as_json:
            way.screen.json(build)
        else:
            facts = [*words.facts(build), ("page", way.address(number))]
            width = max(len(name) for name, _ in facts)
            for name, value in facts:
                way.screen.answer(f"{name.ljust(width)}  {value}")
        return 0

    return run(work)


@click.command("log")
@click.argument("number", callback=read_number)
@click.option("--follow", "-f", is_flag=True, help="Go on until the build has ended.")
@click.option("--exit-code", is_flag=True, help="With --follow: exit as `ci run --wait` does.")
@asks
def show_log(way: Way, *, number: int, follow: bool, exit_code: bool) -> int:
    """Print the log of a build.

    Byte by byte as it is; on a terminal it has its colours, and nothing else that speaks to the
    terminal.
    """
    if exit_code and not follow:
        raise click.UsageError("--exit-code goes with --follow.")

    async def work() -> int:
        async with way.open() as client:
            build = await client.build(number)  # what was never there is not waited for
            if follow:
                code = await follow_build(way, client, number, How(news=False))
                return code if exit_code or code == codes.INTERRUPTED else 0
            events = LogEvents(way.screen)
            at, attempt = 0, build.attempts[-1].id if build.attempts else ""
            while attempt and (data := await client.read_log(number, attempt, at)):
                if way.screen.as_json:
                    events.tell(LogPiece(attempt, at, data))
                else:
                    way.screen.log(data)
                at += len(data)
            events.end()
            way.screen.end_log()
        return 0

    return run(work)


@click.command("cancel")
@click.argument("number", callback=read_number)
@asks
def cancel_build(way: Way, *, number: int) -> int:
    """End a build now.

    With all that its command has started.
    """

    async def work() -> int:
        async with way.open() as client:
            build = await client.cancel(number)
        if way.screen.as_json:
            way.screen.json(build)
        else:
            way.screen.answer(words.verdict(build))
        return 0

    return run(work)


@click.command("agents")
@asks
def list_agents(way: Way) -> int:
    """List the agents.

    How they are, and what they run.
    """

    async def work() -> int:
        async with way.open() as client:
            agents = await client.agents()
        if way.screen.as_json:
            for agent in agents:
                way.screen.json(agent)
        else:
            now = datetime.now(UTC)
            way.screen.table(words.agent_line(agent, now) for agent in agents)
        return 0

    return run(work)
