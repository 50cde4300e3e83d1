"""One prediction for the page: by the served version on the path of `/predict`, or by another version on trial."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from label_studio_ml.config.settings import Settings
from label_studio_ml.dashboard.errors.log_records import shown_lines
from label_studio_ml.dashboard.page_request import PageRequest
from label_studio_ml.dashboard.trial.call_log import LogMark, lines_since, log_mark
from label_studio_ml.dashboard.trial.trial_models import TrialModels
from label_studio_ml.dashboard.trial.trial_subject import Subject
from label_studio_ml.errors import (
    BackendError,
    DeadlineExceeded,
    ModelError,
    ModelProcessDied,
    ReadOnlyLogin,
    RequestError,
    UnknownVersion,
)
from label_studio_ml.protocol.requests import PredictRequest
from label_studio_ml.serving.offline_model import Outcome, outcomes
from label_studio_ml.serving.prediction_service import PredictionService
from label_studio_ml.training.records.run_log import Scrubber
from label_studio_ml.versions.store.decision import named
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import Manifest

#: Stands for the model before any training, as a choice of version.
UNTRAINED = "untrained"
#: The most bytes of predictions as JSON that the page gets.
MAX_ANSWER = 16 << 20
#: The most characters of an error that the page gets.
MAX_ERROR = 10_000
#: Seconds for lines of the model's process to arrive in the log: they are copied there by a thread.
_LOG_DELAY = 0.1


@dataclass(frozen=True, slots=True)
class Question:
    """What a version is asked: a task, and the params with the context of an interactive request, if it is one."""

    task: Mapping[str, Any]
    params: bytes
    interactive: bool

    @classmethod
    def of(cls, task: Mapping[str, Any], fields: Mapping[str, Any], *, operator: bool) -> "Question":
        """Return the question of a request's fields `context` and `params`. Raises RequestError, ReadOnlyLogin."""
        context, params = fields.get("context"), fields.get("params")
        for name, value in (("context", context), ("params", params)):
            if value is not None and not isinstance(value, dict):
                raise RequestError(f"{name} must be a JSON object", field=name)
        if params and not operator:
            raise ReadOnlyLogin("Your login may not send params", fix="Leave them out", field="params")
        everything = {**(params or {}), **({"context": context} if context else {})}
        interactive = bool(everything.get("context"))
        sent = {name: value for name, value in task.items() if name != "left_out"}
        return cls(sent, msgspec.json.encode(everything), interactive)


class TrialPredictions:
    """Asks versions. `service` answers for the served ones, `models` for others.

    `scrubber` returns what replaces the secrets that are known now.
    """

    def __init__(
        self,
        settings: Settings,
        service: PredictionService,
        store: VersionStore,
        models: TrialModels,
        scrubber: Callable[[], Scrubber],
    ) -> None:
        self._scrubber = scrubber
        self._log = settings.log_dir / "server.log"
        self._service = service
        self._store = store
        self._models = models

    async def predict(
        self, request: PageRequest, subject: Subject, question: Question, version: str
    ) -> dict[str, Any]:
        """Return `predictions`, or `error` and `fix`; with `version`, `served`, `seconds`, and the `log` of the call.

        `version` is the id or name of one, `UNTRAINED`, or empty for the served one. Only operators see tracebacks in
        the log. Raises BackendError for what is not the model's fault.
        """
        manifest, served = await self._version(subject, version)
        known = self._models.is_loaded(subject.project, manifest)
        if not served and not known and not request.session.operator:
            raise ReadOnlyLogin(
                f"{request.session.name} may try the served version, and others that are loaded already",
                fix="Ask a person with the login in BASIC_AUTH_USER to try this version first",
                field="version",
            )
        if manifest is not None and not served:
            await asyncio.to_thread(self._store.fetch, manifest)
        mark = await asyncio.to_thread(log_mark, self._log)
        began = time.perf_counter()
        answer: dict[str, Any] = {"served": served}
        try:
            if served:
                outcome = await self._ask_served(request, subject, question)
            else:
                answer["version"], outcome = await self._models.ask(
                    subject.project,
                    manifest,
                    question.task,
                    question.params,
                    interactive=question.interactive,
                )
            answer |= {"predictions": outcome.predictions, "error": outcome.error, "fix": ""}
        except (ModelError, ModelProcessDied, DeadlineExceeded) as error:
            answer |= {"predictions": [], "error": error.message, "fix": error.fix}
        answer["seconds"] = time.perf_counter() - began
        answer.setdefault("version", self._name(subject, manifest, served=served))
        _check_size(answer)
        await asyncio.sleep(_LOG_DELAY)
        tracebacks, scrubber = request.session.operator, self._scrubber()
        answer["error"] = scrubber.text(answer["error"])[
            :MAX_ERROR
        ]  # the text of an exception, with any values
        answer["log"] = await asyncio.to_thread(shown_log, self._log, mark, scrubber, tracebacks=tracebacks)
        return answer

    async def _version(self, subject: Subject, version: str) -> tuple[Manifest | None, bool]:
        """Return the manifest of a version, None for the untrained model, and whether the version is the served one.

        Raises UnknownVersion.
        """
        if subject.pasted and not version:
            return None, False
        if not version:
            return None, True
        served = await asyncio.to_thread(self._served, subject.project.uid)
        if version == UNTRAINED:
            return None, served is None and not subject.pasted
        manifest = named(await asyncio.to_thread(self._store.versions, subject.project.uid), version)
        if manifest is None:
            raise UnknownVersion(
                f"The project has no version {version!r:.100}", fix="Choose another one", field="version"
            )
        if served is not None and manifest.id == served.id and not subject.pasted:
            return manifest, True
        return manifest, False

    def _served(self, uid: str) -> Manifest | None:
        try:
            return self._store.served(uid)
        except BackendError:  # then no version is known to be served
            return None

    async def _ask_served(self, request: PageRequest, subject: Subject, question: Question) -> Outcome:
        project = subject.project
        predict_request = PredictRequest(
            tasks=[msgspec.json.encode(question.task)],
            uid=project.uid,
            label_config=project.label_config,
            params=question.params,
            interactive=question.interactive,
        )
        results = await self._service.predict(project, predict_request, request.call.gone)
        (outcome,) = outcomes(results, 1)
        return outcome

    def _name(self, subject: Subject, manifest: Manifest | None, *, served: bool) -> str:
        if manifest is not None:
            return manifest.name
        name = self._service.registry.version_if_known(subject.project.uid) if served else None
        return name or UNTRAINED


def shown_log(path: Path, mark: LogMark, scrubber: Scrubber, *, tracebacks: bool) -> list[str]:
    """Return the lines of a log since `mark`, without secrets, and with `tracebacks` if they are to be shown."""
    lines = shown_lines(lines_since(path, mark), tracebacks=tracebacks)
    return [scrubber.text(line) for line in lines]


def _check_size(answer: dict[str, Any]) -> None:
    """Replace predictions that are too large for the page by an error."""
    size = len(msgspec.json.encode(answer["predictions"]))
    if size > MAX_ANSWER:
        answer |= {
            "predictions": [],
            "error": f"The prediction has {size} bytes of JSON, more than the {MAX_ANSWER} that this page draws",
            "fix": "Try a smaller task, or ask /predict",
        }
