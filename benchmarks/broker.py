#!/usr/bin/env python3
"""Measure what one Redis holds and how fast, in what grows with tasks and with workers.

    python benchmarks/broker.py [--events 5000] [--annotations 20000] [--projects 1000]

Needs redis-server on PATH, and this package in the interpreter that runs it.
"""

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec

from label_studio_ml.config.settings import DEFAULT_LEASE
from label_studio_ml.training.records.event_queue import StoredEvent
from label_studio_ml.training.records.job_store import JobStore
from label_studio_ml.training.redis.redis_client import connect
from label_studio_ml.training.scheduling.sweeper import sweep

TEXT = "a text of some words, as long as those that people label, though many are longer than this one"
RESULT = {"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": ["good"]}}


def task(number: int) -> dict[str, Any]:
    """Return a small task."""
    return {"id": number, "data": {"text": f"{number} {TEXT}"}}


def annotation(number: int) -> dict[str, Any]:
    """Return its annotation."""
    return {"id": number, "task": number, "was_cancelled": False, "result": [RESULT]}


def measure(job_store: JobStore, events: int, annotations: int, projects: int, folder: Path) -> None:
    """Print a line for each figure."""

    def memory() -> int:
        return int(job_store.redis.info("memory")["used_memory"])

    def commands() -> int:
        return int(job_store.redis.info("stats")["total_commands_processed"])

    before, began = memory(), time.monotonic()
    for start in range(0, annotations, 100):
        job_store.delivered.add("1.1", [(task(one), annotation(one)) for one in range(start, start + 100)])
    print(f"a delivered annotation: {(memory() - before) / annotations:,.0f} bytes of Redis's memory")
    began = time.monotonic()
    with (folder / "delivered").open("wb") as file:
        for one in job_store.delivered.tasks("1.1"):
            file.write(msgspec.json.encode(one) + b"\n")
    print(f"handing delivered annotations to a run: {annotations / (time.monotonic() - began):,.0f}/s")
    before, began = memory(), time.monotonic()
    for number in range(events):
        data = {"annotation": annotation(number), "task": task(number), "project": {"id": 2}}
        job_store.record("2.1", StoredEvent("ANNOTATION_CREATED", data))
    spent = time.monotonic() - began
    print(f"an event that waits: {(memory() - before) / events:,.0f} bytes; {events / spent:,.0f}/s go in")
    for number in range(projects):
        job_store.record(f"{3 + number}.1", StoredEvent("ANNOTATION_CREATED", {}))
    before, began = commands(), time.monotonic()
    memories: Any = SimpleNamespace(code="")
    sweep(job_store, memories, DEFAULT_LEASE)
    spent = time.monotonic() - began
    print(
        f"a look for lost wake-ups, {projects + 1} projects waiting: {commands() - before} commands, {spent:.2f} s"
    )


def main() -> None:
    """Start a Redis and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=5000)
    parser.add_argument("--annotations", type=int, default=20000)
    parser.add_argument("--projects", type=int, default=1000)
    args = parser.parse_args()
    print(f"{os.cpu_count()} processors; load before: {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="lsml-broker-") as name:
        command = [
            "redis-server",
            "--port",
            "0",
            "--unixsocket",
            f"{name}/socket",
            "--dir",
            name,
            "--save",
            "",
        ]
        process = subprocess.Popen([*command, "--appendonly", "yes"], stdout=subprocess.DEVNULL)
        try:
            while not Path(name, "socket").exists():
                time.sleep(0.05)
            job_store = JobStore(connect(f"unix://{name}/socket"), "measured")
            measure(job_store, args.events, args.annotations, args.projects, Path(name))
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
