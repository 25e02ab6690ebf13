"""Certificates: the one that we show to those who connect, and those that we believe."""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import Final

from ci.errors import ConfigError

MAX_PEM_CHARS: Final = 20_000  # a certificate with a large key and many names has some 8000
_ALPN: Final = ("http/1.1",)
_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")


def serving_context(certificate: Path, key: Path | None) -> ssl.SSLContext:
    """Show `certificate` to whoever connects. Blocks. Raises ConfigError.

    Without `key` the private key is in the same file.
    """

    def no_password() -> str:
        message = (
            "certificateKey: the private key has a password, and nobody is there to type it; "
            "take it off: openssl pkey -in KEY -out NEW-KEY"
        )
        raise ConfigError(message)

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION  # it costs us far more than who asks for it
    context.set_alpn_protocols(list(_ALPN))
    for name, path in (("certificate", certificate), ("certificateKey", key)):
        if path is not None:
            _read(name, path)
    try:
        context.load_cert_chain(certificate, key, no_password)
    except (OSError, ValueError) as error:
        message = f"certificate = {str(certificate)!r}"
        message += f", certificateKey = {str(key)!r}" if key is not None else ""
        raise ConfigError(
            f"{message}: are no certificate in PEM and its private key "
            f"({ssl_words(error)}); correct the values"
        ) from error
    return context


def read_certificate(path: Path, key: str = "certificate") -> str:
    """Return the first certificate of a file, in PEM: the one that is shown. Blocks.

    Raises ConfigError, which calls the setting `key`.
    """
    found = _PEM.search(_read(key, path))
    if found is None:
        raise _no_certificate(key, path, "there is none in it")
    if problem := certificate_problem(found[0]):
        raise _no_certificate(key, path, problem)
    return found[0] + "\n"


def certificate_problem(pem: str) -> str | None:
    """Say why this is not one certificate in PEM that others may see, or None."""
    if len(pem) > MAX_PEM_CHARS:
        return f"has {len(pem)} characters, at most {MAX_PEM_CHARS} are allowed"
    if _PEM.fullmatch(pem.strip()) is None:
        return "must be one certificate in PEM, and nothing else"
    try:
        _trusting().load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError) as error:
        return f"can't be read ({ssl_words(error)})"
    return None


def pinned_context(pem: str) -> ssl.SSLContext:
    """Trust exactly this certificate, whatever the name or address of who shows it."""
    context = _trusting()
    context.check_hostname = False
    context.load_verify_locations(cadata=pem)
    return context


def trusted_context(file: Path | None, key: str = "serverCertificate") -> ssl.SSLContext:
    """Trust what a file says; without one, whom the system trusts. Blocks. Raises ConfigError.

    An authority signs for others, too: of whom it has signed the name is checked. Where the first
    certificate of the file is a server's own, that one is believed, and no other.
    """
    if file is None:
        return ssl.create_default_context()
    first = read_certificate(file, key)
    context = _trusting()
    context.load_verify_locations(cadata=first)
    if not context.get_ca_certs():
        return pinned_context(first)
    try:
        context.load_verify_locations(file)
    except ssl.SSLError as error:
        raise _no_certificate(key, file, ssl_words(error)) from error
    return context


def plain_context() -> ssl.SSLContext:
    """Trust nobody: for clients of plain HTTP, which want a context all the same.

    To read the system's certificates takes 20 ms.
    """
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def connect_words(error: BaseException) -> str:
    """Say why a call did not come about; who made it has hidden in a chain what TLS had to say."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not one that is believed here: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return f"it does not speak TLS as we do: {ssl_words(cause)}"
        cause = cause.__cause__ or cause.__context__
    return str(error) or type(error).__name__


def ssl_words(error: Exception) -> str:
    """Say what was wrong, in OpenSSL's words or the system's."""
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
    return str(reason).lower().replace("_", " ")


def _trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # what we are given ends the chain
    return context


def _no_certificate(key: str, path: Path, problem: str) -> ConfigError:
    return ConfigError(
        f"{key} = {str(path)!r}: is no certificate in PEM: {problem}; correct the value"
    )


def _read(name: str, path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise ConfigError(
            f"{name} = {str(path)!r}: can't be read ({error.strerror}); correct the value"
        ) from error
