"""Open the version store that the settings name, and find the model folder that a path means."""

from pathlib import Path

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import VersionError
from label_studio_ml.versions.store.local_store import VersionStore


def open_store(settings: Settings) -> VersionStore:
    """Return the version store in MODEL_DIR: a folder, or a remote store by its URL. Nothing is read yet."""
    if not settings.store_url:
        return VersionStore(settings.model_dir, pin=settings.model_version)
    from label_studio_ml.versions.remote.remote_store import RemoteStore

    return RemoteStore(
        settings.store_url,
        settings.model_dir,
        pin=settings.model_version,
        max_bytes=settings.model_cache_bytes,
    )


def check_store(settings: Settings) -> None:
    """Raise SettingsError or StoreError if MODEL_DIR is a URL that cannot be used; a folder is not checked."""
    if settings.store_url:
        from label_studio_ml.versions.remote.object_store import ObjectStore

        ObjectStore(settings.store_url).check()


def model_folder(path: Path) -> Path:
    """Return the model folder that `path` means: `path` itself, or `data` in it if `path` is a backend's folder.

    A folder with versions, a new one and an empty one are model folders. Raises VersionError if both have versions.
    """
    data = path / "data"
    if (path / "versions").is_dir():
        if (data / "versions").is_dir():
            raise VersionError(
                f"{path} has versions in two places: {path / 'versions'} and {data / 'versions'}",
                fix=f"Give {data}, or remove the folder that no backend uses",
                field="URL",
            )
        return path
    is_backend = data.is_dir() or any(path.glob("*.py"))
    return data if is_backend else path
