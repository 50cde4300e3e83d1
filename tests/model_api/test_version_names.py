"""Names of versions that a model gives itself."""

import pytest

from label_studio_ml.model_api.version_names import next_minor


@pytest.mark.parametrize(("name", "bumped"), [("0.0.1", "0.1.0"), ("2.9.3", "2.10.0")])
def test_the_second_number_is_incremented(name: str, bumped: str) -> None:
    assert next_minor(name) == bumped


@pytest.mark.parametrize("name", ["", "1.2", "1.2.3.4", "1.x.3", "1..2.3", "v1.2.3"])
def test_other_forms_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"is not of the form X\.Y\.Z"):
        next_minor(name)
