"""What the kernel says about a process and everything it started."""

import os
import signal
import time
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")


def session(leader: int) -> list[int]:
    """Return the ids of the processes in the session of `leader`, and of all that they started."""
    parents: dict[int, int] = {}
    members = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        number = int(entry.name)
        if fields[0] == "Z":
            continue
        parents[number] = int(fields[1])
        if int(fields[3]) == leader:
            members.add(number)
    grown = True
    while grown:
        more = {number for number, parent in parents.items() if parent in members} - members
        members |= more
        grown = bool(more)
    return sorted(members)


def rss(numbers: list[int]) -> int:
    """Return the resident bytes of these processes together."""
    total = 0
    for number in numbers:
        try:
            total += int(Path(f"/proc/{number}/statm").read_text().split()[1]) * PAGE
        except (OSError, IndexError):
            continue
    return total


def cpu(numbers: list[int]) -> dict[int, float]:
    """Return the seconds of processor time that each has used."""
    tick = os.sysconf("SC_CLK_TCK")
    used = {}
    for number in numbers:
        try:
            fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        used[number] = (int(fields[11]) + int(fields[12])) / tick
    return used


def machine_use(seconds: float) -> float:
    """Return the share of all processors that is in use during the next `seconds`."""

    def read() -> tuple[int, int]:
        fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        return sum(fields), fields[3] + fields[4]

    total, idle = read()
    time.sleep(seconds)
    total_after, idle_after = read()
    return 1 - (idle_after - idle) / max(1, total_after - total)


def end(numbers: list[int], seconds: float = 5.0) -> list[int]:
    """Kill what is left of these processes; return those that had to be killed."""
    deadline = time.monotonic() + seconds
    while (left := [number for number in numbers if _alive(number)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    for number in left:
        try:
            os.kill(number, signal.SIGKILL)
        except ProcessLookupError:
            continue
    return left


def _alive(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
