"""A site whose pages show every state at once, to be looked at and checked as a whole."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from ci.demo import make_demo
from tests.real.browser.history import write_history
from tests.real.harness import Server, Site, held
from tests.real.repository import Repository

LONG_WORD: Final = "Donaudampfschifffahrtsgesellschaftskapitaenskajuetenschluesselloch" * 3
LONG_BRANCH: Final = f"feature/{LONG_WORD[:120]}"
RIGHT_TO_LEFT: Final = "إصلاح تقريب الأسعار (fix #42) في صفحة الدفع"
BIG_LOG: Final = (  # 5 MB
    'for i in $(seq 60000); do echo "$i: a line of a log that is much longer than anybody'
    ' would ever read to its end"; done; echo "error: the end"; exit 2'
)
SECTIONS: Final = (
    "echo ::group::Install; seq 5; echo ::endgroup::; echo ::group::Test; "
    "printf '\\033[32mok\\033[0m 1\\n'; echo 'error: 2 is not 3'; echo ::endgroup::; exit 1"
)
# Green on `main`; elsewhere many lines of all kinds are new.
STRANGE: Final = (
    "grep -q 'return round' till.py && echo fine && exit; "
    f"echo {LONG_WORD}; printf '\\033[41mred\\033[0m\\n'; "
    "for a in a b c d e f g h i j k l m n o p q r s t u v w x y z; do "
    "for b in a b c d e f g h i j k l; do echo word-$a$b; done; done; "
    "seq 900 | sed 's/^/again /'; echo 'error: 2 is not 3'; exit 1"
)
LISTS: Final = {
    "list": "/",
    "failures": "/?status=failure",
    "repository": "/?repository=till",
    "older": "/?before=30",
    "no-match": "/?q=nothing-has-this-word",
    "agents": "/agents",
    "agent": "/agents/oak",
    "lost-agent": "/agents/elm",
    "rules": "/policy?command=make+%26%26+make+test",
    "api": "/api",
    "not-found": "/build/999999999",
}
BUILDS: Final = (
    "green", "red", "error", "right-to-left", "long-words", "big-log", "canceled", "running",
    "waiting", "stuck", "sections",
)  # fmt: skip
WHY: Final = {"why": "red", "why-strange": "strange", "why-not": "error"}
EMPTY: Final = {"empty": "/", "empty-agents": "/agents"}
PAGES: Final = (*LISTS, *BUILDS, *WHY, *EMPTY)


@dataclass(frozen=True, slots=True)
class Scene:
    """Two servers, one with every state and one without anything, and the addresses of pages."""

    site: Site
    server: Server
    addresses: dict[str, str]

    def __getitem__(self, name: str) -> str:
        """Return the address of one of `PAGES`."""
        return self.addresses[name]


def open_scene(site: Site, earlier: int) -> Scene:
    """Start all of it, with `earlier` ended builds of before; closing the site ends it."""
    server, repositories = _open_server(site, earlier)
    oak = site.agent(server, "oak", slots=2, labels="linux,x86-64")
    oak.start()
    elm = site.agent(server, "elm")
    elm.start()
    server.wait_agents(2)
    elm.kill()
    server.wait_agents(1)
    numbers = _ended(server) | _unfinished(server, site)
    empty = site.server(
        repositories["till"], default_command="./test.sh", data_dir=site.folder / "empty"
    )
    empty.start()
    addresses = {name: server.url + path for name, path in LISTS.items()}
    addresses |= {name: f"{server.url}/build/{numbers[name]}" for name in BUILDS}
    addresses |= {name: f"{server.url}/build/{numbers[build]}/why" for name, build in WHY.items()}
    addresses |= {name: empty.url + path for name, path in EMPTY.items()}
    return Scene(site, server, addresses)


def _open_server(site: Site, earlier: int) -> tuple[Server, dict[str, str]]:
    till = make_demo(site.folder / "till")
    website = Repository(site.folder / "website")
    website.commit({"README.md": "A page.\n"}, RIGHT_TO_LEFT)
    website.branch(LONG_BRANCH)
    website.commit({"README.md": "Another.\n"}, f"Say {LONG_WORD} in one word")
    repositories = {"till": str(till), "website": str(website.path)}
    server = site.server(
        till,
        repositories=json.dumps(repositories),
        default_command="./test.sh",
        heartbeat_seconds=1,
        grace_seconds=2,
    )
    del server.flags["repository"]  # `repositories` names it, too, and shorter
    server.start()
    server.stop()
    write_history(server.data, repositories, earlier)
    server.start()
    return server, repositories


def _ended(server: Server) -> dict[str, int]:
    """One build of each end."""
    wanted = {
        "green": ("till", "main", "./test.sh"),
        "red": ("till", "broken", "./test.sh"),
        "error": ("website", "no-such-branch", "make test"),
        "right-to-left": ("website", "main", "echo مرحبا بالعالم"),
        "long-words": (
            "website", LONG_BRANCH, f"echo {LONG_WORD}; echo '{'word ' * 60}'; exit 3"
        ),
        "big-log": ("till", "main", BIG_LOG),
        "sections": ("till", "main", SECTIONS),
        "fine": ("till", "main", STRANGE),
        "strange": ("till", "broken", STRANGE),
        "canceled": ("till", "main", "echo begun; sleep 1000"),
    }  # fmt: skip
    numbers = {
        name: server.submit(command, commit, repository=repository)
        for name, (repository, commit, command) in wanted.items()
    }
    server.wait_log(numbers["canceled"], b"begun")
    server.post(f"/api/builds/{numbers['canceled']}/cancel")
    for number in numbers.values():
        server.wait_build(number)
    return numbers


def _unfinished(server: Server, site: Site) -> dict[str, int]:
    """Two that run and so take both slots; three that wait, one for a label that is not there."""
    go = site.folder / "go"
    running = server.submit(f"echo compiling; seq 30; {held(go)}; ./test.sh", repository="till")
    server.wait_log(running, b"30")
    server.wait_build(server.submit(held(go), repository="website"), "running")
    waiting = server.submit("make lint", repository="till", labels=["linux", "x86-64"])
    server.submit("make deploy", repository="website")
    stuck = server.submit("make train", repository="till", labels=["gpu", "linux"])
    return {"running": running, "waiting": waiting, "stuck": stuck}
