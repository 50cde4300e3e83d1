"""What `init` says about the chosen model of the gallery: what it does not do by itself in the project."""

from collections.abc import Sequence

from label_studio_ml.controls.collection import Controls
from label_studio_ml.controls.labels import listed
from label_studio_ml.gallery.catalogue import GalleryModel
from label_studio_ml.gallery.fitting_models import Fit
from label_studio_ml.support.texts import plural

#: Controls that a sentence names; the number of the others is given.
_NAMED_CONTROLS = 6


def fit_advice(fit: Fit, fits: Sequence[Fit], label_config: str) -> tuple[str, ...]:
    """Return sentences about a model among those that fit the label config, the most suitable of them first."""
    return (*_empty(fit, fits), *_prompts(fit.model, label_config), *untrained_advice(fit.model, fits))


def untrained_advice(model: GalleryModel, fits: Sequence[Fit] = ()) -> tuple[str, ...]:
    """Return a sentence about a model that predicts nothing before its first training; none for others.

    It names the first of `fits` that predicts at once, if one is suitable.
    """
    if model.predicts_untrained:
        return ()
    text = f"{model.name} predicts after its first training."
    at_once = next((fit.model.name for fit in fits if fit.is_suitable and fit.model.predicts_untrained), "")
    return (f"{text} --example {at_once} predicts at once." if at_once else text,)


def _empty(fit: Fit, fits: Sequence[Fit]) -> list[str]:
    """Return a sentence about the controls that the model does not fill; none if it fills all."""
    if not fit.empty:
        return []
    names = listed([f"<{control.tag}> {control.name}" for control in fit.empty], _NAMED_CONTROLS)
    number = len(fit.empty)
    text = f"{plural(number, 'control stays', 'controls stay')} empty: {names}."
    fullest = max(fits, key=lambda other: len(other.controls))
    if len(fullest.controls) > len(fit.controls):
        text += f" --example {fullest.model.name} {fullest.coverage}."
    return [f"{text} One backend with several models: docs/combined.md."]


def _prompts(model: GalleryModel, label_config: str) -> list[str]:
    """Return a sentence if no control with which a person asks the model is smart; none for other models."""
    if not model.prompts:
        return []
    controls = Controls(label_config).all(model.prompts, on="Image")
    if any(control.is_smart for control in controls):
        return []
    if controls:
        named = listed([f"<{control.tag}> {control.name}" for control in controls], _NAMED_CONTROLS)
        what = f'smart="true" at {named}'
    else:
        what = " or ".join(f'<{tag} smart="true">' for tag in model.prompts)
    return [f"To ask {model.name} while labeling, add {what} in the project's Labeling Interface settings."]
