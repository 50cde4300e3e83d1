"""Declarations of all calls of the dashboard."""

from label_studio_ml.dashboard import session_calls
from label_studio_ml.dashboard.commands import command_calls
from label_studio_ml.dashboard.errors import error_calls
from label_studio_ml.dashboard.now import now_calls
from label_studio_ml.dashboard.projects import project_calls
from label_studio_ml.dashboard.session_calls import events_operation, topic_operation
from label_studio_ml.dashboard.trainings import training_calls
from label_studio_ml.dashboard.trial import trial_calls
from label_studio_ml.dashboard.value import value_calls
from label_studio_ml.dashboard.versions import version_page_calls
from label_studio_ml.openapi.declarations.operation import operations_of

#: The types of the values of all topics, by name.
TOPICS = {
    **now_calls.TOPICS,
    **command_calls.TOPICS,
    **version_page_calls.TOPICS,
    **training_calls.TOPICS,
    **project_calls.TOPICS,
    **error_calls.TOPICS,
}

EVENTS = events_operation(TOPICS)
TOPIC = topic_operation(TOPICS)

OPERATIONS = (
    *operations_of(session_calls),
    EVENTS,
    TOPIC,
    *operations_of(
        now_calls,
        project_calls,
        training_calls,
        version_page_calls,
        value_calls,
        trial_calls,
        error_calls,
        command_calls,
    ),
)
