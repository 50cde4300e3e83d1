"""Tabs of a project's Data Manager in Label Studio's API, which calls them views."""

from collections.abc import Sequence

from label_studio_ml.studio.resources.answer_forms import Numbered, ViewAnswer
from label_studio_ml.studio.resources.task_filters import Filter
from label_studio_ml.studio.transport.api_client import ApiClient, Json

#: Field of a tab's data that has its mark. It maps columns to widths, and the mark is a key that is no column. When a
#: person changes a tab, the Data Manager's page writes back the fields that it knows and drops all others, and of most
#: of these the entries that are no columns; of this one it keeps them.
_MARKED_FIELD, _MARK_PREFIX = "columnsWidth", "label-studio-ml:"


class ViewResource:
    """Reads, makes and deletes tabs. For the exceptions see ApiClient."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api

    def of_project(self, project: int) -> list[Json]:
        """Return the tabs of a project: `id`, and in `data` their `title`, `filters` and `ordering`."""
        return self._api.json_list("GET", "/api/dm/views/", form=ViewAnswer, params={"project": str(project)})

    def add(
        self, project: int, title: str, conditions: Sequence[Filter], *, mark: str, ordering: str = ""
    ) -> int:
        """Make a tab of the tasks that meet all conditions, and return its id.

        `mark` is a text by which `is_marked` tells this tab from others. `ordering` is a column such as
        `tasks:predictions_score`; empty for ascending ids.
        """
        data = {
            "title": title,
            "type": "list",
            "target": "tasks",
            "filters": {"conjunction": "and", "items": list(conditions)},
            "ordering": [ordering] if ordering else [],
            _MARKED_FIELD: {f"{_MARK_PREFIX}{mark}": 1},
        }
        body = {"project": project, "data": data}
        return int(self._api.json_object("POST", "/api/dm/views/", form=Numbered, json=body)["id"])

    def delete(self, view_id: int) -> None:
        """Delete a tab."""
        self._api.call("DELETE", f"/api/dm/views/{view_id}/")


def title_of(view: Json) -> str:
    """Return the title of a tab as Label Studio's API returns it."""
    return str((view.get("data") or {}).get("title", ""))


def is_marked(view: Json, mark: str) -> bool:
    """Tell whether a tab was made with this mark."""
    entries = (view.get("data") or {}).get(_MARKED_FIELD)
    return isinstance(entries, dict) and f"{_MARK_PREFIX}{mark}" in entries
