"""Part of `start --check`: predict a sample task, and check the prediction as Label Studio would show it."""

import logging
from typing import cast

import msgspec

from label_studio_ml import samples
from label_studio_ml.cli.shared.sample import looked_up_tags, sample_label_config
from label_studio_ml.config.setting_values import InvalidPredictions
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import ModelLoadError, PredictionInvalid
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_calls.adapter import ModelSpec, build
from label_studio_ml.model_calls.predictor import Answer, Predictor, Request
from label_studio_ml.user_code.loading import user_class
from label_studio_ml.user_code.model_source import locate
from label_studio_ml.validation.region_checks import INVALID
from label_studio_ml.versions.state.key_values import MemoryState
from label_studio_ml.versions.state.project_state import Project


def check_sample(settings: Settings) -> str:
    """Predict a sample task, and return what became of it; empty if no label config for the class is known.

    It is known if the class looks up its tags by name. A class that cannot be built for it, or whose `predict` raises,
    passes: a sample is not what it is made for. Raises PredictionInvalid if Label Studio could not show all of the
    prediction.
    """
    source = locate(settings.backend_dir, settings.script, settings.class_name)
    tags = looked_up_tags(source.script)
    if tags is None:
        return ""
    sampled = f"a sample task of <{tags[0]}> on <{tags[1]}>"
    label_config = sample_label_config(*tags)
    spec = ModelSpec(project=Project(uid="1", label_config=label_config))
    cls = cast("type[LabelStudioMLBase]", user_class(settings))
    logging.disable()  # the outcome is said in one line
    try:
        model = build(cls, spec, settings, MemoryState())
        tasks = [{"id": 1, **task} for task in samples.tasks(label_config, 1)]
        predictor = Predictor(model, spec, mode=InvalidPredictions.ERROR)
        answer = predictor.answer([Request(msgspec.json.encode(tasks), b"{}")])[0]
    except ModelLoadError as error:
        return f"; {sampled} was not predicted: {error.message}"
    finally:
        logging.disable(logging.NOTSET)
    return _outcome(answer, sampled)


def _outcome(answer: Answer, sampled: str) -> str:
    """Return what became of the sample task. Raises PredictionInvalid if the checks refused its prediction."""
    entries = msgspec.json.decode(answer.results or b"[]")
    entry = entries[0] if entries else {}
    cause = answer.error or (entry.get("error") if isinstance(entry, dict) else "")
    if cause and cause.startswith(INVALID):
        problems = cause.removeprefix(f"{INVALID}: ")
        raise PredictionInvalid(
            f"Label Studio could not show what predict returns for {sampled}: {problems}", field="predict"
        )
    if cause:
        return f"; its prediction of {sampled} was not checked: {cause}"
    return f"; its prediction of {sampled} is valid" if entries else f"; it predicts nothing for {sampled}"
