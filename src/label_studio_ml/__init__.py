"""Label Studio ML backend: serve a class with `predict` and `fit`, train it in the background.

`from label_studio_ml.model import LabelStudioMLBase` is the import that model files use;
`label_studio_ml.LabelStudioMLBase` is the same class, imported on first access: the package itself imports nothing.
"""

from typing import Any

package_name = "label-studio-ml"
__version__ = "3.0.0.dev0"

__all__ = ["LabelStudioMLBase", "__version__", "package_name"]


def __getattr__(name: str) -> Any:
    if name == "LabelStudioMLBase":
        from label_studio_ml.model import LabelStudioMLBase

        return LabelStudioMLBase
    raise AttributeError(f"module 'label_studio_ml' has no attribute {name!r}")
