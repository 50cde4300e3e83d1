"""Decide which private addresses the Label Studio that a `/setup` call names may have.

A call of `/setup` without a login is untrusted, so it may name only its own host: the name must resolve to the
address that the call came from. A caller on this machine, or in a container on it, may also name this machine.
"""

import contextlib
import functools
import ipaddress
import socket
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: Prefixes of the names of network interfaces that container engines create.
_BRIDGES = ("docker", "br-", "podman", "cni", "nerdctl")
#: Maximum length of an IP address, in characters.
MAX_ADDRESS_LENGTH = 45
_ROUTES = Path("/proc/net/route")


def private_addresses(resolved: Iterable[Address], peer: str) -> tuple[str, ...]:
    """Return those of a host's addresses `resolved` that a caller with the address `peer` may name, sorted."""
    caller = parse_address(peer)
    if caller is None:
        return ()
    resolved = set(resolved)
    if is_on_this_machine(caller) or _in_container(caller):
        return tuple(
            sorted(str(address) for address in resolved if address == caller or is_on_this_machine(address))
        )
    return (str(caller),) if caller in resolved else ()


def local_caller(peer: str) -> bool:
    """Tell whether the address `peer` is this machine's, or that of a container on it."""
    caller = parse_address(peer)
    return caller is not None and (is_on_this_machine(caller) or _in_container(caller))


def are_public(addresses: Iterable[Address]) -> bool:
    """Tell whether all addresses are public; False if there are none."""
    addresses = list(addresses)
    return bool(addresses) and all(address.is_global for address in addresses)


def addresses(url: str) -> list[Address]:
    """Return the addresses of a URL's host, empty if it cannot be resolved. Blocks during the DNS lookup."""
    with contextlib.suppress(ValueError, OSError, UnicodeError):
        parts = urlsplit(url)
        if parts.hostname:
            answers = socket.getaddrinfo(parts.hostname, parts.port or 80, type=socket.SOCK_STREAM)
            return [
                address for answer in answers if (address := parse_address(str(answer[4][0]))) is not None
            ]
    return []


def is_on_this_machine(address: Address) -> bool:
    """Tell whether an address is one of this machine's."""
    if address.is_loopback:
        return True
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind((str(address), 0))  # binding succeeds only for an address of this machine
        return not address.is_unspecified
    return False


def _in_container(address: Address) -> bool:
    """Tell whether an address is in a network that a container engine created on this machine (Linux only)."""
    with contextlib.suppress(OSError):
        lines = _ROUTES.read_text().splitlines()[1:]
        return any(address in network for network in _bridges(lines))
    return False


def _bridges(lines: Iterable[str]) -> list[ipaddress.IPv4Network]:
    """Return the networks of container bridges in lines of /proc/net/route; its numbers are in host byte order."""
    networks = []
    for line in lines:
        name, destination, *_ = fields = line.split()
        if name.startswith(_BRIDGES) and len(fields) > 7 and int(fields[7], 16):
            start, mask = (
                ipaddress.IPv4Address(socket.ntohl(int(text, 16))) for text in (destination, fields[7])
            )
            networks.append(ipaddress.IPv4Network((str(start), str(mask)), strict=False))
    return networks


def parse_address(text: str) -> Address | None:
    """Parse an IP address; an IPv4-mapped IPv6 address becomes the IPv4 one. Return None for other text."""
    text = text.partition("%")[0]
    return _parsed(text) if len(text) <= MAX_ADDRESS_LENGTH else None


def is_loopback(host: str) -> bool:
    """Tell whether an address that a server listens on, or a host name, can be reached from this machine only."""
    address = parse_address(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


@functools.lru_cache(maxsize=256)
def _parsed(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
