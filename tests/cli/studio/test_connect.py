"""The command `connect`: what it does in which order."""

from pathlib import Path

import pytest

from e2e.processes import free_port
from label_studio_ml.cli.main import main
from studio.fake import FakeServer


def test_no_project_is_made_for_a_backend_that_is_not_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next try would make a second project, with the same tasks."""
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "secret")
    folder = tmp_path / "backend"
    folder.mkdir()
    (folder / "model.py").write_text(
        "from label_studio_ml.model import LabelStudioMLBase\n\n\nclass Model(LabelStudioMLBase):\n"
        "    def predict(self, tasks, **kwargs):\n        return []\n"
    )
    config = tmp_path / "labels.xml"
    config.write_text(
        '<View><Text name="t" value="$t"/><Choices name="c" toName="t"><Choice value="a"/></Choices></View>'
    )
    studio = FakeServer()
    words = ["--url", studio.url, "--port", str(free_port()), "--new", "Mine", "--label-config", str(config)]
    try:
        assert main(["connect", str(folder), *words]) == 1
    finally:
        studio.stop()
    assert "failed  The backend is not up: no backend answers" in capsys.readouterr().out
    assert [asked for asked in studio.asked if asked.method == "POST"] == []
