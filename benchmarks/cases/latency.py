"""(c) How long Label Studio waits for /health, /setup and /webhook while a model does its worst."""

import asyncio
import json
import subprocess
import time

from harness import bodies, client, servers
from harness.client import Sample, percentile
from harness.paths import BENCH, PEERS
from harness.result import Result, Table, Target, at_most, ms
from harness.wrk import finish, start

from cases import minilm

KEY, TITLE = "c", "Latency of the other calls"
BOUND_MS = 50


def run(*, quick: bool) -> Result:
    """Probe through four kinds of trouble."""
    seconds = 5 if quick else 25
    found: dict[str, dict[str, list[Sample]]] = {"(b) runs": _under_load(seconds)}
    found.update(_slow_model(quick=quick))
    table = Table(["while", "call", "asked", "failed", "p50 ms", "p99 ms", "max ms"])
    targets: list[Target] = []
    figures: dict[str, object] = {}
    for what, calls in found.items():
        for path, samples in calls.items():
            took = [sample.took for sample in samples]
            failed = sum(sample.status not in {200, 201} for sample in samples)
            p99 = percentile(took, 0.99)
            table.rows.append(
                [what, path, str(len(took)), str(failed), ms(percentile(took, 0.5)), ms(p99), ms(max(took))]
            )
            figures[f"{what}|{path}"] = {"p99": p99, "max": max(took), "failed": failed}
            targets.append(at_most(f"{path} while {what}, p99", p99 * 1e3, BOUND_MS, " ms"))
            if failed:
                targets.append(Target(f"{path} while {what}: failed", str(failed), reached=False))
    return Result(
        KEY,
        TITLE,
        "Every call once in 50 ms (/webhook in 200 ms) on its own connection.",
        targets,
        [table],
        figures,
    )


def _wires(predict: bytes, *, webhook: bool) -> dict[str, bytes]:
    wires = {
        "/health": client.request("/health"),
        "/setup": client.request("/setup", bodies.setup(predict)),
    }
    if webhook:
        body = bodies.captured("webhook_annotation_created")
        wires["/webhook"] = client.request("/webhook", bodies.encode(body))
    return wires


def _under_load(seconds: int) -> dict[str, list[Sample]]:
    sentences = bodies.text_predicts(256)
    with minilm.ours(bodies.setup(sentences[0]), sentences[0]) as server:
        load = start(server, sentences, connections=minilm.CONNECTIONS, seconds=seconds + 1)
        time.sleep(0.5)
        try:
            samples = asyncio.run(
                client.probe(server.port, _wires(sentences[0], webhook=False), every=0.05, seconds=seconds)
            )
        finally:
            finish(server, load, seconds + 1)
    return samples


def _slow_model(*, quick: bool) -> dict[str, dict[str, list[Sample]]]:
    load_seconds = 3 if quick else 10
    project = bodies.captured("webhook_annotation_created")["project"]
    uid = bodies.uid(project)
    body = bodies.predict(1, project=uid, label_config=project["label_config"])
    found = {}
    with servers.ours("slow", bodies.setup(body), body) as server:
        publish = [BENCH / "bin" / "python", PEERS / "publish.py", server.folder / "data", uid, "1", "0"]
        subprocess.run([*publish, str(load_seconds)], check=True, timeout=30, stdout=subprocess.DEVNULL)
        found[f"a version computes {load_seconds} s in its constructor"] = asyncio.run(
            client.probe(server.port, _wires(body, webhook=False), every=0.05, seconds=load_seconds)
        )
        time.sleep(2)
        found["predict holds the interpreter lock for 5 s"] = asyncio.run(_while_held(server, body))
        found["fit sleeps 12 s"] = asyncio.run(_while_training(server, body, 3 if quick else 10))
    return found


async def _while_held(server: servers.Server, body: bytes) -> dict[str, list[Sample]]:
    request = json.loads(body)
    request["tasks"][0]["data"] = {"hold": True}
    holding = await client.Connection.open(server.port)
    held = asyncio.create_task(holding.ask(client.request("/predict", bodies.encode(request))))
    await asyncio.sleep(0.1)
    wires = _wires(body, webhook=True)
    webhook = {"/webhook": wires.pop("/webhook")}
    calls, events = await asyncio.gather(
        client.probe(server.port, wires, every=0.05, seconds=4.5),
        client.probe(server.port, webhook, every=0.2, seconds=4.5),
    )
    answer = await held
    holding.close()
    if answer.status != 200 or answer.took < 4.5:
        raise RuntimeError(f"the lock was not held: {answer.status} after {answer.took:.1f} s")
    return {**calls, **events}


async def _while_training(server: servers.Server, body: bytes, seconds: int) -> dict[str, list[Sample]]:
    wires = _wires(body, webhook=True)
    first = await client.Connection.open(server.port)
    await first.ask(wires["/webhook"])
    first.close()
    await asyncio.sleep(1.5)
    webhook = {"/webhook": wires.pop("/webhook")}
    calls, events = await asyncio.gather(
        client.probe(server.port, wires, every=0.05, seconds=seconds),
        client.probe(server.port, webhook, every=0.2, seconds=seconds),
    )
    return {**calls, **events}
