"""Predict whole projects by a running backend, which answers its annotators' requests first."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from label_studio_ml.errors import BackendError, NotAuthorized
from label_studio_ml.model_calls.adapter import MAX_BATCH
from label_studio_ml.protocol.prediction_json import NOT_IN_TIME, TAKEN_OVER
from label_studio_ml.serving.offline_model import Outcome, outcomes
from label_studio_ml.support import pinned_requests
from label_studio_ml.support.texts import plural
from label_studio_ml.versions.state.project_state import Project

if TYPE_CHECKING:
    from requests import Response

#: Target duration of one request in seconds. It must stay well below a minute, after which the backend cuts
#: requests short.
TARGET_DURATION = 15.0
#: Maximum number of tasks in one request.
MAX_TASKS = 5_000
#: Seconds until the next request to a busy backend.
PAUSE = 1.0
#: Beginnings of the errors of tasks that are requested again.
_RETRY_CAUSES = (NOT_IN_TIME, TAKEN_OVER)


class BackendGone(BackendError):
    """The backend no longer answers, or serves another version now."""

    code = "LSML-E431"


class BackendSource:
    """Sends large requests to the backend at `url`, which answers them between the small requests of its annotators.

    `authorization` is the value of the Authorization header, empty for none; `login_fix` is what to do if the backend
    refuses it. A request should take about `goal`
    seconds and has about `max_tasks` tasks at most. `fingerprint` is that of the backend's certificate, empty if it is
    verified as usual. `version` is set by `start`.
    """

    at_once = 2

    def __init__(
        self,
        url: str,
        project: Project,
        authorization: str = "",
        *,
        goal: float = TARGET_DURATION,
        max_tasks: int = MAX_TASKS,
        fingerprint: str = "",
        login_fix: str = "",
    ) -> None:
        self._goal = goal
        self._max_tasks = max_tasks
        self.url = url.rstrip("/")
        self._project = project
        self._authorization = authorization
        self._fingerprint = fingerprint
        self._login_fix = login_fix
        self.version = ""
        self.batch = 1
        self._least = MAX_BATCH + 1
        self._stopped = False

    async def start(self) -> str:
        """Call `/setup` and return the name of the version that the backend serves.

        Raises BackendGone if the backend does not answer, NotAuthorized and BackendError if it refuses.
        """
        body = {
            "project": self._project.uid,
            "schema": self._project.label_config,
            "hostname": self._project.hostname,
            "access_token": self._project.access_token,
            "extra_params": self._project.extra_params,
        }
        self.version = str((await self._post("/setup", body))["model_version"])
        health = await self._post("/health", None)
        self._least = (
            int(health.get("max_batch_size") or MAX_BATCH) + 1
        )  # larger than one batch: the backend queues it behind annotators
        self.batch = max(self._least, min(2 * self._least, self._max_tasks))
        return self.version

    async def ask(self, tasks: Sequence[Mapping[str, Any]], params: bytes = b"{}") -> list[Outcome]:
        """Return one outcome for each task, asking again for tasks that the backend had no time for.

        Raises BackendGone, also after `close`.
        """
        results: list[Outcome | None] = [None] * len(tasks)
        remaining = list(range(len(tasks)))
        while remaining:
            began = time.monotonic()
            outcomes_now = await self._predict_once([tasks[position] for position in remaining], params)
            done = 0
            for position, outcome in zip(remaining, outcomes_now, strict=True):
                if not outcome.error.startswith(_RETRY_CAUSES):
                    results[position] = self._checked(outcome)
                    done += 1
            self._adapt(done, time.monotonic() - began)
            remaining = [position for position in remaining if results[position] is None]
            if remaining and not done:
                await asyncio.sleep(PAUSE)
        return [outcome for outcome in results if outcome is not None]

    async def close(self) -> None:
        """Let running calls of `ask` raise BackendGone instead of sending another request."""
        self._stopped = True

    def _checked(self, outcome: Outcome) -> Outcome:
        for prediction in outcome.predictions:
            if prediction.get("model_version") != self.version:
                raise BackendGone(f"{self.url} serves version {prediction.get('model_version')} now")
        return outcome

    def _adapt(self, done: int, seconds: float) -> None:
        """Set `batch` to the tasks that take `goal` seconds: above the backend's batch size, at most doubled."""
        if done:
            estimate = int(done / max(seconds, 0.001) * self._goal)
            self.batch = max(self._least, min(self._max_tasks, estimate, 2 * self.batch))

    async def _predict_once(self, tasks: list[Mapping[str, Any]], params: bytes) -> list[Outcome]:
        body = {
            "tasks": tasks,
            "project": self._project.uid,
            "label_config": self._project.label_config,
            "params": msgspec.Raw(params),
        }
        while not self._stopped:
            response = await asyncio.to_thread(self._request, "/predict", body)
            if response.status_code == 503:
                await asyncio.sleep(PAUSE)
                continue
            if response.status_code == 500:
                return [Outcome(error=_detail(response))] * len(tasks)
            outcomes_now = outcomes(msgspec.json.encode(self._read(response)["results"]), len(tasks))
            if len(outcomes_now) != len(tasks):
                raise BackendGone(
                    f"{self.url} gave {plural(len(outcomes_now), 'result')} for {plural(len(tasks), 'task')}"
                )
            return outcomes_now
        raise BackendGone("Interrupted")

    async def _post(self, path: str, body: Any) -> dict[str, Any]:
        return self._read(await asyncio.to_thread(self._request, path, body))

    def _request(self, path: str, body: Any) -> "Response":
        """Send one request, GET if `body` is None. Raises BackendGone if the backend does not answer."""
        import requests

        try:
            return pinned_requests.request(
                "GET" if body is None else "POST",
                self.url + path,
                data=None if body is None else msgspec.json.encode(body),
                headers={"Content-Type": "application/json"}
                | ({"Authorization": self._authorization} if self._authorization else {}),
                auth=lambda request: request,  # keeps requests from reading ~/.netrc
                timeout=(5, 120),
                fingerprint=self._fingerprint,
            )
        except requests.RequestException as error:
            if reason := pinned_requests.distrust_reason(error):
                raise BackendGone(
                    pinned_requests.untrusted(self.url, reason), fix=pinned_requests.TRUST_ON_THIS_MACHINE
                ) from None
            raise BackendGone(f"{self.url} does not answer ({type(error).__name__})") from None

    def _read(self, response: "Response") -> dict[str, Any]:
        if response.status_code == 401:
            raise NotAuthorized(
                f"The backend at {self.url} asks for a login",
                fix=self._login_fix,
            )
        if response.status_code >= 400:
            raise BackendError(f"The backend at {self.url} refused: {_detail(response)}")
        try:
            value = response.json()
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise BackendGone(f"{self.url} is no backend of Label Studio")
        return value


def _detail(response: "Response") -> str:
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"status {response.status_code}"
