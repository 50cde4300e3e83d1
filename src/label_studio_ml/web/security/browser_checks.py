"""Check the Host, Origin and Content-Type of requests: protection against web pages that call this backend.

Any page in a browser can send requests to a backend on the same machine. CORS keeps it from reading the responses,
but not after DNS rebinding, where the page's own host name is made to resolve to this machine. Label Studio and
command-line tools send neither Origin nor Sec-Fetch-Site.

Over plain HTTP to a host name, browsers send no Sec-Fetch-Site, and no Origin with a GET from the same site. They
always send Accept-Language, which a page cannot suppress ("HTTP-network-or-cache fetch" in the Fetch standard).
"""

import re
from collections.abc import Mapping, Sequence

from label_studio_ml.errors import ForeignOrigin, UnknownHost, WrongContentType
from label_studio_ml.studio.addresses.private_addresses import parse_address

#: Names by which containers reach the machine that they run on. The public DNS has no `.internal`, so no page can
#: have such a name.
CONTAINER_HOSTS = frozenset(
    {"host.docker.internal", "gateway.docker.internal", "host.containers.internal", "host.lima.internal"}
)

_JSON = re.compile(r"application/([\w.+-]+\+)?json\s*(;.*)?", re.IGNORECASE)
#: Maximum number of header values whose check results are cached.
_MAX_CACHED = 256
#: Maximum length in characters of an address (with its zone) and of a cached header value.
_MAX_NAME_LENGTH = 255
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class AccessRules:
    """Rules for the heads of requests. `allowed_hosts`: names, `.example.com` for it and its subdomains, `*` for any.

    Without `*`, the Host header is checked if `allowed_hosts` has names, if the server listens on a loopback address
    (`loopback`), or if a browser sent the request. In the last case, names without a dot, such as `backend`, are
    accepted as well, because the public DNS has no such hosts.
    """

    def __init__(self, allowed_hosts: Sequence[str] = ()) -> None:
        self._any = "*" in allowed_hosts
        self._names = frozenset(name for name in allowed_hosts if not name.startswith((".", "*")))
        self._suffixes = tuple(
            name.removeprefix("*") for name in allowed_hosts if name.startswith((".", "*.")) and name != "*"
        )
        self.loopback = False
        self._hosts: dict[str, bool] = {}
        self._types: dict[str, bool] = {}

    def check(
        self,
        method: str,
        headers: Mapping[str, str],
        *,
        has_body: bool,
        loopback: bool = False,
        any_host: bool = False,
        linked: bool = True,
    ) -> None:
        """Check a head, except its Host if `any_host`. Raises UnknownHost, ForeignOrigin or WrongContentType.

        `linked` tells whether pages of other sites may have links to the path.
        """
        if not self._any and not any_host:
            host = headers.get("host", "")
            if self._names or self._suffixes or self.loopback or loopback:
                if not self._hosts.get(host):
                    self._check_host(host)
            elif "origin" in headers or "sec-fetch-site" in headers or "accept-language" in headers:
                self._check_host(host, short=True)  # every browser sends at least one of them
        if "origin" in headers or "sec-fetch-site" in headers:
            self._check_origin(method, headers, linked=linked)
        if has_body and method != "GET" and method != "HEAD":
            content_type = headers.get("content-type", "")
            if not self._types.get(content_type):
                self._check_type(content_type)

    def _check_host(self, host: str, *, short: bool = False) -> None:
        """Raise UnknownHost unless `host` is a name of this server; with `short`, names without a dot are accepted."""
        if not host:  # only HTTP/1.0, which no browser uses, allows that
            return
        is_known = self._hosts.get(host)
        if is_known is None:
            is_known = self._cache_result(self._hosts, host, self._is_accepted(host_name(host)))
        if not is_known and not (short and "." not in host_name(host)):
            raise UnknownHost(
                f"This server is not known as {host!r}",
                fix="Use its IP address or localhost, or add the host to ALLOWED_HOSTS",
                field="Host",
            )

    def _is_accepted(self, name: str) -> bool:
        if name == "localhost" or name.endswith(".localhost") or name in CONTAINER_HOSTS:
            return True
        return self._is_named(name) or is_address(name)

    def _is_named(self, name: str) -> bool:
        return name in self._names or name.endswith(self._suffixes) or name in (s[1:] for s in self._suffixes)

    def _check_origin(self, method: str, headers: Mapping[str, str], *, linked: bool) -> None:
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        if origin is not None:
            if self._is_named(_origin_name(origin)):
                return
            foreign = not _is_same(origin, headers.get("host", ""))
            if foreign or site not in ("none", "same-origin"):
                raise ForeignOrigin(
                    f"Pages of {origin!r} may not send requests to this backend",
                    fix="If that is a name of this backend, add it to ALLOWED_HOSTS; pages of other sites "
                    "must send requests through their own server",
                    field="Origin",
                )
        elif site not in ("none", "same-origin") and not (linked and _is_navigation(method, headers)):
            raise ForeignOrigin(
                "Pages of other sites may not send requests to this backend", field="Sec-Fetch-Site"
            )

    def _check_type(self, content_type: str) -> None:
        is_json = self._types.get(content_type)
        if is_json is None:
            matches = _JSON.fullmatch(content_type.strip()) is not None
            is_json = self._cache_result(self._types, content_type, matches)
        if not is_json:
            sent = f"is {content_type!r}" if content_type else "is missing"
            raise WrongContentType(
                f"The Content-Type of the body {sent}",
                fix="Send it as JSON, with curl: -H 'Content-Type: application/json'; with requests: json=BODY",
                field="Content-Type",
            )

    @staticmethod
    def _cache_result(results: dict[str, bool], value: str, result: bool) -> bool:
        if len(value) <= _MAX_NAME_LENGTH:
            if len(results) >= _MAX_CACHED:
                results.clear()
            results[value] = result
        return result


def host_name(host: str) -> str:
    """Return the name or address in a Host header, in lower case, without port, brackets and final dot."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower().rstrip(".")


def is_address(name: str) -> bool:
    """Return whether a host is an IP address; these are safe, because DNS rebinding needs a host name."""
    return parse_address(name) is not None


def _origin_name(origin: str) -> str:
    scheme, separator, authority = origin.partition("://")
    return host_name(authority) if separator and scheme in _DEFAULT_PORTS else ""


def _is_same(origin: str, host: str) -> bool:
    """Return whether an Origin header names the same host and port as the Host header."""
    scheme, separator, authority = origin.lower().partition("://")
    port = _DEFAULT_PORTS.get(scheme)
    if not separator or port is None or not authority:
        return False
    return authority.removesuffix(port) == host.lower().removesuffix(port)


def _is_navigation(method: str, headers: Mapping[str, str]) -> bool:
    """Return whether the browser follows a link, such as Label Studio's links to `/problem/…`."""
    return method in ("GET", "HEAD") and headers.get("sec-fetch-mode", "") == "navigate"
