"""Repair a prediction such that Label Studio shows what can be shown of it."""

from collections.abc import Iterable, Mapping
from typing import Any

from label_studio_ml.validation.finding import Finding
from label_studio_ml.validation.region_checks import RegionChecks
from label_studio_ml.validation.result_checks import PLACE, has_position

#: The most rounds of checking and repairing: a repair may reveal the next fault, and leave a relation without its end.
_ROUNDS = 8

#: The last rounds, in which what still has a fault is left out, and then the relations that lack their end.
_LAST_ROUNDS = 3


def repaired(
    checks: RegionChecks,
    result: list[Any],
    findings: Iterable[Finding],
    *,
    interactive: bool = False,
    task: Mapping[str, Any] | None = None,
) -> list[Any]:
    """Return a prediction's regions without the problems in `findings`, those that the checks found in `result`.

    Regions are clipped, lose unknown labels or get an id of their own, as each finding says. What has a fault
    afterwards is left out, and with the first entry of an id those that follow. Regions without a problem are the same
    objects as before; `result` is not changed.
    """
    kept: list[Any] = list(result)
    for attempt in range(_ROUNDS):
        by_region: dict[int, list[Finding]] = {}
        for finding in findings:
            by_region.setdefault(finding.region, []).append(finding)
        if not any(_changes(finding) for several in by_region.values() for finding in several):
            break
        gone = {
            number
            for number, several in by_region.items()
            if attempt >= _ROUNDS - _LAST_ROUNDS and _has_fault(several)
        }
        after = [
            None if number in gone else _repaired(region, by_region.get(number, ()))
            for number, region in enumerate(kept)
        ]
        kept = _without_orphans(kept, _with_entries_moved(kept, after))
        findings = checks.findings(kept, interactive=interactive, task=task)
    return kept


def _changes(finding: Finding) -> bool:
    return finding.is_fault or finding.problem.repair is not None


def _has_fault(findings: Iterable[Finding]) -> bool:
    return any(finding.is_fault for finding in findings)


def _repaired(region: Any, findings: Iterable[Finding]) -> Any:
    """Return a region after the repairs of its findings; None if one of them leaves it out."""
    for finding in findings:
        repair = finding.problem.repair
        if repair is None and not finding.is_fault:
            continue
        mended = None if repair is None else repair(region)
        if mended is None or (finding.is_fault and mended == region):
            return None
        region = mended
    return region


def _with_entries_moved(before: list[Any], after: list[Any]) -> list[Any]:
    """Return `after` with the new positions of regions also in the other entries of their ids, which repeat them.

    `after` has None for a region that is left out.
    """
    moves: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {}
    for old, new in zip(before, after, strict=True):
        if new is not None and new is not old and new.get("id") is not None and new["id"] == old["id"]:
            moves.setdefault(str(old["id"]), (old["value"], new["value"]))
    if not moves:
        return after
    return [
        region
        if region is None or region is not old or _id(region) not in moves
        else _moved(region, *moves[_id(region)])
        for old, region in zip(before, after, strict=True)
    ]


def _moved(region: dict[str, Any], old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    value = region.get("value")
    if not isinstance(value, Mapping):
        return region
    moved = {
        name: new[name] for name in PLACE if name in new and name in value and value[name] == old.get(name)
    }
    return {**region, "value": {**value, **moved}} if moved else region


def _id(region: Any) -> str:
    """Return a region's id as text; empty without one."""
    return "" if not isinstance(region, Mapping) or region.get("id") is None else str(region["id"])


def _without_orphans(before: list[Any], after: list[Any]) -> list[Any]:
    """Return the regions that are left, without those of an id whose entry with the position is left out.

    A label, text or choice of a region would otherwise become one of the task. `after` has None for what is left out.
    """
    positions: dict[str, Any] = {}
    for old, new in zip(before, after, strict=True):
        if isinstance(old, Mapping) and has_position(old):
            positions.setdefault(_id(old), new)
    lost = {name for name, region in positions.items() if region is None and name}
    return [region for region in after if region is not None and _id(region) not in lost]
