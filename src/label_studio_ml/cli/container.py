"""Detect whether this process runs in a container, for the default address to listen on."""

from pathlib import Path

#: Files that Docker, Podman and Kubernetes put into a container.
_MARKS = (".dockerenv", "run/.containerenv", "var/run/secrets/kubernetes.io")

#: Parts of the control group names of a container's first process.
_GROUPS = (
    "/docker/",
    "/docker-",
    "/kubepods",
    "/libpod-",
    "/containerd/",
    "/cri-containerd-",
    "/crio-",
    "/ecs/",
)


def in_container(root: Path = Path("/")) -> bool:
    """Tell whether the file system below `root` is that of a container."""
    if any((root / mark).exists() for mark in _MARKS):
        return True
    try:
        groups = (root / "proc/1/cgroup").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return any(name in groups for name in _GROUPS)


def default_host() -> str:
    """Return the default address to listen on: all addresses in a container, else loopback only.

    Loopback in a container cannot be reached from outside.
    """
    return "0.0.0.0" if in_container() else "127.0.0.1"  # noqa: S104 (a container's published ports limit access)
