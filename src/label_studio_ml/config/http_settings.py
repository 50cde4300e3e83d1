"""Settings of the HTTP server: accepted host names, memory limit and tokens."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from label_studio_ml.config.setting_values import BYTES, EXACT_TEXT, TEXT, Kind, PathUse, path_for
from label_studio_ml.config.variables import read, setting, written
from label_studio_ml.errors import SettingsError

#: The most bytes of request bodies in memory: of requests being received and of requests not yet answered.
DEFAULT_MAX_IN_FLIGHT = 2 << 30

#: A host name, `.example.com` or `*.example.com` for all names below it, or `*` for any name.
_NAME = re.compile(r"\*|(\*?\.)?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")


#: A path without `.` and `..` as parts, which clients and proxies resolve.
_ROOT_PATH = re.compile(r"(/(?!\.\.?(/|$))[A-Za-z0-9._~-]+)+")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _host_names(variable: str, text: str) -> tuple[str, ...]:
    """Return the host names in `text`, separated by commas, without ports. Raises SettingsError."""
    names = []
    for entry in text.lower().split(","):
        if not (name := entry.strip()):
            continue
        name = re.sub(r":\d+$", "", name)
        if not _NAME.fullmatch(name):
            raise SettingsError(
                f"{variable}: {entry.strip()!r} is not a host name",
                fix="Give names without scheme and path, comma separated: ml.example.com,.internal.example.com",
                field=variable,
            )
        names.append(name)
    return tuple(names)


def parse_root_path(variable: str, text: str) -> str:
    """Return a path without a slash at its end; empty for `/`. Raises SettingsError."""
    path = text.removesuffix("/")
    if path and not _ROOT_PATH.fullmatch(path):
        raise SettingsError(
            f"{variable}: {text!r} is not a path whose parts, other than . and .., consist of letters, digits "
            "and the characters . _ ~ -",
            fix="Give one such as /ml",
            field=variable,
        )
    return path


def _networks(variable: str, text: str) -> tuple[Network, ...]:
    """Return the networks in `text`, addresses or networks separated by commas. Raises SettingsError."""
    networks = []
    for entry in text.split(","):
        if not (name := entry.strip()):
            continue
        try:
            networks.append(ipaddress.ip_network(name, strict=False))
        except ValueError:
            raise SettingsError(
                f"{variable}: {name!r} is not an IP address or network",
                fix="Give such as 127.0.0.1,10.0.0.0/8",
                field=variable,
            ) from None
    return tuple(networks)


def _networks_text(networks: tuple[Network, ...]) -> str:
    return ",".join(map(str, networks))


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Settings of the HTTP server. The path `tokens_file` is relative to the backend's folder."""

    # fmt: off
    allowed_hosts: tuple[str, ...] = setting("ALLOWED_HOSTS", Kind(_host_names, ",".join), (),
        "host names by which clients reach the backend, besides IP addresses, comma separated; `.example.com`: all "
        "names below it, `*`: any name ([who may ask](production.md#who-may-ask))",
        "on a loopback address its own names only; else any, but for browsers")
    max_in_flight: int = setting("LABEL_STUDIO_ML_MAX_IN_FLIGHT", BYTES, DEFAULT_MAX_IN_FLIGHT,
        "bytes of request bodies in memory at a time ([limits](production.md#limits))")
    tokens_file: Path | None = setting("TOKENS_FILE", path_for(PathUse.FILE, in_backend=True), None,
        "file with tokens that clients may send in place of the login, [one per line](security.md#login-and-tokens)")
    viewer_user: str = setting("VIEWER_USER", EXACT_TEXT, "",
        "user of a second login that may only read, such as on the [dashboard](dashboard.md)", secret=True)
    viewer_pass: str = setting("VIEWER_PASS", EXACT_TEXT, "",
        "password of this login", secret=True)
    token: str = setting("LABEL_STUDIO_ML_TOKEN", TEXT, "",
        "token that `doctor`, `connect` and `predict` send, if no login is set", secret=True)
    tls_cert: Path | None = setting("TLS_CERT", path_for(PathUse.FILE), None,
        "PEM file with the server's certificate: `start` and `serve` answer HTTPS (also `--tls-cert`)")
    tls_key: Path | None = setting("TLS_KEY", path_for(PathUse.FILE), None,
        "PEM file with its private key (also `--tls-key`)", "in the file of `TLS_CERT`")
    root_path: str = setting("ROOT_PATH", Kind(parse_root_path), "",
        "path under which a proxy offers the backend, such as `/ml`; requests may come with or without it (also "
        "`--root-path`)")
    trusted_proxies: tuple[Network, ...] = setting("TRUSTED_PROXIES", Kind(_networks, _networks_text), (),
        "addresses or networks of proxies whose `X-Forwarded-Prefix` is used as `ROOT_PATH` is, comma separated")
    # fmt: on

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "HttpSettings":
        """Read the settings from `env`. Raises SettingsError, naming the variable, if a value is invalid."""
        return cls(**read(cls, env))

    def to_env(self) -> dict[str, str]:
        """Return the environment variables from which `from_env` reads these settings."""
        return written(self)
