"""List the versions of a project for the dashboard, page by page, with the difference of each from its parent."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from label_studio_ml.dashboard.versions.metric_directions import difference, direction
from label_studio_ml.errors import DecisionError, StoreError, VersionError
from label_studio_ml.user_code.code_identity import CodeIdentity
from label_studio_ml.versions.evaluation_reports import EvaluationReports
from label_studio_ml.versions.listing import Entry, entries
from label_studio_ml.versions.store.decision import named
from label_studio_ml.versions.store.local_store import VersionStore

#: The most versions of one page, and the most metrics that are columns of the list.
MAX_PAGE, MAX_COLUMNS = 100, 6
#: Characters of a text in a list; version pages have the whole text.
MAX_TEXT = 1000


def version_list(
    store: VersionStore, uid: str, code: CodeIdentity | None, *, search: str, offset: int, limit: int
) -> dict[str, Any]:
    """Return the versions of a project, newest first, whose name, id, state, parent or job contains `search`.

    `total` counts those that match, `all` all versions of the project. Versions whose manifest is damaged are last.
    """
    synchronise(store, uid)
    listed = entries(store, uid, code=code)
    wanted = search.strip().lower()
    matching = [entry for entry in listed if not wanted or wanted in _searched(entry)]
    by_name = {entry.name: entry for entry in reversed(listed)}
    evaluated = _evaluated(store, uid)
    return {
        "total": len(matching),
        "all": len(listed),
        "offset": offset,
        "metrics": metric_columns(listed),
        "versions": [
            {**short(entry), "differences": differences(entry, by_name), "evaluated": entry.id in evaluated}
            for entry in matching[offset : offset + limit]
        ],
        **decision_state(store, uid),
    }


def decision_state(store: VersionStore, uid: str) -> dict[str, Any]:
    """Return the `served` version, whether it is `pinned`, to which version `rollback` leads, and a `problem`."""
    state: dict[str, Any] = {"served": None, "pinned": False, "rollback": "", "pinned_by_setting": ""}
    state["problem"] = store.decision_problem(uid) or store.problem
    pin = named(store.versions(uid), store.pin)
    state["pinned_by_setting"] = pin.name if pin is not None else ""
    try:
        served, decision = store.served(uid), store.decision(uid)
        line = store.line(uid) if served is not None else []
    except DecisionError:
        return state
    if served is None:
        return state
    failed = store.failures(uid)
    earlier = line[: [version.id for version in line].index(served.id)]
    previous = next(
        (version for version in reversed(earlier) if version.id not in failed and not store.damage(version)),
        None,
    )
    state["served"] = {"id": served.id, "name": served.name}
    state["pinned"] = pin is not None or bool(decision and decision.pinned)
    state["rollback"] = previous.name if previous is not None else ""
    return state


def synchronise(store: VersionStore, uid: str) -> None:
    """Synchronise a project with a remote store if this process has not done so yet; an error is left to `problem`."""
    if store.needs_sync(uid):
        try:
            store.synchronise(uid)
        except StoreError:
            if not store.servable_offline(uid):
                raise


def metric_columns(listed: Iterable[Entry]) -> list[dict[str, str]]:
    """Return the most frequent metrics of versions as columns, each with its direction."""
    counts = Counter(name for entry in listed for name in entry.metrics)
    return [{"name": name, "direction": direction(name)} for name, _ in counts.most_common(MAX_COLUMNS)]


def differences(entry: Entry, by_name: Mapping[str, Entry]) -> dict[str, Any]:
    """Return, by metric, the difference of a version from its parent."""
    parent = by_name.get(entry.parent) if entry.parent else None
    if parent is None:
        return {}
    pairs = (
        (name, difference(name, value, parent.metrics.get(name))) for name, value in entry.metrics.items()
    )
    return {name: change for name, change in pairs if change is not None}


def short(entry: Entry) -> dict[str, Any]:
    """Return an entry as JSON values, with long texts cut and at most `MAX_PAGE` metrics."""
    fields = entry.to_dict()
    for name in ("note", "comparison", "source"):
        fields[name] = cut(fields[name])
    fields["metrics"] = dict(list(entry.metrics.items())[:MAX_PAGE])
    fields["code_differs"] = [cut(line) for line in entry.code_differs[:20]]
    return fields


def cut(text: str, length: int = MAX_TEXT) -> str:
    """Return a text, cut to `length` characters with an ellipsis if it is longer."""
    return text if len(text) <= length else f"{text[:length]}…"


def _searched(entry: Entry) -> str:
    state = f"{entry.state} pinned" if entry.pinned else entry.state
    return "\n".join((entry.name, entry.id, state, entry.parent, entry.job)).lower()


def _evaluated(store: VersionStore, uid: str) -> set[str]:
    try:
        return EvaluationReports(store).ids(uid)
    except VersionError:
        return set()
