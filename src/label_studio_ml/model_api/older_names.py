"""Names that model files of older releases import from `label_studio_ml.model`, each resolved when it is first used."""

import importlib
from pathlib import Path
from typing import Any

_MANAGERS = "label_studio_ml.legacy.managers"

#: Names with the modules that define them. Most of these modules are slow to import.
_MODULES = {
    "ModelResponse": "label_studio_ml.response",
    "PredictionValue": "label_studio_ml.response",
    "LabelStudio": "label_studio_sdk",
    "AUTO_UPDATE_DEFAULT": _MANAGERS,
    "JobManager": _MANAGERS,
    "LABEL_STUDIO_ML_BACKEND_V2_DEFAULT": _MANAGERS,
    "LabelStudioMLManager": _MANAGERS,
    "ModelWrapper": _MANAGERS,
    "RQJobManager": _MANAGERS,
    "SimpleJobManager": _MANAGERS,
}


def older_name(name: str) -> Any:
    """Return the object that older releases have as `label_studio_ml.model.<name>`. Raises AttributeError if none.

    `CACHE` is a new key/value store of the event generation. Raises SettingsError for a `CACHE_TYPE` other than
    `sqlite`.
    """
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    if name == "CACHE":
        from label_studio_ml.cache import create_cache
        from label_studio_ml.config.settings import older_cache

        return create_cache(*older_cache())
    if name == "get_all_classes_inherited_LabelStudioMLBase":
        return _model_class_names
    raise AttributeError(f"module 'label_studio_ml.model' has no attribute {name!r}")


def _model_class_names(script: str) -> list[str]:
    """Return the names of the model classes that the file `script` defines. Raises ModelFileError."""
    from label_studio_ml.user_code.class_search import model_classes

    return model_classes(Path(script))
