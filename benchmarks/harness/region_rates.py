"""Time the builders of regions beside the SDK's encoder, on one core, and print the seconds of each round as JSON.

python benchmarks/harness/region_rates.py 10000 5     10,000 boxes and spans, five rounds
"""

import json
import os
import sys
import time
from collections.abc import Callable

import numpy as np
from label_studio_sdk.converter.brush import mask2rle

from label_studio_ml import regions
from label_studio_ml.controls import Controls

WIDTH, HEIGHT = 4000, 3000
CONFIG = """<View><Image name="image" value="$image"/><Text name="text" value="$text"/>
<RectangleLabels name="box" toName="image"><Label value="Car"/><Label value="Person"/></RectangleLabels>
<Labels name="span" toName="text"><Label value="PER"/><Label value="LOC"/></Labels>
<Brush name="brush" toName="image"/><Polygon name="polygon" toName="image"/></View>"""


def discs() -> np.ndarray:
    """Return a mask of 40 discs, of which every third is cut out of those before."""
    random = np.random.default_rng(0)
    ys, xs = np.mgrid[:HEIGHT, :WIDTH]
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    for number in range(40):
        x, y, radius = random.uniform(0, WIDTH), random.uniform(0, HEIGHT), random.uniform(30, 500)
        mask[(xs - x) ** 2 + (ys - y) ** 2 < radius**2] = number % 3 != 2
    return mask


def main() -> None:
    """Run each measurement in turn, with as many regions and rounds as the arguments say."""
    count, rounds = map(int, sys.argv[1:])
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    controls, random = Controls(CONFIG), np.random.default_rng(0)
    rows = np.sort(random.uniform(0, 1000, (count, 2, 2)), axis=1).reshape(count, 4)
    scores, labels = random.uniform(0, 1, count), ["Car", "person"] * (count // 2)
    text = "Ann met Bob in Rome. " * count
    content = regions.labelled_text(controls["span"], {"data": {"text": text}})
    offsets = [(21 * at, 21 * at + 3) for at in range(count)]
    mask = discs()
    grey = mask.astype(np.uint8) * 255
    encoded = regions.mask(controls["brush"], mask)
    measured: dict[str, Callable[[], object]] = {
        "boxes": lambda: regions.boxes(
            controls["box"], xyxy=rows, labels=labels, scores=scores, size=(1000, 1000)
        ),
        "spans": lambda: content.spans(offsets, labels="PER", scores=scores),
        "mask": lambda: regions.mask(controls["brush"], mask),
        "mask, SDK": lambda: mask2rle(grey),
        "mask_of": lambda: regions.mask_of(encoded),
        "polygons": lambda: regions.polygons(controls["polygon"], mask),
    }
    assert encoded is not None
    assert np.array_equal(regions.mask_of(encoded), mask)
    seconds: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(rounds):
        for name, call in measured.items():
            began = time.process_time()
            call()
            seconds[name].append(time.process_time() - began)
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
