"""Addresses of backends: check a URL, and find this machine's address as Label Studio reaches it."""

import socket
from urllib.parse import urlsplit

from label_studio_ml.errors import SettingsError
from label_studio_ml.studio.addresses.private_addresses import is_loopback
from label_studio_ml.studio.addresses.references import origin
from label_studio_ml.support.server_urls import server_url


def checked(url: str, option: str = "--backend-url") -> str:
    """Return the http(s) URL without a trailing slash. Raises SettingsError, naming `option`, for other text."""
    try:
        parts = urlsplit(url.strip())
        is_valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_valid = False
    if not is_valid:
        raise SettingsError(f"{option} {url!r} is not an http(s) address", field=option)
    return url.strip().rstrip("/")


def backend_url(studio_url: str, port: int, scheme: str = "http") -> str:
    """Return the URL at which Label Studio can reach a backend on `port` of this machine.

    That is `http://localhost:PORT` if Label Studio is on this machine, else the address of the network interface on
    the route to Label Studio, with `scheme`. Raises SettingsError when its address is invalid, or its host cannot be
    resolved or routed to.
    """
    try:
        _, host, studio_port = origin(studio_url.strip())
    except ValueError as error:
        raise SettingsError(str(error), fix="Correct --url or LABEL_STUDIO_URL", field="--url") from None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, studio_port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(address)  # a UDP connect sends nothing; it only selects the route
            own_address, studio_address = probe.getsockname()[0], probe.getpeername()[0]
    except OSError as error:
        raise SettingsError(
            f"This machine's address as seen from Label Studio at {host} cannot be found: {error.strerror or error}",
            fix="Give --backend-url with the address at which Label Studio reaches the backend",
            field="--backend-url",
        ) from None
    if own_address == studio_address or is_loopback(studio_address):
        return f"{scheme}://localhost:{port}"
    return server_url(scheme, own_address, port)


def port_in(url: str) -> int | None:
    """Return the port that a URL names; None if it names none, or is invalid."""
    try:
        return urlsplit(url).port
    except ValueError:
        return None


def webhook_host_fits(url: str) -> bool:
    """Tell whether Label Studio accepts a webhook at the URL's host: it refuses names without a dot but localhost."""
    host = urlsplit(url).hostname or ""
    return "." in host or ":" in host or host == "localhost"
