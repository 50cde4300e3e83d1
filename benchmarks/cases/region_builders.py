"""(j) Regions from what models give, on one core."""

import json
import subprocess
import sys
from statistics import median

from harness.paths import BENCH, HERE
from harness.result import Result, Table, at_least, at_most, ms

KEY, TITLE = "j", "Regions"

#: Boxes and spans of a round.
COUNT = 10_000

#: It needs this package alone, not the environments of the peers.
STANDALONE = True


def run(*, quick: bool) -> Result:
    """Time the builders in a process of their own."""
    rounds = 3 if quick else 15
    python = BENCH / "bin" / "python"
    command = [
        python if python.exists() else sys.executable,
        HERE / "harness" / "region_rates.py",
        str(COUNT),
        str(rounds),
    ]
    output = subprocess.run(command, capture_output=True, check=True, timeout=600).stdout
    seconds: dict[str, list[float]] = json.loads(output)
    typical = {name: median(values) for name, values in seconds.items()}
    ratios = [sdk / ours for sdk, ours in zip(seconds["mask, SDK"], seconds["mask"], strict=True)]
    rates = Table(["", "regions/s"])
    for name in ("boxes", "spans"):
        rates.rows.append([f"`{name}`", f"{COUNT / typical[name]:,.0f}"])
    masks = Table(["a mask of 4000 x 3000 pixels", "ms"])
    masks.rows += [
        ["**`mask`: to brush**", ms(typical["mask"])],
        ["the SDK's `mask2rle`", ms(typical["mask, SDK"])],
        ["`mask_of`: from brush", ms(typical["mask_of"])],
        ["`polygons`: to simplified outlines", ms(typical["polygons"])],
    ]
    return Result(
        KEY,
        TITLE,
        f"{COUNT:,} boxes and spans of arrays with labels and scores; a mask of 40 discs. CPU seconds on one core, "
        f"medians of {rounds} rounds in turn. `mask` is {median(ratios):.1f} times as fast as the SDK's encoder (from "
        f"{min(ratios):.1f} to {max(ratios):.1f} in a round).",
        [
            at_least("boxes/s", COUNT / typical["boxes"], 10_000),
            at_least("spans/s", COUNT / typical["spans"], 10_000),
            at_most("mask of 4000 x 3000 to brush", typical["mask"] * 1000, 100, " ms"),
        ],
        [rates, masks],
        {"seconds": seconds},
    )
