"""Create a project in Label Studio from a label config and a file of tasks, for `connect --new`."""

from pathlib import Path

from label_studio_ml.errors import LabelConfigError, SettingsError, StudioError, StudioRefusedError
from label_studio_ml.protocol.label_config import parse_label_config
from label_studio_ml.studio.resources.label_studio import LabelStudio

#: Extensions of the files whose content Label Studio imports as tasks; any other file becomes a task itself.
_TASK_FILES = (".json", ".csv", ".tsv", ".txt")


def make_project(
    studio: LabelStudio, title: str, label_config: Path, tasks: Path | None = None
) -> tuple[int, int]:
    """Create a project, import the tasks, and return the project's id and its number of tasks.

    Raises SettingsError or LabelConfigError when a file cannot be used, before the project is created, and StudioError
    when Label Studio refuses the project or the tasks; in the latter case the project exists.
    """
    xml = _read(label_config, "--label-config").decode("utf-8", "replace")
    if not parse_label_config(xml):
        raise LabelConfigError(
            f"{label_config} has no control tags",
            fix='Add one, such as <Choices name="choice" toName="text">',
            field="--label-config",
        )
    data = _read(tasks, "--tasks") if tasks else b""
    if tasks and tasks.suffix.lower() not in _TASK_FILES:
        raise SettingsError(
            f"{tasks} is not a file of tasks: its name ends with none of {', '.join(_TASK_FILES)}",
            fix="Give a file in one of these formats",
            field="--tasks",
        )
    number = studio.projects.create(title, xml)
    if tasks is None:
        return number, 0
    try:
        return number, studio.tasks.add_file(number, tasks.name, data)
    except StudioRefusedError as error:
        raise StudioError(
            f"Project {number} was created, but Label Studio refuses the tasks of {tasks}: {error.message}",
            fix=f"Correct the file, import it into the project, and give --project {number} instead of --new",
            field="--tasks",
        ) from None


def _read(path: Path, option: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}", field=option) from None
