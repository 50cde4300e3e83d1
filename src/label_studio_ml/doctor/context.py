"""The state that the checks share: settings, clients for both servers, and results of earlier checks."""

from dataclasses import dataclass
from pathlib import Path

from label_studio_ml.config.settings import Settings
from label_studio_ml.connect.backend_client import BackendView
from label_studio_ml.protocol.requests import uid_of
from label_studio_ml.studio.resources.label_studio import LabelStudio
from label_studio_ml.studio.transport.api_client import Json
from label_studio_ml.support.texts import our_command


@dataclass
class Context:
    """The backend with `settings` on `port`, and project `number` of `studio`, None if not given.

    Checks set these fields, which stay None if the check fails: `project`, the project in Label Studio's API; `about`,
    the backend's response of /connection; `entry`, the backend in the project; `task`, a task of the project.
    `options` are command-line options that `connect_command` repeats.
    """

    settings: Settings
    folder: Path
    port: int
    view: BackendView
    url: str
    name: str
    studio: LabelStudio | None = None
    number: int | None = None
    project: Json | None = None
    about: Json | None = None
    entry: Json | None = None
    task: Json | None = None
    options: tuple[str, ...] = ()
    studio_works: bool = False
    model_works: bool = False

    @property
    def uid(self) -> str | None:
        """The uid of the project, None while `project` is None."""
        return uid_of(self.project) if self.project is not None else None

    @property
    def connect_command(self) -> str:
        """The fix "Run: ..." with the `connect` command that repairs the connection."""
        return f"Run: {our_command('connect', self.folder, *self.options)}"
