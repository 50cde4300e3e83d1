#!/usr/bin/env python3
"""Measure the server beside its peers, and write RESULTS.md, results.json and docs/benchmarks.svg.

    python benchmarks/run.py                everything, some twenty minutes; leave the machine alone meanwhile
    python benchmarks/run.py --only a,f     some of it
    python benchmarks/run.py --quick        rough figures, written to nowhere but the screen

It makes what it needs: environments below .venvs/, and wrk, Redis and HAProxy with apt-get where it may.
"""

import argparse
import subprocess
import sys
import time

from cases import (
    dashboard,
    dummy,
    latency,
    minilm,
    outages,
    overload,
    region_builders,
    several,
    startup,
    swap,
    training,
)
from harness import envs, processes, report
from harness.paths import BENCH, HERE

CASES = {
    case.KEY: case
    for case in (
        dummy,
        minilm,
        latency,
        swap,
        overload,
        startup,
        training,
        several,
        outages,
        region_builders,
        dashboard,
    )
}

#: Share of the processors that others may use for the machine to count as quiet, and seconds to wait for that.
QUIET, PATIENCE = 0.05, 300


def main() -> int:
    """Run what the command line names; return 0 if every figure was had."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(CASES), metavar="KEYS", help=f"of {','.join(CASES)}")
    parser.add_argument("--quick", action="store_true", help="short rounds; nothing is written")
    args = parser.parse_args()
    unknown = [key for key in args.only.split(",") if key not in CASES]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}: use {', '.join(CASES)}")
    keys = args.only.split(",")
    needs_peers = not all(getattr(CASES[key], "STANDALONE", False) for key in keys)
    if needs_peers:
        envs.prepare()
    results = []
    for key in keys:
        if not args.quick:
            _wait_until_quiet()
        print(f"({key}) {CASES[key].TITLE}", flush=True)
        result = CASES[key].run(quick=args.quick)
        results.append(result)
        for table in result.tables:
            print(report.as_text(table), flush=True)
        for target in result.targets:
            print(f"  {'ok  ' if target.reached else 'MISS'} {target.text}: {target.value}", flush=True)
        if not args.quick:
            report.write([result], report.describe(quick=args.quick))
    if needs_peers and not args.quick:
        subprocess.run([BENCH / "bin" / "python", HERE / "plot.py"], check=True, timeout=120)
    return 0


def _wait_until_quiet() -> None:
    deadline = time.monotonic() + PATIENCE
    while (used := processes.machine_use(3.0)) > QUIET:
        if time.monotonic() > deadline:
            print(f"  the machine is busy with other things ({used:.0%}): figures may be off", flush=True)
            return


if __name__ == "__main__":
    sys.exit(main())
