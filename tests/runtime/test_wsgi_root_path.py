"""A WSGI application below a path of a proxy: ROOT_PATH, or SCRIPT_NAME where the WSGI server removes the path."""

from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest

from label_studio_ml.api import init_app
from label_studio_ml.model import LabelStudioMLBase

pytestmark = pytest.mark.usefixtures("clean_env")


class Silent(LabelStudioMLBase):
    def predict(self, tasks: Any, context: Any = None, **kwargs: Any) -> Any:
        return []


@pytest.mark.parametrize(
    ("mounted", "path"),
    [
        *(("", path) for path in ("/ml", "/ml/", "/ml/predict", "/ml/versions/promote")),
        *(
            ("/ml", path) for path in ("/ml/", "/ml/predict", "/ml/versions/promote")
        ),  # Flask redirects /ml to /ml/
    ],
)
def test_a_failure_redirects_below_it(
    mounted: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_DIR", str(tmp_path / "data"))
    if not mounted:
        monkeypatch.setenv("ROOT_PATH", "/ml")
    app = init_app(model_class=Silent)
    app.config["TESTING"] = True
    with app.test_client() as client:
        answer = client.open(
            method="POST",
            environ_overrides={"SCRIPT_NAME": mounted, "PATH_INFO": path.removeprefix(mounted)},
            headers={"User-Agent": "heartex/1", "Origin": "http://elsewhere"},
        )
        assert answer.status_code == 303
        target = urljoin(f"http://backend{path}", answer.headers["Location"])
        assert target.startswith("http://backend/ml/problem/4")
        path_info = target.removeprefix(f"http://backend{mounted}")
        problem = client.get(environ_overrides={"SCRIPT_NAME": mounted, "PATH_INFO": path_info})
        assert str(problem.status_code) == target.split("/problem/")[1].split("/")[0]
