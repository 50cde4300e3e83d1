"""How a model reaches Label Studio: URL and token, task files, and the SDK's client."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from label_studio_ml.errors import StudioError
from label_studio_ml.model_api.model_context import ModelContext

if TYPE_CHECKING:
    from label_studio_ml.studio.files.fetch import FileAccess

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StudioAccess:
    """A model's access to Label Studio.

    `context` is what the backend has passed to the model; `hostname` and `access_token` are the model's attributes.
    """

    context: ModelContext
    hostname: str
    access_token: str = field(repr=False)

    def login(self) -> tuple[str, str]:
        """Return Label Studio's URL and token: the configured ones, else those from `/setup`."""
        context = self.context
        if context.files is not None:  # the model was built by a backend, which knows both
            context.files.check_studio()
            return context.studio_url or self.hostname, context.studio_token or self.access_token
        from label_studio_ml.studio.login import configured_login

        return configured_login(self.hostname, self.access_token)

    def files(self, host: str | None = None, token: str | None = None) -> "FileAccess":
        """Return the access to task files, with `host` and `token` in place of the known URL and token if given."""
        from label_studio_ml.studio.addresses.references import same_origin
        from label_studio_ml.studio.login import configured_files

        files = self.context.files or configured_files(self.hostname, self.access_token)
        if not host:
            return replace(files, token=token or files.token)
        # The known token is sent only to the Label Studio that it belongs to, not to another `host`.
        same = same_origin(host, files.studio_url)
        return replace(
            files,
            studio_url=host,
            token=token or (files.token if same else ""),
            studio_private=files.studio_private if same else ("*",),
        )

    def client(self, create: Callable[..., Any]) -> Any:
        """Return the client that `create` makes. Raises StudioError if no URL or token is known."""
        url, token = self.login()
        if not url or not token:
            raise StudioError(
                "Label Studio's URL or token is not known",
                fix="Set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY",
            )
        return create(base_url=url, api_key=token)

    def client_if_possible(self, create: Callable[..., Any]) -> Any:
        """Return the client that `create` makes, which searches for an unknown token itself; False if it fails."""
        url, token = self.login()
        try:
            return create(base_url=url, **({"api_key": token} if token else {}))
        except Exception as error:  # noqa: BLE001 (any failure of the SDK)
            logger.warning("There is no client for Label Studio: %s", error)
            return False
