"""The ceiling: MiniLM called in one process with full batches. `python ceiling.py SECONDS` prints texts in a second."""

import json
import sys
import time

from embedder import MAX_BATCH, Embedder
from harness.bodies import texts

if __name__ == "__main__":
    seconds = float(sys.argv[1])
    embedder = Embedder(5)
    pool = texts(256)
    for start in range(0, 128, MAX_BATCH):
        embedder.classify(pool[start : start + MAX_BATCH])
    calls, durations, began = 0, [], time.perf_counter()
    while (now := time.perf_counter()) - began < seconds:
        start = calls * MAX_BATCH % len(pool)
        embedder.classify(pool[start : start + MAX_BATCH])
        durations.append(time.perf_counter() - now)
        calls += 1
    rate = calls * MAX_BATCH / (now - began)
    durations.sort()
    print(json.dumps({"rate": rate, "p50": durations[calls // 2], "p99": durations[int(calls * 0.99)]}))
