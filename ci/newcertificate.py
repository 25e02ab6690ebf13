"""`python -m ci.server certificate`, and `ci.agent`: makes a certificate of one's own, and its key.

It is nobody's authority: whoever is given the certificate believes its owner and nobody else.
"""

from __future__ import annotations

import argparse
import ipaddress
import os
import socket
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ci.config import AgentConfig, ServerConfig
from ci.errors import ConfigError
from ci.program import CAN_NOT_START
from ci.settingsfile import change_file, file_of

WORD: Final = "certificate"
# Who is given it believes it by itself, and has to be given the next one by hand.
VALID: Final = timedelta(days=10 * 365)
SLOW_CLOCKS: Final = timedelta(days=1)  # those of other machines may be behind ours
EVERYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - which is nobody's name
ALWAYS: Final = ("localhost", "127.0.0.1", "::1")


def main(kind: type[ServerConfig | AgentConfig], arguments: Sequence[str]) -> int:
    """Make a certificate for who reads this kind of settings; return 0, or 2 when it can't be."""
    parser = argparse.ArgumentParser(
        prog=f"{kind.program} {WORD}",
        description="Make a certificate and its private key, and name both in the settings' file.",
        epilog=f"All flags of {kind.program} are taken as well.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--names", default="", help="more names and addresses by which it is called: A,B"
    )
    known, rest = parser.parse_known_args(arguments)
    try:
        config = kind.load(rest, os.environ, Path.cwd())
        said = _make(config, [name for name in known.names.split(",") if name], file_of(kind, rest))
    except ConfigError as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return CAN_NOT_START
    sys.stdout.write("".join(f"{line}\n" for line in said))
    return 0


def make_certificate(names: Iterable[str], now: datetime) -> tuple[bytes, bytes]:
    """Return a new certificate for these host names and addresses, and its private key, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = list(dict.fromkeys(names))
    owner = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(owner)
        .issuer_name(owner)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SLOW_CLOCKS)
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectAlternativeName(map(_general_name, names)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM), private


def _make(config: ServerConfig | AgentConfig, more: Sequence[str], settings: Path) -> list[str]:
    if config.certificate is not None:
        raise ConfigError(
            f"certificate = {str(config.certificate)!r}: there is one already; to have another "
            "made, take certificate and certificateKey out of the settings"
        )
    names = _names(config, more)
    try:
        certificate, key = make_certificate(names, datetime.now(UTC))
    except ValueError as error:
        raise ConfigError(f"--names: {error}; write names as they are in an URL") from error
    who = "server" if isinstance(config, ServerConfig) else "agent"
    paths = [settings.with_name(f"{who}-{each}.pem") for each in ("certificate", "key")]
    for path, content, mode in zip(paths, (certificate, key), (0o644, 0o600), strict=True):
        _write_new(path, content, mode)
    change_file(settings, {"certificate": str(paths[0]), "certificateKey": str(paths[1])})
    said = [
        f"Certificate: {paths[0]}, for {', '.join(names)}.",
        f"Private key: {paths[1]}, which only you can read.",
        f"{settings}: certificate and certificateKey name them; restart the {who}.",
    ]
    if who == "server":
        said.append(
            "Copy the certificate, not the key, to the machine of each agent, and name it there "
            "as serverCertificate."
        )
    return said


def _names(config: ServerConfig | AgentConfig, more: Sequence[str]) -> list[str]:
    host = socket.gethostname() if config.host in EVERYWHERE else config.host
    own = config.host_names if isinstance(config, ServerConfig) else ()
    return list(dict.fromkeys([host, *own, *more, *ALWAYS]))


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write_new(path: Path, content: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
    except OSError as error:
        raise ConfigError(
            f"{path}: can't be written ({error.strerror}); move what is there away, or mend that"
        ) from error
