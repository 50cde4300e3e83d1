"""What a process with models logs while it answers a batch."""

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.config.settings import Settings
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_calls.adapter import ModelSpec
from label_studio_ml.model_calls.predictor import Request
from label_studio_ml.monitoring.logs import JsonFormatter
from label_studio_ml.serving.runners.messages import Predict, frame
from label_studio_ml.serving.runners.model_host import ModelHost
from label_studio_ml.versions.state.project_state import Project

SPEC = ModelSpec(project=Project(uid="1.2"))

logger = logging.getLogger(__name__)


class Talker(LabelStudioMLBase):
    def predict(self, tasks: list[dict[str, Any]], context: Any = None, **kwargs: Any) -> Any:
        logger.warning("%d tasks", len(tasks))
        return [{"result": []} for _ in tasks]


@pytest.fixture
def records() -> Iterator[list[dict[str, object]]]:
    """What is logged here, as JSON."""
    found: list[dict[str, object]] = []
    handler = logging.Handler()
    handler.setFormatter(JsonFormatter())
    handler.emit = lambda record: found.append(json.loads(handler.format(record)))  # type: ignore[method-assign]
    logger.addHandler(handler)
    yield found
    logger.removeHandler(handler)


def request(number: int, name: str = "") -> Request:
    return Request(json.dumps([{"id": number, "data": {}}]).encode(), b"{}", id=name)


@pytest.mark.parametrize(
    ("names", "field", "value"),
    [
        (["a"], "request_id", "a"),
        (["a", "a"], "request_id", "a"),
        (["a", "b"], "request_ids", ["a", "b"]),
        (["", "b"], "request_id", "b"),
    ],
)
def test_records_name_the_requests_of_the_batch(
    tmp_path: Path, records: list[dict[str, object]], names: list[str], field: str, value: object
) -> None:
    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path / "data", log_json=True)
    host = ModelHost(settings, Talker)
    host.load(1, SPEC)
    host.predict(1, [request(number, name) for number, name in enumerate(names)])
    logger.warning("afterwards")
    during, after = records
    assert during[field] == value
    assert {"request_id", "request_ids"} & during.keys() == {field}
    assert not {"request_id", "request_ids"} & after.keys()
    quiet = ModelHost(replace(settings, log_json=False), Talker)
    quiet.load(1, SPEC)
    quiet.predict(1, [request(1, "a")])
    assert not {"request_id", "request_ids"} & records[-1].keys()


def test_without_ids_nothing_more_is_sent() -> None:
    plain, told = (frame(Predict(1, 1, [Request(b"[]", b"{}", id=name)])) for name in ("", "a"))
    assert b"id" not in plain
    assert b"id" in told
