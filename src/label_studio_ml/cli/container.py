"""Tell whether this process runs in a container, where an address of its own machine is reached by nobody else."""

from pathlib import Path

#: Files that Docker, Podman and Kubernetes put into a container.
_MARKS = (".dockerenv", "run/.containerenv", "var/run/secrets/kubernetes.io")

#: What the control groups of a container's first process are named by.
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
    """Return the address to listen on unless one is named: all of a container's, else only this machine's own."""
    return "0.0.0.0" if in_container() else "127.0.0.1"  # noqa: S104 (who can reach a container, it decides itself)
