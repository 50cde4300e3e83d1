"""What the banner says needs a person."""

from label_studio_ml.dashboard.now.attention import MOST, attention
from label_studio_ml.monitoring.error_groups import ErrorGroup
from label_studio_ml.reports.server_report import ServedModel, ServerReport
from label_studio_ml.reports.shared_checks import Checks, Finding

FINE = {"model": "ok", "store": "ok", "broker": "ok"}


def report(server: str, *served: ServedModel, problem: str = "") -> ServerReport:
    """Return a report of a made-up server."""
    return ServerReport(
        id=server,
        host="host",
        pid=7,
        address="",
        started=1.0,
        at=2.0,
        version="3.0",
        model_class="Model",
        served=served,
        problem=problem,
    )


def test_nothing_needs_a_person() -> None:
    checks = Checks(1.0, "host", (Finding("disk", "ok", "free"), Finding("clock", "warn", "off", "set it")))
    fine = report("a", ServedModel("1.1", "loaded", version="v1"), problem="the model's process is starting")
    assert attention(FINE, [fine], {}, checks).total == 0
    assert attention(FINE, [], {}, None).entries == []


def test_projects_whose_label_studio_refused_the_last_training() -> None:
    groups = [
        ErrorGroup(
            id="a", kind="studio", message="401: token expired", fix="Make another", project="7.1", last=2
        ),
        ErrorGroup(id="b", kind="studio", message="no answer", project="7.1", last=1),
    ]
    (entry,) = attention(FINE, [], {}, None, groups).entries
    assert entry.text == "The last training of project 7 could not read Label Studio: 401: token expired"
    assert (entry.fix, entry.link) == ("Make another", ("projects", "7.1"))


def test_faults_of_parts_are_named() -> None:
    parts = {**FINE, "broker": "no answer", "spool": "it is full", "training": "3 events wait"}
    texts = [entry.text for entry in attention(parts, [], {}, None).entries]
    assert texts == [
        "Redis cannot be used: no answer",
        "The events that wait on the disk: it is full",
        "Trainings do not begin: 3 events wait",
    ]


def test_a_version_that_does_not_load_is_named_once_for_all_servers() -> None:
    model = ServedModel("7.1", "loaded", "Cats", "v1", error="no memory", failed_version="v2")
    found = attention(FINE, [report("a", model), report("b", model)], {}, None)
    (entry,) = found.entries
    assert entry.text == "Version v2 of project Cats (7) does not load: no memory; v1 is served meanwhile"
    assert entry.link == ("versions", "7.1")


def test_refused_parameters_are_no_fault_of_the_version() -> None:
    model = ServedModel("7.1", "failed", error="threshold must be a number", params="refused")
    (entry,) = attention(FINE, [report("a", model)], {}, None).entries
    assert entry.text == "Project 7.1: its parameters are refused: threshold must be a number"
    assert "extra params" in entry.fix


def test_a_model_that_cannot_be_imported_is_named() -> None:
    (entry,) = attention(FINE, [report("a", problem="no module named x")], {}, None).entries
    assert entry.text == "The model of the server host (7) cannot be used: no module named x"


def test_set_aside_events_are_counted() -> None:
    (entry,) = attention(FINE, [], {"1.1": 2, "2.1": 1}, None).entries
    assert entry.text.startswith("3 events were set aside in 2 projects")
    assert "retry them there" in entry.fix
    assert entry.link == ("trainings",)
    assert dict(entry.query) == {"state": "parked"}


def test_one_event_that_was_set_aside_is_one() -> None:
    (entry,) = attention(FINE, [], {"1.1": 1}, None).entries
    assert entry.text.startswith("1 event was set aside in 1 project, because trainings with it crashed")
    assert "retry it there" in entry.fix


def test_failures_of_doctor_are_shown_with_their_fix() -> None:
    checks = Checks(
        1.0,
        "host",
        (
            Finding("webhook", "fail", "it is switched off", "Run: label-studio-ml connect", project="7"),
            Finding("server", "fail", "no answer", "start it"),
            Finding("disk", "fail", "full", "free some"),
        ),
    )
    entries = attention(FINE, [], {}, checks).entries
    assert [(entry.text, entry.fix) for entry in entries] == [
        ("Project 7, webhook: it is switched off", "Run: label-studio-ml connect"),
        ("disk: full", "free some"),
    ]


def test_only_so_many_entries_are_sent() -> None:
    models = [ServedModel(f"{number}.1", "failed", error="no memory") for number in range(MOST + 9)]
    found = attention(FINE, [report("a", *models)], {}, None)
    assert (found.total, len(found.entries)) == (MOST + 9, MOST)
