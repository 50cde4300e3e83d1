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
    `first_backend` is the title of another backend that Label Studio asks instead, empty if there is none.
    `has_params` tells whether the model class declares parameters. `options` are command-line options that
    `connect_command` repeats.
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
    first_backend: str = ""
    options: tuple[str, ...] = ()
    studio_works: bool = False
    model_works: bool = False
    has_params: bool = False

    @property
    def uid(self) -> str | None:
        """The uid of the project, None while `project` is None."""
        return uid_of(self.project) if self.project is not None else None

    @property
    def without_project(self) -> str:
        """Why `project` is None, as the reason of a skipped check; says how to name the project if none is named."""
        if self.studio is None:
            return "Label Studio's address is not given"
        if self.number is None:
            return "give --project ID"
        return f"project {self.number} could not be read"

    @property
    def without_entry(self) -> str:
        """Why the backend's connection with the project cannot be checked, as the reason of a skipped check."""
        if self.studio is None or self.project is None:
            return self.without_project
        return "the backend is not up" if self.about is None else "the backend is not in the project"

    @property
    def without_task(self) -> str:
        """Why `task` is None, as the reason of a skipped check."""
        return self.without_project if self.project is None else "the project has no task"

    @property
    def connect_command(self) -> str:
        """The fix "Run: ..." with the `connect` command that repairs the connection."""
        return f"Run: {our_command('connect', self.folder, *self.options)}"
