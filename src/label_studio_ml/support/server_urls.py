"""Build the URL of a server, and compare URLs regardless of their spelling."""

from urllib.parse import urlsplit, urlunsplit

_LOCALHOST = frozenset({"localhost", "127.0.0.1", "::1", "[::1]"})


def server_url(scheme: str, host: str, port: int) -> str:
    """Return the URL of a server at `host`, a name or an IP address, and `port`."""
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def canonical(url: str) -> str:
    """Return `url` normalized for comparison: lower case, no default port or trailing slash, one name for loopback.

    Text that is not a URL, such as one with a port above 65535, is returned as it is, without blanks around it.
    """
    try:
        parts = urlsplit(url.strip())
        number = parts.port
    except ValueError:
        return url.strip()
    host = (parts.hostname or "").lower()
    host = "localhost" if host in _LOCALHOST else f"[{host}]" if ":" in host else host
    default = {"http": 80, "https": 443}.get(parts.scheme.lower())
    port = "" if number in {None, default} else f":{number}"
    return urlunsplit((parts.scheme.lower(), host + port, parts.path.rstrip("/"), "", ""))


def same_server(url: str, other: str) -> bool:
    """Tell whether two URLs have the same scheme, host and port; their paths may differ."""
    first, second = (urlsplit(canonical(text)) for text in (url, other))
    return (first.scheme, first.netloc) == (second.scheme, second.netloc)
