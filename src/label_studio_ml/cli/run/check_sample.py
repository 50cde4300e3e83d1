"""Part of `start --check`: predict a sample task, and check the prediction as Label Studio would show it."""

import logging
from pathlib import Path
from typing import Any, cast

import msgspec

from label_studio_ml import samples
from label_studio_ml.cli.shared.sample import SampleConfig, sample_configs, sample_label_config
from label_studio_ml.config.setting_values import InvalidPredictions
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import (
    LabelConfigError,
    ModelLoadError,
    ParamsError,
    PredictError,
    PredictionInvalid,
)
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_calls.adapter import ModelSpec, build, call_predict
from label_studio_ml.model_calls.predictor import Answer, Predictor, Request
from label_studio_ml.protocol.prediction_json import listed
from label_studio_ml.test_kit.child.failure_texts import asks_elsewhere, is_unexplained
from label_studio_ml.test_kit.code_places import UserCode
from label_studio_ml.user_code.loading import user_class
from label_studio_ml.user_code.model_source import locate
from label_studio_ml.validation.region_checks import INVALID
from label_studio_ml.versions.state.key_values import MemoryState
from label_studio_ml.versions.state.project_state import Project

#: Tasks that are predicted of a label config that was given: they differ in size, script and file format.
_TASKS = 3
#: scikit-learn's exception of a model that is not trained yet.
_UNTRAINED = "NotFittedError"


def check_sample(settings: Settings, label_config: str = "") -> str:
    """Predict sample tasks, and return what became of them; empty if no label config for the class is known.

    If `label_config` is empty, one is derived from the tags that the class looks up by name, and one task is predicted.
    A class that cannot be built for it, or whose `predict` raises, passes: a sample is not what it is made for. Raises
    PredictionInvalid if Label Studio could not show all of a prediction, and PredictError if `predict` fails for a
    given label config by a fault of the code; a class may refuse sample tasks with an exception that explains why.
    """
    source = locate(settings.backend_dir, settings.script, settings.class_name)
    cls = cast("type[LabelStudioMLBase]", user_class(settings))
    if not label_config and not sample_configs(source.script):
        return "; no prediction was tried: give --label-config FILE"
    code = UserCode(settings.backend_dir, source.script, source.class_name)
    is_given = bool(label_config)
    logging.disable()  # the outcome is said in one line
    try:
        if label_config:
            model, sampled, count = _build(cls, label_config, settings), "a sample task", _TASKS
        else:
            model, sample = build_for_sample(cls, source.script, settings)
            label_config, sampled, count = sample.label_config, f"a sample task of {sample.tags}", 1
        tasks = samples.tasks(label_config, count)
        predictor = Predictor(model, _spec(label_config), mode=InvalidPredictions.ERROR)
        answers = predictor.answer([Request(msgspec.json.encode([task]), b"{}") for task in tasks])
        for task, answer in zip(tasks, answers, strict=True):
            cause = _cause(answer)
            if is_given and cause and not cause.startswith(INVALID) and _is_faulty(model, task, code):
                raise PredictError(
                    f"predict fails for {sampled}: {cause}",
                    fix="Correct predict, or give the label config of your project with --label-config FILE",
                    field="predict",
                )
    except ModelLoadError as error:
        return f"; no sample task was predicted: {error.message}"
    finally:
        logging.disable(logging.NOTSET)
    outcomes = dict.fromkeys(_outcome(answer, sampled) for answer in answers)
    return "".join(outcomes)


def build_for_sample(
    cls: type[LabelStudioMLBase], script: Path, settings: Settings
) -> tuple[LabelStudioMLBase, SampleConfig]:
    """Return a model of the class, and the first sample label config that it can be built for.

    Raises ModelLoadError if there is none: that of the last one, with the advice to name a label config if it is to
    blame.
    """
    candidates = sample_configs(script) or [
        SampleConfig(sample_label_config("Choices", "Text"), "<Choices> on <Text>")
    ]
    failure: ModelLoadError | None = None
    for sample in candidates:
        try:
            return _build(cls, sample.label_config, settings), sample
        except ParamsError:
            raise
        except ModelLoadError as error:
            failure = error
    assert failure is not None
    if isinstance(failure.__cause__, LabelConfigError):
        raise ModelLoadError(
            f"{cls.__name__} cannot be built for a label config made up of {candidates[-1].tags}: "
            f"{failure.__cause__.message}",
            fix="Add --label-config FILE with the label config of your project",
            field="--label-config",
        ) from failure
    raise failure


def _spec(label_config: str) -> ModelSpec:
    return ModelSpec(project=Project(uid="1", label_config=label_config))


def _build(cls: type[LabelStudioMLBase], label_config: str, settings: Settings) -> LabelStudioMLBase:
    return build(cls, _spec(label_config), settings, MemoryState())


def _outcome(answer: Answer, sampled: str) -> str:
    """Return what became of the sample task. Raises PredictionInvalid if the checks refused its prediction."""
    cause = _cause(answer)
    if cause.startswith(INVALID):
        problems = cause.removeprefix(f"{INVALID}: ")
        raise PredictionInvalid(
            f"Label Studio could not show what predict returns for {sampled}: {problems}", field="predict"
        )
    if cause:
        return f"; its prediction of {sampled} was not checked: {cause}"
    return (
        f"; its prediction of {sampled} is valid"
        if _entries(answer)
        else f"; it predicts nothing for {sampled}"
    )


def _entries(answer: Answer) -> list[Any]:
    entries: list[Any] = msgspec.json.decode(answer.results or b"[]")
    return entries


def _cause(answer: Answer) -> str:
    """Return why the task of an answer has no prediction; empty if it has one, or `predict` returned nothing."""
    entry = next(iter(_entries(answer)), None)
    return answer.error or str((entry.get("error") if isinstance(entry, dict) else "") or "")


def _is_faulty(model: LabelStudioMLBase, task: dict[str, Any], code: UserCode) -> bool:
    """Call `predict` for a task that got no prediction; tell whether a fault of the code is the cause.

    It is none if the exception explains itself, or says that a server or a training is missing.
    """
    try:
        entries = listed(call_predict(model, [task], {}), 1)
        error = next(iter(entries or []), None)
    except BaseException as raised:  # noqa: BLE001 (user code may raise anything, SystemExit too)
        error, entries = raised, []
    if not isinstance(error, BaseException):
        return entries is None
    return is_unexplained(code, error) and not asks_elsewhere(error) and type(error).__name__ != _UNTRAINED
