"""Make a project in Label Studio from a label config and a file of tasks, for a backend to be connected with."""

from pathlib import Path

from label_studio_ml.connect.admin import Admin, StudioRefusedError
from label_studio_ml.errors import LabelConfigError, SettingsError, StudioError
from label_studio_ml.labels import parse_label_config

#: What Label Studio imports as tasks; of other files it makes one task each.
_TASK_FILES = (".json", ".csv", ".tsv", ".txt")


def make_project(admin: Admin, title: str, label_config: Path, tasks: Path | None = None) -> tuple[int, int]:
    """Make a project, import the tasks, and return its number and how many tasks it has.

    Raises SettingsError or LabelConfigError before anything is made where a file cannot be used, and StudioError where
    Label Studio refuses.
    """
    xml = _read(label_config, "--label-config").decode("utf-8", "replace")
    if not parse_label_config(xml):
        raise LabelConfigError(
            f"{label_config} has no control tags",
            fix='It needs one such as <Choices name="choice" toName="text">',
            field="--label-config",
        )
    data = _read(tasks, "--tasks") if tasks else b""
    if tasks and tasks.suffix.lower() not in _TASK_FILES:
        raise SettingsError(
            f"{tasks} is not one of {', '.join(_TASK_FILES)}", fix="Give a file of tasks", field="--tasks"
        )
    number = admin.create_project(title, xml)
    if tasks is None:
        return number, 0
    try:
        return number, admin.import_tasks(number, tasks.name, data)
    except StudioRefusedError as error:
        raise StudioError(
            f"Project {number} is made, and the tasks of {tasks} are refused: {error.message}",
            fix=f"Correct the file, import it there, and go on with --project {number} instead of --new",
            field="--tasks",
        ) from None


def _read(path: Path, option: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}", field=option) from None
