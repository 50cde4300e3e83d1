"""What all servers serve, by project: those that need a person first, then those that were asked last."""

from collections.abc import Collection, Iterable, Mapping

import msgspec

from label_studio_ml.protocol.requests import ANONYMOUS
from label_studio_ml.reports.server_report import ServedModel, ServerReport


class Place(msgspec.Struct, frozen=True):
    """Where a project's model is loaded: the server's host, and its model processes with their devices."""

    host: str
    version: str
    pids: tuple[int, ...]
    devices: tuple[str, ...]


class ProjectRow(msgspec.Struct, frozen=True, kw_only=True):
    """What is served to a project. `since` is the earliest time at which a server has loaded this version.

    `number` is the project's id in Label Studio; other fields are as in `ServedModel`. `stalled`: its events wait for
    a training that does not begin; `parked` is the number of its events that were set aside.
    """

    uid: str
    number: str
    title: str
    state: str
    version: str
    version_id: str
    since: float
    last_request: float
    model_class: str
    params: str
    error: str
    failed_version: str
    places: tuple[Place, ...] = ()
    stalled: bool = False
    parked: int = 0

    @property
    def needs_a_person(self) -> bool:
        """Whether something is wrong with the project."""
        return bool(self.error or self.stalled or self.parked)


class ServedProjects(msgspec.Struct, frozen=True):
    """The numbers of projects that a model is loaded for, and that need a person; and `rows` with some of them."""

    served: int
    failing: int
    rows: list[ProjectRow]


def served_projects(
    reports: Iterable[ServerReport], stalled: Collection[str], parked: Mapping[str, int], limit: int
) -> ServedProjects:
    """Return what the servers with these reports serve, with at most `limit` rows."""
    models: dict[str, list[tuple[ServerReport, ServedModel]]] = {}
    for report in reports:
        for model in report.served:
            models.setdefault(model.uid, []).append((report, model))
    rows = [
        _row(uid, models.get(uid, []), stalled=uid in stalled, parked=parked.get(uid, 0))
        for uid in {*models, *stalled, *parked}
    ]
    rows.sort(key=lambda row: (not row.needs_a_person, -max(row.last_request, row.since), row.uid))
    return ServedProjects(
        served=sum(row.state == "loaded" for row in rows),
        failing=sum(row.needs_a_person for row in rows),
        rows=rows[:limit],
    )


def _row(
    uid: str, models: list[tuple[ServerReport, ServedModel]], *, stalled: bool, parked: int
) -> ProjectRow:
    """Return one project's row: what most servers serve, the error of any, the latest request of all."""
    loaded = [model for _, model in models if model.state == "loaded"]
    newest = max(loaded or [model for _, model in models], key=lambda model: model.since, default=None)
    failed = next((model for _, model in models if model.error), None)
    version = newest.version if newest is not None else ""
    return ProjectRow(
        uid=uid,
        number="" if uid == ANONYMOUS else uid.partition(".")[0],
        title=next((model.title for _, model in models if model.title), ""),
        state=newest.state if newest is not None else "",
        version=version,
        version_id=newest.version_id if newest is not None else "",
        since=min((model.since for model in loaded if model.version == version), default=0.0),
        last_request=max((model.last_request for _, model in models), default=0.0),
        model_class=next((report.model_class for report, _ in models if report.model_class), ""),
        params=next((model.params for _, model in models if model.params), ""),
        error=failed.error if failed is not None else "",
        failed_version=failed.failed_version if failed is not None else "",
        places=tuple(_place(report, model) for report, model in models),
        stalled=stalled,
        parked=parked,
    )


def _place(report: ServerReport, model: ServedModel) -> Place:
    devices = [
        process.device for process in report.processes if process.pid in model.processes and process.device
    ]
    return Place(report.host, model.version, model.processes, tuple(dict.fromkeys(devices)))
