#!/usr/bin/env python3
"""Compare two commits of this repository in one run: cases (a), (b) and (f), turn by turn.

    python benchmarks/compare.py 710661d                the commit before, beside HEAD
    python benchmarks/compare.py 710661d a98735a --only a --rounds 5

The sources of both commits are taken into sibling folders and run by the same environment, in turn: before and after
in even rounds, after and before in odd ones. A ratio is that of after to before within a round; its median is
printed with the least and the largest, which show the machine's noise. Nothing is written but the screen.
"""

import argparse
import compileall
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from cases import dummy, minilm, startup
from harness import bodies, envs, processes, report, servers
from harness.paths import BENCH, MODELS, ROOT
from harness.result import Table
from harness.wrk import wrk

BEFORE, AFTER = "before", "after"
#: What a row of figures is called, with the figures of one turn of one commit.
Figures = Iterator[tuple[str, float]]


def main() -> int:
    """Run what the command line names; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", help="a commit")
    parser.add_argument("after", nargs="?", default="HEAD", help="another one (default: HEAD)")
    parser.add_argument("--only", default="a,b,f", metavar="KEYS", help="of a,b,f")
    parser.add_argument("--rounds", type=int, default=8)
    args = parser.parse_args()
    unknown = [key for key in args.only.split(",") if key not in CASES]
    if unknown or args.rounds < 1:
        parser.error(
            f"there is no case {unknown[0]!r}: use a, b, f" if unknown else "--rounds must be 1 or more"
        )
    envs.prepare()
    with tempfile.TemporaryDirectory(prefix="lsml-compare-") as folder:
        sources = {
            BEFORE: _source_of(args.before, Path(folder, "1")),
            AFTER: _source_of(args.after, Path(folder, "2")),
        }
        for key in args.only.split(","):
            print(report.as_text(_compare(key, sources, args.rounds)), flush=True)
    return 0


def _source_of(commit: str, folder: Path) -> Path:
    """Take the source of a commit into `folder`, compile it and return the folder to import it from."""
    folder.mkdir()
    archive = subprocess.run(
        ["git", "-C", ROOT, "archive", commit, "src"], stdout=subprocess.PIPE, check=True
    )
    subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
    compileall.compile_dir(folder / "src", quiet=2)
    return folder / "src"


def _compare(key: str, sources: dict[str, Path], rounds: int) -> Table:
    """Run a case with both commits, in turn, and return its table."""
    figures: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for turn in range(rounds + 1):
        order = (BEFORE, AFTER) if turn % 2 == 0 else (AFTER, BEFORE)
        for name in order:
            for figure, value in CASES[key](sources[name]):
                if turn:  # the first turn only warms the disk's cache
                    figures[figure][name].append(value)
        print(f"  ({key}) {turn}/{rounds}", flush=True)
    table = Table([f"({key})", BEFORE, AFTER, "after / before", "least", "largest"])
    for figure, values in figures.items():
        ratios = [after / before for before, after in zip(values[BEFORE], values[AFTER], strict=True)]
        table.rows.append(
            [
                figure,
                *(f"{median(values[name]):,.4g}" for name in (BEFORE, AFTER)),
                *(f"{value:.3f}" for value in (median(ratios), min(ratios), max(ratios))),
            ]
        )
    return table


def _dummy(source: Path) -> Figures:
    body = {tasks: bodies.predict(tasks) for tasks, _ in dummy.SHAPES}
    with servers.ours("first_label", bodies.setup(body[1]), body[1], PYTHONPATH=str(source)) as server:
        for tasks, connections in dummy.SHAPES:
            wrk(server, [body[tasks]], connections=connections, seconds=1)
            used = sum(processes.cpu(server.members()).values())
            load = wrk(server, [body[tasks]], connections=connections, seconds=4)
            used = sum(processes.cpu(server.members()).values()) - used
            shape = f"{tasks} x {connections}"
            yield f"{shape}: requests/s", load.rate
            yield f"{shape}: CPU µs a request", used / load.requests * 1e6


def _minilm(source: Path) -> Figures:
    sentences = bodies.text_predicts(256)
    path = f"{source}:{MODELS}"
    with servers.ours("minilm", bodies.setup(sentences[0]), sentences[0], PYTHONPATH=path) as server:
        wrk(server, sentences, connections=minilm.CONNECTIONS, seconds=2)
        load = wrk(server, sentences, connections=minilm.CONNECTIONS, seconds=12)
        yield "tasks/s", load.rate
        yield "p99 ms", load.p99 * 1e3


def _startup(source: Path) -> Figures:
    yield "--help s", startup.help_seconds(BENCH, PYTHONPATH=str(source))
    with servers.ours("first_label", b"", bodies.predict(1), PYTHONPATH=str(source)) as server:
        startup.settle()
        yield "start to first /predict s", server.first_answer
        yield "memory MB", server.rss() / 2**20


CASES: dict[str, Callable[[Path], Figures]] = {"a": _dummy, "b": _minilm, "f": _startup}

if __name__ == "__main__":
    sys.exit(main())
