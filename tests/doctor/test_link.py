"""Checks of the connection without servers; with servers: e2e/test_doctor.py."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from label_studio_ml.config.settings import Settings
from label_studio_ml.connect.backend_client import BackendView
from label_studio_ml.doctor import link, studio, work
from label_studio_ml.doctor.context import Context
from label_studio_ml.errors import StudioAuthError
from label_studio_ml.studio.resources.label_studio import LabelStudio
from label_studio_ml.versions.state.project_state import Projects

PROJECT = {"id": 1, "created_at": "2026-01-01T00:00:00Z", "title": "t"}
BOTH = {"LABEL_STUDIO_URL": True, "LABEL_STUDIO_API_KEY": True}
NONE = dict.fromkeys(BOTH, False)


@dataclass
class FakeView:
    """A running backend with these answers of /connection."""

    about: dict[str, Any]

    def connection(self, project: object = None) -> dict[str, Any]:
        return self.about


@pytest.fixture
def context(tmp_path: Path) -> Context:
    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path / "data", studio_url="http://ls")
    made = Context(
        settings=settings,
        folder=tmp_path,
        port=1,
        view=cast("BackendView", FakeView({})),
        url="http://localhost:1",
        name="",
        studio=LabelStudio.open(settings),
        number=1,
        project=PROJECT,
        entry={"title": "mine"},
    )
    set_about(made, NONE)
    return made


def set_about(context: Context, settings: dict[str, bool] | None, **fields: Any) -> None:
    about = {"learns": True, "project": {"token": False}, **fields}
    context.about = about if settings is None else {**about, "studio": settings}
    context.view = cast("BackendView", FakeView(context.about))


def test_a_backend_without_a_token_for_label_studio(context: Context) -> None:
    check = link.annotations(context)
    assert check.status == "warn"
    assert "only those that webhooks deliver" in check.what
    assert "without LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY" in check.what
    assert check.fix.startswith(
        "Start the backend with LABEL_STUDIO_URL=http://ls and LABEL_STUDIO_API_KEY, a personal"
    )
    set_about(context, {"LABEL_STUDIO_URL": True, "LABEL_STUDIO_API_KEY": False})
    assert "runs without LABEL_STUDIO_API_KEY, and" in link.annotations(context).what
    set_about(context, BOTH)
    assert link.annotations(context).status == "ok"


@pytest.mark.parametrize(("refused", "status"), [(False, "ok"), (True, "warn")])
def test_the_token_that_setup_brought_is_tried(
    context: Context, monkeypatch: pytest.MonkeyPatch, refused: bool, status: str
) -> None:
    set_about(context, NONE, project={"token": True})
    Projects(context.settings.model_dir).update(uid=str(context.uid), access_token="a" * 40)
    tried = []

    class Studio:
        def __init__(self, settings: Settings) -> None:
            tried.append(settings.studio_api_key)
            self.projects = self.api = self

        def check_token(self) -> None:
            if refused:
                raise StudioAuthError("Legacy tokens are off")

        def close(self) -> None:
            pass

    monkeypatch.setattr(LabelStudio, "open", Studio)
    check = link.annotations(context)
    assert tried == ["a" * 40]
    assert check.status == status
    if refused:
        assert "the token of /setup is refused (Legacy tokens are off)" in check.what


def test_when_annotations_are_not_checked(context: Context) -> None:
    set_about(context, None)
    assert "older release" in link.annotations(context).what
    set_about(context, NONE, learns=False)
    assert link.annotations(context).what == "the model does not learn"


def test_what_is_missing_for_a_skipped_check_is_said(context: Context) -> None:
    context.entry = None
    assert link.webhook(context).what == "the backend is not in the project"
    context.about = None
    assert link.events(context).what == "the backend is not up"
    context.project = None
    assert link.events(context).what == "project 1 could not be read"
    context.number = None
    address = "give --project ID, the number in the project's address: http://ls/projects/ID"
    assert studio.project(context).what == address
    for check in (link.addresses, link.entry, link.webhook, link.annotations, work.files):
        assert check(context).what == "give --project ID"
    context.studio = None
    assert link.entry(context).what == "Label Studio's address is not given"


class Taking:
    """A Label Studio that accepts every address, with these backends in the project."""

    def __init__(self, *backends: dict[str, Any]) -> None:
        self._present = list(backends)
        self.backends = self.webhooks = self

    def refusal_of(self, number: int, url: str) -> str:
        return ""

    def of_project(self, number: int) -> list[dict[str, Any]]:
        return self._present


@pytest.mark.parametrize(
    ("reason", "state", "status"),
    [
        ("self-signed certificate", "", "warn"),
        ("self-signed certificate", "DI", "warn"),
        ("self-signed certificate", "CO", "ok"),  # Label Studio reaches it: it trusts the certificate
        ("", "", "ok"),
    ],
)
def test_a_certificate_that_label_studio_may_not_trust(
    context: Context, monkeypatch: pytest.MonkeyPatch, reason: str, state: str, status: str
) -> None:
    monkeypatch.setattr(link, "certificate_problem", lambda url: reason)
    context.url = "https://localhost:9090"
    present = [{"url": "https://127.0.0.1:9090/", "state": state}] if state else []
    context.studio = cast("LabelStudio", Taking(*present))
    check = link.addresses(context)
    assert check.status == status
    if status == "warn":
        assert "(self-signed certificate), and Label Studio verifies it" in check.what
        assert "REQUESTS_CA_BUNDLE" in check.fix
    context.url = "http://localhost:9090"
    assert link.addresses(context).status == "ok"
