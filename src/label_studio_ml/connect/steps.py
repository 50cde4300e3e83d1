"""The steps of `connect`: add or update the backend and its webhook in a project, then test both directions."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from label_studio_ml.config.backend_login import asks_login
from label_studio_ml.config.settings import Settings
from label_studio_ml.connect import webhooks
from label_studio_ml.connect.addresses import webhook_host_fits
from label_studio_ml.connect.backend_client import TRUST_CERTIFICATE, BackendView
from label_studio_ml.connect.ownership import belongs_to, description
from label_studio_ml.errors import BackendError, StudioError, StudioRefusedError
from label_studio_ml.protocol.prediction_json import NONE_FOR_TASK
from label_studio_ml.protocol.requests import uid_of
from label_studio_ml.studio.resources.label_studio import LabelStudio
from label_studio_ml.studio.resources.projects import ProjectResource
from label_studio_ml.studio.transport.api_client import Json
from label_studio_ml.support.server_urls import canonical
from label_studio_ml.support.texts import plural

#: Seconds to wait for the backend to import its model file, and for the test event to arrive in `_EVENT_ATTEMPTS`.
_MODEL_TIMEOUT = 120.0
_EVENT_TIMEOUT = 6.0
_EVENT_ATTEMPTS = 3

#: The most test predictions: each is of a random task.
_TEST_PREDICTIONS = 3

_TEST_PREDICTION = "Test prediction through Label Studio"


@dataclass(kw_only=True)
class Plan:
    """The desired connection of the backend with the id `name`, at `url` as Label Studio reaches it, with `project`.

    `title` is the backend's title in Label Studio; None keeps the present one, or sets `default_title` for a new
    backend. `interactive` None keeps the present value. `prelabel` shows the backend's predictions in new tasks.
    """

    studio: LabelStudio
    view: BackendView
    settings: Settings
    project: int
    url: str
    name: str
    title: str | None = None
    default_title: str = "backend"
    interactive: bool | None = None
    prelabel: bool = True


def connect(plan: Plan) -> Iterator[str]:
    """Connect the backend as planned, yielding a line of text after each step.

    Raises BackendError when a step fails; the steps before it stay done, and a later call updates them.
    """
    studio = plan.studio
    release = studio.version()
    project = studio.projects.get(plan.project)
    kind, title = studio.api.http.token.kind.name.lower(), project.get("title")
    yield f"Label Studio {release} at {studio.url}, {kind} token, project {plan.project}: {title}"

    plan.view.health()
    about = _about(plan)
    yield f"Backend at {plan.url}: {about['model_class']}, label-studio-ml {about['version']}"

    backend, old_urls, change = _backend(plan)
    yield f"Backend {backend['id']} in the project: {change}, title {backend['title']!r}"
    first = studio.backends.of_project(plan.project)[0]
    is_first = first["id"] == backend["id"]
    if not is_first:
        yield (
            f"Note: Label Studio asks only the first backend of a project, and that is {first['title']!r} "
            f"({first['url']}); remove it there if this backend is to predict"
        )

    yield _webhook(plan, about, [plan.url, *old_urls], is_new=change == "added")
    old_titles = [str(backend.get("old_title") or "")]
    yield _prelabel(plan, project, backend, old_titles, is_first=is_first)
    yield _prediction(plan, backend, about)
    yield _event(plan, project)


def _about(plan: Plan) -> Json:
    """Return the response of /connection once the backend has imported its model file.

    Raises BackendError when that takes more than `_MODEL_TIMEOUT` seconds.
    """
    end = time.monotonic() + _MODEL_TIMEOUT
    while True:
        about = plan.view.connection()
        if about.get("model_class"):
            return about
        if time.monotonic() > end:
            raise BackendError(
                "The backend has not imported its model file", fix="See its output and logs/server.log"
            )
        time.sleep(0.5)


def _backend(plan: Plan) -> tuple[Json, list[str], str]:
    """Add or update the backend in the project; return it, its former URLs, and "added" or "updated"."""
    present = [
        backend
        for backend in plan.studio.backends.of_project(plan.project)
        if belongs_to(backend, plan.name) or canonical(str(backend.get("url"))) == canonical(plan.url)
    ]
    present.sort(key=lambda backend: (not belongs_to(backend, plan.name), backend["id"]))
    previous: Json = present[0] if present else {}
    fields: Json = {
        "project": plan.project,
        "url": plan.url,
        "title": plan.title or previous.get("title") or plan.default_title,
        "description": description(plan.name),
        "auth_method": "NONE",
    }
    if plan.settings.basic_auth_user:
        fields["auth_method"] = "BASIC_AUTH"
        fields["basic_auth_user"] = plan.settings.basic_auth_user
        fields["basic_auth_pass"] = plan.settings.basic_auth_pass
    if plan.interactive is not None:
        fields["is_interactive"] = plan.interactive
    try:
        saved = plan.studio.backends.save(fields, previous.get("id"))
    except StudioRefusedError as error:
        raise _with_advice(error, plan.url) from None
    saved["old_title"] = previous.get("title")
    old_urls = [str(backend.get("url")) for backend in present]
    return saved, old_urls, "updated" if present else "added"


def _with_advice(error: StudioRefusedError, url: str) -> StudioError:
    """Return an error with advice for Label Studio's refusal of the backend or webhook at `url`."""
    detail = error.detail.lower()
    if error.status == 403 or "ssrf" in detail or "block" in detail or "reserved" in detail:
        return StudioError(
            f"Label Studio refuses the private address {url}: {error.message}",
            fix="Start Label Studio with ML_BLOCK_LOCAL_IP=false and SSRF_PROTECTION_ENABLED=false, "
            "or give a public address with --backend-url",
            field="ML_BLOCK_LOCAL_IP",
        )
    if "authentication parameters" in detail:
        return StudioError(
            f"The backend refused the login that Label Studio has: {error.message}",
            fix="Set BASIC_AUTH_USER and BASIC_AUTH_PASS as they are where the backend runs",
            field="BASIC_AUTH_USER",
        )
    if "certificate verify failed" in detail or "certificate_verify_failed" in detail:
        return StudioError(
            f"Label Studio does not trust the certificate of {url}: {error.message}",
            fix=TRUST_CERTIFICATE,
            field="--backend-url",
        )
    if "can't connect" in detail:
        return StudioError(
            f"Label Studio cannot reach the backend at {url}: {error.message}",
            fix="Start the backend with --host 0.0.0.0 if it is on another machine than Label Studio, and give "
            "--backend-url: http://host.docker.internal:9090 where Label Studio runs in a container of this machine",
            field="--backend-url",
        )
    return StudioError(error.message, fix="See the backend's logs/server.log", field=error.field)


def _webhook(plan: Plan, about: Json, urls: list[str], *, is_new: bool) -> str:
    """Create or change the backend's webhook; return a line. `is_new`: the backend was added to the project just now.

    Raises StudioError when Label Studio refuses the webhook.
    """
    if not webhook_host_fits(plan.url):
        raise StudioError(
            f"Label Studio accepts no webhook at {plan.url}: its host name has no dot",
            fix="Give --backend-url with an address or a name with a dot, such as the network alias ml.backend",
            field="--backend-url",
        )
    actions = webhooks.required_actions(about["events"], learns=bool(about["learns"]))
    desired = webhooks.fields(plan.url, plan.name, plan.view.authorization(), actions)
    try:
        change, removed = webhooks.synchronise(plan.studio.webhooks, plan.project, desired, plan.name, urls)
    except StudioRefusedError as error:
        raise _with_advice(error, plan.url) from None
    if is_new and change == "updated":
        change = "created"  # Label Studio made it while the backend was added, and it was changed into the desired one
    login = "with" if plan.view.authorization() else "without"
    removal = f"; {removed} stale removed" if removed else ""
    return f"Webhook {desired['url']}: {change}, {login} login, for {', '.join(actions)}{removal}"


def _prelabel(plan: Plan, project: Json, backend: Json, old_titles: list[str], *, is_first: bool) -> str:
    """Choose the backend's predictions for new tasks, or no longer, as planned; return a line.

    A choice of other predictions stays if the backend is not the first of the project, which alone is asked.
    """
    title, chosen = str(backend["title"]), str(project.get("model_version") or "")
    if plan.prelabel:
        if chosen == title and project.get("show_collab_predictions"):
            return f"Pre-labeling: {title!r} is chosen already"
        if chosen and not is_first and chosen not in {title, *old_titles}:
            return (
                f"Warning: Pre-labeling: {chosen!r} stays chosen, because Label Studio does not ask {title!r}. To "
                "switch, remove the first backend in the project's Settings, Model, and run connect again"
            )
        plan.studio.projects.change(plan.project, model_version=title, show_collab_predictions=True)
        return f"Pre-labeling: {title!r} is chosen" + (f", before it was {chosen!r}" if chosen else "")
    if chosen and chosen in {title, *old_titles}:
        plan.studio.projects.change(plan.project, model_version="")
        return f"Pre-labeling: {title!r} is no longer chosen"
    return "Pre-labeling: unchanged"


def _prediction(plan: Plan, backend: Json, about: Json) -> str:
    """Test a prediction through Label Studio and return the result as a line. Raises StudioError when it fails.

    Label Studio chooses a random task, which may be one that no model can predict, such as one with a broken file: a
    failed test is repeated. `about` is the backend's response of /connection.
    """
    task = plan.studio.tasks.first(plan.project)
    if task is None:
        return "Test prediction: skipped, because the project has no tasks yet"
    failures: list[StudioError] = []
    for _ in range(_TEST_PREDICTIONS):
        try:
            line = _one_prediction(plan, backend, about)
        except (_NoPrediction, StudioRefusedError) as error:
            failures.append(error)
        else:
            return f"{line}; another task had none: {failures[0].message}" if failures else line
    last = failures[-1]
    advice = _UNTIL_TRAINED if _untrained(about, backend.get("model_version")) else ""
    if isinstance(last, StudioRefusedError):
        raise StudioError(
            f"{last.message} {_cause(plan, task)}".strip(), fix=f"See the backend's logs/server.log{advice}"
        )
    last.fix = f"See the backend's logs/server.log{advice}"
    raise last


class _NoPrediction(StudioError):
    """The response to a test prediction has none."""

    code = "LSML-E760"


def _one_prediction(plan: Plan, backend: Json, about: Json) -> str:
    """Return a line about a prediction of a random task through Label Studio.

    Raises _NoPrediction if the response has none, StudioRefusedError if Label Studio reports a failure.
    """
    answer = plan.studio.backends.test_prediction(int(backend["id"]))
    results: Any = answer.get("response")
    if results == [] or (isinstance(results, list) and results[0] == []):
        return _without_prediction("no prediction", about, backend.get("model_version"))
    if not isinstance(results, list):
        raise _NoPrediction("The backend's response to the test prediction has no results")
    first = results[0][0] if isinstance(results[0], list) and results[0] else results[0]
    if not isinstance(first, dict) or not isinstance(first.get("result"), list):
        cause = first.get("error") if isinstance(first, dict) else first
        version = first.get("model_version") if isinstance(first, dict) else None
        if cause == NONE_FOR_TASK and _untrained(about, version):
            return _without_prediction("None", about, version)
        raise _NoPrediction(f"The model has no prediction for a task of the project: {cause}")
    version = first.get("model_version")
    line = f"{_TEST_PREDICTION}: {plural(len(first['result']), 'region')}, version {version}"
    if first["result"]:
        return line
    return f"{line}{_untrained(about, version)} (a random task)"


#: Added to the advice about a failed prediction before the first training.
_UNTIL_TRAINED = (
    ". Nothing has been trained yet: if the class predicts only after its first training, let predict return None or "
    "[] until then"
)


def _without_prediction(returned: str, about: Json, version: Any) -> str:
    """Return the line about a model that works and has no prediction for a task."""
    line = f"{_TEST_PREDICTION}: it works; the model returned {returned} for a random task"
    if not _untrained(about, version):
        return line
    return f"{line}; nothing has been trained yet, and it may predict after the first training only"


def _untrained(about: Json, version: Any) -> str:
    """Return a phrase if the class learns and `version` is that before the first training; else empty text."""
    is_untrained = about.get("learns") and version and version == about.get("initial_version")
    return "; nothing has been trained yet" if is_untrained else ""


def _cause(plan: Plan, task: Json) -> str:
    """Return the error of a prediction requested from the backend directly: Label Studio does not pass it on."""
    uid = uid_of(plan.studio.projects.get(plan.project))
    try:
        results = plan.view.predict({"tasks": [task], "project": uid}).get("results")
    except BackendError as error:
        return error.message
    first = results[0] if isinstance(results, list) and results else None
    return str(first.get("error", "")) if isinstance(first, dict) else ""


def _event(plan: Plan, project: Json) -> str:
    """Test that an event of Label Studio arrives with its login; return a line. Raises StudioError when it does not."""
    receipt = arrived(plan.studio.projects, plan.view, project)
    if not receipt:
        raise StudioError(
            "The test event did not arrive at the backend",
            fix="Start Label Studio with SSRF_PROTECTION_ENABLED=false if the backend's address is private; "
            f"its log names the webhook {webhooks.address(plan.url)}",
            field="SSRF_PROTECTION_ENABLED",
        )
    if asks_login(plan.settings) and not receipt["authorized"]:
        raise StudioError("The test event arrived without its login", fix="Run connect again")
    return "Test event from Label Studio: arrived at the backend"


def arrived(projects: ProjectResource, view: BackendView, project: Json) -> Json:
    """Make Label Studio send an event, by saving the unchanged project title; return the backend's record of it.

    The record is empty when the event does not arrive within `_EVENT_TIMEOUT` seconds. Raises BackendError.
    """
    number, uid = int(project["id"]), uid_of(project)
    before = _receipt(view, uid).get("at", 0.0)
    for _ in range(_EVENT_ATTEMPTS):
        projects.change(number, title=project["title"])
        end = time.monotonic() + _EVENT_TIMEOUT / _EVENT_ATTEMPTS
        while time.monotonic() < end:
            receipt = _receipt(view, uid)
            if receipt.get("at", 0.0) > before:
                return receipt
            time.sleep(0.1)
    return {}


def _receipt(view: BackendView, uid: str) -> Json:
    """Return the backend's record of the last PROJECT_UPDATED of the project, empty if it has none."""
    receipts = (view.connection(uid).get("project") or {}).get("heard") or {}
    receipt: Json = receipts.get("PROJECT_UPDATED") or {}
    return receipt
