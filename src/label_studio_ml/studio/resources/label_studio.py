"""A Label Studio: its resources, its version and its clock."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import StudioError
from label_studio_ml.studio.resources.backends import BackendResource
from label_studio_ml.studio.resources.predictions import PredictionResource
from label_studio_ml.studio.resources.projects import ProjectResource
from label_studio_ml.studio.resources.tasks import TaskResource
from label_studio_ml.studio.resources.views import ViewResource
from label_studio_ml.studio.resources.webhooks import WebhookResource
from label_studio_ml.studio.transport.api_client import ApiClient
from label_studio_ml.studio.transport.http import Http

#: Read timeout in seconds. A test prediction takes longest: Label Studio waits up to 100 s for the backend.
_READ_TIMEOUT = 110.0


class LabelStudio:
    """The resources of the Label Studio that `api` reaches. For the exceptions see ApiClient."""

    def __init__(self, api: ApiClient) -> None:
        self.api = api
        self.projects = ProjectResource(api)
        self.tasks = TaskResource(api)
        self.predictions = PredictionResource(api)
        self.webhooks = WebhookResource(api)
        self.backends = BackendResource(api)
        self.views = ViewResource(api)

    @classmethod
    def open(cls, settings: Settings) -> "LabelStudio":
        """Return the Label Studio of the settings for `connect` and `doctor`; close it after use.

        Status 403 is read as a refused request, because Label Studio refuses private addresses with it.
        """
        url, token, verify_tls = settings.studio_url, settings.studio_api_key, settings.studio_verify_tls
        http = Http(url, token, verify_tls=verify_tls, read_timeout=_READ_TIMEOUT)
        return cls(ApiClient(http, blames_token=False))

    @property
    def url(self) -> str:
        """Label Studio's address, without a slash at its end."""
        return self.api.http.base

    def version(self) -> str:
        """Return Label Studio's release; no token is needed. Raises StudioError if the server is not Label Studio."""
        answer = self.api.call("GET", "/api/version", login=False)
        answer = answer if isinstance(answer, dict) else {}
        package = answer.get("label-studio-os-package")
        release = answer.get("release") or (package.get("version") if isinstance(package, dict) else None)
        if not isinstance(release, str):
            raise StudioError(
                f"What answers at {self.url} is not Label Studio",
                fix="Correct --url: Label Studio's address with its sub-path, if it has one",
                field="--url",
            )
        return release

    def clock_difference(self) -> float | None:
        """Return the seconds by which Label Studio's clock is ahead of this machine's; None without a Date header."""
        with self.api.http.request("GET", f"{self.url}/api/version", login=lambda _: False) as response:
            try:
                studio_time = parsedate_to_datetime(response.headers.get("Date", ""))
            except ValueError:
                return None
        return (studio_time - datetime.now(UTC)).total_seconds() if studio_time.tzinfo else None
