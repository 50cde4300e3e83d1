"""Label Studio's version and clock, which need no token."""

from pathlib import Path

import pytest

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import StudioError
from label_studio_ml.studio.resources.label_studio import LabelStudio

from ..fake import FakeServer, Reply


@pytest.fixture
def label_studio(studio: FakeServer, tmp_path: Path) -> LabelStudio:
    settings = Settings(backend_dir=tmp_path, studio_url=f"{studio.url}/", studio_api_key="t" * 40)
    return LabelStudio.open(settings)


@pytest.mark.parametrize("answer", [
    {"release": "1.23.2", "edition": "Community"},
    {"label-studio-os-package": {"version": "1.23.2"}, "edition": "Community"},
])  # fmt: skip
def test_version(studio: FakeServer, label_studio: LabelStudio, answer: dict[str, object]) -> None:
    studio.on("/api/version", Reply.of(answer))
    assert label_studio.version() == "1.23.2"
    assert studio.asked[0].authorization is None


@pytest.mark.parametrize("reply", [Reply.of({"edition": "x"}), Reply.of([1]), Reply(200, b"<html>")])
def test_another_server(studio: FakeServer, label_studio: LabelStudio, reply: Reply) -> None:
    studio.on("/api/version", reply)
    with pytest.raises(StudioError, match=f"What answers at {studio.url} is not Label Studio") as caught:
        label_studio.version()
    assert caught.value.field == "--url"


def test_clock(studio: FakeServer, label_studio: LabelStudio) -> None:
    studio.on("/api/version", Reply.of({}))
    difference = label_studio.clock_difference()
    assert difference is not None
    assert abs(difference) < 60
