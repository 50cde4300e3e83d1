"""What `start` refuses before it serves: folders in MODEL_DIR that cannot be used."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from label_studio_ml.cli.run.writable import VERSIONS, require_writable
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import SettingsError
from unprivileged import unprivileged

__all__ = ["unprivileged"]


@pytest.fixture
def settings() -> Iterator[Settings]:
    """A model folder that other users may enter, which `tmp_path` does not let them."""
    with tempfile.TemporaryDirectory() as made:
        data = Path(made) / "data"
        for folder in (data, data / "versions", data / "spool"):
            folder.mkdir()
        for folder in (data.parent, data, data / "versions", data / "spool"):
            folder.chmod(0o777)
        yield Settings(backend_dir=data.parent, model_dir=data)


def _refusal(settings: Settings) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        require_writable(settings)
    return caught.value


@pytest.mark.parametrize("name", ["versions", "spool"])
def test_a_file_or_a_dangling_link_in_a_folders_place(settings: Settings, name: str) -> None:
    require_writable(settings)
    folder = settings.model_dir / name
    folder.rmdir()
    require_writable(settings)
    folder.write_text("in the way")
    error = _refusal(settings)
    assert error.message.startswith(f"{folder} is a file, not a folder. ")
    assert f"mv {folder} {folder}.moved" in error.fix
    assert error.fix.endswith("name another folder in MODEL_DIR")
    folder.unlink()
    folder.symlink_to("nowhere")
    error = _refusal(settings)
    assert error.message.startswith(f"{folder} is a link to {folder.parent}/nowhere, which does not exist")


@pytest.mark.parametrize("name", ["versions", "spool"])
@pytest.mark.parametrize(("mode", "what"), [(0o000, "read"), (0o300, "read"), (0o500, "written to")])
def test_missing_rights(
    settings: Settings, unprivileged: Callable[[], int], name: str, mode: int, what: str
) -> None:
    folder = settings.model_dir / name
    folder.chmod(mode | mode >> 3 | mode >> 6)
    user = unprivileged()
    error = _refusal(settings)
    assert error.message.startswith(f"{folder} cannot be {what} by the user with the number {user}. ")
    assert f"chown -R {user} {folder}" in error.fix
    assert f"chmod u+rwx {folder}" in error.fix
    assert error.field == "MODEL_DIR"


def test_what_a_process_does_not_use_may_be_in_any_state(settings: Settings) -> None:
    for name in ("versions", "spool"):
        (settings.model_dir / name).rmdir()
        (settings.model_dir / name).write_text("in the way")
    with pytest.raises(SettingsError, match="versions is a file"):
        require_writable(settings, folders=(VERSIONS,))
    (settings.model_dir / "versions").unlink()
    require_writable(settings, folders=(VERSIONS,))
