"""Restrict the network addresses that a task's URL may lead to.

The check is made on the peer address of the open connection, before anything is sent. So neither DNS rebinding (two
answers for one name) nor an unusual spelling of an address gets past it.
"""

import ipaddress
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from label_studio_ml.errors import FileFetchError
from label_studio_ml.studio.addresses.deadline import current
from label_studio_ml.studio.addresses.private_addresses import addresses

if TYPE_CHECKING:
    from requests import Session

#: Addresses of cloud metadata services that are not link-local; such services hand out credentials. AWS over IPv6
#: ("Instance Metadata Service" in the EC2 user guide) and Alibaba Cloud ("View instance metadata", ECS).
METADATA = frozenset({"fd00:ec2::254", "100.100.100.200"})

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052, section 2.1
_LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")  # RFC 8215
_COMPATIBLE = ipaddress.ip_network("::/96")  # RFC 4291, section 2.5.5.1


def refusal(address: str, *, allow_private: bool) -> str:
    """Return why an IP address must not be fetched from, such as "a link-local address"; empty if it may be."""
    candidates = _embedded_addresses(ipaddress.ip_address(address.partition("%")[0]))
    if any(candidate.is_link_local for candidate in candidates):
        return "a link-local address"
    if any(str(candidate) in METADATA for candidate in candidates):
        return "a cloud's metadata service"
    if not allow_private and any(_is_private(candidate) for candidate in candidates):
        return "a private address"
    return ""


def _embedded_addresses(address: _Address) -> list[_Address]:
    """Return the IPv4 address that an IPv6 address embeds, or else the address itself.

    For a local-use NAT64 prefix the prefix length is unknown, so all candidates and the address itself are returned.
    """
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    embedded = address.ipv4_mapped or address.sixtofour
    if embedded is not None:
        return [embedded]
    data = address.packed
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        return [ipaddress.IPv4Address(data[12:])]
    if address in _LOCAL_NAT64:  # RFC 6052, section 2.2: prefixes of 48, 56, 64 and 96 bits
        parts = (data[6:8] + data[9:11], data[7:8] + data[9:12], data[9:13], data[12:])
        return [address, *(ipaddress.IPv4Address(part) for part in parts)]
    return [address]


def _is_private(address: _Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and (address.is_site_local or address in _LOCAL_NAT64):
        return True
    return not address.is_global or address.is_multicast


def is_allowed(host: str, address: str, private: Iterable[str]) -> bool:
    """Tell whether `private` (host names, addresses, networks, or `*`) contains `host` or its `address`."""
    peer = ipaddress.ip_address(address.partition("%")[0])
    for name in private:
        if name in {"*", host.lower()}:
            return True
        try:
            if peer in ipaddress.ip_network(name, strict=False):
                return True
        except ValueError:
            continue  # `name` is a host name
    return False


def check(host: str, address: str, *, private: Iterable[str], advice: str = "") -> None:
    """Raise FileFetchError when `address`, to which `host` resolved, must not be contacted.

    `private` lists the hosts, addresses and networks that are allowed although they are private. `advice` replaces
    the advice to set FILES_ALLOW_PRIVATE in the error about a private address.
    """
    always_refused = refusal(address, allow_private=True)
    if not always_refused and is_allowed(host, address, private):
        return
    reason = always_refused or refusal(address, allow_private=False)
    if reason and advice and not always_refused:
        raise FileFetchError(
            f"{host} leads to {address}, {reason}, and nobody has confirmed that this is Label Studio's",
            fix=advice,
            field="LABEL_STUDIO_URL",
        )
    if reason:
        raise FileFetchError(
            f"{host} leads to {address}, {reason}, from which no file is fetched",
            fix="Correct the URL in the task"
            if always_refused
            else f"Set FILES_ALLOW_PRIVATE={host} to allow it",
            field="" if always_refused else "FILES_ALLOW_PRIVATE",
        )


def check_all(url: str, *, private: Iterable[str], advice: str) -> None:
    """Raise FileFetchError when any address that the host of `url` resolves to must not be contacted.

    For requests that other libraries send; for our own, `guard` checks the connection. Blocks during the DNS lookup.
    """
    for address in addresses(url):
        check(urlsplit(url).hostname or "", str(address), private=private, advice=advice)


def guard(session: "Session", *, private: Iterable[str], advice: str = "") -> None:
    """Make `session` check the peer address of each connection that it opens, except connections to a proxy.

    Also attaches each connection that is used inside a `Deadline` to it. Raises FileFetchError as `check` does.
    """
    from requests.adapters import HTTPAdapter
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

    def guarded(pool: Any) -> Any:
        class Connection(pool.ConnectionCls):  # type: ignore[misc]
            def _new_conn(self) -> Any:
                return _checked(super()._new_conn(), self.host)

            def request(self, *args: Any, **kwargs: Any) -> None:
                _watch(self.sock)
                super().request(*args, **kwargs)

        return type(f"Guarded{pool.__name__}", (pool,), {"ConnectionCls": Connection})

    def _checked(connection: Any, host: str) -> Any:
        try:
            check(host, connection.getpeername()[0], private=private, advice=advice)
            _watch(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    pools = {"http": guarded(HTTPConnectionPool), "https": guarded(HTTPSConnectionPool)}
    for prefix in ("http://", "https://"):
        adapter = HTTPAdapter()
        adapter.poolmanager.pool_classes_by_scheme = pools
        session.mount(prefix, adapter)


def _watch(connection: Any) -> None:
    """Attach the socket `connection` to the deadline of the present transfer, if both exist."""
    deadline = current()
    if deadline is not None and connection is not None:
        deadline.attach(connection.fileno())
