"""A second project for the same backend: the same tasks, and controls of other names."""

from label_studio_ml.conformance.sample_project import SECOND_ID, SampleProject
from label_studio_ml.protocol.renamed_config import renamed

#: What the names of the second project's controls end with.
_SUFFIX = "_second"


def second_project(first: SampleProject) -> SampleProject:
    """Return a project that differs from `first` in its id and in the names of its controls.

    Raises LabelConfigError if the label config is not well-formed.
    """
    return SampleProject(SECOND_ID, renamed(first.label_config, _SUFFIX), first.data, first.hostname)
