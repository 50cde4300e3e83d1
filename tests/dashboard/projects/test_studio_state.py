"""What the dashboard says of a project after asking Label Studio, and how often it asks."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from label_studio_ml.config.settings import Settings
from label_studio_ml.connect import ownership
from label_studio_ml.dashboard.projects import studio_state
from label_studio_ml.dashboard.projects.studio_state import StudioState, StudioStates, Wanted
from label_studio_ml.errors import BackendError, StudioAuthError, StudioError, StudioRefusedError
from label_studio_ml.versions.state.project_state import Project

PROJECT = Project(uid="6.171", hostname="http://studio.test", access_token="setup-token")
URL = "http://backend.test:9090"
WEBHOOK = {
    "id": 1,
    "url": f"{URL}/webhook",
    "is_active": True,
    "send_payload": True,
    "send_for_all_actions": True,
}


class FakeLabelStudio:
    """Stands for `LabelStudio`; tests set what it answers."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: BackendError | None = None
        self.backends_of: list[dict[str, Any]] = [{"id": 1, "url": URL, "state": "CO", "title": "mine"}]
        self.webhooks_of: list[dict[str, Any]] = [dict(WEBHOOK)]
        self.by_version: dict[str, int] = {}
        self.matching = 0
        self.api = SimpleNamespace(close=lambda: None)
        self.projects = SimpleNamespace(get=self.get)
        self.backends = SimpleNamespace(of_project=lambda number: self.backends_of)
        self.webhooks = SimpleNamespace(of_project=lambda number: self.webhooks_of)
        self.predictions = SimpleNamespace(versions=lambda number: self.by_version)
        self.tasks = SimpleNamespace(page=lambda *_, **options: SimpleNamespace(total=self.matching))

    def get(self, number: int) -> dict[str, Any]:
        self.asked += 1
        assert number == 6
        if self.error is not None:
            raise self.error
        return {"title": "Reviews", "task_number": 40}


@pytest.fixture
def studio(monkeypatch: pytest.MonkeyPatch) -> FakeLabelStudio:
    fake = FakeLabelStudio()
    monkeypatch.setattr(studio_state, "LabelStudio", lambda api: fake)
    return fake


@pytest.fixture
def settings(tmp_path: Path, clean_env: None) -> Settings:
    return Settings.from_env({}, backend_dir=tmp_path)


def _ask(
    settings: Settings, project: Project = PROJECT, version: str = "v1", *, learns: bool = True
) -> StudioState:
    wanted = Wanted(frozenset({"ANNOTATION_CREATED"}), learns)
    return StudioStates(settings).of(project, version, lambda: wanted, fresh=False)


def test_all_is_well(studio: FakeLabelStudio, settings: Settings) -> None:
    studio.by_version, studio.matching = {"v1": 12, "rank-margin-1": 3}, 12
    state = _ask(settings)
    assert [state.token.kind, state.backend.kind, state.webhook.kind] == ["ok"] * 3
    assert state.token.text == "The token of /setup works"
    assert state.title == "Reviews"
    assert state.coverage is not None
    assert (state.coverage.predicted, state.coverage.tasks, state.coverage.version) == (12, 40, "v1")


@pytest.mark.parametrize(
    ("by_version", "matching", "predicted"),
    [
        ({}, 0, 0),
        ({"v10": 40}, 40, 0),  # the filter finds names that contain the version
        ({"v10": 40, "v1": 7}, 40, 7),
        ({"v1": 80}, 40, 40),  # two predictions each
    ],
)
def test_tasks_of_similar_versions_are_not_counted(
    studio: FakeLabelStudio, settings: Settings, by_version: dict[str, int], matching: int, predicted: int
) -> None:
    studio.by_version, studio.matching = by_version, matching
    coverage = _ask(settings).coverage
    assert coverage is not None
    assert coverage.predicted == predicted


def test_no_version_no_coverage(studio: FakeLabelStudio, settings: Settings) -> None:
    assert _ask(settings, version="").coverage is None


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (
            StudioAuthError("401 for /api/projects/6", fix="Set it"),
            "problem",
            "The token of /setup is refused: 401",
        ),
        (StudioRefusedError("404", 404), "problem", "Label Studio has no such project"),
        (StudioRefusedError("418 teapot", 418), "problem", "refuses to show the project: 418 teapot"),
        (StudioError("http://studio.test cannot be reached"), "unknown", "cannot be reached"),
    ],
)
def test_a_token_that_does_not_work(
    studio: FakeLabelStudio, settings: Settings, error: BackendError, kind: str, text: str
) -> None:
    studio.error = error
    state = _ask(settings)
    assert state.token.kind == kind
    assert text in state.token.text
    assert state.webhook.kind == state.backend.kind == "unknown"


def test_a_missing_token(studio: FakeLabelStudio, settings: Settings) -> None:
    state = _ask(settings, Project(uid="6.171", hostname="http://studio.test"))
    assert (state.token.kind, studio.asked) == ("problem", 0)
    assert "token is not known" in state.token.text
    assert "address is not known" in _ask(settings, Project(uid="6.171")).token.text


def test_the_token_of_the_settings_comes_first(
    studio: FakeLabelStudio, tmp_path: Path, clean_env: None
) -> None:
    env = {"LABEL_STUDIO_URL": "http://other.test", "LABEL_STUDIO_API_KEY": "key"}
    state = _ask(Settings.from_env(env, backend_dir=tmp_path))
    assert state.token.text == "LABEL_STUDIO_API_KEY works"


@pytest.mark.parametrize(
    ("backends", "kind", "text"),
    [
        ([], "problem", "has no ML backend"),
        ([{"id": 1, "url": URL, "state": "DI"}], "problem", f"does not reach {URL}"),
        ([{"id": 1, "url": "http://a"}, {"id": 2, "url": "http://b"}], "unknown", "2 ML backends"),
    ],
)
def test_the_backends_entry(
    studio: FakeLabelStudio, settings: Settings, backends: list[dict[str, Any]], kind: str, text: str
) -> None:
    studio.backends_of = backends
    state = _ask(settings).backend
    assert state.kind == kind
    assert text in state.text
    assert f"connect {settings.backend_dir} --project 6" in state.fix


def test_only_the_first_backend_is_asked(studio: FakeLabelStudio, settings: Settings) -> None:
    mine = {"id": 2, "url": URL, "state": "CO", "description": ""}
    mine["description"] = ownership.description(ownership.identity(settings.model_dir))
    studio.backends_of = [{"id": 1, "url": "http://other", "title": "other"}, mine]
    assert "first ML backend, 'other'" in _ask(settings).backend.text
    studio.backends_of = [mine, studio.backends_of[0]]
    assert _ask(settings).backend.kind == "ok"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"is_active": False}, "switched off"),
        ({"send_payload": False}, "no payload"),
        ({"send_for_all_actions": False, "actions": ["PROJECT_UPDATED"]}, "does not send ANNOTATION"),
    ],
)
def test_a_wrong_webhook(
    studio: FakeLabelStudio, settings: Settings, changes: dict[str, Any], text: str
) -> None:
    studio.webhooks_of = [{**WEBHOOK, **changes}]
    state = _ask(settings).webhook
    assert state.kind == "problem"
    assert text in state.text


def test_missing_and_further_webhooks(studio: FakeLabelStudio, settings: Settings) -> None:
    studio.webhooks_of = [{**WEBHOOK, "url": "http://elsewhere.test/webhook"}]
    assert _ask(settings).webhook.kind == "problem"
    assert _ask(settings, learns=False).webhook.kind == "warning"
    studio.webhooks_of = [WEBHOOK, WEBHOOK]
    assert "2 webhooks" in _ask(settings).webhook.text


def test_a_webhook_without_the_required_login(
    studio: FakeLabelStudio, tmp_path: Path, clean_env: None
) -> None:
    env = {"BASIC_AUTH_USER": "user", "BASIC_AUTH_PASS": "password-1"}
    settings = Settings.from_env(env, backend_dir=tmp_path)
    assert "carries no login" in _ask(settings).webhook.text
    studio.webhooks_of = [{**WEBHOOK, "headers": {"authorization": "Basic x"}}]
    assert _ask(settings).webhook.kind == "ok"


def test_label_studio_is_asked_once_a_minute(
    studio: FakeLabelStudio, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = StudioStates(settings)

    def ask(version: str = "v1", *, fresh: bool = False) -> None:
        states.of(PROJECT, version, lambda: Wanted(frozenset(), learns=True), fresh=fresh)

    for _ in range(3):
        ask()
    assert studio.asked == 1
    ask("v2")
    assert studio.asked == 2
    monkeypatch.setattr(studio_state, "REUSE", 0.0)
    ask("v2")
    assert studio.asked == 3


def test_a_fresh_answer_was_asked_for_after_the_call(
    studio: FakeLabelStudio, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a command has just changed is in it, even if another answer came a moment ago."""
    states = StudioStates(settings)
    monkeypatch.setattr(studio_state, "LEAST_INTERVAL", 0.3)

    def ask(*, fresh: bool) -> float:
        return states.of(PROJECT, "v1", lambda: Wanted(frozenset(), learns=True), fresh=fresh).at

    first = ask(fresh=False)
    second = ask(fresh=True)
    assert studio.asked == 2
    assert second - first >= 0.25, "not more often than the interval"


def test_pages_that_wait_together_share_one_fresh_answer(
    studio: FakeLabelStudio, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = StudioStates(settings)
    monkeypatch.setattr(studio_state, "LEAST_INTERVAL", 1.0)
    together = threading.Barrier(10)

    def ask(*, fresh: bool) -> None:
        states.of(PROJECT, "v1", lambda: Wanted(frozenset(), learns=True), fresh=fresh)

    def ask_together(_: int) -> None:
        together.wait(30)
        ask(fresh=True)

    ask(fresh=False)
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(ask_together, range(10)))
    assert studio.asked == 2
