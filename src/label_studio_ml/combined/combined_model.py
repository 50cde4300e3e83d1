"""`Combined`, the base class of models that consist of several models."""

import functools
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from label_studio_ml.combined.merged_prediction import MergedPrediction
from label_studio_ml.combined.part import Part, part_context, parts_of
from label_studio_ml.combined.part_training import PartTrainings
from label_studio_ml.errors import (
    LabelConfigError,
    ModelFileError,
    ModelLoadError,
    NoLabelConfig,
    ParamsError,
)
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_api.api_generation import overrides_hook
from label_studio_ml.model_calls.adapter import call_predict, call_prewarm, construct, reason
from label_studio_ml.model_calls.class_attributes import limit, names
from label_studio_ml.params.class_params import merged_params
from label_studio_ml.params.declared_params import is_pydantic_model
from label_studio_ml.protocol.prediction_json import describe, is_nothing, listed
from label_studio_ml.protocol.webhook_actions import START_TRAINING
from label_studio_ml.training.job import TrainingJob

logger = logging.getLogger(__name__)


class Combined(LabelStudioMLBase):
    """A model that consists of others. Its class lists them:

        class Both(Combined):
            parts = (Ner, Sentiment)

    Each part predicts, and the regions of all are merged for each task; each part that has a `fit` is trained, with a
    folder and a `train_output` of its own. What a part fails at costs its regions alone. A part can be limited to some
    controls: `Part(Ner, controls=["entities"])`.

    The class attributes that control training and serving (`promote_if`, `min_annotations`, …) are those of the
    combined class. `TRAIN_EVENTS` and `long_poll_events` default to the events of all parts, `max_batch_size` and
    `concurrency` to the smallest that a part sets. Each part has its own parameters; `params` defaults to those of all.
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
        for name in ("TRAIN_EVENTS", "long_poll_events"):
            _set_default(
                cls, name, list(dict.fromkeys(value for part in parts for value in _names(part, name)))
            )
        if params := merged_params(part.model_class for part in parts):
            _set_default(cls, "params", params)
        if any(is_pydantic_model(getattr(part.model_class, "params", None)) for part in parts):
            _set_default(cls, "unknown_params", "ignore")  # `merged_params` has no names of pydantic models
        for name in ("max_batch_size", "concurrency"):
            classes = [part.model_class for part in parts if hasattr(part.model_class, name)]
            limits = [limit(model_class, name, 1, least=1) for model_class in classes]
            if limits:
                _set_default(cls, name, min(limits))
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
        _ = self._models  # builds them, unless `setup` did

    @functools.cached_property
    def _models(self) -> list[tuple[Part, LabelStudioMLBase]]:
        """The parts that fit the label config, with the model of each; built at first use, which may be in `setup`.

        Raises LabelConfigError if there are none, and what `_built` raises.
        """
        models: list[tuple[Part, LabelStudioMLBase]] = []
        missing: list[LabelConfigError] = []
        for part in self._parts:
            try:
                models.append((part, self._built(part)))
            except LabelConfigError as error:
                logger.warning("The part %s is left out, its label config does not fit: %s", part.name, error)
                missing.append(error)
        if not models:
            raise missing[0]
        return models

    def __getitem__(self, name: str) -> LabelStudioMLBase:
        """Return the model of the part with this name. Raises KeyError if the label config does not fit it."""
        return {part.name: model for part, model in self._models}[name]

    def _built(self, part: Part) -> LabelStudioMLBase:
        """Return the model of a part.

        Raises LabelConfigError, ParamsError, or for any other exception ModelLoadError, NoLabelConfig if the project
        has no label config.
        """
        context = part_context(self._context, part, [other for other in self._parts if other is not part])
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
            kind = ModelLoadError if self.parsed_label_config else NoLabelConfig
            raise kind(f"The part {part.name} cannot be built: {reason(error)}") from error

    def predict(
        self, tasks: list[dict[str, Any]], context: dict[str, Any] | None = None, **kwargs: Any
    ) -> list[dict[str, Any] | None] | None:
        """Return the merged predictions of all parts; None, or None for a task, if no part returns any.

        With a context, only the parts whose control is used in it are asked. A part that raises is asked again for each
        task alone; a task for which it raises has no regions of it. Raises the first part's error if a task has no
        prediction of any part.
        """
        shared_ids = [region["id"] for region in _context_regions(context) if region.get("id") is not None]
        merged = [MergedPrediction(shared_ids) for _ in tasks]
        answered = [False] * len(tasks)
        errors: list[BaseException | None] = [None] * len(tasks)
        for part, model in self._asked(context):
            answers = self._answers(part, model, tasks, {"context": context, **kwargs})
            for number, answer in enumerate(answers):
                if answer is None:
                    continue
                failure = answer if isinstance(answer, BaseException) else None
                if failure is None:
                    failure = self._add(part, answer, merged[number])
                answered[number] = answered[number] or failure is None
                errors[number] = errors[number] or failure
        for error, has in zip(errors, answered, strict=True):
            if error is not None and not has:
                raise error
        if not any(answered):
            return None
        return [prediction.value() if has else None for prediction, has in zip(merged, answered, strict=True)]

    def _add(self, part: Part, answer: Any, merged: MergedPrediction) -> Exception | None:
        """Add a part's prediction to the merged one of the task; return the error if it is none."""
        try:
            dropped = merged.add(answer)
        except Exception as error:  # noqa: BLE001 (an object from user code may raise anything)
            self._log_failure(part, error)
            return error
        for name in dropped:
            if self._is_first(f"{part.name} answers {name}"):
                logger.warning(
                    "The part %s answers %r, too: the value of the part before it is kept; this is logged once. "
                    "Give each part its controls: Part(%s, controls=[…])",
                    part.name,
                    name,
                    part.model_class.__name__,
                )
        return None

    def _asked(self, context: Any) -> list[tuple[Part, LabelStudioMLBase]]:
        """Return the parts to ask: with a context, those that own the control that was used, if it is known."""
        used = [region.get("from_name") for region in _context_regions(context)]
        if not used:
            return self._models
        owners = [item for item in self._models if item[0].controls and any(map(item[0].owns, used))]
        return owners or [item for item in self._models if item[0].controls is None] or self._models

    def _answers(
        self, part: Part, model: LabelStudioMLBase, tasks: list[dict[str, Any]], params: Mapping[str, Any]
    ) -> list[Any]:
        """Return a part's prediction for each task, None where it has none, an exception where it failed."""
        try:
            returned = call_predict(model, list(tasks), params)
            entries = listed(returned, len(tasks))
        except (Exception, SystemExit) as error:  # noqa: BLE001 (user code may raise anything)
            if len(tasks) == 1:
                self._log_failure(part, error)
                return [error]
            entries = None
        else:
            if entries is None and is_nothing(returned):
                return [None] * len(tasks)
            if entries is None and len(tasks) == 1:
                failure = ValueError(describe(returned, 1))
                self._log_failure(part, failure)
                return [failure]
        if entries is not None:
            return entries
        return [answer for task in tasks for answer in self._answers(part, model, [task], params)]

    def _log_failure(self, part: Part, error: BaseException) -> None:
        """Log why a part has no prediction for a task, once for each cause."""
        cause = reason(error)
        if self._is_first(f"{part.name}: {cause}"):
            logger.error(
                "The part %s has no prediction for a task: %s; this is logged once",
                part.name,
                cause,
                exc_info=error,
            )

    def _is_first(self, message: str) -> bool:
        """Tell whether a message is to be logged: for the first time, and as one of 100 at most."""
        is_first = message not in self._logged and len(self._logged) < 100
        if is_first:
            self._logged.add(message)
        return is_first


def _context_regions(context: Any) -> list[Mapping[str, Any]]:
    """Return the regions that an annotator has drawn, from the context of an interactive request."""
    regions = context.get("result") if isinstance(context, Mapping) else None
    return [region for region in regions if isinstance(region, Mapping)] if isinstance(regions, list) else []


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
    return PartTrainings(models, self.train_output, job, event, data, job_id).run(annotations)


def _fit_event(
    self: Combined,
    event: str,
    data: Any,
    job_id: str = "",
    job: TrainingJob | None = None,
    workdir: str | None = None,
) -> Any:
    """Call `fit` of each part that trains on this event.

    Returns the new `train_output` if one of them returns a dict, else what one of them returns. Raises the first error
    if all of them raise.
    """
    job = job or TrainingJob(job_id, Path(workdir) if workdir else None)
    models = [
        (part, model)
        for part, model in self._models
        if part.generation == "event" and event in {*_names(part, "TRAIN_EVENTS"), START_TRAINING}
    ]
    return PartTrainings(models, self.train_output, job, event, data, job_id).run_event()


def _prewarms(part: Part) -> bool:
    return overrides_hook(part.model_class, "prewarm")


def _prewarm(self: Combined, task: dict[str, Any]) -> None:
    """Call `prewarm` of each part that has one. Raises the first error, after all parts were called."""
    errors: list[BaseException] = []
    for part, model in self._models:
        if _prewarms(part):
            try:
                call_prewarm(model, task)
            except (Exception, SystemExit) as error:  # noqa: BLE001 (user code may raise anything)
                errors.append(error)
    if errors:
        raise errors[0]


def _names(part: Part, attribute: str) -> tuple[str, ...]:
    """Return the names in an attribute of a part's class. Raises ModelFileError."""
    return names(part.model_class, attribute, "of events", '["ANNOTATION_CREATED"]')


def _set_default(cls: type, name: str, value: Any) -> None:
    """Set a class attribute that the class does not define itself."""
    if name not in vars(cls):
        setattr(cls, name, value)
