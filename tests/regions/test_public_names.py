"""The names that `label_studio_ml.regions` has for users."""

import types

from label_studio_ml import regions


def test_no_public_name_is_hidden_by_a_module() -> None:
    hidden = [name for name in regions.__all__ if isinstance(getattr(regions, name), types.ModuleType)]
    assert hidden == []
