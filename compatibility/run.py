#!/usr/bin/env python3
"""Run the example backends of a checkout of the older package on this package, and print how they do.

    python compatibility/run.py CHECKOUT                     each with its own requirements: needs the internet and time
    python compatibility/run.py CHECKOUT --stand-ins         with stand-ins for heavy packages and services
    python compatibility/run.py CHECKOUT --only yolo,flair   some of them
    python compatibility/run.py CHECKOUT --own-tests         the checkout's own unit tests on this package
    python compatibility/run.py CHECKOUT --markdown          put the rows into docs/compatibility.md, too

Each example is copied, unchanged, and run from its folder in three ways: below `label-studio-ml start`, below gunicorn
as its Dockerfile does, and below gunicorn on the checkout's own package, which is what the other two are compared
with. All three are sent the same requests (runner/session.py) with the input of cases.toml.
"""

import argparse
import functools
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from runner import backends, cases, environments, own_tests, table
from runner.checkout import Checkout, Example
from runner.environments import CannotInstall, Environments
from runner.table import Row
from runner.trial import Trial

DOCUMENT = environments.ROOT / "docs" / "compatibility.md"


def main() -> int:
    """Run what the command line names; return 0 if every example that was run does what it should."""
    args = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    checkout = Checkout(args.checkout.resolve())
    if args.own_tests:
        return own_tests.run(checkout)
    wanted = _wanted(checkout, args.only)
    known = cases.load(args.cases)
    together = _together(checkout, args)
    rows = []
    with _work_folder(keep=args.keep) as place, ThreadPoolExecutor(args.jobs) as pool:
        work = functools.partial(_row, checkout, known, together, place)
        try:
            for row in pool.map(work, wanted):
                rows.append(row)
                print(table.as_text([row]).partition("\n")[2], flush=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            backends.stop_all()
            raise
    print(f"\n{table.as_text(rows)}\n\n{table.summary(rows)}", flush=True)
    if args.markdown:
        _write(checkout, rows, stand_ins=args.stand_ins)
    return 0 if all(row.good for row in rows if row.start != "-") else 1


@contextmanager
def _work_folder(*, keep: bool) -> Iterator[Path]:
    """Lend a temporary folder. With `keep` it stays, and its path is printed at the end."""
    place = Path(tempfile.mkdtemp(prefix="compatibility-"))
    try:
        yield place
    finally:
        if keep:
            print(f"copies and logs: {place}", flush=True)
        else:
            shutil.rmtree(place, ignore_errors=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkout", type=Path, help="folder of the older package's repository")
    parser.add_argument("--only", default="", metavar="NAMES", help="examples to run, separated by commas")
    parser.add_argument("--stand-ins", action="store_true", help="use compatibility/stand_ins/")
    parser.add_argument("--own-tests", action="store_true", help="run the checkout's unit tests instead")
    parser.add_argument("--markdown", action="store_true", help=f"put the rows into docs/{DOCUMENT.name}")
    parser.add_argument("--keep", action="store_true", help="leave copies and logs in the temporary folder")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="examples to run at a time")
    parser.add_argument(
        "--venv", type=_absolute, help="use this environment, which has this package, for all examples"
    )
    parser.add_argument(
        "--reference-venv", type=_absolute, help="with --venv: the one that has the older package"
    )
    parser.add_argument("--cases", type=Path, default=cases.FILE, help="other inputs than cases.toml")
    args = parser.parse_args()
    if not args.checkout.is_dir():
        parser.error(f"there is no folder {args.checkout}")
    return args


def _absolute(text: str) -> Path:
    """Return a path of the command line for processes that start in other folders."""
    return Path(text).absolute()


def _together(checkout: Checkout, args: argparse.Namespace) -> Environments | None:
    """Return the environments that all examples share, or None where each has its own."""
    if args.venv is not None:
        return Environments(args.venv, args.reference_venv, "no --reference-venv", stand_ins=args.stand_ins)
    return environments.shared(checkout) if args.stand_ins else None


def _wanted(checkout: Checkout, only: str) -> list[Example]:
    examples = {example.name: example for example in checkout.examples()}
    if not examples:
        sys.exit(f"compatibility: no folder below {checkout.folder} has a _wsgi.py")
    names = [name for name in only.split(",") if name] or list(examples)
    unknown = [name for name in names if name not in examples]
    if unknown:
        sys.exit(f"compatibility: there is no example {unknown[0]!r}: {', '.join(examples)}")
    return [examples[name] for name in names]


def _row(
    checkout: Checkout,
    known: Mapping[str, cases.Case],
    together: Environments | None,
    place: Path,
    example: Example,
) -> Row:
    case = known.get(f"{checkout.generation}/{example.name}") or known.get(example.name)
    if case is None:
        return Row(example.name, example.generation, notes=["not run: cases.toml has no input for it"])
    try:
        made = together or environments.of_example(checkout, example)
    except CannotInstall as error:
        return Row(example.name, example.generation, notes=[f"not run: its requirements fail: {error}"])
    return Trial(example, case, made, place / example.name).row()


def _write(checkout: Checkout, rows: list[Row], *, stand_ins: bool) -> None:
    flags = " --stand-ins" if stand_ins else ""
    command = f'make compat UPSTREAM=path ARGS="--markdown{flags}"'
    rows = table.merged(DOCUMENT, checkout.generation, rows)
    caption = table.caption(checkout.commit, command, stand_ins=stand_ins)
    table.write_into(DOCUMENT, checkout.generation, table.as_markdown(rows, caption))
    print(f"written: {DOCUMENT.relative_to(environments.ROOT)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
