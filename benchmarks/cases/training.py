"""(g) From an annotation to the version that learned from it."""

import json
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from harness import bodies, servers
from harness.client import percentile
from harness.paths import BENCH
from harness.result import Result, Table, at_most
from harness.studio import FakeStudio

KEY, TITLE = "g", "Training"
#: Seconds that one training may take.
PATIENCE = 60.0


def run(*, quick: bool) -> Result:
    """Send annotations, one after the other, and see when each is learned from."""
    rounds = 3 if quick else 15
    body = bodies.predict(1)
    event = bodies.captured("webhook_annotation_created")
    number, _, created = bodies.captured()["project"].partition(".")
    created_at = datetime.fromtimestamp(int(created), UTC).isoformat()
    event["project"] = {**event["project"], "id": int(number), "created_at": created_at}
    steps: dict[str, list[float]] = {
        "webhook answered": [],
        "fit's first line": [],
        "manifest on disk": [],
        "served": [],
    }
    fresh: list[float] = []
    commits: list[float] = []
    task = {**event["task"], "annotations": [event["annotation"]]}
    with (
        FakeStudio(event["project"], task) as studio,
        servers.ours("first_line", bodies.setup(body, studio.url), body) as server,
    ):
        for turn in range(rounds + 1):
            fresh.append(_fresh_process(server.folder))
            times = _training(server, event, body)
            if turn:  # the first one starts with cold caches
                for name, seconds in zip(steps, times, strict=True):
                    steps[name].append(seconds)
                commits.append(times[3] - times[2])
            print(f"  {turn}/{rounds}", flush=True)
    table = Table(["seconds after the annotation was sent", "median", "worst"])
    for name, values in steps.items():
        table.rows.append([name, f"{median(values):.3f}", f"{max(values):.3f}"])
    table.rows.append(
        ["for comparison: a fresh Python that imports the model file", f"{median(fresh):.3f}", ""]
    )
    return Result(
        KEY,
        TITLE,
        f"One annotation by webhook, a fake of Label Studio's API that holds this one task, a model that learns "
        f"nothing; {rounds} trainings one after the other.",
        [at_most("from the manifest to served, worst", max(commits), 1, " s")],
        [table],
        {**{name: median(values) for name, values in steps.items()}, "p99": percentile(commits, 0.99)},
    )


def _training(
    server: servers.Server, event: dict[str, object], body: bytes
) -> tuple[float, float, float, float]:
    """Return when the webhook was answered, fit began, the manifest appeared and the version was served."""
    before = _served(server, body)[0]
    began = time.time()
    status, answer = server.post("/webhook", bodies.encode(event))
    answered = time.time()
    if status != 201:
        raise RuntimeError(f"/webhook: {status} {answer[:300]!r}")
    while (now := _served(server, body))[0] == before:
        if time.time() - began > PATIENCE:
            raise RuntimeError("no new version was served")
        time.sleep(0.005)
    served = time.time()
    (manifest,) = (server.folder / "data" / "versions").glob(f"*/{now[0]}/manifest.json")
    return answered - began, now[1] - began, manifest.stat().st_mtime - began, served - began


def _served(server: servers.Server, body: bytes) -> tuple[str, float]:
    """Return the served version and when its fit began."""
    status, answer = server.post("/predict", body)
    if status != 200:
        raise RuntimeError(f"/predict: {status} {answer[:300]!r}")
    (entry,) = json.loads(answer)["results"]
    return entry["model_version"], entry["score"]


def _fresh_process(folder: Path) -> float:
    began = time.perf_counter()
    subprocess.run([BENCH / "bin" / "python", "-c", "import model"], cwd=folder, check=True, timeout=60)
    return time.perf_counter() - began
