"""Hosts of their own on one machine: network namespaces that a bridge joins, and whose cables can be pulled."""

import os
import random
import secrets
import shutil
import subprocess
from pathlib import Path

from .conftest import missing


class Host:
    """One namespace. What is started with `prefix` in front of its command has `address` and no other network."""

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.address = address
        self.prefix = ["ip", "netns", "exec", name]


class Network:
    """Hosts that reach each other and this process, until a cable is pulled.

    The bridge is in the first host; `outside` is this process's address as they see it. Skips where there is no right
    to make one, and fails in CI.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        if shutil.which("ip") is None:
            missing("no ip on PATH (Debian's iproute2)")
        if os.geteuid() != 0:
            missing("only root may make network namespaces")
        tag = secrets.token_hex(3)
        subnet = f"10.{random.randint(64, 127)}.{random.randint(0, 255)}"
        self.outside = f"{subnet}.254"
        self.hosts: dict[str, Host] = {}
        self._down: set[str] = set()
        try:
            for number, name in enumerate(names, 1):
                _ip("netns", "add", f"lsml-{tag}-{name}")
                self.hosts[name] = Host(f"lsml-{tag}-{name}", f"{subnet}.{number}")
            self._wire(f"ls{tag}", subnet)
        except subprocess.CalledProcessError as error:
            self.remove()
            missing(f"no network namespaces here: {error.stderr.strip()}")

    def _wire(self, tag: str, subnet: str) -> None:
        self._switch, *others = self.hosts.values()
        here = self._switch.name
        _ip("-n", here, "link", "add", "switch", "type", "bridge")
        self._address(self._switch, "switch")
        for host in others:
            _ip("-n", here, "link", "add", host.name[-8:], "type", "veth", "peer", "eth0", "netns", host.name)
            _ip("-n", here, "link", "set", host.name[-8:], "master", "switch", "up")
            self._address(host, "eth0")
        _ip("link", "add", tag, "type", "veth", "peer", "outside", "netns", here)
        _ip("-n", here, "link", "set", "outside", "master", "switch", "up")
        _ip("address", "add", f"{self.outside}/24", "dev", tag)
        _ip("link", "set", tag, "up")

    @staticmethod
    def _address(host: Host, device: str) -> None:
        _ip("-n", host.name, "address", "add", f"{host.address}/24", "dev", device)
        for name in ("lo", device):
            _ip("-n", host.name, "link", "set", name, "up")

    def cut(self, host: Host) -> None:
        """Pull a host's cable: what it sends and what is sent to it is lost, and nobody is told."""
        self._down.add(host.name)
        _ip("-n", self._switch.name, "link", "set", host.name[-8:], "down")

    def forget(self, host: Host) -> None:
        """Let the first host forget its connections with a host that was cut off, as one does that lost its power."""
        run_in(self._switch, "ss", "--kill", "--tcp", "dst", host.address)
        left = run_in(self._switch, "ss", "--no-header", "--tcp", "state", "connected", "dst", host.address)
        assert not [line for line in left.splitlines() if "SYN-SENT" not in line], left

    def mend(self) -> None:
        """Plug in every cable that was pulled."""
        for name in list(self._down):
            _ip("-n", self._switch.name, "link", "set", name[-8:], "up")
            self._down.discard(name)

    def remove(self) -> None:
        """Remove all of it; what runs in it has to have ended."""
        for host in self.hosts.values():
            subprocess.run(["ip", "netns", "del", host.name], check=False, capture_output=True)


def run_in(host: Host, *command: str | Path) -> str:
    """Return what a command prints in a host."""
    words = [*host.prefix, *map(str, command)]
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
