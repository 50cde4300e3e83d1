"""Describe one version in full for the dashboard: training data, metrics, decision, origin, code and files."""

from typing import Any

import msgspec

from label_studio_ml.dashboard.versions.metric_directions import direction
from label_studio_ml.dashboard.versions.version_lists import (
    cut,
    decision_state,
    differences,
    short,
    synchronise,
)
from label_studio_ml.errors import DecisionError, UnknownVersion, VersionError
from label_studio_ml.evaluation.task_selection import held_out
from label_studio_ml.training.dataset import HELD_OUT
from label_studio_ml.training.snapshots import SNAPSHOT
from label_studio_ml.user_code.code_identity import CodeIdentity
from label_studio_ml.versions.evaluation_reports import EvaluationReports
from label_studio_ml.versions.listing import entries
from label_studio_ml.versions.operations import find
from label_studio_ml.versions.store.decision import named
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import Manifest

#: The most files, ancestors, children and keys that are listed.
MAX_FILES, MAX_RELATED = 500, 50
#: Maximum size in bytes of the record of the tasks that a fit held out, for counting them.
_MAX_HELD_OUT = 8 << 20
_MAX_OUTPUT = 20_000


def version_details(store: VersionStore, uid: str, name: str, code: CodeIdentity | None) -> dict[str, Any]:
    """Return all about the version with this name or id. Raises UnknownVersion."""
    synchronise(store, uid)
    listed = entries(store, uid, code=code)
    by_name = {entry.name: entry for entry in reversed(listed)}
    state = decision_state(store, uid)
    if name in store.unreadable(uid):
        damaged = next(entry for entry in reversed(listed) if entry.id == name)
        return {"version": short(damaged), "manifest": False, **state}
    manifest = find(store, uid, name)
    entry = next((entry for entry in listed if entry.id == manifest.id), None)
    if entry is None:
        raise UnknownVersion(
            f"Version {manifest.name} was deleted just now", fix="Reload the list", field="version"
        )
    return {
        "version": {**short(entry), "note": cut(entry.note, _MAX_OUTPUT)},
        "manifest": True,
        "differences": differences(entry, by_name),
        "directions": {name: direction(name) for name in entry.metrics},
        "decision": _decision(store, manifest),
        "training": _training(store, manifest),
        "parents": _parents(store, manifest),
        "children": [
            {"id": other.id, "name": other.name} for other in listed if other.parent == manifest.name
        ][:MAX_RELATED],
        "comparison": _comparison(manifest),
        "output": cut(_json_text(manifest.train_output), _MAX_OUTPUT),
        "keys": [
            {"key": cut(key, 200), "length": len(value)}
            for key, value in list(manifest.state.items())[:MAX_RELATED]
        ],
        "code": {
            "hash": manifest.code.hash,
            "files": list(manifest.code.files)[:MAX_RELATED],
            "packages": dict(list(manifest.code.packages.items())[:MAX_RELATED]),
        },
        "files": [
            {"name": cut(file), "size": manifest.sizes.get(file), "sha256": digest}
            for file, digest in list(manifest.files.items())[:MAX_FILES]
        ],
        "file_count": len(manifest.files),
        "evaluated": _is_evaluated(store, uid, manifest.id),
        **state,
    }


def _decision(store: VersionStore, manifest: Manifest) -> dict[str, Any]:
    """Return what decides whether a version is served: the metric gate's `refusal`, or persons."""
    try:
        decision = store.decision(manifest.project)
    except DecisionError:
        decision = None
    promoted = decision is not None and manifest.id in decision.promoted
    chosen = decision is not None and manifest.id == decision.version
    return {
        "refusal": cut(manifest.gate, _MAX_OUTPUT),
        "promoted": promoted,
        "chosen_at": decision.at if decision is not None and chosen else "",
        "failure": cut(store.failures(manifest.project).get(manifest.id, ""), _MAX_OUTPUT),
    }


def _training(store: VersionStore, manifest: Manifest) -> dict[str, Any]:
    """Return what a version was trained on; `held_out` is the number of tasks, None if it is not known."""
    folder = store.folder(manifest.project, manifest.id)
    record, held = folder / HELD_OUT, None
    try:
        if record.exists() and record.stat().st_size <= _MAX_HELD_OUT:
            ids = held_out(folder)
            held = None if ids is None else len(ids)
    except (VersionError, OSError):
        held = None
    return {
        "annotations": manifest.annotations if manifest.annotations >= 0 else None,
        "source": cut(manifest.source),
        "events": len(manifest.events),
        "held_out": held,
        "snapshot_size": manifest.sizes.get(SNAPSHOT),
        "job": manifest.job,
    }


def _parents(store: VersionStore, manifest: Manifest) -> list[dict[str, Any]]:
    """Return a version's ancestors, its parent first, and whether each still exists."""
    history = store.history(manifest.project)
    present = {version.id for version in store.versions(manifest.project)}
    chain: list[dict[str, Any]] = []
    seen = {manifest.id}
    version: Manifest | None = manifest
    while version is not None and version.parent and len(chain) < MAX_RELATED:
        name = version.parent
        version = named(history, name)
        if version is None or version.id in seen:
            chain.append({"id": "", "name": name, "exists": False})
            break
        seen.add(version.id)
        chain.append({"id": version.id, "name": version.name, "exists": version.id in present})
    return chain


def _comparison(manifest: Manifest) -> dict[str, Any] | None:
    if manifest.comparison is None:
        return None
    return {**msgspec.to_builtins(manifest.comparison), "text": cut(manifest.comparison.text())}


def _json_text(value: Any) -> str:
    if not value:
        return ""
    return msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode("utf-8", "replace")


def _is_evaluated(store: VersionStore, uid: str, version_id: str) -> bool:
    try:
        return version_id in EvaluationReports(store).ids(uid)
    except VersionError:
        return False
