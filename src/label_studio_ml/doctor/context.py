"""What the checks share: the settings, both servers, and what was found out on the way."""

from dataclasses import dataclass
from pathlib import Path

from label_studio_ml.connect.admin import Admin, Json
from label_studio_ml.connect.backend import BackendView
from label_studio_ml.protocol import uid_of
from label_studio_ml.settings import Settings
from label_studio_ml.texts import our_command


@dataclass
class Context:
    """The backend with `settings` on `port`, and project `number` of the Label Studio that `admin` asks, if known.

    What is found on the way is None until a check found it, and stays so where the check fails: `project` of Label
    Studio, `about` of the backend, `entry` of the backend in the project, `task` of the project. `commands` are the
    options that the fixes repeat.
    """

    settings: Settings
    folder: Path
    port: int
    view: BackendView
    url: str
    name: str
    admin: Admin | None = None
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
        """The uid of the project, None where Label Studio was not asked."""
        return uid_of(self.project) if self.project is not None else None

    @property
    def connect_command(self) -> str:
        """The command that mends the connection."""
        return f"Run: {our_command('connect', self.folder, *self.options)}"
