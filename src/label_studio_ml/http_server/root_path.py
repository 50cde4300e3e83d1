"""The path under which a proxy offers the server, such as `/ml`: it is removed from the paths of requests.

Proxies differ in whether they remove it themselves, so requests are accepted with and without it. Responses contain no
absolute paths: redirects are relative to the path that the client has asked for.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class RootPath:
    """The server's own root path, if not empty, and networks of proxies that may name one in X-Forwarded-Prefix.

    Other clients may not: a path that a proxy refuses to forward could get through with a prefix.
    """

    path: str = ""
    trusted_proxies: tuple[Network, ...] = ()

    def strip(self, path: str, peer: str, headers: Mapping[str, str]) -> str:
        """Return a request's path without the root path. `peer` is the address of the client or proxy."""
        forwarded = headers.get("x-forwarded-prefix", "").rstrip("/") if self.trusted_proxies else ""
        if forwarded and self._trusts(peer) and _is_below(path, forwarded):
            return path[len(forwarded) :] or "/"
        if self.path and _is_below(path, self.path):
            return path[len(self.path) :] or "/"
        return path

    def _trusts(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer.partition("%")[0])
        except ValueError:  # a Unix socket has no address
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self.trusted_proxies)


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(root + "/")
