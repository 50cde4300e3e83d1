"""The label config in a backend's folder, as `init` writes it: the one that the class is made for."""

from pathlib import Path

from label_studio_ml.errors import ModelFileError

#: Name of the file.
LABEL_CONFIG = "label_config.xml"


def folder_label_config(folder: Path) -> str:
    """Return the text of `label_config.xml` in a backend's folder, empty if there is none.

    Raises ModelFileError if it cannot be read.
    """
    path = folder / LABEL_CONFIG
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ModelFileError(
            f"{path} cannot be read: {error}", fix="Correct or remove it", field=LABEL_CONFIG
        ) from error
