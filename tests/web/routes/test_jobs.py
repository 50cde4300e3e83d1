"""Paths that name a training job. The routes themselves are tested with the other endpoints."""

import pytest

from label_studio_ml.web.routes.jobs import route_of


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/", "/"),
        ("/jobs/", "/jobs"),
        ("/jobs/20261123-1", "/jobs/{job}"),
        ("/jobs/a/log/", "/jobs/{job}/log"),
        ("/jobs/a/other", "/jobs/a/other"),
    ],
)
def test_a_path_as_the_table_of_routes_has_it(path: str, route: str) -> None:
    assert route_of(path) == route
