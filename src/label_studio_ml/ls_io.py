"""Reading a project's labelled tasks from Label Studio, under the older import path."""

from typing import Any

from label_studio_ml.settings import Settings
from label_studio_ml.studio.client import StudioClient


def download_ls_dataset(api_url: str, api_token: str, project_id: int | str) -> list[dict[str, Any]]:
    """Return all tasks of a project that have an annotation, as Label Studio's JSON export has them.

    `api_url` is Label Studio's address, `api_token` a personal access token or a legacy token. Raises StudioError.
    """
    client = StudioClient(api_url, api_token, verify_tls=Settings.from_env().studio_verify_tls)
    try:
        return list(client.labelled_tasks(project_id))
    finally:
        client.close()
