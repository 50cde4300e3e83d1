"""TLS of the server: load its certificate and key, and refuse files with which no client could connect."""

import hashlib
import logging
import os
import ssl
import stat
from dataclasses import dataclass
from pathlib import Path

from label_studio_ml.errors import SettingsError

logger = logging.getLogger(__name__)

#: OpenSSL's codes of verification errors: the certificate is not valid yet, or no longer.
_NOT_YET_VALID, _EXPIRED = 9, 10
#: What OpenSSL names as the reason if key and certificate are of different pairs, or of different kinds.
_OTHER_KEY = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")
#: What is wrong with a certificate, by OpenSSL's reason. Clients offer no cipher for DSA keys and unusual curves.
_REFUSALS = {
    "NO_SHARED_CIPHER": "has a key of a kind that TLS clients do not accept",
    "EE_KEY_TOO_SMALL": "has a key that is too short to be safe",
    "CA_KEY_TOO_SMALL": "is followed by one of an authority whose key is too short to be safe",
    "CA_MD_TOO_WEAK": "is signed with a hash that is too weak to be safe",
}
#: Python's reasons for an error if a file contains no certificate or key.
_NOTHING_FOUND = (None, "PEM_LIB", "NO_START_LINE")


@dataclass(frozen=True, slots=True)
class Tls:
    """The server's TLS context, and the SHA-256 fingerprint of its certificate in hexadecimal."""

    context: ssl.SSLContext
    fingerprint: str


def load(certificate: Path, key: Path | None) -> Tls:
    """Load the certificate chain and its key, PEM files; without `key`, the first file contains both.

    Logs a warning if all users of this machine can read the key. Raises SettingsError, naming the setting, if a file is
    missing, not PEM, encrypted or expired, if the two do not belong together, or if OpenSSL refuses them.
    """
    _check_readable(certificate, "TLS_CERT")
    if key is not None:
        _check_readable(key, "TLS_KEY")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key, password=_refuse_password)
    except ssl.SSLError as error:
        raise _load_error(error, certificate, key) from None
    _warn_if_public(key or certificate)
    return Tls(context, hashlib.sha256(_checked_certificate(context, certificate)).hexdigest())


def _check_readable(path: Path, setting: str) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise SettingsError(
            f"{setting}: {path} cannot be read: {error.strerror}", fix="Name a PEM file", field=setting
        ) from None


def _warn_if_public(key: Path) -> None:
    # Members of the file's group may read it: systems give servers their keys in this way.
    if os.name == "posix" and key.stat().st_mode & stat.S_IROTH:
        logger.warning("Other users of this machine can read the private key in %s: chmod o-r %s", key, key)


def _refuse_password() -> str:
    raise SettingsError(
        "TLS_KEY: the key is encrypted, and the server cannot ask for its password",
        fix="Decrypt it: openssl pkey -in encrypted.pem -out key.pem; then chmod 600 key.pem",
        field="TLS_KEY",
    )


def _load_error(error: ssl.SSLError, certificate: Path, key: Path | None) -> SettingsError:
    """Return the error for files that OpenSSL does not load."""
    if error.reason in _OTHER_KEY:
        return SettingsError(
            f"TLS_KEY: the key in {key or certificate} does not belong to the first certificate in {certificate}",
            fix="Put the server's own certificate first, those of the authorities after it",
            field="TLS_KEY",
        )
    if error.reason not in _NOTHING_FOUND:
        return _refusal(error, certificate)
    if _has_certificate(certificate):
        return SettingsError(
            f"TLS_KEY: {key or certificate} contains no private key in PEM format",
            fix="Name the file that begins with -----BEGIN PRIVATE KEY-----",
            field="TLS_KEY",
        )
    return SettingsError(
        f"TLS_CERT: {certificate} contains no certificate in PEM format",
        fix="Name the file that begins with -----BEGIN CERTIFICATE-----",
        field="TLS_CERT",
    )


def _refusal(error: ssl.SSLError, certificate: Path) -> SettingsError:
    """Return the error for a certificate that OpenSSL refuses, such as one with a short key or a weak signature."""
    reason = str(error.reason).replace("_", " ").lower()
    return SettingsError(
        f"TLS_CERT: the certificate in {certificate} "
        f"{_REFUSALS.get(str(error.reason)) or f'or its key is refused by OpenSSL: {reason}'}",
        fix="Make one with an RSA key of at least 2,048 bits or an EC key on the curve P-256, signed with SHA-256",
        field="TLS_CERT",
    )


def _has_certificate(path: Path) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        return False
    return True


def _checked_certificate(context: ssl.SSLContext, path: Path) -> bytes:
    """Return the server's certificate in DER format, after a handshake in memory. Raises SettingsError if it fails.

    The client of the handshake trusts the certificate itself, so that only its dates and its key are checked.
    """
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.load_verify_locations(path)
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client_side = client.wrap_bio(to_client, to_server)
    server_side = context.wrap_bio(to_server, to_client, server_side=True)
    complete = False
    try:
        while not complete:
            complete = _advance(client_side)
            _advance(server_side)
    except ssl.SSLCertVerificationError as error:
        problem, fix = {
            _NOT_YET_VALID: (
                "is not valid yet",
                "Use another one until then, or correct this machine's clock",
            ),
            _EXPIRED: ("has expired", "Renew it, or correct this machine's clock"),
        }.get(
            error.verify_code, (f"cannot be used: {error.verify_message}", "Make a certificate for servers")
        )
        raise SettingsError(
            f"TLS_CERT: the certificate in {path} {problem}",
            fix=fix,
            field="TLS_CERT",
        ) from None
    except ssl.SSLError as error:
        raise _refusal(error, path) from None
    return client_side.getpeercert(binary_form=True) or b""


def _advance(side: ssl.SSLObject) -> bool:
    """Continue one side's handshake; return whether it is complete."""
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True
