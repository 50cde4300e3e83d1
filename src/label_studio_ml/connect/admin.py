"""Client for the part of Label Studio's API that connects a backend: ML backends, webhooks, project settings."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from label_studio_ml.errors import StudioError
from label_studio_ml.studio.transport.http import Http

Json = dict[str, Any]

#: Read timeout in seconds. A test prediction takes longest: Label Studio waits up to 100 s for the backend.
_PREDICTION = 110.0


class StudioRefusedError(StudioError):
    """Label Studio answered with an HTTP error.

    `status` is the HTTP status, `said` the message of the response, `fields` the request's fields that are invalid.
    """

    def __init__(self, message: str, status: int, said: str, fields: frozenset[str] = frozenset()) -> None:
        super().__init__(message)
        self.status = status
        self.said = said
        self.fields = fields


@dataclass(frozen=True, slots=True)
class Version:
    """The release number of a Label Studio and its edition, as `/api/version` reports them."""

    release: str
    edition: str


class Admin:
    """API client for the Label Studio at `url`, as the user of `token`.

    Every method raises StudioAuthError when the token is refused, StudioRefusedError when Label Studio answers with
    another error, and StudioError when it cannot be reached or its response is not as expected.
    """

    def __init__(self, url: str, token: str, *, verify_tls: bool = True) -> None:
        self.http = Http(url, token, verify_tls=verify_tls, read_timeout=_PREDICTION)

    @property
    def url(self) -> str:
        """Label Studio's address, without a slash at its end."""
        return self.http.base

    def close(self) -> None:
        """Close the connections that are kept open."""
        self.http.close()

    def version(self) -> Version:
        """Return Label Studio's version; no token is needed. Raises StudioError if the server is not Label Studio."""
        found = self._call("GET", "/api/version", login=False)
        package = found.get("label-studio-os-package") if isinstance(found, dict) else None
        if not isinstance(found, dict) or not (found.get("release") or package):
            raise StudioError(
                f"What answers at {self.url} is not Label Studio",
                fix="Correct --url: Label Studio's address with its sub-path, if it has one",
                field="--url",
            )
        release = found.get("release") or (package or {}).get("version", "")
        return Version(str(release), str(found.get("edition", "")))

    def clock_difference(self) -> float | None:
        """Return the seconds by which Label Studio's clock is ahead of this machine's; None without a Date header."""
        with self.http.request(
            "GET", f"{self.http.base}/api/version", login=lambda _: False, stay=True
        ) as response:
            try:
                theirs = parsedate_to_datetime(response.headers.get("Date", ""))
            except ValueError:
                return None
        return (theirs - datetime.now(UTC)).total_seconds() if theirs.tzinfo else None

    def blocks_backend(self, number: int, url: str) -> str:
        """Return why Label Studio refuses a backend at `url` in project `number`, empty if it does not.

        Nothing is added to the project.
        """
        # The timeout is invalid on purpose: Label Studio validates the address, too, and adds no backend.
        return self._blocks("/api/ml/", {"project": number, "url": url, "timeout": "none"})

    def blocks_webhook(self, number: int, url: str) -> str:
        """Return why Label Studio refuses a webhook at `url` in project `number`, empty if it does not.

        Nothing is added to the project, because the action is invalid on purpose.
        """
        return self._blocks("/api/webhooks/", {"project": number, "url": url, "actions": ["NONE"]})

    def _blocks(self, path: str, fields: Json) -> str:
        try:
            self._call("POST", path, json=fields)
        except StudioRefusedError as error:
            return str(error.said or error) if error.status == 403 or "url" in error.fields else ""
        return ""

    def check_token(self) -> None:
        """Request the list of projects, which every user may read, to see whether the token is accepted."""
        self._call("GET", "/api/projects/", params={"page_size": "1", "include": "id"})

    def task_with_predictions(self, number: int, version: str = "") -> Json | None:
        """Return a task of the task list that has predictions, of `version` if given; None if there is no such task."""
        predicted: Json
        if version:
            name = "filter:tasks:predictions_model_versions"
            predicted = {"filter": name, "operator": "contains", "type": "List", "value": [version]}
        else:
            name = "filter:tasks:total_predictions"
            predicted = {"filter": name, "operator": "greater", "type": "Number", "value": 0}
        # "review" would keep Label Studio from asking backends, but it leaves out the score column.
        return self._task(
            number, {"query": json.dumps({"filters": {"conjunction": "and", "items": [predicted]}})}
        )

    def project(self, number: int) -> Json:
        """Return the project with the id `number`."""
        return _object(self._call("GET", f"/api/projects/{number}/"))

    def create_project(self, title: str, label_config: str) -> int:
        """Create a project and return its id."""
        body = {"title": title, "label_config": label_config}
        return int(_object(self._call("POST", "/api/projects/", json=body))["id"])

    def import_tasks(self, number: int, name: str, data: bytes) -> int:
        """Import the tasks of a file with the content `data`; return their number.

        Label Studio takes the file's format from the extension of `name`.
        """
        answer = self._call("POST", f"/api/projects/{number}/import", files={"file": (name, data)})
        return int(_object(answer).get("task_count") or 0)

    def change_project(self, number: int, **changes: Any) -> Json:
        """Change a project's settings and return it. Webhooks get PROJECT_UPDATED even if no value changes."""
        return _object(self._call("PATCH", f"/api/projects/{number}/", json=changes))

    def first_task(self, number: int) -> Json | None:
        """Return the first task of the project, None if it has none. Label Studio asks no backend for predictions."""
        return self._task(number, {"review": "true"})

    def _task(self, number: int, chosen: Json) -> Json | None:
        fixed = {"page": "1", "page_size": "1", "fields": "all", "resolve_uri": "false"}
        asked = {"project": str(number), **fixed, **chosen}
        page = _object(self._call("GET", "/api/tasks/", params=asked))
        tasks = page.get("tasks") or []
        return tasks[0] if tasks and isinstance(tasks[0], dict) else None

    def backends(self, number: int) -> list[Json]:
        """Return the project's backends; the first one gets the prediction requests.

        Label Studio checks the health of each backend for this call.
        """
        return _objects(self._call("GET", "/api/ml/", params={"project": str(number)}))

    def save_backend(self, fields: Mapping[str, Any], known: int | None = None) -> Json:
        """Add a backend, or change the one with the id `known`; return it. Label Studio contacts it first."""
        if known is None:
            return _object(self._call("POST", "/api/ml/", json=dict(fields)))
        return _object(self._call("PATCH", f"/api/ml/{known}", json=dict(fields)))

    def test_prediction(self, backend: int) -> Json:
        """Make Label Studio request a prediction for a random task from a backend; return Label Studio's response."""
        path = f"/api/ml/{backend}/predict/test"
        return _object(self._call("POST", path, params={"random": "true"}))

    def webhooks(self, number: int) -> list[Json]:
        """Return the project's webhooks."""
        return _objects(self._call("GET", "/api/webhooks/", params={"project": str(number)}))

    def save_webhook(self, fields: Mapping[str, Any], known: int | None = None) -> Json:
        """Add a webhook, or change the one with the id `known`; return it."""
        if known is None:
            return _object(self._call("POST", "/api/webhooks/", json=dict(fields)))
        return _object(self._call("PATCH", f"/api/webhooks/{known}/", json=dict(fields)))

    def delete_webhook(self, known: int) -> None:
        """Delete the webhook with the id `known`."""
        self._call("DELETE", f"/api/webhooks/{known}/")

    def _call(self, method: str, path: str, *, login: bool = True, **arguments: Any) -> Any:
        """Send a request and return the decoded JSON of the response, None if it is empty or not JSON."""
        with self.http.request(
            method,
            self.http.base + path,
            login=lambda _: login,
            stay=True,
            repeatable=method == "GET",
            **arguments,
        ) as response:
            if response.status_code == 401:
                raise self.http.refused(response)
            try:
                value = response.json() if response.content else None
            except ValueError:
                value = None
            if response.status_code >= 400:
                said = _said(value)
                status = self.http.status(response)
                text = f"Label Studio refused: {status}" + (
                    f": {said}" if said and said not in status else ""
                )
                raise StudioRefusedError(
                    self.http.token.hide(text), response.status_code, said, _wrong_fields(value)
                )
            return value


def _said(value: Any) -> str:
    """Return the message of an error response in one line of at most 500 characters, empty if it has none."""
    if not isinstance(value, dict):
        return ""
    errors = value.get("validation_errors")
    if isinstance(errors, dict) and errors:
        words = [
            " ".join(map(str, text)) if isinstance(text, list) else str(text) for text in errors.values()
        ]
        return " ".join(" ".join(words).split())[:500]
    return " ".join(str(value.get("detail") or "").split())[:500]


def _wrong_fields(value: Any) -> frozenset[str]:
    errors = value.get("validation_errors") if isinstance(value, dict) else None
    return frozenset(errors) if isinstance(errors, dict) else frozenset()


def _object(value: Any) -> Json:
    if not isinstance(value, dict):
        raise StudioError("Label Studio did not answer with a JSON object")
    return value


def _objects(value: Any) -> list[Json]:
    if isinstance(value, dict):  # newer versions paginate some lists
        value = value.get("results")
    if not isinstance(value, list):
        raise StudioError("Label Studio did not answer with a JSON list")
    return [one for one in value if isinstance(one, dict)]
