"""What several servers serve, by project."""

from label_studio_ml.dashboard.now.served_projects import served_projects
from label_studio_ml.reports.server_report import ModelProcess, ServedModel, ServerReport


def report(server: str, *served: ServedModel) -> ServerReport:
    """Return a report of a made-up server on a host of its name."""
    return ServerReport(
        id=server,
        host=server,
        pid=7,
        address="",
        started=1.0,
        at=2.0,
        version="3.0",
        model_class="Model",
        processes=(ModelProcess(11, "cuda:0 A"), ModelProcess(12, "cuda:1 A")),
        served=served,
    )


def model(uid: str, **changes: object) -> ServedModel:
    """Return a loaded model of version v1."""
    fields = {"version": "v1", "version_id": "id1", "since": 50.0, "processes": (11, 12), **changes}
    return ServedModel(uid, "loaded", **fields)  # type: ignore[arg-type]


def test_a_project_that_two_servers_serve_is_one_row() -> None:
    one = report("a", model("1.1", since=60.0, last_request=90.0, title="Cats"))
    other = report("b", model("1.1", since=50.0, last_request=80.0))
    shown = served_projects([one, other], (), {}, 20)
    (row,) = shown.rows
    assert (shown.served, shown.failing) == (1, 0)
    assert (row.title, row.number, row.version, row.since, row.last_request) == (
        "Cats",
        "1",
        "v1",
        50.0,
        90.0,
    )
    assert [(place.host, place.pids, place.devices) for place in row.places] == [
        ("a", (11, 12), ("cuda:0 A", "cuda:1 A")),
        ("b", (11, 12), ("cuda:0 A", "cuda:1 A")),
    ]


def test_the_newest_version_is_shown_while_servers_differ() -> None:
    one = report("a", model("1.1", since=10.0))
    other = report("b", model("1.1", version="v2", version_id="id2", since=99.0))
    (row,) = served_projects([one, other], (), {}, 20).rows
    assert (row.version, row.since) == ("v2", 99.0)
    assert [place.version for place in row.places] == ["v1", "v2"]


def test_projects_that_need_a_person_come_first_even_if_no_server_has_a_model_for_them() -> None:
    reports = [
        report("a", model("1.1", last_request=99.0), model("2.1", error="no memory", failed_version="v2"))
    ]
    shown = served_projects(reports, ("3.1",), {"4.1": 2}, 20)
    assert [row.uid for row in shown.rows[-1:]] == ["1.1"]
    assert {row.uid for row in shown.rows[:3]} == {"2.1", "3.1", "4.1"}
    assert (shown.served, shown.failing) == (2, 3)
    by_uid = {row.uid: row for row in shown.rows}
    assert by_uid["3.1"].stalled
    assert by_uid["4.1"].parked == 2
    assert (by_uid["2.1"].error, by_uid["2.1"].failed_version, by_uid["2.1"].version) == (
        "no memory",
        "v2",
        "v1",
    )


def test_rows_are_limited_and_the_last_asked_come_first() -> None:
    models = [model(f"{number}.1", last_request=float(number)) for number in range(100)]
    shown = served_projects([report("a", *models)], (), {}, 20)
    assert shown.served == 100
    assert [row.uid for row in shown.rows] == [f"{number}.1" for number in range(99, 79, -1)]
