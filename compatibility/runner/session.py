"""What Label Studio would ask a backend, in order, and a record of the answers."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from runner.backends import Answer, Backend, BackendFailed
from runner.cases import filled
from runner.studio import TOKEN, StudioStandIn

#: Seconds that a training may take, and a new version to be served.
TRAINING, SERVED = 120.0, 60.0

#: Seconds after which a training of release 1.0.9 counts as failed.
OLDER_TRAINING = 30.0

ENDED = ("finished", "failed", "interrupted", "cancelled")


@dataclass
class Training:
    """What became of one event: the answer's status, and how the training ended ("ok", "failed", "none")."""

    event: str
    status: int
    ended: str
    detail: str = ""


@dataclass
class Record:
    """The answers of one backend. `broken` says at which request it stopped, and why; empty: it answered all."""

    version: Any = None
    version_after: Any = None
    predicted: "list[Prediction]" = field(default_factory=list)
    trainings: list[Training] = field(default_factory=list)
    broken: str = ""


@dataclass(frozen=True)
class Prediction:
    """The answer to one /predict: `step` says to which, `results` is None where it failed with `error`."""

    step: str
    status: int
    results: Any
    error: str = ""


class Session:
    """The requests to one backend about the project of `studio`."""

    def __init__(self, backend: Backend, studio: StudioStandIn) -> None:
        self._backend = backend
        self._studio = studio
        self._case = studio.case
        self._jobs: set[str] = set()
        self.record = Record()

    def run(self, *, trains: bool) -> Record:
        """Ask everything; `trains` says whether annotations are sent, too."""
        self._check("GET", "/")
        self._check("GET", "/health")
        self._setup()
        self._predict("before")
        self.record.version = self._setup()
        if trains:
            self._wait_for_broker()
            for event, body in self._events():
                self.record.trainings.append(self._train(event, body))
            self.record.version_after = self._setup()
            self._predict("after the training")
        return self.record

    def _check(self, method: str, path: str) -> None:
        answer = self._backend.ask(method, path)
        if answer.status != 200:
            raise BackendFailed(f"{method} {path}: {answer.status} {answer.text[:200]}")

    @property
    def _uid(self) -> str:
        created = datetime.fromisoformat(self._studio.project()["created_at"])
        return f"{self._studio.project_id}.{int(created.timestamp())}"

    def _setup(self) -> Any:
        """Return the version that /setup names. Raises BackendFailed."""
        body = {
            "project": self._uid,
            "schema": self._case.label_config,
            "hostname": self._studio.url,
            "access_token": TOKEN,
            "extra_params": self._case.extra_params or None,
        }
        answer = self._backend.ask("POST", "/setup", body)
        if answer.status != 200 or not isinstance(answer.body, dict):
            raise BackendFailed(f"/setup: {answer.status} {_detail(answer)}; {self._backend.cause()}")
        return answer.body.get("model_version")

    def _predict(self, when: str) -> None:
        self._ask_prediction(when, None)
        if self._case.context is not None:
            result = filled(list(self._case.context), {"studio": self._studio.url})
            self._ask_prediction(f"{when}, with a context", {"result": result})
        answered: dict[str, str] = {}
        for number, context in enumerate(self._case.contexts, 1):
            step = f"{when}, context {number} ({context.get('event', 'no event')})"
            self._ask_prediction(step, filled(context, {"studio": self._studio.url, **answered}))
            answered |= _values(self.record.predicted[-1])

    def _ask_prediction(self, step: str, context: dict[str, Any] | None) -> None:
        interactive = range(1) if context else range(len(self._case.tasks))
        body = {
            "tasks": [{**self._studio.task(index), "annotations": []} for index in interactive],
            "project": self._uid,
            "label_config": self._case.label_config,
            "params": {"login": None, "password": None, "context": context},
        }
        answer = self._backend.ask("POST", "/predict", body)
        results = answer.body.get("results") if isinstance(answer.body, dict) else None
        failed = answer.status != 200 or results is None
        error = f"{answer.status} {_detail(answer)}" if failed else ""
        self.record.predicted.append(Prediction(step, answer.status, None if failed else results, error))

    def _events(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the events of an annotator who labels every task, and then presses the button.

        Of tasks that the case repeats, only the last ones are labelled now; the others were before.
        """
        annotations = len(self._case.annotations)
        for index in range(annotations - annotations // self._case.repeat, annotations):
            self._studio.annotated = index + 1
            yield (
                "ANNOTATION_CREATED",
                {
                    "action": "ANNOTATION_CREATED",
                    "annotation": self._studio.annotation(index),
                    "task": {**self._studio.task(index), "annotations": []},
                    "project": self._studio.project(),
                },
            )
        yield "START_TRAINING", {"action": "START_TRAINING", "project": self._studio.project()}

    def _wait_for_broker(self) -> None:
        """Wait until a backend of ours takes events without keeping them on the disk first."""
        deadline = time.monotonic() + SERVED
        while time.monotonic() < deadline:
            answer = self._backend.ask("GET", "/readyz")
            if not isinstance(answer.body, dict) or answer.body.get("broker") in (None, "ok"):
                return
            time.sleep(0.1)

    def _train(self, event: str, body: dict[str, Any]) -> Training:
        """Deliver an event and wait until its training has ended."""
        answer = self._backend.ask("POST", "/webhook", body)
        if answer.status >= 400:
            return Training(event, answer.status, "failed", self._backend.cause())
        fields = answer.body if isinstance(answer.body, dict) else {}
        if fields.get("job_id") and "job" not in fields:
            return self._follow_older(event, answer.status, fields["job_id"])
        if "job" not in fields:  # it was trained within the request, or nothing is to be trained
            ended = "failed" if fields.get("status") == "error" else "ok" if "result" in fields else "none"
            return Training(event, answer.status, ended)
        return self._follow(event, answer.status, str(fields["job"] or self._handed_over(event)))

    def _follow_older(self, event: str, status: int, job: Any) -> Training:
        """Wait for a training of release 1.0.9: it says nowhere that one failed, only /setup names a new version."""
        deadline = time.monotonic() + OLDER_TRAINING
        while time.monotonic() < deadline:
            if self._setup() == job:
                return Training(event, status, "ok")
            time.sleep(0.5)
        return Training(event, status, "failed", self._backend.cause())

    def _handed_over(self, event: str) -> str:
        """Return the job of an event that waited on the disk because the broker was slow for a moment."""
        deadline = time.monotonic() + TRAINING
        while time.monotonic() < deadline:
            listed = (self._backend.ask("GET", f"/jobs?project={self._uid}").body or {}).get("jobs", [])
            for job in listed:
                if job["job"] not in self._jobs:
                    return str(job["job"])
            time.sleep(0.1)
        raise BackendFailed(f"/webhook {event}: no training was begun; {self._backend.cause()}")

    def _follow(self, event: str, status: int, job: str) -> Training:
        self._jobs.add(job)
        deadline = time.monotonic() + TRAINING
        while True:
            state = self._backend.ask("GET", f"/jobs/{job}").body or {}
            if state.get("job_status") in ENDED:
                break
            if time.monotonic() > deadline:
                raise BackendFailed(
                    f"/webhook {event}: its training did not end in {TRAINING:.0f} s: {state}"
                )
            time.sleep(0.1)
        if version := state.get("model_version"):
            self._wait_for_version(str(version))
        ended = "ok" if state["job_status"] == "finished" else "failed"
        return Training(event, status, ended, str(state.get("error") or state.get("message") or "")[:300])

    def _wait_for_version(self, version: str) -> None:
        deadline = time.monotonic() + SERVED
        while (served := self._setup()) != version:
            if time.monotonic() > deadline:
                raise BackendFailed(f"/setup says {served!r}, the training made {version!r}")
            time.sleep(0.1)


def _values(prediction: Prediction) -> dict[str, str]:
    """Return the texts in the values of a prediction's regions, as `answer.NAME`."""
    return {
        f"answer.{name}": text
        for entry in prediction.results or []
        for region in entry.get("result") or []
        for name, text in region.get("value", {}).items()
        if isinstance(text, str)
    }


def _detail(answer: Answer) -> str:
    """Return what an answer says of a failure: its `detail`, or else its beginning."""
    detail = answer.body.get("detail") if isinstance(answer.body, dict) else None
    return str(detail or answer.text)[:200]
