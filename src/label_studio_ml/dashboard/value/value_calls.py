"""The call of the view Value."""

from typing import TypedDict

from label_studio_ml import errors
from label_studio_ml.dashboard.session_calls import TAG
from label_studio_ml.evaluation.value_report import ValueReport
from label_studio_ml.openapi.declarations.operation import Access, Answer, Operation, Parameter
from label_studio_ml.web.security.page_paths import API


class ValueAnswer(TypedDict):
    """The last report of `label-studio-ml value`, null if there is none; `studio` is Label Studio's address."""

    title: str
    studio: str
    report: ValueReport | None


VALUE = Operation(
    method="GET",
    path=f"{API}value",
    tag=TAG,
    summary="Read the last report of value",
    parameters=(Parameter("project", "The project's uid", required=True),),
    answers={200: Answer("The report", ValueAnswer)},
    errors=(errors.UnknownProject, errors.BrokerError),
    access=Access.SESSION,
)
