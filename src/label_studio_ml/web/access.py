"""Who may ask this backend from where: which Host, which Origin and which Content-Type a request must have.

A backend on somebody's own machine is within reach of every page that their browser shows. Such a page can send
requests, though it cannot read the answers (CORS); and where its own name is made to point to this machine (DNS
rebinding), it can read them as well. Label Studio and command-line tools send neither Origin nor Sec-Fetch-Site.

Over plain HTTP to a name, browsers send no Sec-Fetch-Site, and no Origin with a GET of the page's own site. What they
always send, and a page cannot leave out, is Accept-Language ("HTTP-network-or-cache fetch" in the Fetch standard).
"""

import functools
import ipaddress
import re
from collections.abc import Mapping, Sequence

from label_studio_ml.errors import ForeignOrigin, UnknownHost, WrongContentType

#: Names of the machine that a container runs on, as the container knows it. `.internal` is not in the public DNS, so
#: that no page can have such a name.
CONTAINER_HOSTS = frozenset(
    {"host.docker.internal", "gateway.docker.internal", "host.containers.internal", "host.lima.internal"}
)

_JSON = re.compile(r"application/([\w.+-]+\+)?json\s*(;.*)?", re.IGNORECASE)
#: Values of headers of which the decision is remembered.
_REMEMBERED = 256
#: Characters of an address of this machine, with its zone, and of the values whose decision is remembered.
_LONGEST_NAME = 255
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class AccessRules:
    """The rules, with the names of `allowed_hosts`: host names, `.example.com` for all below it, `*` for any.

    The Host is checked where names are given, where the server listens on a loopback address (`loopback`), and else
    if a browser asks. Only then names without a dot count, such as `backend`: the public DNS has no such hosts.
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
    ) -> None:
        """Check a request's head, its Host unless `any_host`. Raises UnknownHost, ForeignOrigin or WrongContentType."""
        if not self._any and not any_host:
            host = headers.get("host", "")
            if self._names or self._suffixes or self.loopback or loopback:
                if not self._hosts.get(host):
                    self._check_host(host)
            elif "origin" in headers or "sec-fetch-site" in headers or "accept-language" in headers:
                self._check_host(host, short=True)  # a browser sends one of these at least
        if "origin" in headers or "sec-fetch-site" in headers:
            self._check_origin(method, headers)
        if has_body and method != "GET" and method != "HEAD":
            content_type = headers.get("content-type", "")
            if not self._types.get(content_type):
                self._check_type(content_type)

    def _check_host(self, host: str, *, short: bool = False) -> None:
        """Raise UnknownHost if the server is not known by that name. With `short` it is by any without a dot."""
        if not host:  # HTTP/1.0: no browser speaks that
            return
        known = self._hosts.get(host)
        if known is None:
            known = self._remember(self._hosts, host, self._is_known(host_name(host)))
        if not known and not (short and "." not in host_name(host)):
            raise UnknownHost(
                f"This server is not known as {host!r}",
                fix="Ask it by its IP address or localhost, or name the host in ALLOWED_HOSTS",
                field="Host",
            )

    def _is_known(self, name: str) -> bool:
        if name == "localhost" or name.endswith(".localhost") or name in CONTAINER_HOSTS:
            return True
        return self._is_named(name) or _is_address(name)

    def _is_named(self, name: str) -> bool:
        return name in self._names or name.endswith(self._suffixes) or name in (s[1:] for s in self._suffixes)

    def _check_origin(self, method: str, headers: Mapping[str, str]) -> None:
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        if origin is not None:
            if self._is_named(_origin_name(origin)):
                return
            foreign = not _is_same(origin, headers.get("host", ""))
            if foreign or site not in ("none", "same-origin"):
                raise ForeignOrigin(
                    f"Pages of {origin!r} may not ask this backend",
                    fix="If that is a name of this backend, put it into ALLOWED_HOSTS; pages of other sites "
                    "have to ask through their own server",
                    field="Origin",
                )
        elif site not in ("none", "same-origin") and not _is_navigation(method, headers):
            raise ForeignOrigin("Pages of other sites may not ask this backend", field="Sec-Fetch-Site")

    def _check_type(self, content_type: str) -> None:
        is_json = self._types.get(content_type)
        if is_json is None:
            matches = _JSON.fullmatch(content_type.strip()) is not None
            is_json = self._remember(self._types, content_type, matches)
        if not is_json:
            sent = f"is {content_type!r}" if content_type else "is missing"
            raise WrongContentType(
                f"The Content-Type of the body {sent}",
                fix="Send it as JSON, with curl: -H 'Content-Type: application/json'; with requests: json=BODY",
                field="Content-Type",
            )

    @staticmethod
    def _remember(decisions: dict[str, bool], value: str, decision: bool) -> bool:
        if len(value) <= _LONGEST_NAME:
            if len(decisions) >= _REMEMBERED:
                decisions.clear()
            decisions[value] = decision
        return decision


def host_name(host: str) -> str:
    """Return the name or address in a Host header, in lower case, without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower().rstrip(".")


def is_loopback(address: str) -> bool:
    """Tell whether an address that a server listens on, or a name of one, is reached from this machine only."""
    return len(address) <= _LONGEST_NAME and _is_loopback(address)


@functools.lru_cache(maxsize=_REMEMBERED)
def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return address.lower() == "localhost"


def _is_address(name: str) -> bool:
    """Tell whether a host is an IP address: no name of a page can be made to look like one."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _origin_name(origin: str) -> str:
    scheme, separator, authority = origin.partition("://")
    return host_name(authority) if separator and scheme in _DEFAULT_PORTS else ""


def _is_same(origin: str, host: str) -> bool:
    """Tell whether an Origin is that of the pages that this server itself would have."""
    scheme, separator, authority = origin.lower().partition("://")
    port = _DEFAULT_PORTS.get(scheme)
    if not separator or port is None or not authority:
        return False
    return authority.removesuffix(port) == host.lower().removesuffix(port)


def _is_navigation(method: str, headers: Mapping[str, str]) -> bool:
    """Tell whether somebody follows a link to a page of ours: Label Studio shows links to `/problem/…`."""
    return method in ("GET", "HEAD") and headers.get("sec-fetch-mode", "") == "navigate"
