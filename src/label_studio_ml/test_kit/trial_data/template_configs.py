"""Label Studio's own templates of label configs, and which of them a class fits."""

import importlib.util
from collections.abc import Iterable, Iterator
from pathlib import Path

from label_studio_ml.controls import Controls
from label_studio_ml.errors import LabelConfigError, SettingsError

#: The folder of the templates in Label Studio's package.
_FOLDER = "annotation_templates"


def templates_folder() -> Path:
    """Return the folder with the templates of the installed Label Studio. Raises SettingsError without one."""
    spec = importlib.util.find_spec("label_studio")
    for place in (spec.submodule_search_locations or []) if spec is not None else []:
        if (folder := Path(place) / _FOLDER).is_dir():
            return folder
    raise SettingsError(
        "Label Studio is not installed in this environment, so that its templates are not here",
        fix=f"Give their folder: --templates PATH/label_studio/{_FOLDER}",
        field="--templates",
    )


def fitting_templates(folder: Path, looked_up: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield name and label config of each template with a control and object that the class looks up, each once.

    Many templates have their label config in two files, `config.xml` and `config.yml`; Label Studio shows the latter's.
    `looked_up` are pairs of a control tag and an object tag, which is empty for any. Raises SettingsError if the folder
    has no templates.
    """
    wanted = set(looked_up)
    paths = sorted(folder.rglob("config.*"))
    if not paths:
        raise SettingsError(f"{folder} has no templates (config.yml, config.xml)", field="--templates")
    seen: set[Path] = set()
    for path in sorted(paths, key=lambda path: (path.parent, path.suffix == ".xml", path.name)):
        if path.parent in seen or not (text := _label_config(path)):
            continue
        seen.add(path.parent)
        if _fits(text, wanted):
            yield path.parent.relative_to(folder).as_posix(), text


def _fits(text: str, wanted: set[tuple[str, str]]) -> bool:
    try:
        controls = Controls(text)
    except LabelConfigError:
        return False
    return any(
        (control.tag, item.tag) in wanted or (control.tag, "") in wanted
        for control in controls
        for item in control.objects
    )


def _label_config(path: Path) -> str:
    """Return the label config of a template; empty if it has none."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".xml":
        return text
    import yaml

    content = yaml.safe_load(text)
    return str(content.get("config") or "") if isinstance(content, dict) else ""
