"""Addresses: of this machine as Label Studio sees it, and which of two mean the same."""

import ipaddress
import socket
from urllib.parse import urlsplit, urlunsplit

from label_studio_ml.errors import SettingsError

_LOCALHOST = frozenset({"localhost", "127.0.0.1", "::1", "[::1]"})


def canonical(url: str) -> str:
    """Return `url` in the form in which equal addresses are equal: no slash at the end, one name for loopback."""
    parts = urlsplit(url.strip())
    host = (parts.hostname or "").lower()
    host = "localhost" if host in _LOCALHOST else f"[{host}]" if ":" in host else host
    default = {"http": 80, "https": 443}.get(parts.scheme.lower())
    port = "" if parts.port in {None, default} else f":{parts.port}"
    return urlunsplit((parts.scheme.lower(), host + port, parts.path.rstrip("/"), "", ""))


def checked(url: str, option: str = "--backend-url") -> str:
    """Return an http(s) URL without a slash at its end. Raises SettingsError."""
    parts = urlsplit(url.strip())
    try:
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
    if not good:
        raise SettingsError(f"{option} {url!r} is not an http(s) address", field=option)
    return url.strip().rstrip("/")


def backend_url(studio_url: str, port: int) -> str:
    """Return the address at which Label Studio should find a backend on `port` of this machine.

    `http://localhost:PORT` where Label Studio is on this machine, else this machine's address on the way to it.
    Raises SettingsError when there is no way.
    """
    parts = urlsplit(studio_url)
    host = parts.hostname or ""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, parts.port or 80, type=socket.SOCK_DGRAM
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(address)  # nothing is sent: it only chooses the route
            own, other = probe.getsockname()[0], probe.getpeername()[0]
    except OSError as error:
        raise SettingsError(
            f"It cannot be told how Label Studio at {host} sees this machine: {error.strerror or error}",
            fix="Give --backend-url",
            field="--backend-url",
        ) from None
    if own == other or ipaddress.ip_address(other.partition("%")[0]).is_loopback:
        return f"http://localhost:{port}"
    return f"http://[{own}]:{port}" if ":" in own else f"http://{own}:{port}"


def webhook_host_fits(url: str) -> bool:
    """Tell whether Label Studio takes a webhook at this host: single-label names other than localhost it does not."""
    host = urlsplit(url).hostname or ""
    return "." in host or ":" in host or host == "localhost"
