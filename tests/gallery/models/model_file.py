"""Load the class of a gallery model, for tests in the project's own environment."""

import importlib.util
import sys
from typing import Any

from label_studio_ml.gallery.catalogue import model_named
from label_studio_ml.model import LabelStudioMLBase


def model_class(name: str) -> Any:
    """Return the model class in the gallery model's `model.py`. What it imports beside it stays imported."""
    path = model_named(name).folder / "model.py"
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    spec = importlib.util.spec_from_file_location(f"gallery_{name.replace('-', '_')}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (made,) = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, LabelStudioMLBase) and value is not LabelStudioMLBase
    ]
    return made
