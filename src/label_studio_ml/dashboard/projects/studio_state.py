"""What Label Studio says about a project: whether it takes the token, its webhook, and which tasks have predictions."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from label_studio_ml.config.backend_login import asks_login
from label_studio_ml.config.settings import Settings
from label_studio_ml.connect import webhooks
from label_studio_ml.connect.ownership import belongs_to, known_identity
from label_studio_ml.errors import BackendError, StudioAuthError, StudioRefusedError
from label_studio_ml.model_calls.project_login import studio_login, studio_private
from label_studio_ml.protocol.webhook_actions import SENT_ACTIONS
from label_studio_ml.studio.resources import task_filters
from label_studio_ml.studio.resources.label_studio import LabelStudio
from label_studio_ml.studio.transport.api_client import ApiClient, Json
from label_studio_ml.studio.transport.http import Http
from label_studio_ml.support.texts import our_command, plural
from label_studio_ml.versions.state.project_state import Project

#: Seconds for which answers of Label Studio are reused.
REUSE = 60.0
#: Least seconds between two questions about a project, however many pages want new answers.
LEAST_INTERVAL = 1.0
#: Seconds that Label Studio has to connect and to answer.
CONNECT_TIMEOUT, READ_TIMEOUT = 3.0, 20.0
#: The most projects whose answers are kept.
MAX_KEPT = 200


class State(msgspec.Struct, frozen=True, kw_only=True):
    """A state: `kind` is ok, warning, problem or unknown; `text` says what it is, `fix` what to do about it."""

    kind: str
    text: str
    fix: str = ""


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """How many of the project's `tasks` have a prediction of `version`; `predicted` is None if it is not known."""

    version: str
    tasks: int
    predicted: int | None


class StudioState(msgspec.Struct, frozen=True, kw_only=True):
    """What Label Studio said `at` (seconds since 1970) about a project; `title` is empty if it could not be asked."""

    at: float
    token: State
    backend: State
    webhook: State
    coverage: Coverage | None = None
    title: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the webhook of this backend has to send: `events` start trainings, if the class `learns`."""

    events: frozenset[str]
    learns: bool


@dataclass(frozen=True, slots=True)
class _Kept:
    """An answer about a project and `version`; `asked` is the monotonic time at which Label Studio was asked."""

    asked: float
    version: str
    state: StudioState


_NOT_ASKED = State(kind="unknown", text="Label Studio cannot be asked")


class StudioStates:
    """Asks Label Studio about projects, once a minute at most for each. Blocking; safe to call from several threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}
        self._asking: dict[str, threading.Lock] = {}

    def of(self, project: Project, version: str, wanted: Callable[[], Wanted], *, fresh: bool) -> StudioState:
        """Return what Label Studio says about a project, and the coverage by `version` (empty: none is served).

        With `fresh`, Label Studio was asked after this call began: an earlier answer may lack what a command has just
        changed. Calls that wait at the same time share one answer.
        """
        called = time.monotonic()
        with self._lock:
            asking = self._asking.setdefault(project.uid, threading.Lock())
        with asking:  # further pages wait for the answer to the first one
            kept = self._kept.get(project.uid)
            if kept is not None and kept.version == version:
                if kept.asked >= (called if fresh else time.monotonic() - REUSE):
                    return kept.state
                if fresh and (wait := kept.asked + LEAST_INTERVAL - time.monotonic()) > 0:
                    time.sleep(wait)
            asked = time.monotonic()
            state = self._ask(project, version, wanted())
            with self._lock:
                if len(self._kept) >= MAX_KEPT:
                    self._kept.clear()
                    self._asking = {project.uid: asking}
                self._kept[project.uid] = _Kept(asked, version, state)
            return state

    def _ask(self, project: Project, version: str, wanted: Wanted) -> StudioState:
        url, token = studio_login(project, self._settings)
        if not url or not token:
            missing = "token" if url else "address"
            state = State(
                kind="problem",
                text=f"Label Studio's {missing} is not known: /setup has sent none, and no setting has it",
                fix="Start the backend with LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY, a personal access token",
            )
            return _unasked(state)
        try:
            http = Http(
                url,
                token,
                verify_tls=self._settings.studio_verify_tls,
                connect_timeout=CONNECT_TIMEOUT,
                read_timeout=READ_TIMEOUT,
                own_private=studio_private(project, self._settings),
            )
        except BackendError as error:
            return _unasked(State(kind="problem", text=error.message, fix=error.fix))
        studio = LabelStudio(ApiClient(http))
        try:
            return self._answers(studio, project, version, wanted)
        except StudioAuthError as error:
            return _unasked(
                State(kind="problem", text=f"{self._token_name()} is refused: {error.message}", fix=error.fix)
            )
        except StudioRefusedError as error:
            text = f"Label Studio refuses to show the project: {error.message}"
            if error.status == 404:
                text = "Label Studio has no such project, or the token's user may not see it"
            fix = "If the project was deleted there, forget it here"
            return _unasked(State(kind="problem", text=text, fix=fix))
        except BackendError as error:
            return _unasked(State(kind="unknown", text=error.message, fix=error.fix))
        finally:
            studio.api.close()

    def _answers(self, studio: LabelStudio, project: Project, version: str, wanted: Wanted) -> StudioState:
        number = int(project.project_id)
        described = studio.projects.get(number)
        token = State(kind="ok", text=f"{self._token_name()} works")
        name = known_identity(self._settings.model_dir)
        backend, entry = self._backend(studio, number, name)
        webhook = self._webhook(studio, number, name, entry, wanted)
        coverage = _coverage(studio, number, described, version) if version else None
        return StudioState(
            at=time.time(),
            token=token,
            backend=backend,
            webhook=webhook,
            coverage=coverage,
            title=str(described.get("title") or ""),
        )

    def _token_name(self) -> str:
        return (
            "LABEL_STUDIO_API_KEY"
            if self._settings.studio_api_key and self._settings.studio_url
            else "The token of /setup"
        )

    def _connect(self, number: int) -> str:
        return f"Run: {our_command('connect', self._settings.backend_dir, '--project', number)}"

    def _backend(self, studio: LabelStudio, number: int, name: str) -> tuple[State, Json | None]:
        """Return the state of this backend's entry in the project, and the entry; None if it is not found."""
        present = studio.backends.of_project(number)
        own = [entry for entry in present if name and belongs_to(entry, name)]
        if not own and len(present) == 1:  # added by hand: without this backend's id
            own = present
        if not present:
            return State(
                kind="problem", text="The project has no ML backend", fix=self._connect(number)
            ), None
        if not own:
            text = f"The project has {plural(len(present), 'ML backend')}, and none has this backend's id"
            return State(kind="unknown", text=text, fix=self._connect(number)), None
        entry = own[0]
        if entry.get("id") != present[0].get("id"):
            text = f"Label Studio asks only the project's first ML backend, {present[0].get('title')!r}"
            return State(kind="problem", text=text, fix="Remove that one in Label Studio"), entry
        if entry.get("state") != "CO":
            text = (
                f"Label Studio does not reach {entry.get('url')}: {entry.get('error_message') or 'no answer'}"
            )
            return State(kind="problem", text=text, fix=self._connect(number)), entry
        return State(kind="ok", text=f"Connected at {entry.get('url')}"), entry

    def _webhook(
        self, studio: LabelStudio, number: int, name: str, entry: Json | None, wanted: Wanted
    ) -> State:
        urls = [str(entry.get("url"))] if entry is not None else []
        present = webhooks.of_backend(studio.webhooks.of_project(number), name or "-", urls)
        if not present:
            kind = "problem" if wanted.learns else "warning"
            text = "The project has no webhook to this backend: no annotation arrives"
            return State(kind=kind, text=text, fix=self._connect(number))
        if len(present) > 1:
            number_of = plural(len(present), "webhook")
            text = f"The project has {number_of} to this backend: each event arrives more than once"
            return State(kind="warning", text=text, fix=self._connect(number))
        if problem := self._problem(present[0], wanted):
            return State(kind="problem", text=problem, fix=self._connect(number))
        return State(kind="ok", text=f"Sends events to {present[0].get('url')}")

    def _problem(self, webhook: Json, wanted: Wanted) -> str:
        if not webhook.get("is_active"):
            return "The webhook is switched off"
        if not webhook.get("send_payload"):
            return "The webhook sends no payload"
        headers = {str(header).lower() for header in webhook.get("headers") or {}}
        if (
            asks_login(self._settings)
            and "authorization" not in headers
            and "@" not in str(webhook.get("url"))
        ):
            return "The webhook carries no login, which this backend requires"
        sent = SENT_ACTIONS if webhook.get("send_for_all_actions") else set(webhook.get("actions") or [])
        missing = sorted(set(webhooks.required_actions(wanted.events, learns=wanted.learns)) - set(sent))
        return f"The webhook does not send {', '.join(missing)}" if missing else ""


def _coverage(studio: LabelStudio, number: int, described: Json, version: str) -> Coverage:
    """Return how many tasks have a prediction of `version`, by counting in Label Studio, not by reading tasks.

    Label Studio's filter finds names that contain `version`. If there are others with it, the number of predictions of
    exactly this version is an upper limit, too.
    """
    tasks = int(described.get("task_number") or 0)
    by_version = studio.predictions.versions(number)
    predictions = by_version.get(version, 0)
    if not predictions:
        return Coverage(version=version, tasks=tasks, predicted=0)
    condition = task_filters.versions("contains", version)
    predicted = min(studio.tasks.page(number, [condition], size=1).total, predictions)
    return Coverage(version=version, tasks=tasks, predicted=predicted)


def _unasked(token: State) -> StudioState:
    """Return the states if Label Studio cannot be asked; `token` says why."""
    return StudioState(at=time.time(), token=token, backend=_NOT_ASKED, webhook=_NOT_ASKED)
