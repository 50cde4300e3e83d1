"""`Combined`, the base class of models that consist of several models."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from label_studio_ml.combined.merged_prediction import MergedPrediction
from label_studio_ml.combined.part import Part, part_context, parts_of
from label_studio_ml.combined.part_training import PartTrainings
from label_studio_ml.errors import LabelConfigError, ModelFileError, ModelLoadError, ParamsError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_api.api_generation import overrides_hook
from label_studio_ml.model_calls.adapter import call_predict, call_prewarm, construct, fit_event, reason
from label_studio_ml.params.class_params import merged_params
from label_studio_ml.protocol.prediction_json import describe, is_nothing, listed
from label_studio_ml.training.job import TrainingJob

logger = logging.getLogger(__name__)


class Combined(LabelStudioMLBase):
    """A model that consists of others. Its class lists them:

        class Both(Combined):
            parts = (Ner, Sentiment)

    Each part predicts, and the regions of all are merged for each task; each part that has a `fit` is trained, with a
    folder and a `train_output` of its own. What a part fails at costs its regions alone. A part can be limited to some
    controls: `Part(Ner, controls=["entities"])`.

    The class attributes that control training and serving (`promote_if`, `min_annotations`, `concurrency`, …) are those
    of the combined class; `TRAIN_EVENTS` defaults to the events of all parts, `max_batch_size` to the parts' smallest.
    Each part has its own parameters; `params` defaults to those of all parts.
    """

    #: The parts: model classes, or `Part`s.
    parts: ClassVar[Sequence[type[LabelStudioMLBase] | Part]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "parts" not in vars(cls):
            return
        parts = parts_of(cls.parts, cls.__name__)
        generations = {part.generation for part in parts} - {"none"}
        if len(generations) > 1:
            raise ModelFileError(
                f"{cls.__name__}.parts has a part with fit(annotations, …) and one with fit(event, data, …)",
                fix="Change one of them: a training has one of the two forms",
                field="parts",
            )
        cls._parts = parts
        _set_default(
            cls, "TRAIN_EVENTS", list(dict.fromkeys(event for part in parts for event in _events(part)))
        )
        if params := merged_params(part.model_class for part in parts):
            _set_default(cls, "params", params)
        sizes = [
            part.model_class.max_batch_size for part in parts if hasattr(part.model_class, "max_batch_size")
        ]
        if sizes:
            _set_default(cls, "max_batch_size", min(sizes))
        if any(_prewarms(part) for part in parts):
            _set_default(cls, "prewarm", _prewarm)
        if "seed" in generations:
            _set_default(cls, "fit", _fit_annotations)
        elif "event" in generations:
            _set_default(cls, "fit", _fit_event)

    _parts: ClassVar[tuple[Part, ...]] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self._parts:
            raise ModelFileError(
                f"{type(self).__name__} has no parts",
                fix="List model classes in it: parts = (Ner, Sentiment)",
                field="parts",
            )
        self._logged: set[str] = set()
        #: The parts that fit the label config, with the model of each.
        self._models: list[tuple[Part, LabelStudioMLBase]] = []
        missing: list[LabelConfigError] = []
        for part in self._parts:
            try:
                self._models.append((part, self._built(part)))
            except LabelConfigError as error:
                logger.warning("The part %s is left out, its label config does not fit: %s", part.name, error)
                missing.append(error)
        if not self._models:
            raise missing[0]

    def __getitem__(self, name: str) -> LabelStudioMLBase:
        """Return the model of the part with this name. Raises KeyError if the label config does not fit it."""
        return {part.name: model for part, model in self._models}[name]

    def _built(self, part: Part) -> LabelStudioMLBase:
        """Return the model of a part.

        Raises LabelConfigError, ParamsError, or ModelLoadError for any other exception.
        """
        context = part_context(self._context, part)
        offered = {
            "project_id": self.project_id,
            "label_config": part.label_config(self.label_config) or None,
            "train_output": part.train_output(self.train_output),
            "hostname": self.hostname,
            "access_token": self.access_token,
            "model_version": self.model_version,
            **self.init_kwargs,
        }
        try:
            params = context.extra_params
            text = params if params is None or isinstance(params, str) else json.dumps(params)
            return construct(part.model_class, offered, context, text)
        except (LabelConfigError, ParamsError):
            raise
        except (Exception, SystemExit) as error:
            raise ModelLoadError(f"The part {part.name} cannot be built: {reason(error)}") from error

    def predict(
        self, tasks: list[dict[str, Any]], context: dict[str, Any] | None = None, **kwargs: Any
    ) -> list[dict[str, Any] | None] | None:
        """Return the merged predictions of all parts; None, or None for a task, if no part returns any.

        With a context, only the parts whose control is used in it are asked. A part that raises is asked again for each
        task alone; a task for which it raises has no regions of it. Raises the first part's error if a task has no
        prediction of any part.
        """
        merged = [MergedPrediction(task.get("id")) for task in tasks]
        answered = [False] * len(tasks)
        errors: list[Exception | None] = [None] * len(tasks)
        nothing = True
        for part, model in self._asked(context):
            for number, answer in enumerate(
                self._answers(part, model, tasks, {"context": context, **kwargs})
            ):
                if isinstance(answer, Exception):
                    errors[number] = errors[number] or answer
                    nothing = False
                    continue
                if answer is None:
                    continue
                nothing = False
                try:
                    merged[number].add(part.name, answer)
                    answered[number] = True
                except Exception as error:  # noqa: BLE001 (an object from user code may raise anything)
                    self._log(part, error)
                    errors[number] = errors[number] or error
        for failure, has in zip(errors, answered, strict=True):
            if failure is not None and not has:
                raise failure
        if nothing:
            return None
        return [prediction.value() if has else None for prediction, has in zip(merged, answered, strict=True)]

    def _asked(self, context: Any) -> list[tuple[Part, LabelStudioMLBase]]:
        """Return the parts to ask: with a context, those that own the control that was used, if it is known."""
        regions = context.get("result") if isinstance(context, Mapping) else None
        names = [region.get("from_name") for region in regions or () if isinstance(region, Mapping)]
        if not names:
            return self._models
        owners = [item for item in self._models if item[0].controls and any(map(item[0].owns, names))]
        return owners or [item for item in self._models if item[0].controls is None] or self._models

    def _answers(
        self, part: Part, model: LabelStudioMLBase, tasks: list[dict[str, Any]], params: Mapping[str, Any]
    ) -> list[Any]:
        """Return a part's prediction for each task, None where it has none, an exception where it failed."""
        try:
            returned = call_predict(model, list(tasks), params)
            entries = listed(returned, len(tasks))
        except Exception as error:  # noqa: BLE001 (user code may raise anything)
            if len(tasks) == 1:
                self._log(part, error)
                return [error]
            entries = None
        else:
            if entries is None and is_nothing(returned):
                return [None] * len(tasks)
            if entries is None and len(tasks) == 1:
                failure = ValueError(describe(returned, 1))
                self._log(part, failure)
                return [failure]
        if entries is not None:
            return entries
        return [answer for task in tasks for answer in self._answers(part, model, [task], params)]

    def _log(self, part: Part, error: Exception) -> None:
        """Log why a part has no prediction for a task, once for each cause."""
        cause = reason(error)
        if (key := f"{part.name}: {cause}") not in self._logged and len(self._logged) < 100:
            self._logged.add(key)
            logger.error(
                "The part %s has no prediction for a task, the other parts have: %s; this is logged once",
                part.name,
                cause,
                exc_info=error,
            )


def _fit_annotations(
    self: Combined,
    annotations: Any,
    event: str = "",
    data: Any = None,
    job_id: str = "",
    job: TrainingJob | None = None,
    workdir: str | None = None,
) -> dict[str, Any]:
    """Train each part on the annotations of its controls; return the new `train_output`."""
    job = job or TrainingJob(job_id, Path(workdir) if workdir else None)
    models = [(part, model) for part, model in self._models if part.generation == "seed"]
    return PartTrainings(models, annotations, self.train_output, job, event, data, job_id).run()


def _fit_event(
    self: Combined, event: str, data: Any, job_id: str = "", job: TrainingJob | None = None, workdir: str = ""
) -> None:
    """Call `fit` of each part that trains on this event. Raises the first error if all of them raise."""
    trained = [
        (part, model) for part, model in self._models if part.generation == "event" and event in _events(part)
    ]
    errors: list[Exception] = []
    for part, model in trained:
        try:
            fit_event(model, event, data, job_id=job_id, workdir=Path(workdir), job=job)
        except Exception as error:
            logger.exception("The part %s was not trained on %s: %s", part.name, event, reason(error))
            errors.append(error)
    if errors and len(errors) == len(trained):
        raise errors[0]


def _prewarms(part: Part) -> bool:
    return overrides_hook(part.model_class, "prewarm")


def _prewarm(self: Combined, task: dict[str, Any]) -> None:
    """Call `prewarm` of each part that has one. Raises the first error, after all parts were called."""
    errors: list[Exception] = []
    for part, model in self._models:
        if _prewarms(part):
            try:
                call_prewarm(model, task)
            except Exception as error:  # noqa: BLE001 (user code may raise anything)
                errors.append(error)
    if errors:
        raise errors[0]


def _events(part: Part) -> Sequence[str]:
    events: object = part.model_class.TRAIN_EVENTS
    return (events,) if isinstance(events, str) else tuple(events)  # type: ignore[arg-type]


def _set_default(cls: type, name: str, value: Any) -> None:
    """Set a class attribute that the class does not define itself."""
    if name not in vars(cls):
        setattr(cls, name, value)
