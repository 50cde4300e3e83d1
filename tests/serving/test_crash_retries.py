"""When a request is sent again after a model process ended."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from label_studio_ml.errors import ModelProcessDied
from label_studio_ml.serving.crash_retries import CrashRetries

DEATH = ModelProcessDied("The model process was killed")


def model(*, loaded: bool = True, retried: bool = False, manifest: object = None) -> Any:
    """Return a stand-in for a loaded model."""
    return cast("Any", SimpleNamespace(loaded=loaded, retried=retried, manifest=manifest))


def test_a_request_is_sent_again_once_and_alone() -> None:
    retries = CrashRetries()
    assert not retries.alone
    retries.count(model(), DEATH)
    assert retries.alone
    with pytest.raises(ModelProcessDied, match="was killed, twice, while it had this request"):
        retries.count(model(), DEATH)


def test_a_process_that_ends_while_it_loads_does_not_count_for_the_request() -> None:
    retries = CrashRetries()
    for _ in range(3):
        retries.count(model(loaded=False, retried=True, manifest=object()), DEATH)
        retries.count(model(loaded=False), DEATH)
    assert not retries.alone
    with pytest.raises(ModelProcessDied, match="was killed while it loaded the model"):
        retries.count(model(loaded=False, retried=True), DEATH)
