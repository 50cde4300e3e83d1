"""The version name in a model's context."""

from label_studio_ml.model_api.model_context import ModelContext
from label_studio_ml.versions.state.key_values import MemoryState, StagedState


def test_a_constructor_names_only_the_version_before_any_training() -> None:
    untrained, trained = ModelContext(), ModelContext(version="3")
    assert untrained.set_version_name("0.0.2", building=True)
    assert untrained.version_name() == "0.0.2"
    assert not trained.set_version_name("0.0.2", building=True)
    assert trained.version_name() == "3"


def test_predict_renames_the_served_version() -> None:
    context = ModelContext(version="3")
    assert context.set_version_name("better", building=False)
    assert (context.version_name(), context.renamed) == ("better", "better")


def test_fit_names_the_new_version() -> None:
    context = ModelContext(version="3", state=StagedState(MemoryState()))
    assert context.set_version_name("4", building=False)
    assert (context.version_name(), context.renamed) == ("4", "")
