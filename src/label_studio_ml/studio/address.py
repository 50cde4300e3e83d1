"""Which network addresses a task's URL may lead to.

The check is made on the address that a connection really has, after it is open and before anything is sent.
So a name that is looked up twice with two answers, or a number that hides an address, does not get past it.
"""

import ipaddress
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from label_studio_ml.errors import FileFetchError
from label_studio_ml.studio.deadline import current
from label_studio_ml.studio.peer import addresses

if TYPE_CHECKING:
    from requests import Session

#: Clouds' metadata services, which hand out credentials, where they are not link-local: AWS's IPv6 one
#: ("Instance Metadata Service" in the EC2 user guide) and Alibaba Cloud's ("View instance metadata", ECS).
METADATA = frozenset({"fd00:ec2::254", "100.100.100.200"})

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052, section 2.1
_LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")  # RFC 8215
_COMPATIBLE = ipaddress.ip_network("::/96")  # RFC 4291, section 2.5.5.1


def refusal(address: str, *, allow_private: bool) -> str:
    """Return what forbids fetching from an IP address, such as "a link-local address"; empty if nothing."""
    meant = _meant(ipaddress.ip_address(address.partition("%")[0]))
    if any(one.is_link_local for one in meant):
        return "a link-local address"
    if any(str(one) in METADATA for one in meant):
        return "a cloud's metadata service"
    if not allow_private and any(_is_private(one) for one in meant):
        return "a private address"
    return ""


def _meant(found: _Address) -> list[_Address]:
    """Return the IPv4 address that an IPv6 one stands for, or else the address itself.

    Of a network's own NAT64 the length of the prefix is not known: then each that it may stand for, and itself.
    """
    if isinstance(found, ipaddress.IPv4Address):
        return [found]
    inner = found.ipv4_mapped or found.sixtofour
    if inner is not None:
        return [inner]
    data = found.packed
    if found in _NAT64 or (found in _COMPATIBLE and int(found) > 1):
        return [ipaddress.IPv4Address(data[12:])]
    if found in _LOCAL_NAT64:  # RFC 6052, section 2.2: prefixes of 48, 56, 64 and 96 bits
        parts = (data[6:8] + data[9:11], data[7:8] + data[9:12], data[9:13], data[12:])
        return [found, *(ipaddress.IPv4Address(part) for part in parts)]
    return [found]


def _is_private(found: _Address) -> bool:
    if isinstance(found, ipaddress.IPv6Address) and (found.is_site_local or found in _LOCAL_NAT64):
        return True
    return not found.is_global or found.is_multicast


def is_allowed(host: str, address: str, private: Iterable[str]) -> bool:
    """Tell whether `private` (hosts, addresses, networks, or `*`) names the host or the address it stands for."""
    found = ipaddress.ip_address(address.partition("%")[0])
    for name in private:
        if name in {"*", host.lower()}:
            return True
        try:
            if found in ipaddress.ip_network(name, strict=False):
                return True
        except ValueError:
            continue  # a host's name
    return False


def check(host: str, address: str, *, private: Iterable[str], advice: str = "") -> None:
    """Raise FileFetchError when `address`, which `host` stands for, is one to keep away from.

    `advice` is what to do about a private one where that is not FILES_ALLOW_PRIVATE.
    """
    never = refusal(address, allow_private=True)
    if not never and is_allowed(host, address, private):
        return
    reason = never or refusal(address, allow_private=False)
    if reason and advice and not never:
        raise FileFetchError(
            f"{host} leads to {address}, {reason}, and nobody has confirmed that this is Label Studio's",
            fix=advice,
            field="LABEL_STUDIO_URL",
        )
    if reason:
        raise FileFetchError(
            f"{host} leads to {address}, {reason}, from which no file is fetched",
            fix="Correct the URL in the task" if never else f"Set FILES_ALLOW_PRIVATE={host} to allow it",
            field="" if never else "FILES_ALLOW_PRIVATE",
        )


def check_all(url: str, *, private: Iterable[str], advice: str) -> None:
    """Raise FileFetchError when an address that the host of `url` stands for is one to keep away from.

    For requests that others make (`guard` looks at the connection itself). Blocks while the name is looked up.
    """
    for address in addresses(url):
        check(urlsplit(url).hostname or "", str(address), private=private, advice=advice)


def guard(session: "Session", *, private: Iterable[str], advice: str = "") -> None:
    """Make `session` check the address of each connection that it opens; one to a proxy it does not.

    A `Deadline` ends the connections that are used inside it.
    """
    from requests.adapters import HTTPAdapter
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

    class GuardedHTTPConnection(HTTPConnection):
        def _new_conn(self) -> Any:
            return _checked(super()._new_conn(), self.host)

        def request(self, *args: Any, **kwargs: Any) -> None:
            _watch(self.sock)
            super().request(*args, **kwargs)

    class GuardedHTTPSConnection(HTTPSConnection):
        def _new_conn(self) -> Any:
            return _checked(super()._new_conn(), self.host)

        def request(self, *args: Any, **kwargs: Any) -> None:
            _watch(self.sock)
            super().request(*args, **kwargs)

    class GuardedHTTPPool(HTTPConnectionPool):
        ConnectionCls = GuardedHTTPConnection

    class GuardedHTTPSPool(HTTPSConnectionPool):
        ConnectionCls = GuardedHTTPSConnection

    def _checked(connection: Any, host: str) -> Any:
        try:
            check(host, connection.getpeername()[0], private=private, advice=advice)
            _watch(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    for prefix in ("http://", "https://"):
        adapter = HTTPAdapter()
        adapter.poolmanager.pool_classes_by_scheme = {"http": GuardedHTTPPool, "https": GuardedHTTPSPool}
        session.mount(prefix, adapter)


def _watch(connection: Any) -> None:
    """Let the present transfer's deadline end `connection` (a kept one is used again, or a new one is open)."""
    deadline = current()
    if deadline is not None and connection is not None:
        deadline.attach(connection.fileno())
