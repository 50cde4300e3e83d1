"""What the event generation called on a model while it was built, and the request that it was built in."""
# Authors do not annotate their models, and their methods are not the base's: that is what is tested here.
# mypy: disable-error-code="no-untyped-def, override, no-untyped-call, attr-defined"

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import ModelLoadError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_calls.adapter import ModelSpec, build
from label_studio_ml.versions.state.key_values import MemoryState
from label_studio_ml.versions.state.project_state import Project
from live import CONFIG, FakeStudio, make_live, uid


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(backend_dir=tmp_path, model_dir=tmp_path / "data")


def _built(cls: type[LabelStudioMLBase], settings: Settings, **project: Any) -> Any:
    spec = ModelSpec(project=Project(uid="1.5", **project))
    return build(cls, spec, settings, MemoryState())


class Hooked(LabelStudioMLBase):
    """As the later examples do it: labels from the config, a threshold from the extra params."""

    def use_label_config(self, label_config):
        super().use_label_config(label_config)
        self.order = [*getattr(self, "order", []), "config"]
        self.labels = self.parsed_label_config["label"]["labels"]

    def setup(self):
        self.order = [*getattr(self, "order", []), "setup"]

    def set_extra_params(self, extra_params):
        super().set_extra_params(extra_params)
        self.order.append("params")
        self.raw = extra_params
        self.threshold = json.loads(extra_params)["threshold"]


def test_overridden_hooks_are_called_in_their_order(settings: Settings) -> None:
    made = _built(Hooked, settings, label_config=CONFIG, extra_params='{"threshold": 0.3}')
    assert made.order == ["config", "setup", "params"]
    assert made.labels == ["good", "bad"]
    assert (made.raw, made.threshold) == ('{"threshold": 0.3}', 0.3)
    assert made.extra_params == {"threshold": 0.3}


def test_hooks_are_not_called_for_what_is_not_there(settings: Settings) -> None:
    assert _built(Hooked, settings).order == ["setup"]
    assert _built(Hooked, settings, label_config=CONFIG, extra_params="").order == ["config", "setup"]
    assert Hooked(label_config=CONFIG).order == ["config", "setup"]


def test_a_hook_is_called_too_where_the_constructor_does_not_take_the_label_config(
    settings: Settings,
) -> None:
    class Narrow(Hooked):
        def __init__(self, project_id=None):
            super().__init__(project_id=project_id)

    made = _built(Narrow, settings, label_config=CONFIG)
    assert (made.order, made.labels) == (["setup", "config"], ["good", "bad"])


def test_methods_of_the_same_names_in_older_classes_are_left_alone(settings: Settings) -> None:
    class First(LabelStudioMLBase):
        """The first generation had no such hooks: a class may have methods of its own of these names."""

        def use_label_config(self, label_config, strict):
            raise AssertionError("called")

        def set_extra_params(self):
            raise AssertionError("called")

        def fit(self, completions, workdir=None, **kwargs):
            return {}

    made = _built(First, settings, label_config=CONFIG, extra_params="{}")
    assert list(made.parsed_label_config) == ["label"]


def test_a_hook_that_raises_names_its_line(settings: Settings) -> None:
    class Raises(LabelStudioMLBase):
        def set_extra_params(self, extra_params):
            raise KeyError("threshold")

    with pytest.raises(ModelLoadError, match=r"KeyError: 'threshold' \(test_hooks\.py, line"):
        _built(Raises, settings, extra_params="{}")


class Interactive(LabelStudioMLBase):
    """As the interactive video example does it."""

    def setup(self):
        import flask

        self.body = flask.request.get_json()
        self.method = flask.request.method


def test_setup_reads_the_body_of_setup_from_the_flask_request(settings: Settings) -> None:
    made = _built(
        Interactive, settings, label_config=CONFIG, hostname="http://ls", access_token="t", extra_params="x"
    )
    assert made.body == {
        "project": "1.5",
        "schema": CONFIG,
        "hostname": "http://ls",
        "access_token": "t",
        "extra_params": "x",
    }
    assert made.method == "POST"


def test_there_is_no_request_left_after_the_construction(settings: Settings) -> None:
    import flask

    _built(Interactive, settings)
    assert not flask.has_request_context()


MODEL = """
from label_studio_ml.model import LabelStudioMLBase

class Video(LabelStudioMLBase):
    def setup(self):
        from flask import request
        self.host = request.get_json()["hostname"]

    def predict(self, tasks, context=None, **kwargs):
        return [{"result": [], "score": 0.5, "host": self.host, "threshold": self.threshold} for _ in tasks]

    def set_extra_params(self, extra_params):
        self.threshold = extra_params["threshold"]
"""


def test_both_in_a_model_process(tmp_path: Path) -> None:
    """There is no Flask application in it, and nothing has imported Flask before `setup` does."""
    studio = FakeStudio()
    live = make_live(tmp_path / "backend", studio, "seed_model")
    (live.folder / "seed_model.py").write_text(textwrap.dedent(MODEL))
    live.backend.start()
    try:
        body = {"project": uid(1), "schema": CONFIG, "hostname": studio.url, "access_token": "t"}
        answer = live.post("/setup", {**body, "extra_params": {"threshold": 0.25}})
        assert answer.status_code == 200, answer.text
        entry = live.predict(1)
        assert (entry["host"], entry["threshold"], entry["model_version"]) == (studio.url, 0.25, "0.0.1")
        assert live.setup(2) == "0.0.1"
    finally:
        live.backend.stop()
        studio.stop()
