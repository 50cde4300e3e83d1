"""What needs a person: the entries of the banner at the top of every page."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from label_studio_ml.monitoring.error_groups import ErrorGroup
from label_studio_ml.reports.server_report import ServerReport
from label_studio_ml.reports.shared_checks import Checks
from label_studio_ml.support.texts import plural

#: The most entries that are sent; the banner says how many there are.
MOST = 20
#: The parts of `Health.ready` whose faults are shown, with how an entry about them begins.
PARTS = {
    "broker": "Redis cannot be used",
    "store": "The store of versions cannot be used",
    "spool": "The events that wait on the disk",
    "training": "Trainings do not begin",
}
#: Checks of `doctor` whose failures are shown as faults of parts already.
_SHOWN_AS_PARTS = frozenset(("spool", "trainings", "server"))


class AttentionEntry(msgspec.Struct, frozen=True):
    """Something that needs a person: what is wrong, and what to do.

    `link` is the page's route to see more, empty if there is none; `query` has the names and values behind its `?`.
    """

    text: str
    fix: str = ""
    link: tuple[str, ...] = ()
    query: tuple[tuple[str, str], ...] = ()
    severity: str = "error"


class Attention(msgspec.Struct, frozen=True):
    """The entries, the most serious first, and how many there are."""

    total: int
    entries: list[AttentionEntry]


def attention(
    parts: Mapping[str, str],
    reports: Iterable[ServerReport],
    parked: Mapping[str, int],
    checks: Checks | None,
    refusals: Iterable[ErrorGroup] = (),
) -> Attention:
    """Return what needs a person.

    `parts` are those of `Health.ready`; `reports` those of the servers that run; `parked` has numbers of events that
    were set aside by project; `checks` are the last findings of `doctor`; `refusals` are the errors of trainings that
    could not read Label Studio.
    """
    entries = [
        *_faults(parts),
        *_failed_loads(reports),
        *_refusals(refusals),
        *_parked(parked),
        *_findings(checks),
    ]
    entries = list(dict.fromkeys(entries))
    return Attention(len(entries), entries[:MOST])


def _faults(parts: Mapping[str, str]) -> list[AttentionEntry]:
    fixes = {
        "broker": "Check that Redis runs, and REDIS_URL. Predictions go on; events wait on the disk",
        "store": "Check the model folder and its disk",
        "training": "Start a training worker, or see logs/rq.log",
    }
    return [
        AttentionEntry(f"{words}: {parts[part]}", fixes.get(part, ""))
        for part, words in PARTS.items()
        if parts.get(part, "ok") != "ok"
    ]


def _failed_loads(reports: Iterable[ServerReport]) -> list[AttentionEntry]:
    entries: dict[tuple[str, str], AttentionEntry] = {}
    for report in reports:
        if report.problem and "starting" not in report.problem:
            text = f"The model of the server {report.host} ({report.pid}) cannot be used: {report.problem}"
            entries[(report.id, "")] = AttentionEntry(text, "See logs/server.log", ("errors",))
        for model in report.served:
            if not model.error:
                continue
            name = f"{model.title} ({model.uid.partition('.')[0]})" if model.title else model.uid
            if model.params == "refused":
                text = f"Project {name}: its parameters are refused: {model.error}"
                fix = "Correct the extra params of the backend in Label Studio"
            else:
                version = f"Version {model.failed_version}" if model.failed_version else "The model"
                served = f"; {model.version} is served meanwhile" if model.version else ""
                text = f"{version} of project {name} does not load: {model.error}{served}"
                fix = "Promote another version, or mend the model and train again"
            entries[(model.uid, model.failed_version)] = AttentionEntry(text, fix, ("versions", model.uid))
    return list(entries.values())


def _refusals(groups: Iterable[ErrorGroup]) -> list[AttentionEntry]:
    """Return an entry for each project whose last training could not read Label Studio."""
    latest = {group.project: group for group in sorted(groups, key=lambda group: group.last)}
    return [
        AttentionEntry(
            f"The last training of project {project.partition('.')[0]} could not read Label Studio: {group.message}",
            group.fix,
            ("projects", project),
        )
        for project, group in latest.items()
    ]


def _parked(parked: Mapping[str, int]) -> list[AttentionEntry]:
    if not parked:
        return []
    number = sum(parked.values())
    events = plural(number, "event was", "events were")
    them = "it" if number == 1 else "them"
    projects = plural(len(parked), "project")
    return [
        AttentionEntry(
            f"{events} set aside in {projects}, because trainings with {them} crashed or failed again and again",
            f"See the cause under Trainings, and retry {them} there",
            ("trainings",),
            (("state", "parked"),),
        )
    ]


def _findings(checks: Checks | None) -> Sequence[AttentionEntry]:
    if checks is None:
        return []
    return [
        AttentionEntry(
            f"{f'Project {finding.project}, ' if finding.project else ''}{finding.name}: {finding.what}",
            finding.fix,
        )
        for finding in checks.findings
        if finding.status == "fail" and finding.name not in _SHOWN_AS_PARTS
    ]
