"""benchmarks/RESULTS.md and results.json."""

import json
import os
import platform
import subprocess
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from harness.paths import HERE, ROOT
from harness.result import Result, Table

RESULTS = HERE / "RESULTS.md"
FIGURES = HERE / "results.json"


def describe(*, quick: bool) -> dict[str, str]:
    """Say when, of what, and on what kind of machine."""
    memory = next(
        int(line.split()[1])
        for line in Path("/proc/meminfo").read_text().splitlines()
        if line.startswith("MemTotal")
    )
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "commit": _commit(),
        "machine": f"{os.cpu_count()} cores, {memory / 2**20:.0f} GB of memory, no GPU, {platform.system()} "
        f"{platform.machine()}, Python {platform.python_version()}; load generator on the same cores",
        "kind": "quick run: figures are rough" if quick else "full run",
    }


def write(results: list[Result], about: dict[str, str]) -> None:
    """Write both files."""
    known = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    for result in results:
        known[result.key] = {**asdict(result), "about": about}
    FIGURES.write_text(json.dumps(dict(sorted(known.items())), indent=1, ensure_ascii=False) + "\n")
    parts = [_HEAD]
    parts.append("| | must reach | measured | |\n| --- | --- | --- | --- |")
    for key, one in sorted(known.items()):
        for target in one["targets"]:
            mark = "yes" if target["reached"] else "**no**"
            parts[-1] += f"\n| ({key}) | {target['text']} | {target['value']} | {mark} |"
    for key, one in sorted(known.items()):
        info = one["about"]
        parts.append(f"## ({key}) {one['title']}")
        parts.append(one["how"])
        parts.extend(as_text(Table(**table)) for table in one["tables"])
        parts.append(
            f"{info['date']}, commit {info['commit']}, {info['machine']}; {info['kind']}. "
            f"Again: `python benchmarks/run.py --only {key}`"
        )
    RESULTS.write_text("\n\n".join(parts) + "\n")


_HEAD = """# Benchmarks

Written by `make bench` (`python benchmarks/run.py`), which runs every peer in the same run, in turn. \
Compare the ratios: absolute figures hold for one machine only."""


def as_text(table: Table) -> str:
    """Return a table in Markdown."""
    lines = ["| " + " | ".join(table.columns) + " |", "| --- " + "| ---: " * (len(table.columns) - 1) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in table.rows]
    return "\n".join(lines)


def _commit() -> str:
    def git(*words: str) -> str:
        return subprocess.run(
            ["git", *words],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=True,
        ).stdout.strip()

    try:
        return git("rev-parse", "--short", "HEAD") + (
            " with changes" if git("status", "--short", "--", "src") else ""
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
