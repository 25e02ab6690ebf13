"""Whatever one can set or call is documented, and nothing else is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import AliasChoices
from quart_trio import QuartTrio

from ci.answers import agents, builds, news, server
from ci.config import AgentConfig, ServerConfig
from ci.conformance.agent_kit import PROBES as AGENT_PROBES
from ci.conformance.probe import Probe
from ci.conformance.server_kit import PROBES as SERVER_PROBES
from ci.storage_api.settings import StorageConfig
from ci.wire import job, registration, result, status
from ci.wire.fields import Message

TOP = Path(__file__).parent.parent.parent
TEXTS = sorted(
    [TOP / "README.md", TOP / "CHANGELOG.md", TOP / "SECURITY.md", *(TOP / "docs").rglob("*.md")]
)
BOTH = (ServerConfig, AgentConfig)


def _read(name: str) -> str:
    return (TOP / "docs" / name).read_text(encoding="utf-8")


def _variable(kind: type[ServerConfig | AgentConfig], field: str) -> str:
    return kind.variable_prefix + field.upper()


def _routes(app: QuartTrio) -> Iterator[tuple[str, str, str]]:
    """Yield each route as blueprint, method and path; `<number:n>` is written N, others NAME."""
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(number|int):\w+>", "N", rule.rule)
        path = re.sub(r"<[^>]+>", "NAME", path)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield rule.endpoint.partition(".")[0], method, path


def _server_routes() -> list[tuple[str, str, str]]:
    from ci.server.run import create_server_app  # noqa: PLC0415 - one test each fails without it

    stand_in: Any = SimpleNamespace(config=ServerConfig.check({}))
    return list(_routes(create_server_app(stand_in)))


def _agent_routes() -> list[tuple[str, str, str]]:
    from ci.agent.app import create_app  # noqa: PLC0415 - as above

    stand_in: Any = SimpleNamespace(config=AgentConfig.check({}))
    return list(_routes(create_app(stand_in)))


@pytest.mark.parametrize(
    ("kind", "field"), [(kind, field) for kind in BOTH for field in kind.model_fields]
)
def test_every_setting_is_documented(kind: type[ServerConfig | AgentConfig], field: str) -> None:
    """As key of the file, in code style; the rule for variable and flag is said once."""
    text = _read("configuration.md")
    assert f"`{kind.model_fields[field].alias}`" in text
    assert kind.variable_prefix in text
    assert kind.file_name in text


def test_every_setting_of_the_storage_api_is_documented() -> None:
    """In its own text."""
    text = _read("storage-api.md")
    assert {"apiToken", "unstable"} <= {each.alias for each in StorageConfig.model_fields.values()}
    for field in StorageConfig.model_fields.values():
        assert f"| `{field.alias}` |" in text
    assert StorageConfig.variable_prefix in text
    assert StorageConfig.file_name in text


def _bounds(setting: dict[str, Any]) -> str | None:
    """Write down what may be, as the tables do: of a number, of a word, of each word of a list."""
    for part in [setting, *setting.get("anyOf", ()), setting.get("items", {})]:
        if "le" in part:
            least = part["ge"] if "ge" in part else f"over {part['gt']}"
            return f"{least} to {part['le']}"
        if "maxLength" in part:
            each = " each" if "items" in setting else ""
            return f"{part['minLength']} to {part['maxLength']} characters{each}"
    return None


@pytest.mark.parametrize("kind", BOTH, ids=lambda kind: kind.__name__)
def test_the_bounds_of_every_setting_are_documented(kind: type[ServerConfig | AgentConfig]) -> None:
    """The least and the most, and whether the least itself is allowed."""
    server, agent = _read("configuration.md").split("## An agent\n")
    text = server if kind is ServerConfig else agent
    said = dict(re.findall(r"^\| `(\w+)` \| [^|]* \| ([^|]*) \| ", text, re.MULTILINE))
    settings = kind.model_json_schema(by_alias=True)["properties"]
    bounds = {key: words for key, each in settings.items() if (words := _bounds(each))}
    assert len(bounds) > 5
    assert {key: said[key] for key in bounds} == bounds


def test_the_api_is_documented() -> None:
    """Each call with its method, such as `POST /api/builds/N/cancel`."""
    text = _read("api.md")
    calls = {(method, path) for area, method, path in _server_routes() if area == "api"}
    assert ("POST", "/api/builds") in calls
    missing = [
        f"{method} {path}"
        for method, path in sorted(calls)
        if not re.search(rf"{method} {re.escape(path)}(?![\w/])", text)
    ]
    assert not missing, f"docs/api.md says nothing of {', '.join(missing)}"


@pytest.mark.parametrize("probes", [SERVER_PROBES, AGENT_PROBES], ids=["server", "agent"])
def test_each_probe_of_the_conformance_kit_is_documented(probes: tuple[Probe[Any], ...]) -> None:
    """By its name, under which it can be asked for."""
    words = " ".join(_read("conformance.md").split())
    assert [each.name for each in probes if f"`{each.name}`" not in words] == []


def test_the_protocol_is_documented() -> None:
    """Every path of either end that the other one calls, in each spelling."""
    text = _read("protocol.md")
    paths = {path for area, _, path in _server_routes() if area == "agents"}
    paths |= {path for area, _, path in _agent_routes() if area != "static"}
    assert {"/notify_agent", "/notify-agent", "/build", "/cancel"} <= paths
    missing = [
        path for path in sorted(paths) if not re.search(rf"{re.escape(path)}(?![\w/-])", text)
    ]
    assert not missing, f"docs/protocol.md says nothing of {', '.join(missing)}"


def test_every_field_of_the_api_is_documented() -> None:
    """In code style, of whatever it shows."""
    text = _read("api.md")
    shown = {
        field.name
        for module in (agents, builds, news, server)
        for kind in vars(module).values()
        if isinstance(kind, type) and is_dataclass(kind)
        for field in fields(kind)
    }
    assert {"number", "phase", "pause_note", "agents_online"} <= shown
    hidden = {name for name in shown if f"`{name}`" not in text and f'"{name}":' not in text}
    assert not hidden, f"docs/api.md says nothing of {', '.join(sorted(hidden))}"


def test_every_field_of_the_protocol_is_documented() -> None:
    """In each spelling that either end reads."""
    text = _read("protocol.md")
    messages = (registration, result, status, job)
    names: set[str] = set()
    for model in [each for module in messages for each in vars(module).values()]:
        if isinstance(model, type) and issubclass(model, Message):
            for name, field in model.model_fields.items():
                alias = field.validation_alias
                choices = alias.choices if isinstance(alias, AliasChoices) else [name]
                names |= {choice for choice in choices if isinstance(choice, str)}
    assert {"port", "hostname", "lease_mark", "buildLog"} <= names
    hidden = {name for name in names if not re.search(rf'[`"{{ ,]{name}[`",}} ]', text)}
    assert not hidden, f"docs/protocol.md says nothing of {', '.join(sorted(hidden))}"


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_no_text_names_a_variable_that_is_none(path: Path) -> None:
    """An unknown one stops the program, so a stale name in a text does harm."""
    known = {_variable(kind, field) for kind in BOTH for field in kind.model_fields}
    named = set(re.findall(r"CI_(?:SERVER|AGENT)_[A-Z][A-Z_]*", path.read_text(encoding="utf-8")))
    assert named <= known


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_links_between_texts_lead_somewhere(path: Path) -> None:
    """Files that are linked to exist."""
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8")):
        if "://" not in target and not target.startswith("mailto:"):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_no_text_is_left_between_two_versions(path: Path) -> None:
    """As git leaves it where two people have changed one line."""
    assert not re.findall(r"^(?:<{7} |={7}$|>{7} )", path.read_text(encoding="utf-8"), re.MULTILINE)


def test_decisions_are_numbered() -> None:
    """Each has the next number, in its name and in its title."""
    paths = sorted((TOP / "docs" / "decisions").iterdir())
    for number, path in enumerate(paths, start=1):
        assert path.name.startswith(f"{number:04}-")
        assert path.read_text(encoding="utf-8").startswith(f"# {number}. ")
