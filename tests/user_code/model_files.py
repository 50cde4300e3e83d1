"""Files of a backend's folder, for tests."""

from pathlib import Path
from textwrap import dedent

BASE = "from label_studio_ml.model import LabelStudioMLBase\n"


def write(folder: Path, **files: str) -> Path:
    """Write `name=text` as name.py (`pkg__name` as pkg/name.py) and return the first one."""
    paths = []
    for name, text in files.items():
        *packages, stem = name.split("__") if not name.endswith("__init") else [name[:-6], "__init__"]
        path = folder.joinpath(*packages) / f"{stem}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
        paths.append(path)
    return paths[0]
