"""Every setting, wherever it is set; and every mistake is one line with key, value and fix."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.config import AgentConfig, ServerConfig
from ci.errors import ConfigError
from ci.people import Role
from ci.repository import repository_problem

TOP = Path(__file__).parent.parent.parent

Kind = type[ServerConfig] | type[AgentConfig]
BOTH: list[Kind] = [ServerConfig, AgentConfig]

# For each key a value other than its default, as a file says it and as a flag or variable does.
SERVER_VALUES: dict[str, tuple[Any, str]] = {
    "port": (81, "81"),
    "host": ("0.0.0.0", "0.0.0.0"),
    "repository": ("https://git.example.org/x", "https://git.example.org/x"),
    "repositories": ({"x": "https://git.example.org/x"}, '{"x": "https://git.example.org/x"}'),
    "dataDir": ("/var/lib/ci", "/var/lib/ci"),
    "certificate": ("/etc/ci.pem", "/etc/ci.pem"),
    "certificateKey": ("/etc/ci-key.pem", "/etc/ci-key.pem"),
    "agentToken": ("t0ken", "t0ken"),
    "apiBaseUrl": ("https://api.example.org/", "https://api.example.org/"),
    "apiToken": ("t0ken", "t0ken"),
    "apiCaFile": ("/etc/storage.pem", "/etc/storage.pem"),
    "apiInsecure": (True, "true"),
    "apiShared": (True, "true"),
    "apiPollSeconds": (2.5, "2.5"),
    "apiLogBytes": (65536, "65536"),
    "repositoryPrefix": ("git@git.example.org:", "git@git.example.org:"),
    "commands": (["make *", "npm test"], '["make *", "npm test"]'),
    "environmentNames": (["NPM_TOKEN", "DEPLOY_*"], "NPM_TOKEN,DEPLOY_*"),
    "secretsInClear": (True, "true"),
    "buildTimeoutSeconds": (60, "60"),
    "silenceTimeoutSeconds": (1.5, "1.5"),
    "heartbeatSeconds": (0.5, "0.5"),
    "graceSeconds": (7, "7"),
    "maxAgents": (500, "500"),
    "maxWaitingBuilds": (500, "500"),
    "minFreeBytes": (1048576, "1048576"),
    "keepBuilds": (100, "100"),
    "keepDays": (0.5, "0.5"),
    "keepGigabytes": (2.5, "2.5"),
    "maxBodyBytes": (4194304, "4194304"),
    "maxLogBytes": (65536, "65536"),
    "maxConnections": (500, "500"),
    "clientTimeoutSeconds": (7.5, "7.5"),
    "hostNames": (["ci.example.org"], "ci.example.org"),
    "publicUrl": ("https://ci.example.org", "https://ci.example.org"),
    "oidcClientId": ("nursery", "nursery"),
    "oidcClientSecret": ("s3cret", "s3cret"),
    "oidcRoleClaim": ("roles", "roles"),
    "oidcRoles": ({"admin": ["ops"]}, '{"admin": ["ops"]}'),
    "insecure": (True, "true"),
    "anonymousView": (False, "false"),
    "sessionDays": (0.5, "0.5"),
    "keyFile": ("/etc/ci.key", "/etc/ci.key"),
    "foreignAgents": (["10.0.0.7", "10.1.0.0/16"], "10.0.0.7 10.1.0.0/16"),
    "trustedProxies": (["127.0.0.1", "10.0.0.0/8"], "127.0.0.1,10.0.0.0/8"),
    "defaultCommit": ("trunk", "trunk"),
    "defaultCommand": ("./test.sh -v", "./test.sh -v"),
    "logFormat": ("json", "json"),
}
AGENT_VALUES: dict[str, tuple[Any, str]] = {
    "port": (82, "82"),
    "host": ("10.0.0.7", "10.0.0.7"),
    "bind": ("0.0.0.0", "0.0.0.0"),
    "serverHost": ("10.0.0.1", "10.0.0.1"),
    "serverPort": (81, "81"),
    "name": ("builder 1", "builder 1"),
    "slots": (4, "4"),
    "labels": (["linux", "big"], "linux,big"),
    "dataDir": ("/var/lib/agent", "/var/lib/agent"),
    "certificate": ("/etc/ci.pem", "/etc/ci.pem"),
    "certificateKey": ("/etc/ci-key.pem", "/etc/ci-key.pem"),
    "serverCertificate": ("/etc/ci.pem", "/etc/ci.pem"),
    "serverTls": (True, "true"),
    "insecure": (True, "true"),
    "agentToken": ("t0ken", "t0ken"),
    "commands": (["build-tools"], "build-tools"),
    "repositories": (["https://git.example.org/*"], "https://git.example.org/*"),
    "environmentNames": (["NPM_TOKEN", "DEPLOY_*"], "NPM_TOKEN,DEPLOY_*"),
    "secrets": ("always", "always"),
    "dialect": ("code", "code"),
    "repositoryPrefix": ("https://git.example.org/", "https://git.example.org/"),
    "sandbox": ("bubblewrap", "bubblewrap"),
    "sandboxNetwork": (False, "false"),
    "sandboxReadable": (["/opt/jdk", "/etc/pip.conf"], "/opt/jdk,/etc/pip.conf"),
    "sandboxWritable": (["/var/cache/ci"], "/var/cache/ci"),
    "sandboxEnvironment": (["https_proxy", "no_proxy"], "https_proxy no_proxy"),
    "maxMemoryBytes": (1 << 31, "2147483648"),
    "maxProcesses": (500, "500"),
    "maxCpuSeconds": (3600, "3600"),
    "maxFileBytes": (1 << 30, "1073741824"),
    "maxOpenFiles": (1024, "1024"),
    "killGraceSeconds": (0.25, "0.25"),
    "logFormat": ("json", "json"),
    "keepMirrorsDays": (7.5, "7.5"),
    "minFreeBytes": (1 << 30, "1073741824"),
    "maxConnections": (50, "50"),
    "clientTimeoutSeconds": (7.5, "7.5"),
}
CASES: list[tuple[Kind, str, Any, str]] = [
    (kind, key, value, text)
    for kind, values in ((ServerConfig, SERVER_VALUES), (AgentConfig, AGENT_VALUES))
    for key, (value, text) in values.items()
]


def _snake(key: str) -> str:
    return "".join("_" + c.lower() if c.isupper() else c for c in key)


def _complaint(kind: Kind, values: dict[str, object]) -> str:
    with pytest.raises(ConfigError) as error:
        kind.check(values)
    return str(error.value)


@pytest.mark.parametrize("kind", BOTH)
def test_every_key_is_tried_here(kind: Kind) -> None:
    """A new key needs a line in the tables above."""
    keys = {field.alias for field in kind.model_fields.values()}
    alone = {"oidcIssuer"} if kind is ServerConfig else set()  # it needs others beside it
    assert keys - alone == set(SERVER_VALUES if kind is ServerConfig else AGENT_VALUES)


@pytest.mark.parametrize(("kind", "key", "value", "text"), CASES)
def test_every_key_can_be_set_in_all_three_places(
    kind: Kind, key: str, value: Any, text: str, tmp_path: Path
) -> None:
    """File, environment and flag mean the same, and none is the default."""
    file = tmp_path / kind.file_name
    file.write_text(json.dumps({key: value}))
    file.chmod(0o600)
    snake = _snake(key)
    variable = kind.variable_prefix + snake.upper()
    flag = "--" + snake.replace("_", "-")
    nowhere = tmp_path / "empty"

    in_file = kind.load([], {}, tmp_path)
    in_environment = kind.load([], {variable: text}, nowhere)
    as_flag = kind.load([flag, text], {}, nowhere)
    assert in_file == in_environment == as_flag
    assert kind.load([f"--{key}={text}"], {}, nowhere) == as_flag
    assert getattr(in_file, snake) != getattr(kind(), snake)
    assert in_file.model_fields_set == {snake}


def test_flags_win_over_the_environment_and_this_over_the_file(tmp_path: Path) -> None:
    """Whoever is nearer to the start of the program decides."""
    (tmp_path / "server-conf.json").write_text('{"port": 1, "host": "a", "graceSeconds": 9}')
    environment = {"CI_SERVER_PORT": "2", "CI_SERVER_HOST": "b", "PATH": "/bin"}
    config = ServerConfig.load(["--port", "3"], environment, tmp_path)
    assert (config.port, config.host, config.grace_seconds) == (3, "b", 9)


@pytest.mark.parametrize("kind", BOTH)
def test_nothing_needs_to_be_configured(kind: Kind, tmp_path: Path) -> None:
    """No file, no variable, no flag: the defaults are those of the specification."""
    config = kind.load([], {}, tmp_path)
    assert config.port == (8080 if kind is ServerConfig else 8081)
    assert not config.model_fields_set


def test_the_examples_are_valid() -> None:
    """Whoever copies an example file gets a program that starts."""
    server = ServerConfig.load(["--config", "server-conf.example.json"], {}, TOP)
    agent = AgentConfig.load(["--config", "agent-conf.example.json"], {}, TOP)
    assert server.known_repositories
    assert agent.server_port == server.port


@pytest.mark.parametrize("kind", BOTH)
def test_help_names_every_key(kind: Kind, capsys: pytest.CaptureFixture[str]) -> None:
    """With a sentence for each."""
    with pytest.raises(SystemExit) as ended:
        kind.load(["--help"], {}, TOP)
    assert ended.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    for field in kind.model_fields.values():
        assert f"--{field.alias} " in shown
        assert field.description


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        (ServerConfig, {"port": 70000}, ["port = 70000", "65535"]),
        (ServerConfig, {"port": -1}, ["port = -1"]),
        (ServerConfig, {"port": True}, ["port = true", "number"]),
        (ServerConfig, {"port": "x"}, ['port = "x"', "integer"]),
        (ServerConfig, {"port": 1.5}, ["port = 1.5"]),
        (ServerConfig, {"port": None}, ["port = null"]),
        (ServerConfig, {"host": 5}, ["host = 5", "string"]),
        (
            ServerConfig,
            {"prot": 1},
            ["prot", "no such key", "perhaps port was meant", "--help lists"],
        ),
        (ServerConfig, {"repositories": 5}, ["repositories = 5"]),
        (ServerConfig, {"repositories": ["a", 5]}, ["repositories", "list of URLs"]),
        (ServerConfig, {"repositories": "[1"}, ["repositories"]),
        (ServerConfig, {"repositories": {"x": "ext::sh -c id"}}, ["remote helper"]),
        (ServerConfig, {"repository": "--upload-pack=x"}, ["repository", "no URL or path"]),
        (ServerConfig, {"repository": "gopher://x/y"}, ["schemes http"]),
        (ServerConfig, {"repository": ""}, ['repository = ""']),
        (ServerConfig, {"graceSeconds": 0}, ["graceSeconds = 0", "greater than 0"]),
        (ServerConfig, {"graceSeconds": "inf"}, ["graceSeconds"]),
        (ServerConfig, {"graceSeconds": float("nan")}, ["graceSeconds"]),
        (ServerConfig, {"maxBodyBytes": 1}, ["maxBodyBytes = 1", "greater than"]),
        (ServerConfig, {"maxLogBytes": 65535}, ["maxLogBytes = 65535", "greater than"]),
        (ServerConfig, {"maxLogBytes": (4 << 30) + 1}, ["maxLogBytes = 4294967297", "less than"]),
        (ServerConfig, {"defaultCommit": "--x"}, ['defaultCommit = "--x"', "can't begin with"]),
        (ServerConfig, {"defaultCommand": ""}, ['defaultCommand = ""']),
        (ServerConfig, {"host": ""}, ['host = ""']),
        (ServerConfig, {"dataDir": ""}, ['dataDir = ""', "name of a folder"]),
        (ServerConfig, {"dataDir": "a\0b"}, ["dataDir", "name of a folder"]),
        (ServerConfig, {"repositories": {"": "/x"}}, ["repositories", "printable name"]),
        (ServerConfig, {"repository": "~no-such-user/x"}, ["user that this machine"]),
        (ServerConfig, {"data_dir": "x"}, ["data_dir", "no such key", "perhaps dataDir was meant"]),
        (AgentConfig, {"host": "0.0.0.0"}, ["host", "use bind"]),
        (AgentConfig, {"bind": ""}, ['bind = ""']),
        (AgentConfig, {"serverHost": ""}, ['serverHost = ""']),
        (AgentConfig, {"serverHost": "10.0.0.5:8080"}, ["serverHost", "a key of its own"]),
        (AgentConfig, {"serverHost": "http://10.0.0.5:8080"}, ["serverHost", "a key of its own"]),
        (AgentConfig, {"serverHost": "a b"}, ["serverHost"]),
        (AgentConfig, {"serverPort": 0}, ["serverPort = 0"]),
        (AgentConfig, {"slots": 0}, ["slots = 0", "greater than or equal to 1"]),
        (AgentConfig, {"slots": True}, ["slots = true"]),
        (AgentConfig, {"labels": 5}, ["labels = 5"]),
        (AgentConfig, {"labels": ["big mem"]}, ["labels", "has a space or a comma"]),
        (AgentConfig, {"labels": ["a", "x\ny"]}, ["labels", "can't be printed"]),
        (AgentConfig, {"name": "a\nb"}, ["name", "can't be printed"]),
        (AgentConfig, {"name": "x" * 101}, ["name", "100"]),
    ],
)
def test_a_mistake_is_one_line_with_key_and_value(
    kind: Kind, values: dict[str, object], words: list[str]
) -> None:
    """No traceback, no class of ours or of a library."""
    complaint = _complaint(kind, values)
    assert "\n" not in complaint
    assert len(complaint) < 1000
    assert "pydantic" not in complaint
    for word in words:
        assert word in complaint
    assert complaint.endswith(("correct the value", "lists all of them"))


@given(
    st.sampled_from(BOTH),
    st.dictionaries(
        st.sampled_from([*SERVER_VALUES, *AGENT_VALUES, "x"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text()),
        max_size=3,
    ),
)
def test_whatever_a_file_holds_it_is_a_configuration_or_one_line(
    kind: Kind, values: dict[str, object]
) -> None:
    """Never another error, never a second line."""
    said = "fine"
    try:
        kind.check(values)
    except ConfigError as error:
        said = str(error)
    assert said.splitlines() == [said]


@pytest.mark.parametrize(
    ("arguments", "environment", "content", "words"),
    [
        (["--port", "x"], {}, None, ["--port: port", "integer"]),
        ([], {"CI_SERVER_PORT": "x"}, None, ["CI_SERVER_PORT: port"]),
        ([], {}, '{"port": "x"}', ["server-conf.json: port"]),
        ([], {}, '{"a": 1}', ["server-conf.json: a: no such key"]),
        (
            [],
            {"CI_SERVER_PROT": "1"},
            None,
            ["CI_SERVER_PROT", "no such setting", "CI_SERVER_PORT"],
        ),
        (["--prot", "1"], {}, None, ["--prot", "--help"]),
        (["--por", "1"], {}, None, ["--por", "--help"]),
        (["--port"], {}, None, ["--port", "--help"]),
        (["stray"], {}, None, ["stray", "--help"]),
        (["--config", "none.json"], {}, None, ["none.json", "can't be read", "create it"]),
        ([], {}, '{"port": 1', ["server-conf.json", "is not JSON", "line 1"]),
        ([], {}, "[1]", ["server-conf.json", "one JSON object"]),
        ([], {}, "", ["server-conf.json", "is not JSON"]),
    ],
)
def test_a_mistake_names_its_place(
    arguments: list[str],
    environment: dict[str, str],
    content: str | None,
    words: list[str],
    tmp_path: Path,
) -> None:
    """The flag, the variable or the file where the mistake is."""
    if content is not None:
        (tmp_path / "server-conf.json").write_text(content)
    with pytest.raises(ConfigError) as error:
        ServerConfig.load(arguments, environment, tmp_path)
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_a_file_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    """Neither is a folder in its place."""
    (tmp_path / "server-conf.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"^.*server-conf.json: is not JSON .*$"):
        ServerConfig.load([], {}, tmp_path)
    (tmp_path / "agent-conf.json").mkdir()
    with pytest.raises(ConfigError, match=r"^.*agent-conf.json: can't be read .*$"):
        AgentConfig.load([], {}, tmp_path)


@pytest.mark.parametrize("key", ["agentToken", "apiToken"])
@pytest.mark.parametrize("secret", ["h0t potato", "häppy", "", ["h0t"], "x" * 501])
def test_a_secret_is_never_shown(key: str, secret: object) -> None:
    """Not even when it is wrong."""
    complaint = _complaint(ServerConfig, {key: secret})
    assert f"{key} = (not shown)" in complaint
    for part in ("h0t", "häppy", "xxx"):
        assert part not in complaint


def test_several_repositories_have_names() -> None:
    """The one called `repository` comes first; a list is its own names; paths become absolute."""
    listed = ServerConfig.check({"repositories": ["https://a.example/x", "git@b.example:y.git"]})
    assert listed.known_repositories == {
        "https://a.example/x": "https://a.example/x",
        "git@b.example:y.git": "git@b.example:y.git",
    }
    both = ServerConfig.check({"repositories": {"tools": "tools.git"}, "repository": "/srv/x"})
    assert list(both.known_repositories.items()) == [
        ("/srv/x", "/srv/x"),
        ("tools", str(Path("tools.git").resolve())),
    ]
    assert ServerConfig().known_repositories == {}


@pytest.mark.parametrize("text", ["/a /b", "/a,/b", '["/a", "/b"]', " /a ,\n/b "])
def test_a_variable_can_say_several_repositories(text: str, tmp_path: Path) -> None:
    """As words or as JSON."""
    config = ServerConfig.load([], {"CI_SERVER_REPOSITORIES": text}, tmp_path)
    assert config.known_repositories == {"/a": "/a", "/b": "/b"}


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://git.example.org/team/x.git", True),
        ("ssh://git@git.example.org:2222/x", True),
        ("git@git.example.org:team/x.git", True),
        ("file:///srv/x", True),
        ("/srv/git/x.git", True),
        ("../x", True),
        ("~/x", True),
        ("ssh://[::1]:22/x", True),
        ("https://ada:secret@git.example.org:8443/x", True),
        ("https://ada@example.org:se@cret@git.example.org/x", True),
        ("https://ada:a/b@git.example.org/x", False),
        ("https://ada:a%0Ahost=evil@git.example.org/x", False),
        ("https://git.example.org x/y", False),
        ("https://git.example.org:port/x", False),
        ("https://ada@-x/y", False),
        ("ssh://ada@-oProxyCommand=id/x", False),
        ("ada@-oProxyCommand=id:x", False),
        ("", False),
        ("-x", False),
        ("--upload-pack=x", False),
        ("ext::sh -c id", False),
        ("fd::17", False),
        ("ext::sh%20-c%20id", False),
        ("ssh://-oProxyCommand=id/x", False),
        ("javascript://x", False),
        ("https://", False),
        ("a\nb", False),
        ("a\x00b", False),
        (" https://x", False),
        ("x" * 2001, False),
    ],
)
def test_git_is_given_only_what_can_do_no_harm(url: str, *, good: bool) -> None:
    """Schemes are an allow-list; nothing is an option or a remote helper."""
    assert (repository_problem(url) is None) is good


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("http://ci.example.org", "http://ci.example.org:8080"),
        ("https://ci.example.org/", "https://ci.example.org:8080"),
        ("::1", "http://[::1]:8080"),
    ],
)
def test_the_servers_address_may_carry_a_scheme(host: str, url: str) -> None:
    """Some configuration files have it; https is meant."""
    assert AgentConfig.check({"serverHost": host}).server_url == url


def test_an_agent_listens_where_it_is_reached_unless_told_otherwise() -> None:
    """`host` is for the server, `bind` for ourselves."""
    assert AgentConfig.check({"host": "10.0.0.7"}).bind_host == "10.0.0.7"
    assert AgentConfig.check({"host": "10.0.0.7", "bind": "0.0.0.0"}).bind_host == "0.0.0.0"


def test_an_agent_has_a_name() -> None:
    """Its own, or that of the machine with its port."""
    assert AgentConfig.check({"name": "big"}).shown_name == "big"
    assert AgentConfig.check({"port": 99}).shown_name.endswith("-99")


@pytest.mark.parametrize("kind", BOTH)
def test_a_flag_that_is_only_said_is_true(kind: Kind, tmp_path: Path) -> None:
    """As `--insecure`; what follows it is not taken for its value."""
    config = kind.load(["--insecure", "--port", "83"], {}, tmp_path)
    assert (config.insecure, config.port) == (True, 83)
    assert not kind.load(["--insecure", "false"], {}, tmp_path).insecure
    assert 'insecure = "perhaps"' in _complaint(kind, {"insecure": "perhaps"})


@pytest.mark.parametrize("proxy", ["x", "10.0.0.1/8", "10.0.0.0/40", "ci.example.org", ""])
def test_a_proxy_is_an_address(proxy: str) -> None:
    """A name could turn into any address."""
    assert "trustedProxies" in _complaint(ServerConfig, {"trustedProxies": [proxy]})


OPENID = {
    "oidcIssuer": "https://login.example.org",
    "oidcClientId": "nursery",
    "oidcClientSecret": "s3cret",
    "oidcRoles": {"admin": ["ops"]},
    "publicUrl": "https://ci.example.org/",
}


def test_a_provider_needs_all_that_belongs_to_it() -> None:
    """What is missing is named; nothing is sent where others could read it."""
    whole: dict[str, object] = dict(OPENID)
    config = ServerConfig.check(whole)
    assert config.oidc_roles == {Role.ADMIN: ("ops",)}
    for key in ("oidcClientId", "oidcClientSecret", "oidcRoles", "publicUrl"):
        less = {name: value for name, value in whole.items() if name != key}
        assert f"oidcIssuer needs {key} as well" in _complaint(ServerConfig, less)
    for address in ("http://login.example.org", "login.example.org", "ftp://x", "https://", "é"):
        assert "https://" in _complaint(ServerConfig, whole | {"oidcIssuer": address})
    assert ServerConfig.check(whole | {"oidcIssuer": "http://127.0.0.1:8000"}).oidc_issuer
    assert "oidcRoles" in _complaint(ServerConfig, whole | {"oidcRoles": {"root": ["ops"]}})
    assert config.shown()["oidcClientSecret"] == "(set)"


def test_a_password_in_a_wrong_url_is_not_shown() -> None:
    """Nor a part of it: it is what makes the URL wrong."""
    with pytest.raises(ConfigError) as caught:
        ServerConfig.check({"repositories": {"x": "https://ada:sec/ret@h/x"}})
    assert "as %2F" in str(caught.value)
    assert "ret" not in str(caught.value).partition(":")[2]
    assert "sec" not in str(caught.value)
