"""Which certificates are taken, what is said of the others, and what `certificate` makes."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from ci.certificates import (
    certificate_problem,
    read_certificate,
    serving_context,
    trusted_context,
)
from ci.config import AgentConfig, ServerConfig
from ci.errors import ConfigError, Rejected
from ci.newcertificate import main, make_certificate
from ci.wire.registration import read_registration

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in a folder of its own that has a certificate, a key, and what is neither."""
    monkeypatch.chdir(tmp_path)
    certificate, key = make_certificate(["ci.example.org", "10.0.0.5"], NOW)
    Path("cert.pem").write_bytes(certificate)
    Path("key.pem").write_bytes(key)
    Path("both.pem").write_bytes(certificate + key)
    Path("junk.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    Path("other.pem").write_bytes(make_certificate(["other"], NOW)[1])
    locked = load_pem_private_key(key, None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    Path("locked.pem").write_bytes(locked)
    return tmp_path


@pytest.mark.parametrize(
    ("certificate", "key", "word"),
    [
        ("gone.pem", None, "certificate = 'gone.pem': can't be read"),
        ("cert.pem", "gone.pem", "certificateKey = 'gone.pem': can't be read"),
        ("cert.pem", None, "are no certificate"),
        ("junk.pem", "key.pem", "are no certificate"),
        ("cert.pem", "other.pem", "key values mismatch"),
        ("cert.pem", "locked.pem", "has a password"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_certificate_that_can_not_be_shown_is_said_at_the_start(
    certificate: str, key: str | None, word: str
) -> None:
    """With the key, the value and what is wrong; nothing waits for a password."""
    with pytest.raises(ConfigError, match=word):
        serving_context(Path(certificate), (key and Path(key)) or None)


@pytest.mark.usefixtures("folder")
def test_one_file_may_have_both() -> None:
    """And of such a file others are told the certificate alone."""
    serving_context(Path("both.pem"), None)
    assert read_certificate(Path("both.pem")) == Path("cert.pem").read_text()


@pytest.mark.parametrize("name", ["gone.pem", "junk.pem", "key.pem"])
@pytest.mark.usefixtures("folder")
def test_nobody_is_believed_by_a_file_that_has_no_certificate(name: str) -> None:
    """The agent does not start."""
    with pytest.raises(ConfigError, match=f"serverCertificate = '{name}'"):
        trusted_context(Path(name))


@pytest.mark.usefixtures("folder")
def test_of_a_servers_own_certificate_no_name_is_checked() -> None:
    """Nobody else has its key; of what the system trusts the name is all that tells."""
    assert not trusted_context(Path("cert.pem")).check_hostname
    assert trusted_context(Path("cert.pem")).verify_mode is ssl.CERT_REQUIRED
    assert trusted_context(None).check_hostname


@pytest.mark.parametrize(
    "change",
    [
        "junk".join,
        lambda pem: pem + pem,
        lambda pem: pem + "x" * 20_000,
        lambda pem: pem.replace("M", "A"),
        lambda pem: pem + Path("key.pem").read_text(),
    ],
)
@pytest.mark.usefixtures("folder")
def test_an_agent_tells_one_certificate_or_none(change: Callable[[str], str]) -> None:
    """What is no certificate is refused by its name, and nothing is kept of it."""
    pem = Path("cert.pem").read_text()
    said = {"host": "10.0.0.7", "port": 1, "certificate": pem}
    assert read_registration(json.dumps(said).encode(), "").certificate == pem
    assert certificate_problem(change(pem)) is not None
    with pytest.raises(Rejected, match="certificate") as caught:
        read_registration(json.dumps(said | {"certificate": change(pem)}).encode(), "")
    assert caught.value.field == "certificate"


@pytest.mark.usefixtures("folder")
def test_the_command_makes_it_names_it_and_leaves_what_there_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The settings name both files; nobody else can read the key; a second time it says no."""
    Path("server-conf.json").write_text('{"host": "10.0.0.5"}')
    assert main(ServerConfig, ["--names", "ci.example.org"]) == 0
    assert "10.0.0.5, ci.example.org, localhost" in capsys.readouterr().out
    settings = ServerConfig.load([], {}, Path())
    assert (settings.host, settings.certificate) == ("10.0.0.5", Path("server-certificate.pem"))
    assert settings.certificate_key is not None
    assert settings.certificate_key.stat().st_mode & 0o777 == 0o600
    assert settings.certificate is not None
    serving_context(settings.certificate, settings.certificate_key)
    before = settings.certificate_key.read_bytes()
    assert main(ServerConfig, []) == 2
    assert "there is one already" in capsys.readouterr().err
    Path("server-conf.json").unlink()
    assert main(ServerConfig, []) == 2
    assert "move what is there away" in capsys.readouterr().err
    assert settings.certificate_key.read_bytes() == before


@pytest.mark.usefixtures("folder")
def test_an_agent_has_one_made_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    """In its own file; a name that can't be one is said."""
    assert main(AgentConfig, ["--names", "bücher.example"]) == 2
    assert "--names" in capsys.readouterr().err
    assert main(AgentConfig, ["--host", "agent.example.org"]) == 0
    assert AgentConfig.load([], {}, Path()).certificate == Path("agent-certificate.pem")


def test_https_in_front_of_the_servers_name_is_meant() -> None:
    """A token must not travel in the open because of a key that somebody did not know."""
    said = {"serverHost": "https://ci.example.org", "serverPort": 443}
    assert AgentConfig.check(said).server_url == "https://ci.example.org:443"
    plain = said | {"serverHost": "http://ci.example.org"}
    assert AgentConfig.check(plain).server_url == "http://ci.example.org:443"
