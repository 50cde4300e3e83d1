"""Read a project's labelled tasks from Label Studio: a function of older releases."""

from typing import Any

from label_studio_ml.config.settings import Settings
from label_studio_ml.studio.client import StudioClient


def download_ls_dataset(api_url: str, api_token: str, project_id: int | str) -> list[dict[str, Any]]:
    """Return all tasks of a project that have an annotation, in the format of Label Studio's JSON export.

    `api_url` is Label Studio's URL, `api_token` a personal access token or a legacy token. Raises StudioError.
    """
    client = StudioClient(api_url, api_token, verify_tls=Settings.from_env().studio_verify_tls)
    try:
        return list(client.labelled_tasks(project_id))
    finally:
        client.close()
